"""Try a number on the network: is it right, and what does each head look at?

  python guess.py NUMBER NUMBER           try numbers, one after the other
  python guess.py                         be asked for numbers, until you quit
  python guess.py < numbers.txt           try every line of a file
  python guess.py NUMBER --save try.png   save what you see as a sheet

Rows are the tokens that look, columns those looked at; CLS stands before the
digits. Low values are violet, blank or dots, high ones yellow, full or eights.
"""

import sys
import zipfile
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent


class GuessError(Exception):
    """Something the solver can mend, in one sentence."""


def load():
    """The frozen network, and the function that makes tokens of a number. Raises GuessError where they are damaged."""
    import torch

    torch.set_num_threads(
        1
    )  # the network is so small that more threads wait longer than they compute
    sys.dont_write_bytecode = (
        True  # an author hands this folder out, and compiled code names the folders above it
    )
    weights = HERE / "classifier" / "torch_state_dict"
    try:
        from classifier.model import NeuralNetwork, tokenize

        if zipfile.ZipFile(weights).testzip():  # it compares checksums, and torch.load does not
            raise zipfile.BadZipFile(weights)
        network = NeuralNetwork.from_state_dict(torch.load(weights, weights_only=True))
    except Exception as error:  # damaged files raise many kinds
        raise GuessError(
            f"{weights.parent} is damaged, or a file is missing: unpack the puzzle again"
        ) from error
    return network.requires_grad_(False), tokenize


def ask(network, tokenize, text):
    """The network's answer to what somebody typed: code, probability, a matrix per head. Raises GuessError."""
    code, max_digits = read_code(text), len(network.embedding.position) - 1
    if len(code) > max_digits:
        raise GuessError(
            f"{len(code)} digits are too many: this network takes at most {max_digits}"
        )
    tokens = tokenize(code)  # (1, 1 + digits)
    matrices = network.get_attention_matrices(
        network.embedding(tokens)
    )  # heads x (1, 1 + digits, 1 + digits)
    return code, network(tokens).item(), [matrix[0].tolist() for matrix in matrices]


def read_code(text):
    """The digits in what somebody typed. Raises GuessError where it is not 1 or more digits."""
    code = text.strip()
    if not code or code.strip("0123456789"):
        raise GuessError(f"{code[:30]!r} is no number: type digits 0 to 9 alone")
    return code


def show(console, code, probability, matrices):
    """Shows an answer on a rich console, the right one in a frame."""
    from rich import columns, panel

    name, style, frame = ("picture", "bold green", 2) if probability > 0.5 else ("head", "bold", 0)
    texts = [
        draw(f"{name} {i}", ["CLS", *code], matrix, console, frame)
        for i, matrix in enumerate(matrices, 1)
    ]
    pictures = columns.Columns(texts, padding=(1, 2))
    if frame:
        pictures = panel.Panel(
            pictures, title="You found it: this is the one", border_style=style, padding=(1, 0)
        )
    console.print(f"[{style}]{code}: probability {probability:.7g}", "", pictures, "", sep="\n")


# A cell's nine levels: matplotlib's viridis, which colour-blind eyes can read, and characters, which a copy keeps.
COLOURS = "#440154 #472d7b #3b528b #2c728e #21918c #28ae80 #5ec962 #addc30 #fde725".split()
SHADES, LETTERS = " ▁▂▃▄▅▆▇█", ".12345678"
FLAT = 0.1  # the smallest range of values that fills all nine colours


def extent(matrix):
    """A matrix's lowest value and its highest, in hundredths, and the value that has the darkest colour."""
    low, high = (
        round(end(map(end, matrix)), 2) + 0.0 for end in (min, max)
    )  # + 0.0: no minus before a zero
    return low, high, low if high - low >= FLAT else min(low, 0.0)


def draw(title, tokens, matrix, console, frame):
    """A matrix as a rich Text. Cells are 3 characters wide, or narrower where two pictures, or one, fit only so."""
    from rich.text import Text

    one, two = (
        (console.width - frame + 2) // count - 6 for count in (1, 2)
    )  # characters for a row of cells
    cell = min(3, two // len(tokens) if two >= 2 * len(tokens) else max(1, one // len(tokens)))
    low, high, dark = extent(matrix)
    levels = [
        [min(8, int(9 * (value - dark) / max(high - dark, FLAT))) for value in row]
        for row in matrix
    ]
    characters = LETTERS if console.options.ascii_only else SHADES
    styles = [
        f"{colour} on {colour}" if console.color_system in ("256", "truecolor") else ""
        for colour in COLOURS
    ]
    parts = [
        (title, "bold"),
        "\n    ",
        *((token if cell == 3 else token[0]).center(cell) for token in tokens),
    ]
    for token, row in zip(tokens, levels):
        parts += [f"\n{token:>3} ", *((characters[level] * cell, styles[level]) for level in row)]
    return Text.assemble(
        *parts, (f"\n{low:.2f} to {high:.2f}", "dim"), no_wrap=True, overflow="crop"
    )


def draw_sheet(answers, path, in_window):
    """Saves answers as one sheet, or shows them in a window: one below the other, up to four pictures to a row."""
    from matplotlib import figure, pyplot

    rows, columns = (len(answers[0][2]) + 3) // 4, min(4, len(answers[0][2]))
    size = max(5, 3.4 * columns), 3.8 * rows * len(answers)  # inches
    sheet = (pyplot.figure if in_window else figure.Figure)(figsize=size, layout="constrained")
    if in_window and not sheet.canvas.required_interactive_framework:
        raise GuessError("no window can be opened here: use --save FILE instead of --plot")
    for part, (code, probability, matrices) in zip(
        sheet.subfigures(len(answers), squeeze=False).flat, answers
    ):
        part.suptitle(
            f"{code}: probability {probability:.7g}",
            color="green" if probability > 0.5 else "black",
        )
        for number, matrix in enumerate(matrices, 1):
            low, high, dark = extent(matrix)
            axis = part.add_subplot(
                rows, columns, number, title=f"head {number}: {low:.2f} to {high:.2f}"
            )
            axis.imshow(matrix, "viridis", vmin=dark, vmax=max(high, dark + FLAT))
            axis.set(
                xticks=range(len(matrix)), xticklabels=["CLS", *code], xlabel="token looked at"
            )
            axis.set(
                yticks=range(len(matrix)), yticklabels=["CLS", *code], ylabel="token that looks"
            )
            axis.tick_params(labelsize=min(10, 100 / len(matrix)))
    if path:
        draft = path.with_name(
            f"unfinished-{path.name}"
        )  # on a full disk, what was there before stays
        sheet.savefig(draft, dpi=110, metadata={"Title": "saved by guess.py"})
        print(f"saved: {draft.replace(path)}")
    if in_window:
        pyplot.show()


def answer_lines(console, network, tokenize):
    """Answers numbers that are typed, or every line of a file. Returns the exit status."""
    is_typed, guesses, status = sys.stdin.isatty(), 0, 0
    if is_typed:
        with suppress(ImportError):  # Windows has a history without it
            import readline  # noqa: F401
        print("Type a number's digits, or 'help'; 'quit' or an empty line leaves.")
    sys.stdin.reconfigure(
        encoding="utf-8-sig", errors="replace"
    )  # a file may begin with a byte order mark
    for number, line in enumerate(
        iter(lambda: input("> ").strip(), "") if is_typed else sys.stdin, 1
    ):
        word = line.strip().lower()
        if word in ("quit", "exit", "q"):
            break
        if word == "help":
            console.print(__doc__)
        elif word:
            try:
                answer = ask(network, tokenize, line)
                show(console, *answer)
                guesses += 1
                if is_typed and answer[1] > 0.5:
                    readme = HERE / "README.md"
                    title = (
                        readme.read_text("utf-8", "replace").split("\n")[0]
                        if readme.exists()
                        else "the puzzle"
                    )
                    print(
                        f'solved "{title.strip().removeprefix("# ")}" in {guesses} guess{"es" * (guesses > 1)}'
                    )
            except GuessError as error:
                status = tell(error if is_typed else f"line {number}: {error}")
    return 0 if is_typed else status


def main():
    """Answers what the command line asks for. Returns the exit status."""
    parser = ArgumentParser(
        "guess.py", SUPPRESS, __doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "codes", nargs="*", type=read_code, metavar="NUMBER", help="digits, leading zeros counted"
    )
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="save the answers as one sheet: .png, .svg or .pdf",
    )
    parser.add_argument("--plot", action="store_true", help="show the answers in a window")
    parser.add_argument(
        "--ascii", action="store_true", help="draw with digits, for consoles without Unicode"
    )
    wanted = parser.parse_args()
    if (wanted.save or wanted.plot) and not wanted.codes:
        raise GuessError(
            "no number is given: python guess.py NUMBER, and then --save try.png or --plot"
        )
    if wanted.save and (
        wanted.save.suffix.lower() not in (".png", ".svg", ".pdf")
        or not wanted.save.parent.is_dir()
    ):
        raise GuessError(
            f"{wanted.save} is no file name that ends in .png, .svg or .pdf, in a folder that exists"
        )

    from rich.console import Console

    sys.stdout.reconfigure(encoding="ascii" if wanted.ascii else None, errors="backslashreplace")
    console = Console(highlight=False, color_system=None if wanted.ascii else "auto")
    network, tokenize = load()
    answers = [ask(network, tokenize, code) for code in wanted.codes]
    for answer in answers:
        show(console, *answer)
    if wanted.save or wanted.plot:
        draw_sheet(answers, wanted.save, wanted.plot)
    return 0 if answers else answer_lines(console, network, tokenize)


def tell(error):
    """Prints an error. Returns the exit status for it."""
    print(f"guess.py: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GuessError as error:
        sys.exit(tell(error))
    except ImportError as error:
        remedy = f'python -m pip install -U -r "{HERE / "requirements.txt"}"'
        sys.exit(tell(f"{error.name or 'a package'} is missing or damaged: {remedy}"))
    except (KeyboardInterrupt, EOFError) as leaving:  # Ctrl-C, Ctrl-D
        print(file=sys.stderr)
        sys.exit(0 if isinstance(leaving, EOFError) else 130)
    except OSError as error:  # the disk is full, or nobody reads on
        sys.stdout = None  # Python would write to it once more
        sys.exit(tell(f"{error.filename or 'the answer'} cannot be written: {error.strerror}"))
