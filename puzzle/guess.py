"""Try a number on the network: how likely is it the right one, and what did each head look at?"""

import argparse
import importlib
import io
import os
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

EXAMPLES = """\
examples:
  python guess.py NUMBER NUMBER                  try some numbers, one after the other
  python guess.py                                be asked for numbers
  python guess.py < numbers.txt                  try every line of a file
  python guess.py NUMBER NUMBER --save try.png   save them as one sheet

A picture has a row for each token that looks and a column for each token
looked at: CLS, which stands before every number, and then the digits. Colours
go from violet, the picture's lowest value, to yellow, its highest. Without
colour, cells go from blank to full; with --ascii, from a dot to an eight."""
HERE = Path(__file__).resolve().parent
DIGITS = "0123456789"
LONGEST_LINE = 10_000  # characters
LARGEST_SHEET = 50  # numbers: matplotlib draws no image higher than 65,535 pixels
LARGEST_FILE = 4_000_000  # bytes: the weights for 16 digits and 8 heads take about 100,000

# A cell's nine levels: matplotlib's viridis, which colour-blind eyes can read, and characters, which a copy keeps.
COLOURS = "#440154 #472d7b #3b528b #2c728e #21918c #28ae80 #5ec962 #addc30 #fde725".split()
SHADES, LETTERS = " ▁▂▃▄▅▆▇█", ".12345678"


class GuessError(Exception):
    """Something the solver can mend, in one sentence."""


def tell(error):
    """Prints an error to the standard error. Returns the exit status for it."""
    print(f"guess.py: {error}", file=sys.stderr, flush=True)
    return 2


def need(name):
    """Imports a module where it is used, because torch takes a second. Raises GuessError where it is not installed."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library that torch needs is missing
        package = (getattr(error, "name", None) or name).partition(".")[0]
        command = f'python -m pip install -r "{HERE / "requirements.txt"}"'
        raise GuessError(f"{package} is not installed, or is damaged: {command}") from error


def read_code(text):
    """The digits in what somebody typed. Raises GuessError where it is not 1 or more digits."""
    code = text.strip()
    if not code:
        raise GuessError("an empty line is no number: type its digits")
    for character in code:
        if character not in DIGITS:
            kind = {"+": "a sign", "-": "a sign", ".": "a decimal point", ",": "a comma"}.get(character, "not a digit")
            raise GuessError(f"{character!r} in {code[:30]!r} is {kind}: a number is typed in digits 0 to 9 alone")
    return code


def read_network(NeuralNetwork, content):
    """A NeuralNetwork (the class), frozen, with the weights in a file's content (bytes). Raises GuessError."""
    torch = need("torch")
    copy = io.BytesIO()  # zipfile compares checksums and torch.load does not, so torch gets what zipfile has read
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as clean:
            for entry in archive.infolist():
                clean.writestr(zipfile.ZipInfo(entry.filename), archive.read(entry))
        weights = torch.load(io.BytesIO(copy.getvalue()), weights_only=True)
        n_hidden, all_heads = weights["projection.weight"].shape
        plain = all(weight.is_contiguous() and weight.abs().max() <= 1e5 for weight in weights.values())
        if not plain or all_heads // n_hidden > 8 or not 2 <= len(weights["embedding.position"]) <= 17:
            raise ValueError("weights that no puzzle has: they could take all memory, or overflow")
        return NeuralNetwork.from_state_dict(weights).requires_grad_(False)
    except Exception as error:  # whatever else is in that file, it is not the weights
        raise GuessError("the weights are damaged, or not those of this network") from error


class Classifier:
    """The frozen network, and what it says about a number."""

    def __init__(self, folder):
        """Loads the network from a folder with model.py and torch_state_dict. Raises GuessError where it can't."""
        try:
            with open(folder / "torch_state_dict", "rb") as file:
                content = file.read(LARGEST_FILE)  # a longer one is cut off, and so damaged
            # Not imported: compiled code beside it could run instead, and two puzzles would share one module.
            model = {"__name__": "model"}
            exec(compile((folder / "model.py").read_bytes(), str(folder / "model.py"), "exec"), model)
            self.network, self.tokenize = read_network(model["NeuralNetwork"], content), model["tokenize"]
            self.max_digits = len(self.network.embedding.position) - 1
            self.answer(DIGITS[0])  # a damaged model.py may fail only when it is asked
        except Exception as error:
            cause = " ".join(str(error).split())
            raise GuessError(f"{folder} cannot be used ({cause}): unpack the puzzle again") from error

    def answer(self, text):
        """An Answer to what somebody typed. Raises GuessError where it is no number that the network can take."""
        code = read_code(text)
        if len(code) > self.max_digits:
            raise GuessError(f"{len(code)} digits are too many: this network takes at most {self.max_digits}")
        tokens = self.tokenize(code)
        matrices = self.network.get_attention_matrices(self.network.embedding(tokens))
        return Answer(code, self.network(tokens).item(), [matrix[0].tolist() for matrix in matrices])


class Answer:
    """What the network says about one number; draws itself on a rich console."""

    def __init__(self, code, probability, matrices):  # matrices: heads x tokens x tokens
        self.code, self.probability, self.matrices = code, probability, matrices
        self.figure = f"{probability:.7g}" if probability > 0.999 else f"{probability:.4g}"
        self.heatmaps = [Heatmap(f"head {i}", matrix, ["CLS", *code]) for i, matrix in enumerate(matrices, 1)]

    def __rich_console__(self, console, options):
        Text, Columns = need("rich.text").Text, need("rich.columns").Columns
        label, right = f"probability {self.figure}", self.probability > 0.5
        width = max(0, min(30, options.max_width - len(self.code) - len(label) - 4))
        filled = round(self.probability * width)
        full, empty = "#-" if options.ascii_only else "█░"
        bar = (full * filled, "green" if right else "red"), (empty * (width - filled), "dim")
        yield Text.assemble((self.code, "bold"), "  ", *bar, "  " if width else "", label, "\n")
        yield Columns([heatmap.text(console, options) for heatmap in self.heatmaps], padding=(1, 4))
        yield Text("\nYou found it: this is the number, and these are its pictures.\n" if right else "", "green")


class Heatmap:
    """A matrix drawn in characters, in colour where there is colour: rows look, columns are looked at."""

    def __init__(self, title, matrix, tokens):
        self.title, self.matrix, self.tokens = title, matrix, tokens
        low, high = min(map(min, matrix)), max(map(max, matrix))
        step = max(high - low, 0.1) / len(COLOURS)  # values that are nearly equal get no colours of their own
        self.limits = low, low + step * len(COLOURS)
        self.levels = [[min(int((value - low) / step), len(COLOURS) - 1) for value in row] for row in matrix]
        ends = (round(value, 2) + 0.0 for value in (low, high))  # no minus before a zero
        self.extent = " to ".join(f"{value:.2f}" if abs(value) < 1e5 else f"{value:.2e}" for value in ends)

    def text(self, console, options):
        """A rich Text. A cell is 3 characters wide, or 2 where two pictures fit side by side so, or what fits."""
        one, two = ((options.max_width + 4) // count - 8 for count in (1, 2))  # characters for a row of cells
        width = min(3, two // len(self.tokens) if two >= 2 * len(self.tokens) else max(1, one // len(self.tokens)))
        texts = LETTERS if options.ascii_only else SHADES
        styles = [f"{colour} on {colour}" if console.color_system in ("256", "truecolor") else "" for colour in COLOURS]
        parts = [(self.title, "bold"), "\n    "]
        parts += [(token if width == 3 else token[0]).center(width) for token in self.tokens]
        for token, levels in zip(self.tokens, self.levels):
            parts += [f"\n{token:>3} ", *((texts[level] * width, styles[level]) for level in levels)]
        return need("rich.text").Text.assemble(*parts, ("\n" + self.extent, "dim"), no_wrap=True, overflow="crop")


def draw(figure, answers):
    """Draws answers on a matplotlib figure, one below the other, with up to four pictures to a row."""
    columns = min(4, len(answers[0].heatmaps))
    rows = -(-len(answers[0].heatmaps) // columns)
    width, height = max(5, 3.4 * columns), 3.8 * rows * len(answers)  # inches; a layout engine would take minutes
    figure.set_size_inches(width, height)
    for number, answer in enumerate(answers):
        for head, heatmap in enumerate(answer.heatmaps):
            row, column = divmod(head, columns)
            left = width / 2 + 3.4 * (column - columns / 2) + 0.7
            bottom = height - 3.8 * (rows * number + row + 1) + 0.6
            axis = figure.add_axes([left / width, bottom / height, 2.6 / width, 2.6 / height])
            axis.imshow(heatmap.matrix, "viridis", clim=heatmap.limits)
            for set_ticks in (axis.set_xticks, axis.set_yticks):
                set_ticks(range(len(heatmap.tokens)), heatmap.tokens)
            axis.tick_params(labelsize=min(10, 100 / len(heatmap.tokens)), length=2)
            axis.set_title(f"{heatmap.title}: {heatmap.extent}", fontsize="medium")
            axis.set(xlabel="token looked at", ylabel="" if column else "token that looks")
            label = "" if head else f"{answer.code}: probability {answer.figure}"
            figure.text(left / width, (bottom + 2.95) / height, label, weight="bold")


def save(answers, path):
    """Saves answers as one sheet, png, svg or pdf by the path's ending. Raises GuessError where it can't."""
    figure = need("matplotlib.figure").Figure()
    draw(figure, answers)
    try:
        with tempfile.TemporaryDirectory(prefix=".guess-", dir=path.parent) as folder:
            figure.savefig(Path(folder) / "sheet", format=path.suffix[1:].lower(), dpi=110)
            os.replace(Path(folder) / "sheet", path)
    except OSError as error:
        raise GuessError(f"{path} cannot be written: {error.strerror}") from error


def show(answers):
    """Shows answers in a window. Raises GuessError where there is none to be had."""
    plt, figure = need("matplotlib.pyplot"), None
    with suppress(ImportError, ValueError):  # no toolkit for windows, or a backend that matplotlib does not know
        figure = plt.figure()
    if figure is None or not figure.canvas.required_interactive_framework:
        raise GuessError("no window can be opened here: use --save FILE instead of --plot")
    draw(figure, answers)
    plt.show()


def declare():
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="guess.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("codes", nargs="*", type=read_code, metavar="NUMBER", help="digits, leading zeros counted")
    parser.add_argument("--save", type=Path, metavar="FILE", help="save the answers as one sheet: .png, .svg or .pdf")
    parser.add_argument("--plot", action="store_true", help="show the answers in a window")
    parser.add_argument("--ascii", action="store_true", help="draw with digits, for consoles without Unicode")

    def refuse(message):
        raise GuessError(f"{message}; --help tells what is possible")

    parser.error = refuse
    return parser


def judge(codes, path, plot):
    """Raises GuessError where the command line asks for what cannot be."""
    if not codes and (path or plot or sys.stdin is None):
        raise GuessError("no number is given: python guess.py NUMBER, and then --save try.png or --plot")
    if len(codes) > LARGEST_SHEET and (path or plot):
        raise GuessError(f"a sheet has room for {LARGEST_SHEET} numbers, and these are {len(codes):,}")
    if path or plot:
        need("matplotlib")
    if path and path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise GuessError(f"{path} is not a file name that ends in .png, .svg or .pdf")
    if path and not os.path.isdir(path.parent):
        raise GuessError(f"{path} cannot be written: there is no folder {path.parent}")


def lines(max_digits):
    """The lines of the standard input; at a prompt, until an empty one. Raises GuessError where one has no end."""
    if sys.stdin.isatty():
        with suppress(GuessError):
            need("readline")  # gives input() a history, where the platform has it
        print(f"Type the digits of a number, at most {max_digits}; an empty line leaves.")
        try:
            yield from iter(lambda: input("> ").strip(), "")
        except EOFError:
            print()  # the cursor stands behind the prompt
        return
    sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    for line in iter(lambda: sys.stdin.readline(LONGEST_LINE), ""):
        if len(line) == LONGEST_LINE:
            raise GuessError(f"a line has {LONGEST_LINE:,} characters or more, and one number is wanted")
        yield line


def main():
    """Answers what the command line asks for. Returns the exit status."""
    if sys.stdout is None:
        raise GuessError("no answer can be shown: the standard output is closed")
    wanted = declare().parse_args()
    # The console may lack a letter of a file's name.
    sys.stdout.reconfigure(encoding="ascii" if wanted.ascii else None, errors="backslashreplace")
    judge(wanted.codes, wanted.save, wanted.plot)
    console = need("rich.console").Console(highlight=False, color_system=None if wanted.ascii else "auto")
    console.width = console.width if console.width >= 24 else 80  # with COLUMNS=0, say, nothing would be shown
    need("torch").set_num_threads(1)  # the network is so small that more threads wait longer than they compute
    classifier = Classifier(HERE / "classifier")

    if wanted.codes:
        answers = [classifier.answer(code) for code in wanted.codes]
        console.print(*answers)
        if wanted.save:
            save(answers, wanted.save)
            print(f"saved: {wanted.save}")
        if wanted.plot:
            show(answers)
        return 0

    status, typed = 0, sys.stdin.isatty()
    for number, line in enumerate(lines(classifier.max_digits), 1):
        try:
            if line.strip():
                console.print(classifier.answer(line))
        except GuessError as error:
            status = tell(error if typed else f"line {number}: {error}")
    return 0 if typed else status


if __name__ == "__main__":
    try:
        try:
            sys.exit(main())
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except GuessError as error:
        sys.exit(tell(error))
    except KeyboardInterrupt:
        print(file=sys.stderr)
        sys.exit(130)
    except OSError as error:  # nobody reads on, or the disk that the answer goes to is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        told = f"no number can be read, or no answer can be written: {error.strerror}"
        sys.exit(1 if isinstance(error, BrokenPipeError) else tell(told))
