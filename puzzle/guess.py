# /// script
# requires-python = ">=3.9"
# dependencies = ["torch>=2.6", "matplotlib>=3.7", "rich>=12"]
# ///
"""Asks the network about numbers: is one right, and what do the heads look at? HELP says how."""

import sys
from os.path import dirname, realpath

if __name__ == "__main__":
    # Files that you keep beside this one, such as a random.py, don't stand in for Python's own.
    PATH = sys.path
    sys.path = [folder for folder in PATH if realpath(folder) != dirname(realpath(__file__))]

import argparse
import builtins
import codecs
import contextlib
import functools
import json
import platform
import re
import runpy
import types
import zipfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


class Answer(NamedTuple):
    """What the network says about a number, which is a string of digits."""

    number: str
    probability: float
    matrices: list  # heads x (1 + digits, 1 + digits), raw
    pictures: list  # pictures x (rows, columns), the matrices side by side

    @property
    def is_right(self):
        """Whether the number is the right one."""
        return self.probability > 0.5


def ask(network, tokenize, number):
    """The network's Answer to a number. Raises GuessError if it has too many digits."""
    most = len(network.embedding.position) - 1
    if len(number) > most:
        raise GuessError(f"{len(number)} digits are too many: this network takes at most {most}")
    tokens = tokenize(number)  # (1, 1 + digits)
    probability = network(tokens)  # (1,)
    matrices = network.get_attention_matrices(network.embedding(tokens))
    pictures = network.get_pictures(matrices)  # (1, pictures, rows, columns)
    return Answer(number, probability.item(), [matrix[0] for matrix in matrices], list(pictures[0]))


def load():
    """The network, and the function that makes tokens of a number. Raises GuessError."""
    try:
        import torch
    except OSError as error:  # on Windows, if a library that torch needs is missing
        raise GuessError(f"torch cannot be loaded: {error}") from error

    model = run_file("classifier/model.py")
    weights = HERE / "classifier" / "torch_state_dict"
    try:
        with zipfile.ZipFile(weights) as archive:
            if archive.testzip():  # compares check sums, which torch.load does not
                raise zipfile.BadZipFile(weights)
        state_dict = torch.load(weights, weights_only=True)
    except Exception as error:  # a damaged file raises errors of many kinds
        raise GuessError(f"{weights} is missing or damaged: unpack the puzzle again") from error
    network = model.NeuralNetwork.from_state_dict(state_dict)
    return network.requires_grad_(False), model.tokenize


def read_numbers(text):
    """The numbers in a text, with spaces or commas between them, up to a #. Raises GuessError."""
    words = re.split(r"[\s,;]+", text.partition("#")[0])
    return [read_number(word) for word in words if word]


def read_number(text):
    """The number that a text is. Raises GuessError unless it is digits alone."""
    if not re.fullmatch("[0-9]+", text):
        raise GuessError(f"{text[:30]!r} is not a number: type digits 0 to 9 alone")
    return text


def answer_file(network, tokenize, show):
    """Answers the numbers in the standard input, line by line. Returns the exit status."""
    status = 0
    for line_number, line in enumerate(open_input(), 1):
        try:
            for number in read_numbers(line):
                show(ask(network, tokenize, number))
        except GuessError as error:
            status = complain(f"line {line_number}: {error}")
    return status


def answer_person(network, tokenize, show):
    """Answers the numbers that somebody types, until they leave. Returns the exit status."""
    guesses = 0
    say("Type a number's digits, or 'help'; 'quit' or an empty line leaves.\n")
    while True:
        line = read_line()
        if line.lower() in ("", "quit", "exit", "q"):
            return 0
        if line.lower() == "help":
            say(HELP)
            continue
        try:
            for number in read_numbers(line):
                answer = ask(network, tokenize, number)
                guesses += 1
                show(answer)
                if answer.is_right:
                    say(f'You solved "{read_title()}". Guesses: {guesses}\n')
        except GuessError as error:
            complain(error)


def main():
    """Answers what the command line asks for. Returns the exit status."""
    arguments = read_arguments()
    network, tokenize = load()
    show = print_json
    if not arguments.json:
        heatmap = run_file("heatmap.py")
        show = functools.partial(heatmap.show, heatmap.make_console(arguments.ascii))
    if arguments.numbers:
        answers = [ask(network, tokenize, number) for number in arguments.numbers]
        for answer in answers:
            show(answer)
        if arguments.save:
            save(answers, arguments.save)
        return 0
    if is_typed():
        return answer_person(network, tokenize, show)
    return answer_file(network, tokenize, show)


# What follows is for the many places in which this file is opened, and for what goes wrong there.

HELP = """\
Try a number on the network: is it right, and what does each head look at?

  python guess.py NUMBER NUMBER           try numbers, one after the other
  python guess.py                         be asked for numbers, until you quit
  python guess.py < numbers.txt           try every line of a file
  python guess.py NUMBER --save try.png   save what you see as a sheet
  python guess.py NUMBER --json           print a line that other programs can read

Rows are the tokens that look, columns those looked at; CLS stands before the
digits. Low values are violet, blank or dots, high ones yellow, full or eights.
"""

MOST_ON_SHEET = 100


class GuessError(Exception):
    """Something that a solver can fix, in one sentence."""


def read_arguments():
    """What the command line asks for. Exits if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="guess.py",
        usage=argparse.SUPPRESS,
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "numbers",
        nargs="*",
        type=read_number,
        metavar="NUMBER",
        help="digits, leading zeros counted",
    )
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="save the answers as one sheet: .png, .svg or .pdf",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print each answer as a line of JSON: number, probability, matrices, pictures",
    )
    parser.add_argument(
        "--ascii",
        action="store_true",
        help="draw with digits, for consoles without Unicode",
    )
    arguments = parser.parse_args()
    if arguments.save:
        check_save(arguments.save, arguments.numbers)
    return arguments


def check_save(path, numbers):
    """Raises GuessError unless a sheet of these numbers can be saved in a file of this name."""
    if not numbers:
        raise GuessError("no number is given: python guess.py NUMBER --save try.png")
    if len(numbers) > MOST_ON_SHEET:
        raise GuessError(f"a sheet has room for {MOST_ON_SHEET} numbers, not for {len(numbers)}")
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise GuessError(f"{path} is not a name for a sheet: it must end in .png, .svg or .pdf")
    if path.is_dir():
        raise GuessError(f"{path} is a folder: give the sheet another name")
    if not path.parent.is_dir():
        raise GuessError(f"{path} cannot be saved: there is no folder {path.parent}")


def save(answers, path):
    """Saves answers as a sheet. Raises GuessError, and then nothing has changed."""
    try:
        heatmap = run_file("heatmap.py")
        heatmap.save_sheet(read_title(), answers, path, has_progress=is_terminal(sys.stderr))
    except OSError as error:
        raise GuessError(f"{path} cannot be saved: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise GuessError(f"{path} cannot be saved: your matplotlibrc is not UTF-8") from error
    say(f"saved: {path}\n")


def print_json(answer):
    """Prints an answer as one line."""
    fields = answer._asdict()
    fields["matrices"] = [matrix.tolist() for matrix in answer.matrices]
    fields["pictures"] = [picture.tolist() for picture in answer.pictures]
    print(json.dumps(fields), flush=True)


def run_file(name):
    """What a Python file of this folder defines. No other file of its name can be meant."""
    path = HERE / name
    if not path.is_file():
        raise GuessError(f"{path} is missing: unpack the puzzle again")
    return types.SimpleNamespace(**runpy.run_path(str(path)))


def read_title():
    """The puzzle's title, which is the first line of its README."""
    try:
        with open(HERE / "README.md", encoding="utf-8", errors="replace") as readme:
            return readme.readline().strip("# \n")
    except OSError:
        return "the puzzle"


def is_typed():
    """Whether somebody types: at a terminal, in IDLE, or in a notebook, which has no stream."""
    return is_terminal(sys.stdin) or hasattr(builtins, "get_ipython")


def is_terminal(stream):
    """Whether a person is at the other end of a stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # there is no stream, it is not a file, or it is closed
        return False


def read_line():
    """A line that somebody types, without space around it."""
    with contextlib.suppress(ImportError):  # Windows remembers lines without it
        import readline  # noqa: F401
    if is_terminal(sys.stdout):
        return input("> ").strip()
    say("> ")  # the answers go into a file, and the prompt doesn't
    return input().strip()


def open_input():
    """The standard input. PowerShell writes UTF-16, and a file may begin with a byte order mark."""
    if getattr(sys.stdin, "closed", sys.stdin is None):
        raise GuessError("no number is given: python guess.py NUMBER")
    if hasattr(getattr(sys.stdin, "buffer", None), "peek"):
        encoding = "utf-8-sig"
        if sys.stdin.buffer.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            encoding = "utf-16"
        sys.stdin.reconfigure(encoding=encoding, errors="replace")
    return sys.stdin


def say(text):
    """Tells a person something that is not an answer."""
    print(text, end="", file=sys.stderr, flush=True)


def complain(error):
    """Says what went wrong. Returns the exit status for it."""
    say(f"guess.py: {error}\n")
    return 2


def remedy(package):
    """What helps if a package is missing."""
    if package == "torch" and (sys.platform, platform.machine()) == ("darwin", "x86_64"):
        return "it has no build for Macs with an Intel processor; README.md names another way"
    return f'"{sys.executable}" -m pip install -r "{HERE / "requirements.txt"}"'


def run():
    """Does what main does. Returns the exit status, whatever stops it."""
    try:
        return main()
    except GuessError as error:
        return complain(error)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "matplotlib", "rich"):
            raise
        return complain(f"{error.name} is missing: {remedy(error.name)}")
    except EOFError:  # Ctrl-D
        say("\n")
        return 0
    except KeyboardInterrupt:  # Ctrl-C
        say("\n")
        return 130
    except OSError as error:
        if error.filename:  # not the standard output: it is a mistake in a file of this folder
            raise
        sys.stdout = None  # Python would write to it once more
        return complain(f"the answer cannot be written: {error.strerror}")


if __name__ == "__main__":
    try:
        sys.exit(run())
    finally:
        sys.path = PATH  # a notebook goes on after this
