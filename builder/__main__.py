"""The builder's command line: trains, certifies and writes a puzzle.

  python -m builder                    build the default puzzle, into puzzle/
  python -m builder --new 310535       print a puzzle file to draw on
  python -m builder key.toml --zip     build your puzzle in key/, pack key.zip
  python -m builder key.toml --check   certify what lies in key/

A puzzle file is TOML: the code, a picture for each head, a title, a story;
--new prints all its keys. A build keeps files that you added to the bundle,
such as a letter, and --zip packs them. It will not replace a README.md or
start.ipynb that you edited, or hand out a file that tells the code.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = ("python", "-m", "builder") if __package__ else ("python", sys.argv[0])
if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
sys.dont_write_bytecode = (
    True  # compiled code names the folders of this machine, and puzzle/ is handed out
)

from builder.errors import Failure, PuzzleError  # noqa: E402
from builder.puzzle_file.advice import advise  # noqa: E402
from builder.puzzle_file.blank import blank_puzzle  # noqa: E402
from builder.puzzle_file.secret import Secret  # noqa: E402

BUILDER = Path(__file__).resolve().parent
GHOST, PUZZLE = BUILDER / "ghost.toml", BUILDER.parent / "puzzle"
HOLDS, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130
DEFAULT = object()  # stands for a place that follows from the puzzle file's name


def parse_arguments():
    """The command line's arguments, with every place filled in. Ends with one sentence where they don't fit."""
    parser = argparse.ArgumentParser(
        usage=" ".join([*COMMAND, "[puzzle] [options]"]),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.error = lambda message: sys.exit(
        complain(f"{message}; --help tells what is possible", MISTAKE)
    )
    add = parser.add_argument
    add(
        "puzzle",
        nargs="?",
        type=Path,
        default=GHOST,
        help="a puzzle file (default: the default puzzle)",
    )
    add("--new", metavar="CODE", help="print a puzzle file for this code, and build nothing")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="the folder for the bundle (default: named like the puzzle file)",
    )
    add(
        "--seed",
        type=int,
        help="where training starts from (default: 0); each gives another network",
    )
    add(
        "--check",
        type=Path,
        nargs="?",
        const=DEFAULT,
        metavar="DIR",
        help="build nothing, certify this bundle",
    )
    add(
        "--attack",
        action="store_true",
        help="tell how soon solvers find the code, attack by attack",
    )
    add(
        "--zip",
        type=Path,
        nargs="?",
        const=DEFAULT,
        metavar="FILE",
        help="pack the bundle; --check builds no new one",
    )
    add(
        "--sheet",
        type=Path,
        nargs="?",
        const=DEFAULT,
        metavar="FILE",
        help="draw what solvers see, for you alone",
    )
    arguments = parser.parse_args()
    doing = (
        arguments.out,
        arguments.check,
        arguments.zip,
        arguments.sheet,
        arguments.seed,
        arguments.attack or None,
    )
    if arguments.new is not None and (
        arguments.puzzle != GHOST or any(option is not None for option in doing)
    ):
        parser.error("--new prints a puzzle file, and nothing else goes with it")
    if arguments.check and (arguments.out or arguments.seed is not None):
        parser.error("--check builds nothing, so --out and --seed do not go with it")
    if not 0 <= (arguments.seed or 0) < 2**63:
        parser.error("--seed is a whole number from 0 to 2**63 - 1")
    folder = PUZZLE if arguments.puzzle == GHOST else Path(arguments.puzzle.stem)
    named = arguments.out or arguments.check
    arguments.folder = folder if named in (None, DEFAULT) else named
    if (
        arguments.puzzle != GHOST
        and arguments.check is None
        and arguments.folder.resolve() == PUZZLE
    ):
        parser.error(
            f"{arguments.folder} is the default puzzle's folder: name another one with --out"
        )
    name = arguments.folder.resolve().name
    if arguments.folder.suffix == ".toml":
        parser.error(f"{arguments.folder} is no folder; a puzzle file comes first")
    for option, ending, default in (
        ("zip", ".zip", f"{name}.zip"),
        ("sheet", ".png", f"{name}-sheet.png"),
    ):
        path = getattr(arguments, option)
        path = Path(default) if path == DEFAULT else path
        if path and path.suffix.lower() != ending:
            parser.error(
                f"--{option} wants a file name that ends in {ending}, not {path}; a puzzle file comes first"
            )
        setattr(arguments, option, path)
    return arguments


def run():
    arguments = parse_arguments()
    if arguments.new is not None:
        print(blank_puzzle(arguments.new), end="")
        return
    secret = Secret.read(arguments.puzzle)  # before torch is imported, which takes a second

    # An interrupt in the midst of torch's import can abort the process, so Ctrl-C waits for its end.
    pressed, usual = [], signal.signal(signal.SIGINT, lambda *event: pressed.append(event))
    import torch

    signal.signal(signal.SIGINT, usual)
    if pressed and usual != signal.SIG_IGN:
        raise KeyboardInterrupt
    torch.set_num_threads(1)  # small operations: more threads wait longer than they compute
    from builder.bundle import bundle
    from builder.screens.screen import Screen

    check_paths(arguments, secret)
    screen = Screen()
    if arguments.check is None:
        certificate = build(arguments, secret, screen)
        bundle.write(arguments.folder, secret, certificate)
        screen.certified(certificate, secret.code)
    else:
        certificate = check(arguments, secret, screen)
    hand_out(arguments, secret, certificate, screen)


def check_paths(arguments, secret):
    """Raises PuzzleError, before any work, where a file can't be written or lies inside the bundle."""
    from builder.bundle import bundle, files

    if arguments.check is None:
        bundle.check_folder(arguments.folder)
        bundle.check_added_files(arguments.folder, secret)
    for path in filter(None, (arguments.puzzle, arguments.zip, arguments.sheet)):
        if path != GHOST and arguments.folder.resolve() in path.resolve().parents:
            raise PuzzleError(f"{path} is inside the bundle, which solvers get: put it elsewhere")
    for path in filter(None, (arguments.zip, arguments.sheet)):
        files.check_replaceable(path)


def build(arguments, secret, screen):
    """Trains a network until its certificate holds, and returns that. Raises Failure where no seed learns it."""
    from builder.training.train import train

    for sentence in advise(secret):
        screen.note(f"advice: {sentence}", style="yellow")
    start = time.perf_counter()
    with screen:
        for training_round in train(secret, arguments.seed or 0, watch=screen.proving):
            screen.learning(training_round)
            if training_round.certificate and not training_round.certificate.holds:
                screen.note(f"seed {training_round.seed} did not learn the code")
    if not training_round.certificate.holds:
        screen.certificate(training_round.certificate)
        mend = (
            "another drawing, one drawing more, or no decoys"
            if secret.decoys
            else "another drawing"
        )
        raise Failure(f"no seed learned the code, so nothing is written: try {mend}")
    screen.note(f"learned in {time.perf_counter() - start:.2f} s (seed {training_round.seed})")
    return training_round.certificate


def check(arguments, secret, screen):
    """Certifies the bundle in a folder, without training. Returns the certificate; raises Failure unless it holds."""
    from builder.bundle import bundle
    from builder.proof.certify import certify

    folder = arguments.folder
    contents, network = bundle.read(folder)
    sizes = len(network.attention_matrix_list), len(network.embedding.position) - 1
    if sizes != (len(secret.pictures), secret.max_digits):
        raise Failure(
            f"{folder} is not the bundle of {short_path(arguments.puzzle)}: put its puzzle file first"
        )
    with screen:
        certificate = certify(network, secret, screen.proving)
    screen.certificate(certificate)
    if not certificate.holds:
        raise Failure(
            f"{folder} is not certified for {short_path(arguments.puzzle)}: if that was changed, build again"
        )
    bundle.check_texts(folder, secret, contents)
    bundle.check_added_files(folder, secret)
    return certificate


def hand_out(arguments, secret, certificate, screen):
    """What follows a certificate that holds: the verdict, the attack report, the zip, the sheet, the next step."""
    from builder.attacks.attack import report, verdict
    from builder.bundle import bundle
    from builder.network.weights import load

    network = load(certificate.weights)
    screen.note(f"verdict: {verdict(network, secret)}")
    for attack in report(network, secret) if arguments.attack else ():
        screen.attack(attack)
    screen.note(f"bundle: {short_path(arguments.folder)}", whole=True)
    added = bundle.added_files(arguments.folder)
    if added:
        screen.note(
            f"handed out as well: {', '.join(path.relative_to(arguments.folder).as_posix() for path in added)}"
        )
    if arguments.sheet:
        from builder.screens.sheet import draw_sheet  # matplotlib takes a second to import

        draw_sheet(secret, certificate, arguments.sheet)
        screen.note(f"sheet: {short_path(arguments.sheet)}, for your eyes only", whole=True)
    if arguments.zip:
        bundle.pack(arguments.folder, arguments.zip)
        screen.note(f"zip: {short_path(arguments.zip)}, for your solvers", whole=True)
        return
    puzzle = [] if arguments.puzzle == GHOST else [short_path(arguments.puzzle)]
    where = (
        [short_path(arguments.folder)]
        if arguments.folder in (arguments.out, arguments.check)
        else []
    )
    quote = subprocess.list2cmdline if os.name == "nt" else shlex.join
    screen.note(
        f"try it: {quote(['python', short_path(arguments.folder / 'guess.py')])}", whole=True
    )
    screen.note(f"pack it: {quote([*COMMAND, *puzzle, '--check', *where, '--zip'])}", whole=True)


def short_path(path):
    """A path, relative where it lies in the current folder."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def main():
    """Runs the builder. Returns its exit status; whatever goes wrong is told in one sentence."""
    if sys.stdout:
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a folder's name may have letters that a console lacks
    try:
        run()
        if sys.stdout:
            sys.stdout.flush()  # here, where a full disk can still be told of
        return HOLDS
    except PuzzleError as error:
        return complain(error, error.status)
    except KeyboardInterrupt:
        return complain("interrupted; --check tells whether the bundle is whole", INTERRUPTED)
    except ModuleNotFoundError as error:
        return complain(f"{error.name} is not installed: python -m pip install .", MISTAKE)
    except OSError as error:
        sys.stdout = None  # or Python tries to write the rest at the end
        return complain(f"{error.filename or 'the output'}: {error.strerror or error}", FAILED)


def complain(error, status):
    """Tells what is wrong on the standard error. Returns the exit status."""
    print(f"builder: {error}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
