"""The builder's command line: trains, certifies and writes a puzzle.

    python -m builder                                       the default puzzle, into puzzle/
    python -m builder my.toml --out party --zip party.zip   a puzzle of your own
    python -m builder --check                               certify what lies in puzzle/

A puzzle file is TOML: the code, a picture for each head, a title and a story; builder/ghost.toml
is one to start from. A build writes guess.py, README.md, requirements.txt and classifier/ anew.
It keeps every other file in the folder, such as a letter of yours, and packs it into the zip, but
not hidden files, links and what your system puts there. It does not accept code there, and it
does not replace a README.md that you edited: it says so before it trains.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from builder.bundle.files import on_ctrl_c
from builder.errors import PuzzleError
from builder.paths import GHOST, PROOF, PUZZLE

sys.dont_write_bytecode = True  # compiled code names the folders of this machine, and puzzle/ is handed out

HOLDS, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130
INTERRUPTED_TEXT = "interrupted; nothing is half-written"


def declare():
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m builder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.error = lambda message: sys.exit(complain(f"{message}; --help tells what is possible", MISTAKE))
    add = parser.add_argument
    add("puzzle", nargs="?", type=Path, default=GHOST, help="a puzzle file (default: the ghost's)")
    add(
        "--out", type=Path, metavar="DIR", help="the folder for the bundle (default: puzzle/, whose bundle is replaced)"
    )
    add("--seed", type=int, default=0, help="where training starts from (default: 0)")
    add("--max-attempts", type=int, default=10, metavar="N", help="seeds to try (default: 10)")
    add(
        "--check",
        type=Path,
        nargs="?",
        const=PUZZLE,
        metavar="DIR",
        help="build nothing, certify this bundle (default: puzzle/)",
    )
    add("--attack", action="store_true", help="tell how soon solvers find the code without understanding the network")
    add("--zip", type=Path, metavar="FILE", help="pack the bundle as a zip to hand out")
    add(
        "--proof",
        type=Path,
        nargs="?",
        const=PROOF,
        metavar="FILE",
        help="draw the proof sheet, which tells the secret (default: build/proof.png)",
    )
    return parser


def judge(parser, chosen):
    """Ends with a sentence where the arguments do not go together; fills in what was left open."""
    if chosen.check and chosen.out:
        parser.error("--check builds nothing, so that --out does not go with it")
    if not 0 <= chosen.seed < 2**63:
        parser.error("--seed is a whole number from 0 on")
    if chosen.max_attempts < 1:
        parser.error("--max-attempts is a whole number from 1 on")
    for option, path, ending in (("--zip", chosen.zip, ".zip"), ("--proof", chosen.proof, ".png")):
        if path and path.suffix.lower() != ending:
            parser.error(f"{option} wants a file name that ends in {ending}, and {path} does not")
    chosen.out = chosen.out or PUZZLE
    return chosen


def run():
    parser = declare()
    try:
        chosen = judge(parser, parser.parse_args())
        with on_ctrl_c(leave):
            from builder import commands  # torch takes a second to import, and none of the above needs it

            commands.check(chosen) if chosen.check else commands.build(chosen)
    finally:
        sys.stdout.flush()  # here, where a full disk can still be told of


def leave(*_):
    """Ends at once. In the midst of torch, a KeyboardInterrupt may get lost, turn into another error, or crash.

    Nothing is being written then: where files are, Ctrl-C raises KeyboardInterrupt.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # the cursor, which is hidden while a table moves
    sys.stderr = sys.__stderr__ or sys.stderr  # the table redirects it
    os._exit(complain(INTERRUPTED_TEXT, INTERRUPTED))


def main():
    sys.stdout, sys.stderr = sys.stdout or nowhere(), sys.stderr or nowhere()  # each may be closed
    sys.stdout.reconfigure(errors="backslashreplace")  # a folder's name may have letters that this console has not
    try:
        run()
        return HOLDS
    except PuzzleError as error:
        return complain(error, error.status)
    except KeyboardInterrupt:
        return complain(INTERRUPTED_TEXT, INTERRUPTED)
    except ModuleNotFoundError as error:
        return complain(f"{error.name} is not installed: python -m pip install .", MISTAKE)
    except OSError as error:
        sys.stdout = nowhere()  # or Python tries again at the end
        place = error.filename or "the output"
        return complain(f"{place}: {error.strerror or error}; nothing is half-written", FAILED)


def nowhere():
    return open(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)  # it stays open to the end


def complain(error, status):
    print(f"builder: {error}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
