"""The builder's command line: trains, certifies and writes a puzzle.

    python -m builder                                       the default puzzle, into puzzle/
    python -m builder my.toml --out party --zip party.zip   a puzzle of your own
    python -m builder --check                               certify what lies in puzzle/

A puzzle file is TOML: the code, and a picture for each head; builder/ghost.toml is one to start from.
"""

import argparse
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # compiled code names the folders of this machine, and puzzle/ is handed out

ROOT = Path(__file__).resolve().parent.parent
GHOST = ROOT / "builder" / "ghost.toml"
PUZZLE = ROOT / "puzzle"
PROOF = ROOT / "build" / "proof.png"
HOLDS, FALLS_SHORT, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m builder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.error = lambda message: sys.exit(complain(f"{message}; --help tells what is possible"))
    parser.add_argument("puzzle", nargs="?", type=Path, default=GHOST, help="a puzzle file (default: the ghost's)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the folder for the bundle (default: puzzle/, whose bundle is replaced)"
    )
    parser.add_argument("--seed", type=int, default=0, help="where training starts from (default: 0)")
    parser.add_argument("--max-attempts", type=int, default=10, metavar="N", help="seeds to try (default: 10)")
    parser.add_argument(
        "--check",
        type=Path,
        nargs="?",
        const=PUZZLE,
        metavar="DIR",
        help="build nothing, certify this bundle (default: puzzle/)",
    )
    parser.add_argument("--zip", type=Path, metavar="FILE", help="pack the bundle as a zip to hand out")
    parser.add_argument(
        "--proof",
        type=Path,
        nargs="?",
        const=PROOF,
        metavar="FILE",
        help="draw the proof sheet, which tells the secret (default: build/proof.png)",
    )
    chosen = parser.parse_args()
    if chosen.check and (chosen.out or chosen.proof):
        parser.error("--check builds nothing, so that neither --out nor --proof goes with it")
    if not 0 <= chosen.seed < 2**63:
        parser.error("--seed is a whole number from 0 on")
    if chosen.max_attempts < 1:
        parser.error("--max-attempts is a whole number from 1 on")
    for option, path, ending in (("--zip", chosen.zip, ".zip"), ("--proof", chosen.proof, ".png")):
        if path and path.suffix.lower() != ending:
            parser.error(f"{option} wants a file name that ends in {ending}, and {path} does not")
    return chosen


def main():
    sys.stdout.reconfigure(errors="backslashreplace")  # a folder's name may have letters that this console has not
    chosen = arguments()
    try:
        # Imports stand in functions here: torch takes its time, and Ctrl-C may come early.
        from builder.secret import PuzzleError

        try:
            return check(chosen) if chosen.check else build(chosen)
        except PuzzleError as error:
            return complain(error, MISTAKE)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            return complain(f"{place}{error.strerror or error}; nothing is half-written", FALLS_SHORT)
    except KeyboardInterrupt:
        return complain("interrupted; nothing is half-written", INTERRUPTED)


def build(chosen):
    from builder import bundle
    from builder.keyspace import count_codes
    from builder.screen import Screen
    from builder.secret import Secret
    from builder.train import train

    folder = chosen.out or PUZZLE
    secret = Secret.read(chosen.puzzle)
    bundle.check_folder(folder)
    check_files(chosen, folder)

    start = time.perf_counter()
    with Screen(count_codes(secret.max_digits)) as screen:
        for progress in train(secret, chosen.seed, chosen.max_attempts, screen.watch):
            screen.show(progress)
    seconds = time.perf_counter() - start

    certificate = max((r.certificate for r in screen.rounds if r.certificate), key=lambda c: c.rank)
    screen.certificate(certificate)
    if not certificate.holds:
        return complain(f"seeds {chosen.seed} to {progress.seed} all fall short: nothing is written", FALLS_SHORT)

    bundle.write(folder, secret, certificate)
    print(f"seed {progress.seed}, {progress.step} steps, {seconds:.1f} s to train and certify")
    hand_out(folder, chosen.zip)
    if chosen.proof:
        from builder.proof import draw_proof

        draw_proof(secret, screen.rounds, certificate, chosen.proof)
        print(f"proof:  {chosen.proof}")
    return HOLDS


def check(chosen):
    from builder import bundle
    from builder.certify import certify
    from builder.keyspace import count_codes
    from builder.screen import Screen
    from builder.secret import Secret

    secret = Secret.read(chosen.puzzle)
    check_files(chosen, chosen.check)
    network = bundle.read(chosen.check)
    heads, max_digits = len(network.attention_matrix_list), len(network.embedding.position) - 1
    if (heads, max_digits) != (len(secret.pictures), secret.max_digits):
        return complain(
            f"{chosen.check} is not the bundle of {chosen.puzzle}: it is made for pictures and digits {heads} and "
            f"{max_digits}, not {len(secret.pictures)} and {secret.max_digits} (a puzzle file goes before --check)",
            FALLS_SHORT,
        )
    with Screen(count_codes(secret.max_digits)) as screen:
        certificate = certify(network, secret, screen.watch)
    screen.certificate(certificate)
    if not certificate.holds:
        return complain(f"{chosen.check} is not certified for {chosen.puzzle}", FALLS_SHORT)
    hand_out(chosen.check, chosen.zip)
    return HOLDS


def hand_out(folder, path):
    from builder import bundle

    print(f"bundle: {folder}")
    if path:
        bundle.pack(folder, path)
        print(f"zip:    {path}")


def check_files(chosen, folder):
    """Tells of a file that could not be written before the work is done, not after."""
    from builder.secret import PuzzleError

    for path in filter(None, (chosen.zip, chosen.proof)):
        if path.is_dir():
            raise PuzzleError(f"{path} is a folder: a file name is wanted")
        if folder.resolve() in path.resolve().parents:
            raise PuzzleError(f"{path} is inside the bundle, which solvers get: put it elsewhere")
        if path != PROOF and not path.resolve().parent.is_dir():
            raise PuzzleError(f"{path.parent} is no folder: {path.name} cannot be written there")


def complain(error, status=MISTAKE):
    print(f"builder: {error}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
