"""The builder's command line: trains, certifies and writes a puzzle.

  python -m builder                          build the default puzzle, in puzzle/
  python -m builder --new 310535 key.toml    write a puzzle file to draw on
  python -m builder key.toml --sheet         build key/, draw what solvers see
  python -m builder key.toml --check --zip   certify key/, pack key.zip

A puzzle file is TOML: the code, the pictures, a title, a story. --new writes
one with all its keys. The bundle, its zip and the sheet lie beside it. A build
keeps files that you added to the bundle, such as a letter, and --zip packs
them. It replaces no README.md or start.ipynb that you edited, and it hands out
no file that holds the code.
"""

import tomllib
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import dataclass
from pathlib import Path

from builder.errors import PuzzleError
from builder.interrupts import delayed_interrupt
from builder.paths import GHOST, PUZZLE, ROOT, beside
from builder.puzzle_file.blank import blank_puzzle
from builder.puzzle_file.secret import Secret
from builder.puzzle_file.source import is_puzzle_file
from builder.puzzle_file.texts import check_name
from builder.words import quote, short_path, started_as

MAX_SEED = 2**63 - 1


def run(arguments):
    """Does what the arguments (a list of strings) ask for. Raises PuzzleError."""
    wanted = make_parser().parse_args(arguments)
    if wanted.new is not None:
        write_new(wanted)
        return
    secret = Secret.read(wanted.puzzle or GHOST)
    choices = resolve(wanted)
    check_names(choices, secret)
    with delayed_interrupt():  # torch takes a second, so mistakes above need not wait for it
        if choices.teams:
            from builder import event as task
        else:
            from builder import commands as task
    task.run(choices, secret)


class Parser(ArgumentParser):
    """An ArgumentParser whose errors are one sentence."""

    def error(self, message):
        raise PuzzleError(f"{message}; --help lists what is possible")


def make_parser():
    """The parser of the command line. Its options say what they do."""
    parser = Parser(
        usage=f"{started_as()} [puzzle] [options]",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "puzzle",
        nargs="?",
        type=to_path,
        help="a puzzle file (default: the default puzzle)",
    )
    parser.add_argument(
        "--new",
        metavar="CODE",
        help="write a new puzzle file for this code, or print it if no file is named",
    )
    parser.add_argument(
        "--out",
        type=to_path,
        metavar="DIR",
        help="the folder for the bundle (default: named like the puzzle file, beside it)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="where training starts from (default: 0); each gives another network",
    )
    parser.add_argument(
        "--check",
        nargs="?",
        const="",
        metavar="DIR",
        help="build nothing, certify the bundle that is there",
    )
    parser.add_argument(
        "--attack",
        action="store_true",
        default=None,
        help="say how soon solvers find the code, attack by attack",
    )
    parser.add_argument(
        "--zip",
        nargs="?",
        const="",
        metavar="FILE",
        help="pack the bundle for solvers (default: named like the bundle, beside it)",
    )
    parser.add_argument(
        "--sheet",
        nargs="?",
        const="",
        metavar="FILE",
        help="draw what solvers see, for you alone (default: beside the bundle)",
    )
    parser.add_argument(
        "--walkthrough",
        nargs="?",
        const="",
        metavar="FILE",
        help="write a notebook that finds the code, for after the event",
    )
    parser.add_argument(
        "--teams",
        type=to_path,
        metavar="FILE",
        help="pack an edition with a code of its own for each team (a line of FILE)",
    )
    parser.add_argument("--version", action="version", version=f"Attention Codes {version()}")
    return parser


def to_path(text):
    """A path as it was typed; shells leave the ~ of --out=~/puzzles alone."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is no such home
        return Path(text)


def version():
    """The version that pyproject.toml names."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["version"]


@dataclass(frozen=True)
class Choices:
    """What the author asked for, with every path filled in.

    puzzle: the puzzle file. is_default: whether it is the one in builder/.
    folder: the bundle's folder. is_named: whether the author named it.
    checks: whether the bundle is certified as it is, and nothing is built.
    seed: where training starts from, None if the author named no seed.
    attacks: whether the attack report is shown.
    zip, sheet, walkthrough: the files to write, None if they are not wanted.
    teams: the file with the names of teams, None if there are no editions.
    """

    puzzle: Path
    is_default: bool
    folder: Path
    is_named: bool
    checks: bool
    seed: int | None
    attacks: bool
    zip: Path | None
    sheet: Path | None
    walkthrough: Path | None
    teams: Path | None

    def command(self, *options):
        """The command, as one would type it, that does something with this puzzle."""
        words = list(options)
        if not self.is_default or puzzle_file_here():
            words.insert(0, short_path(self.puzzle))
        return f"{started_as()} {quote(words)}".strip()


def resolve(wanted):
    """The Choices in the parsed arguments. Raises PuzzleError if they conflict."""
    is_default = wanted.puzzle is None or wanted.puzzle.resolve() == GHOST
    puzzle = GHOST if is_default else wanted.puzzle
    if puzzle.suffix.lower() != ".toml":
        raise PuzzleError(f"{puzzle}: a puzzle file's name ends in .toml: rename it")
    check_conflicts(wanted)
    named = named_folder(wanted)
    folder = named or default_folder(puzzle)
    choices = Choices(
        puzzle=puzzle,
        is_default=is_default,
        folder=folder,
        is_named=named is not None,
        checks=wanted.check is not None,
        seed=wanted.seed,
        attacks=wanted.attack is not None,
        zip=output_file("--zip", wanted.zip, beside(folder, ".zip")),
        sheet=output_file("--sheet", wanted.sheet, beside(folder, "-sheet.png")),
        walkthrough=output_file(
            "--walkthrough", wanted.walkthrough, beside(folder, "-walkthrough.ipynb")
        ),
        teams=wanted.teams,
    )
    check_default_is_meant(wanted, choices)
    return choices


def default_folder(puzzle):
    """The bundle's folder if the author names none."""
    if puzzle == GHOST:
        return PUZZLE
    return puzzle.with_suffix("")


def check_default_is_meant(wanted, choices):
    """Raises PuzzleError if the default puzzle would be replaced or handed out by mistake."""
    folder = choices.folder
    if not choices.checks and not choices.is_default and folder.resolve() == PUZZLE:
        raise PuzzleError(f"{folder} is the default puzzle's folder: choose another one with --out")
    hands_out = choices.zip or choices.sheet or choices.walkthrough or choices.teams
    if hands_out and not wanted.puzzle and not choices.is_named:
        check_no_other_is_meant()


def named_folder(wanted):
    """The bundle's folder that the author named, or None. Raises PuzzleError if it is a file."""
    if wanted.out:
        option = "--out"
        folder = wanted.out
    elif wanted.check:
        option = "--check"
        folder = to_path(wanted.check)
    else:
        return None
    if folder.suffix == ".toml":
        raise puzzle_file_first(option, folder)
    return folder


def given(wanted):
    """The options that the author gave, as a set: "--zip" and so on."""
    options = vars(wanted).copy()
    options.pop("puzzle")
    return {f"--{name}" for name, value in options.items() if value is not None}


def check_conflicts(wanted):
    """Raises PuzzleError if options don't go together, or a seed is out of range."""
    checks = wanted.check is not None
    if checks and wanted.out:
        raise PuzzleError(
            "--check builds nothing, and --out says where to build: name the bundle after --check,"
            f" as in {quote(['--check', str(wanted.out)])}"
        )
    if checks and wanted.seed is not None:
        raise PuzzleError("--check builds nothing, so --seed does not go with it")
    if wanted.teams:
        others = given(wanted) - {"--teams", "--check", "--seed"}
        if others or wanted.check:  # --check DIR
            raise PuzzleError("--teams goes together with --check and --seed, and nothing else")
    if wanted.seed is not None and not 0 <= wanted.seed <= MAX_SEED:
        raise PuzzleError("--seed must be a whole number from 0 to 2**63 - 1")


def puzzle_file_first(option, path):
    """The error if a puzzle file follows an option that takes another path."""
    command = f"{started_as()} {quote([str(path), option])}"
    return PuzzleError(f"{option} takes no puzzle file; it comes first: {command}")


def output_file(option, text, default):
    """The file that an option names, the default if it names none, None if the option is absent."""
    if text is None:
        return None
    if not text:
        return default
    named = to_path(text)
    if named.suffix.lower() != default.suffix:
        if named.suffix == ".toml":
            raise puzzle_file_first(option, named)
        raise PuzzleError(f"{option} needs a file name that ends in {default.suffix}, not {text}")
    return named


def check_names(choices, secret):
    """Raises PuzzleError if a name that solvers see holds the code."""
    try:
        check_name(choices.folder.resolve().name, secret.code)
        if choices.zip:
            check_name(choices.zip.name, secret.code)
    except PuzzleError as error:
        if choices.is_named:
            raise
        puzzle = short_path(choices.puzzle)
        raise PuzzleError(f"{error}: rename {puzzle}, or name a folder with --out") from error


def check_no_other_is_meant():
    """Raises PuzzleError if a puzzle file lies in the current folder, and none was named."""
    found = puzzle_file_here()
    if found:
        raise PuzzleError(
            f"this would hand out the default puzzle, and {found} is in this folder:"
            f" {started_as()} {quote([str(found), '--check', '--zip'])} packs yours;"
            f" name {short_path(GHOST)} if you mean the default"
        )


def puzzle_file_here():
    """The first puzzle file in the current folder, or None."""
    for path in sorted(Path().glob("*.toml")):
        if path.is_file() and is_puzzle_file(path.read_bytes()):
            return path
    return None


def write_new(wanted):
    """Writes a blank puzzle file for a new code, or prints it. Raises PuzzleError."""
    if given(wanted) != {"--new"}:
        raise PuzzleError("--new writes a puzzle file, and no other option goes with it")
    text = blank_puzzle(wanted.new)
    if wanted.puzzle is None:
        print(text, end="")
        return
    if wanted.puzzle.suffix != ".toml":
        raise PuzzleError(f"{wanted.puzzle}: a puzzle file's name ends in .toml")
    try:
        with open(wanted.puzzle, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise PuzzleError(f"{wanted.puzzle} already exists: choose another name") from error
    except OSError as error:
        raise PuzzleError(f"{wanted.puzzle} cannot be written: {error.strerror}") from error
    print(f"puzzle file: {wanted.puzzle}")
    print(f"draw on it, then build it: {started_as()} {quote([str(wanted.puzzle), '--sheet'])}")
