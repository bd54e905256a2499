"""Try a number on the network: how likely is it the right one, and what did each head look at?"""

import argparse
import io
import os
import sys
import zipfile
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIGITS = "0123456789"
EXAMPLES = """\
examples:
  python guess.py 90210                        try one number
  python guess.py 90210 4711 007               try some, one after the other
  python guess.py                              be asked, again and again
  python guess.py < numbers.txt                try every line of a file
  python guess.py 90210 4711 --save tries.png  save them as one sheet, a row per number

A picture has a row for each token that looks and a column for each token looked at: CLS, which
stands before every number, and then the digits. Each picture has its own range of colours."""

# The colours of matplotlib's viridis, at equal steps from lowest to highest.
VIRIDIS = "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725".split()
BLOCKS = " ░▒▓█"
LETTERS = " .:-=+*#%@"


class GuessError(Exception):
    """Something the solver can mend, told in one sentence."""


def read_code(text):
    """The digits in what somebody typed. Raises GuessError where it is not 1 or more digits."""
    code = text.strip()
    if not code:
        raise GuessError("an empty line is no number: type its digits, such as 90210")
    for character in code:
        if character not in DIGITS:
            kind = {"+": "a sign", "-": "a sign", ".": "a decimal point", ",": "a comma"}.get(character, "not a digit")
            raise GuessError(f"{character!r} is {kind}: a number is typed in digits 0 to 9 and nothing else")
    return code


class Classifier:
    """The frozen network, and what it says about a number."""

    def __init__(self, folder):
        """Loads the network from a folder with model.py and torch_state_dict. Raises GuessError where it can't."""
        sys.path.insert(0, str(folder))
        try:
            import torch
            from model import NeuralNetwork, tokenize
        except ModuleNotFoundError as error:
            if error.name == "model":
                raise GuessError(f"{folder / 'model.py'} is missing: unpack the puzzle again") from error
            raise missing(error) from error
        finally:
            sys.path.remove(str(folder))
        try:
            content = (folder / "torch_state_dict").read_bytes()
        except OSError as error:
            raise GuessError(f"{error.filename} cannot be read ({error.strerror}): unpack the puzzle again") from error
        try:
            weights = torch.load(verified(content), weights_only=True)
            for weight in weights.values():
                if weight.dtype != torch.float32 or not weight.is_contiguous() or not weight.isfinite().all():
                    raise ValueError("weights that are no plain numbers")
            self.network = NeuralNetwork.from_state_dict(weights).requires_grad_(False)
            self.max_digits = len(self.network.embedding.position) - 1
            if self.max_digits < 1:
                raise ValueError("no room for a digit")
        except Exception as error:  # whatever else is in that file, it is not the weights
            raise GuessError(
                f"{folder / 'torch_state_dict'} is damaged, or not this network's weights: unpack the puzzle again"
            ) from error
        self.tokenize = tokenize

    def answer(self, text):
        """An Answer to what somebody typed. Raises GuessError where it is no number that the network can take."""
        code = read_code(text)
        if len(code) > self.max_digits:
            raise GuessError(f"{len(code)} digits are too many: this network takes 1 to {self.max_digits}")
        tokens = self.tokenize(code)
        matrices = self.network.get_attention_matrices(self.network.embedding(tokens))
        return Answer(code, self.network(tokens).item(), [matrix[0].tolist() for matrix in matrices])


def verified(content):
    """An archive's entries in an archive of its own. Raises an exception where one is damaged.

    torch.load does not look at the checksums and believes all else that an archive says of itself: it gets only what
    the checksums vouch for.
    """
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as clean:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError("an entry that is packed smaller than it is")
            clean.writestr(entry.filename, archive.read(entry))
    copy.seek(0)
    return copy


class Answer:
    """What the network says about one number; draws itself on a rich console."""

    def __init__(self, code, probability, matrices):
        self.code = code
        self.probability = probability
        self.matrices = matrices  # heads x tokens x tokens

    @property
    def figure(self):
        """The probability, with the digits that matter at both ends."""
        if self.probability < 0.001:
            return f"{self.probability:.1e}" if self.probability else "below 1e-45"
        return f"{self.probability:.7f}" if self.probability > 0.999 else f"{self.probability:.4f}"

    def __rich_console__(self, console, options):
        from rich.columns import Columns
        from rich.text import Text

        label = f"probability {self.figure}"
        width = max(4, min(30, options.max_width - len(self.code) - len(label) - 4))
        filled = round(self.probability * width)
        full, empty = ("█", "░") if options.encoding.startswith("utf") else ("#", "-")
        colour = "green" if self.probability > 0.5 else "red"
        yield Text.assemble(
            (self.code, "bold"), "  ", (full * filled, colour), (empty * (width - filled), "dim"), "  ", label
        )
        yield Text()
        tokens = ["CLS", *self.code]
        yield Columns(
            [Heatmap(f"head {i}", matrix, tokens) for i, matrix in enumerate(self.matrices, 1)],
            padding=(1, 4),
        )
        yield Text()


class Heatmap:
    """A matrix as coloured cells, or as shades where there is no colour: rows look, columns are looked at."""

    CELL = 3  # characters wide: about as wide as high, and room for "CLS"

    def __init__(self, title, matrix, tokens):
        self.title = title
        self.matrix = matrix
        self.tokens = tokens
        self.low = min(map(min, matrix))
        self.high = max(map(max, matrix))

    def __rich_measure__(self, console, options):
        from rich.measure import Measurement

        width = max(18, self.CELL * (1 + len(self.tokens)) + 1)  # the range of values needs 18
        return Measurement(width, width)

    def __rich_console__(self, console, options):
        from rich.text import Text

        if console.color_system in ("256", "truecolor") and not console.no_color:
            cell = self.coloured
        else:
            shades = BLOCKS if options.encoding.startswith("utf") else LETTERS
            cell = partial(self.shaded, shades)
        yield Text(self.title, style="bold")
        header = (token.center(self.CELL) for token in self.tokens)
        yield Text.assemble(" " * (self.CELL + 1), *header, no_wrap=True, overflow="crop")
        for token, row in zip(self.tokens, self.matrix):
            yield Text.assemble(token.rjust(self.CELL), " ", *map(cell, row), no_wrap=True, overflow="crop")
        low, high = (round(value, 2) + 0.0 for value in (self.low, self.high))  # no minus before a zero
        yield Text(f"{low:.2f} to {high:.2f}", style="dim", no_wrap=True, overflow="crop")

    def share(self, value):
        """Where a value lies between the matrix's lowest (0) and its highest (1)."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0

    def coloured(self, value):
        place = self.share(value) * (len(VIRIDIS) - 1)
        index = min(int(place), len(VIRIDIS) - 2)
        below, above = (bytes.fromhex(colour) for colour in VIRIDIS[index : index + 2])
        mixed = [round(b + (a - b) * (place - index)) for b, a in zip(below, above)]
        return " " * self.CELL, "on #" + bytes(mixed).hex()

    def shaded(self, shades, value):
        return shades[round(self.share(value) * (len(shades) - 1))] * self.CELL


def draw(figure, answers):
    """Draws answers on a matplotlib figure, a row per number and a column per head."""
    heads = len(answers[0].matrices)
    figure.set_size_inches(1 + 3 * heads, 3.5 * len(answers))
    for answer, row in zip(answers, figure.subfigures(len(answers), 1, squeeze=False)[:, 0]):
        row.suptitle(f"{answer.code}: probability {answer.figure}")
        axes = row.subplots(1, heads, squeeze=False)[0]
        axes[0].set_ylabel("token that looks")
        for head, (axis, matrix) in enumerate(zip(axes, answer.matrices), 1):
            axis.set_xlabel("token looked at")
            image = draw_matrix(axis, matrix, ["CLS", *answer.code], f"head {head}")
            row.colorbar(image, ax=axis, fraction=0.046)


def draw_matrix(axis, matrix, tokens, title, **limits):
    """Draws one matrix on matplotlib axes, a row per token that looks and a column per token looked at."""
    axis.set_xticks(range(len(tokens)), tokens)
    axis.set_yticks(range(len(tokens)), tokens)
    axis.set_title(title, fontsize="medium")
    return axis.imshow(matrix, cmap="viridis", **limits)


def save(answers, path):
    """Saves answers as one sheet, png, svg or pdf by the path's ending. Raises GuessError where it can't."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise missing(error) from error

    figure = Figure(layout="constrained")
    draw(figure, answers)
    sheet = io.BytesIO()
    figure.savefig(sheet, format=path.suffix[1:].lower(), dpi=150)
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_bytes(sheet.getvalue())
        os.replace(unfinished, path)
    except OSError as error:
        if unfinished.exists():
            unfinished.unlink()
        raise GuessError(f"{path} cannot be written: {error.strerror}") from error


def show(answers):
    """Shows answers in a window. Raises GuessError where there is none to be had."""
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise missing(error) from error
    try:
        figure = plt.figure(layout="constrained")
    except (ImportError, ValueError):  # no toolkit for windows, or a backend that matplotlib does not know
        figure = None
    if figure is None or not figure.canvas.required_interactive_framework:
        raise GuessError("no window can be opened here: use --save FILE instead of --plot")
    draw(figure, answers)
    plt.show()


def missing(error):
    """The sentence for a package that is not installed."""
    package = error.name.partition(".")[0]
    return GuessError(f'{package} is not installed: python -m pip install -r "{HERE / "requirements.txt"}"')


def questions(max_digits):
    """What somebody types at the prompt, line by line, until an empty line or the end."""
    try:
        import readline  # noqa: F401  gives input() a history, where the platform has it
    except ImportError:
        pass
    print(f"Type a number of 1 to {max_digits} digits; an empty line leaves.")
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt) as error:
            print()
            if isinstance(error, KeyboardInterrupt):
                raise
            return
        if not line:
            return
        yield line


def main():
    sys.dont_write_bytecode = True  # leave nothing behind but the answer
    parser = argparse.ArgumentParser(
        prog="guess.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("codes", nargs="*", metavar="NUMBER", help="digits, leading zeros counted")
    parser.add_argument("--save", type=Path, metavar="FILE", help="save the answers as one sheet: .png, .svg or .pdf")
    parser.add_argument("--plot", action="store_true", help="show the answers in a window")
    parser.add_argument("--ascii", action="store_true", help="draw with plain letters, for consoles without Unicode")
    parser.error = lambda message: sys.exit(complain(f"{message}; --help tells what is possible"))
    arguments = parser.parse_args()

    # Letters that the console has not, in a file's name say, are no reason to stop.
    sys.stdout.reconfigure(encoding="ascii" if arguments.ascii else None, errors="backslashreplace")
    for code in arguments.codes:
        read_code(code)  # before torch is loaded, which takes a second
    if (arguments.save or arguments.plot) and not arguments.codes:
        raise GuessError("--save and --plot want a number beside them: python guess.py 90210 --save try.png")
    if arguments.save and arguments.save.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise GuessError(f"{arguments.save} must end in .png, .svg or .pdf")
    if arguments.save and not arguments.save.absolute().parent.is_dir():
        raise GuessError(f"{arguments.save} cannot be written: there is no folder {arguments.save.parent}")
    if not arguments.codes and sys.stdin is None:
        raise GuessError("there is nobody to ask: python guess.py 90210")

    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise missing(error) from error
    classifier = Classifier(HERE / "classifier")
    console = Console(highlight=False, color_system=None if arguments.ascii else "auto")

    if arguments.codes:
        answers = [classifier.answer(code) for code in arguments.codes]
        console.print(*answers)
        if arguments.save:
            save(answers, arguments.save)
            print(f"saved: {arguments.save}")
        if arguments.plot:
            show(answers)
        return 0

    if sys.stdin.isatty():
        for line in questions(classifier.max_digits):
            try:
                console.print(classifier.answer(line))
            except GuessError as error:
                complain(error)
        return 0

    status = 0
    sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(sys.stdin, 1):
        try:
            if line.strip():
                console.print(classifier.answer(line))
        except GuessError as error:
            status = complain(f"line {number}: {error}")
    return status


def complain(error):
    print(f"guess.py: {error}", file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GuessError as error:
        sys.exit(complain(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # nobody reads on, or the disk that the answer goes to is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1 if isinstance(error, BrokenPipeError) else complain(f"no answer can be written: {error.strerror}"))
