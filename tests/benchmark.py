"""Measures what the README claims, each figure beside what it is compared with.

    python -m tests.benchmark [SECTION ...]

training    the original's loop against training and certifying here, and what came out of both
processes   builder and guess.py as whole processes against a bare import of torch, in turn
growth      the time to build and to certify random puzzles, from 4 to 32 digits
pictures    the same for pictures of many heads, with decoys and without
proof       the search against the network in batches, the rounding bound against what was found
attacks     the attack report of the default puzzle, one with decoys, and longer ones
editions    editions of the default puzzle, as a whole process

Times are medians. Random puzzles have pictures of random cells, and their code is not one digit
throughout.
"""

import argparse
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import median

import torch
from rich import box, progress
from rich.console import Console
from rich.table import Table
from torch.nn.functional import pad

from builder.attacks.report import report
from builder.attacks.verdict import verdict
from builder.bundle.bundle import make_files
from builder.bundle.zips import zip_bytes
from builder.network.circuits import BLANK, read_circuits
from builder.network.codes import count_codes, random_codes, tokens_by_length
from builder.network.model import CLS, tokenize
from builder.network.weights import load
from builder.proof.certify import BUDGET, HARDEST, cell_errors, certify
from builder.proof.search import search
from builder.puzzle_file.secret import Secret
from builder.screens.attacks import cost, verdict_sentence
from builder.words import counted, duration
from tests.helpers import GHOST, GUESS, ROOT
from tests.oracle import all_codes, hardest, logits_of, network_logits
from tests.original import original_loop
from tests.sweep import build, draw, draw_tiles

SAMPLE = 100_000  # codes that stand for all of them, from 6 digits on
ROUNDS = 10_000  # of the original's loop
REPETITIONS = 5
TEAMS = 1000

track = partial(
    progress.track, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
)


def clock(work):
    """The seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@cache
def random_puzzles(digits, pictures, n):
    """n random puzzles, built once for all sections."""
    dice, built = random.Random(100 * digits + pictures), []
    for _ in track(range(n), f"puzzles of {digits} digits"):
        secret = draw(dice, digits, digits, pictures)
        while len(set(secret.code)) == 1:
            secret = draw(dice, digits, digits, pictures)
        built.append(build(secret))
    return built


def networks(built):
    """The networks of puzzles, as solvers load them."""
    return [load(puzzle.certificate.weights) for puzzle in built]


def certified(built):
    return f"{sum(puzzle.certificate.holds for puzzle in built)} of {len(built)}"


def training(n):
    secret = Secret.read(GHOST)
    build(secret)  # torch loads the rest of itself with the first optimizer
    start = time.perf_counter()
    original = original_loop(secret, track(range(ROUNDS), "the original's loop"))
    loop = time.perf_counter() - start
    ours = [build(secret, seed) for seed in track(range(n), "training and certifying here")]

    yield "run | seconds | accepted | secret | hardest wrong code | its logit | worst cell"
    runs = [(f"the original's loop, {ROUNDS:,} rounds", loop, original.requires_grad_(False))]
    runs += [
        (f"here, seed {i}", ours[i].seconds, network) for i, network in enumerate(networks(ours))
    ]
    for name, seconds, network in runs:
        logits = network_logits(network, secret.max_digits)
        ((code, logit),) = hardest(logits, secret.max_digits, secret.code, 1)
        right, wrong = network(tokenize(secret.code)).item(), network(tokenize(code)).item()
        worst_cell = cell_errors(network, secret, tokenize(secret.code)).max().item()
        accepted = int((logits > 0).sum()) - (right > 0.5)
        answers = f"{accepted:,} | {right:.7g} | {code} at {wrong:.7g} | {logit:.1f}"
        yield f"{name} | {seconds:.2f} | {answers} | {worst_cell:.1g}"
    here = median(built.seconds for built in ours)
    others = count_codes(secret.max_digits) - 1
    yield f"Accepted: wrong codes that the network gives more than 0.5, of {others:,}."
    yield (
        f"Training and certifying takes {here:.2f} s, "
        f"and the original's loop {loop / here:.0f} times as long."
    )


def processes(n):
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "python -c 'import torch'": ["-c", "import torch"],
            "python -m builder": ["-m", "builder", "--out", str(Path(folder) / "out")],
            "python puzzle/guess.py 4711": [str(GUESS), "4711"],
        }
        seconds = {name: [] for name in commands}
        for _ in track(range(2 * n + 1), "whole processes"):
            for name, command in commands.items():
                run = partial(
                    subprocess.run,
                    [sys.executable, *command],
                    cwd=ROOT,
                    check=True,
                    capture_output=True,
                )
                seconds[name].append(clock(run))
    yield "whole process | seconds | ratio, pair by pair"
    for name, times in seconds.items():
        pairs = list(zip(times, seconds["python -c 'import torch'"], strict=True))[
            1:
        ]  # the first turn warmed up
        yield f"{name} | {median(a for a, _ in pairs):.2f} | {median(a / b for a, b in pairs):.2f}"


def growth(n):
    yield (
        "digits | pictures | inputs | hidden | certified | build, s | slowest | "
        "against 5 digits | nodes | certify, s"
    )
    five = median(puzzle.seconds for puzzle in random_puzzles(5, 3, n))
    for digits, pictures in [
        *((digits, 3) for digits in (4, 5, 6, 8, 10, 12, 14, 16)),
        (12, 1),
        (16, 1),
    ]:
        built = random_puzzles(digits, pictures, n)
        loaded = networks(built)
        hidden, seconds = loaded[0].embedding.embedding_dim, [puzzle.seconds for puzzle in built]
        nodes = median(puzzle.certificate.nodes for puzzle in built)
        again = median(clock(partial(certify, loaded[i], built[i].secret)) for i in range(n))
        puzzles = f"{digits} | {pictures} | {count_codes(digits):,} | {hidden} | {certified(built)}"
        times = f"{median(seconds):.2f} | {max(seconds):.2f} | {median(seconds) / five:.1f}"
        yield f"{puzzles} | {times} | {nodes:,.0f} | {again:.3f}"
    yield f"{counted(n, 'puzzle')} to a line. Build: to train and certify. Certify: that alone."
    try:
        import resource  # Windows has none
    except ImportError:
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**30 if sys.platform == "darwin" else 2**20
    )
    yield f"Memory of this process at its peak: {peak:.2f} GiB."


def pictures(n):
    yield "digits | cells | heads | decoys | certified | build, s | nodes | bound | zip, bytes"
    kinds = (
        (4, 5, False),
        (4, 6, False),
        (4, 10, False),
        (4, 12, False),
        (6, 3, False),
        (6, 6, False),
        (12, 3, False),
        (20, 1, False),
        (4, 5, True),
        (4, 10, True),
        (6, 3, True),
        (8, 2, True),
    )
    dice = random.Random(1)
    for digits, tiles, decoys in kinds:
        built = []
        for _ in range(n):
            secret = draw_tiles(dice, digits, tiles, grey=not decoys, decoys=decoys)
            built.append(build(secret))
        cells = tiles * (1 + digits)
        seconds = median(puzzle.seconds for puzzle in built)
        nodes = median(puzzle.certificate.nodes for puzzle in built)
        bound = max(puzzle.certificate.rounding for puzzle in built)
        files = make_files(built[0].secret, built[0].certificate.weights)
        size = len(zip_bytes("puzzle", files))
        yield (
            f"{digits} | {cells} x {cells} | {tiles**2} | {'yes' if decoys else 'no'} | "
            f"{certified(built)} | {seconds:.2f} | {nodes:,.0f} | {bound:.1f} | {size:,}"
        )
    yield "Pictures have random tenths of grey, or with decoys random cells of black and white."


def editions(n):
    with tempfile.TemporaryDirectory() as folder:
        names = "\n".join(f"team {number}" for number in range(TEAMS))
        (Path(folder) / "teams.txt").write_text(names, encoding="utf-8")
        shutil.copy(GHOST, Path(folder) / "ghost.toml")
        command = [sys.executable, ROOT / "builder", "ghost.toml", "--teams", "teams.txt"]
        run = partial(subprocess.run, cwd=folder, check=True, capture_output=True)
        build_all = clock(partial(run, command))
        check_all = clock(partial(run, [*command, "--check"]))
    yield "editions of the default puzzle | build, s | check, s"
    yield f"{TEAMS:,} | {build_all:.0f} | {check_all:.0f}"


def network_rate(network, digits):
    """Codes per second of the network in batches."""
    tokens = pad(torch.randint(10, (10_000, digits)), (1, 0), value=CLS)
    return 10_000 / median(clock(partial(network, tokens)) for _ in range(20))


def largest_difference(network, digits):
    """Between the network's logits and the tables': a float.

    It looks at all codes of up to 5 digits, or else at random ones.
    """
    dice = torch.Generator().manual_seed(0)
    codes = all_codes(digits) if digits <= 5 else random_codes(SAMPLE, digits, dice)
    codes = codes[
        (codes != BLANK).sum(1).argsort(stable=True)
    ]  # short ones first, as they are asked
    by_tables = read_circuits(network).logits(codes)
    return (logits_of(network, tokens_by_length(codes)) - by_tables).abs().max().item()


def proof(n):
    yield (
        "digits | inputs | nodes | most | search, s | network, codes/s | network, all inputs | "
        "bound | found"
    )
    for digits in (5, 8, 12, 16):
        built, seconds, found = random_puzzles(digits, 3, n), [], []
        for puzzle, network in zip(built, networks(built), strict=True):
            seconds.append(
                clock(
                    partial(
                        search, read_circuits(network), puzzle.secret.code, HARDEST, budget=BUDGET
                    )
                )
            )
            found.append(largest_difference(network, digits))
        nodes = [puzzle.certificate.nodes for puzzle in built]
        bound = max(puzzle.certificate.rounding for puzzle in built)
        inputs, rate = count_codes(digits), network_rate(network, digits)
        by_search = f"{median(nodes):,.0f} | {max(nodes):,} | {median(seconds):.3f}"
        by_network = f"{rate:,.0f} | {duration(inputs / rate)}"
        yield f"{digits} | {inputs:,} | {by_search} | {by_network} | {bound:.2f} | {max(found):.5f}"
    yield (
        f"{counted(n, 'puzzle')} of 3 pictures to a line. "
        "Bound: on what rounding does to a logit, the largest."
    )
    yield (
        "Found: the largest difference, over all codes of up to 5 digits, "
        f"or over {SAMPLE:,} random ones."
    )


def attacks(n):
    ghost = Secret.read(GHOST)
    puzzles = {
        "default puzzle": build(ghost),
        "with decoys": build(replace(ghost, decoys=True)),
        "8 digits": random_puzzles(8, 3, n)[0],
        "16 digits": random_puzzles(16, 3, n)[0],
    }
    yield " | ".join(["attack", *puzzles])
    loaded = [(*networks([puzzle]), puzzle.secret) for puzzle in puzzles.values()]
    start = time.perf_counter()
    reports = [list(report(*pair)) for pair in track(loaded, "attacks")]
    seconds = time.perf_counter() - start
    for found in zip(*reports, strict=True):
        yield " | ".join([found[0].name, *(cost(finding) for finding in found)])
    for name, pair in zip(puzzles, loaded, strict=True):
        yield f"{name}: {verdict_sentence(verdict(*pair))}"
    yield f"The {counted(len(reports), 'report')} took {seconds:.1f} s."


SECTIONS = training, processes, growth, pictures, proof, attacks, editions


def show(console, lines):
    """Prints a section: a table of the lines with " | ", headings first, and the others below."""
    lines = list(lines)
    headings, *rows = (line.split(" | ") for line in lines if " | " in line)
    table = Table(*headings, box=box.MARKDOWN)
    for row in rows:
        table.add_row(*row)
    console.print(table, *(line for line in lines if " | " not in line), sep="\n")


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sections = {section.__name__: section for section in SECTIONS}
    parser.add_argument("sections", nargs="*", metavar="SECTION", choices=sections)
    chosen = parser.parse_args().sections or sections

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    torch.set_num_threads(1)  # as the builder does; the original's loop is fastest so, too
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    console.print(f"Python {platform.python_version()}, torch {torch.__version__}, {machine}")
    for name in chosen:
        show(console, sections[name](REPETITIONS))


if __name__ == "__main__":
    main()
