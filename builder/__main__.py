"""The builder's command line: trains, certifies and writes a puzzle. The only place that prints.

    python -m builder                                       the default puzzle, into puzzle/
    python -m builder my.toml --out party --zip party.zip   a puzzle of your own
    python -m builder --check                               certify what lies in puzzle/

A puzzle file is TOML: the code, and a picture for each head; builder/ghost.toml is one to start from.
"""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
GHOST = ROOT / "builder" / "ghost.toml"
PUZZLE = ROOT / "puzzle"
PROOF = ROOT / "build" / "proof.png"
ROUNDS_SHOWN = 8
PLAIN_STEPS = 100  # without a terminal, a line for so many steps

HOLDS, FALLS_SHORT, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m builder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.error = lambda message: sys.exit(complain(f"{message}; --help tells what is possible"))
    parser.add_argument("puzzle", nargs="?", type=Path, default=GHOST, help="a puzzle file (default: the ghost's)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder for the bundle (default: puzzle/)")
    parser.add_argument("--seed", type=int, default=0, help="where training starts from (default: 0)")
    parser.add_argument("--max-attempts", type=int, default=10, metavar="N", help="seeds to try (default: 10)")
    parser.add_argument(
        "--check", type=Path, nargs="?", const=PUZZLE, metavar="DIR", help="certify a bundle (default: puzzle/)"
    )
    parser.add_argument("--zip", type=Path, metavar="FILE", help="pack the bundle as a zip to hand out")
    parser.add_argument(
        "--proof",
        type=Path,
        nargs="?",
        const=PROOF,
        metavar="FILE",
        help="draw the proof sheet (default: build/proof.png)",
    )
    chosen = parser.parse_args()
    if chosen.check and (chosen.out or chosen.proof):
        parser.error("--check only reads a bundle: --out and --proof belong to a build")
    if not 0 <= chosen.seed < 2**63 or chosen.max_attempts < 1:
        parser.error("--seed is a whole number from 0 on, and --max-attempts one from 1 on")
    return chosen


def main():
    chosen = arguments()
    console = Console(highlight=False)
    try:
        # Here and not above: torch takes its time, and Ctrl-C may come early.
        from builder.secret import PuzzleError

        try:
            return check(chosen, console) if chosen.check else build(chosen, console)
        except PuzzleError as error:
            return complain(error, MISTAKE)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            return complain(f"{place}{error.strerror or error}; nothing is half-written", FALLS_SHORT)
    except KeyboardInterrupt:
        return complain("interrupted; nothing is half-written", INTERRUPTED)


def build(chosen, console):
    from builder import bundle
    from builder.keyspace import count_codes
    from builder.secret import Secret
    from builder.train import train

    folder = chosen.out or PUZZLE
    secret = Secret.read(chosen.puzzle)
    bundle.check_folder(folder)
    check_files(chosen, folder)

    start = time.perf_counter()
    with Screen(console, count_codes(secret.max_digits)) as screen:
        for progress in train(secret, chosen.seed, chosen.max_attempts, screen.watch):
            screen.show(progress)
    seconds = time.perf_counter() - start

    certificate = max((r.certificate for r in screen.rounds if r.certificate), key=lambda c: c.rank)
    console.print(certificate_table(certificate))
    if not certificate.holds:
        return complain(f"seeds {chosen.seed} to {progress.seed} all fall short: nothing is written", FALLS_SHORT)

    bundle.write(folder, secret, certificate)
    print(f"seed {progress.seed}, {progress.step} steps, {seconds:.1f} s to train and certify")
    print(f"bundle: {folder}")
    if chosen.zip:
        bundle.pack(folder, chosen.zip)
        print(f"zip:    {chosen.zip}")
    if chosen.proof:
        from builder.proof import draw_proof

        draw_proof(secret, screen.rounds, certificate, chosen.proof)
        print(f"proof:  {chosen.proof}")
    return HOLDS


def check(chosen, console):
    from builder import bundle
    from builder.certify import certify
    from builder.keyspace import count_codes
    from builder.secret import Secret

    secret = Secret.read(chosen.puzzle)
    check_files(chosen, chosen.check)
    network = bundle.read(chosen.check)
    heads, max_digits = len(network.attention_matrix_list), len(network.embedding.position) - 1
    if (heads, max_digits) != (len(secret.pictures), secret.max_digits):
        return complain(
            f"{chosen.check} has {heads} heads and takes {max_digits} digits, where {chosen.puzzle} wants "
            f"{len(secret.pictures)} and {secret.max_digits}",
            FALLS_SHORT,
        )
    with Screen(console, count_codes(secret.max_digits)) as screen:
        certificate = certify(network, secret, screen.watch)
    console.print(certificate_table(certificate))
    if not certificate.holds:
        return complain(f"{chosen.check} is not certified for {chosen.puzzle}", FALLS_SHORT)
    print(f"bundle: {chosen.check}")
    if chosen.zip:
        bundle.pack(chosen.check, chosen.zip)
        print(f"zip:    {chosen.zip}")
    return HOLDS


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


def certificate_table(certificate):
    table = Table(title=f"Certificate: {certificate.looked_at:,} inputs, every one tried", title_justify="left")
    for heading in ("promise", "limit", "found", ""):
        table.add_column(heading)
    for promise in certificate.promises:
        verdict = "[green]holds[/]" if promise.holds else "[red]falls short[/]"
        table.add_row(promise.promise, promise.limit, promise.found, verdict)
    return table


class Screen:
    """Shows training as it goes: a live table in a terminal, plain lines elsewhere."""

    def __init__(self, console, n_codes):
        self.console = console
        self.rounds = []
        self.live = Live(console=console, transient=True)
        self.scan = Progress(
            TextColumn("whole keyspace"), BarColumn(), MofNCompleteColumn(), console=console, auto_refresh=False
        )
        self.task = self.scan.add_task("", total=n_codes, visible=False)

    def __enter__(self):
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_):
        self.live.stop()

    def watch(self, looked_at):
        """Called during a look at the whole keyspace."""
        self.scan.update(self.task, completed=looked_at, visible=True)
        self.live.update(Group(self.table(), self.scan))

    def show(self, progress):
        """Called after every round."""
        self.rounds.append(progress)
        self.scan.update(self.task, visible=False)
        self.live.update(self.table())
        if not self.console.is_terminal and (progress.step % PLAIN_STEPS == 0 or progress.certificate):
            print(
                f"seed {progress.seed}  step {progress.step:4}  secret {progress.probability:.4f}  "
                f"hardest wrong {progress.hardest_code} {progress.hardest_probability:.1e}  "
                f"accepted {progress.accepted} of {progress.met} met  worst cell {progress.worst_cell:.4f}",
                flush=True,
            )

    def table(self):
        table = Table(title="Training", title_justify="left")
        for heading in ("seed", "step", "secret", "hardest wrong", "", "accepted, of met", "worst cell"):
            table.add_column(heading, justify="right")
        for r in self.rounds[-ROUNDS_SHOWN:]:
            table.add_row(
                *(str(r.seed), str(r.step), f"{r.probability:.4f}", r.hardest_code, f"{r.hardest_probability:.1e}"),
                *(f"{r.accepted} of {r.met}", f"{r.worst_cell:.4f}"),
            )
        return table


def complain(error, status=MISTAKE):
    print(f"builder: {error}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
