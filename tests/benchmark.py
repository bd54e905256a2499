"""Measures what the README claims, each figure beside what it is compared with: python -m tests.benchmark

training    the original's loop against training and certifying here, and what came out of both
processes   the builder and the guess script as whole processes against a bare import of torch, in turn
scan        codes per second by the tables and by the network in batches, and how far their logits are apart
growth      the time to build, and the scan's codes per second, from 4 to 8 digits
"""

import argparse
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.nn.functional import binary_cross_entropy, mse_loss

from builder import bundle
from builder.certify import certify
from builder.circuits import read_circuits
from builder.keyspace import count_codes, scan
from builder.model import CLS, NeuralNetwork, tokenize
from builder.secret import Secret
from tests.helpers import GHOST, GUESS, PUZZLE, ROOT, digits, gibibytes
from tests.sweep import build, draw

SECTIONS = ("training", "processes", "scan", "growth")
SEEDS = 5


def original_loop(secret, rounds):
    """The original's training: no positions, one example at a time, three steps a round. Returns the network."""
    torch.manual_seed(121)
    dice = random.Random(121)
    network = NeuralNetwork(10)
    network.embedding.position.data.zero_()
    network.embedding.position.requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)

    def step(code, right):
        tokens = tokenize(code)
        loss = binary_cross_entropy(network(tokens), torch.tensor([float(right)]))
        if right:
            matrices = network.get_attention_matrices(network.embedding(tokens))
            loss = loss + sum(
                mse_loss(matrix[0], picture) for matrix, picture in zip(matrices, secret.pictures, strict=True)
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in track(range(rounds), "the original's loop"):
        wrong = secret.code
        while wrong == secret.code:
            wrong = "".join(dice.choices("0123456789", k=dice.randint(1, secret.max_digits)))
        place = dice.randrange(len(secret.code))
        digit = dice.choice([digit for digit in "0123456789" if digit != secret.code[place]])
        step(wrong, right=False)
        step(secret.code[:place] + digit + secret.code[place + 1 :], right=False)
        step(secret.code, right=True)
    return network


def training(console, rounds):
    secret = Secret.read(GHOST)
    build(secret)  # torch loads the rest of itself with the first optimizer
    start = time.perf_counter()
    network = original_loop(secret, rounds)
    loop = (time.perf_counter() - start) * 10_000 / rounds
    ours = []
    for seed in track(range(SEEDS), "training and certifying here"):
        ours.append(build(secret, seed))
    seconds = statistics.median(built.seconds for built in ours)

    scaled = "" if rounds == 10_000 else f", scaled from {rounds:,}"
    table = Table("", "seconds", "wrong codes accepted", "secret", "hardest wrong code", "worst cell")
    runs = [("the original's loop" + scaled, loop, certify(network, secret))]
    runs += [(f"here, seed {seed}", built.seconds, built.certificate) for seed, built in enumerate(ours)]
    for name, duration, found in runs:
        table.add_row(
            *(name, f"{duration:.2f}", f"{found.accepted:,} of {found.looked_at:,}", f"{found.probability:.6f}"),
            *(f"{found.hardest_codes[0]} at {found.hardest_probability:.1e}", f"{found.worst_cell:.4f}"),
        )
    console.print(table)
    console.print(
        f"training and certifying: {loop / seconds:.0f} times faster (median of {SEEDS} seeds: {seconds:.2f} s)\n"
    )


def processes(console):
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "python -c 'import torch'": ["-c", "import torch"],
            "python -m builder": ["-m", "builder", "--out", str(Path(folder) / "out")],
            "python puzzle/guess.py 2013": [str(GUESS), "2013"],
        }
        seconds = {name: [] for name in commands}
        for turn in track(range(10), "whole processes"):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
                if turn:  # the first turn warms up
                    seconds[name].append(time.perf_counter() - start)
    table = Table("whole process", "median seconds", "ratio, pair by pair")
    bare = next(iter(seconds.values()))
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, bare, strict=True))
        table.add_row(name, f"{statistics.median(times):.2f}", f"{ratio:.2f}")
    console.print(table)


@torch.no_grad()
def scan_rate(circuits, turns=5):
    """Median codes per second of a scan."""
    seconds = []
    for _ in range(turns):
        start = time.perf_counter()
        for _ in scan(circuits):
            pass
        seconds.append(time.perf_counter() - start)
    return count_codes(circuits.max_digits) / statistics.median(seconds)


@torch.no_grad()
def scan_against_network(console):
    secret = Secret.read(GHOST)
    network = bundle.read(PUZZLE)
    logits = []
    hook = network.output.register_forward_hook(
        lambda layer, inputs, output: logits.append(output[:, 1] - output[:, 0])
    )
    batches = [
        torch.nn.functional.pad(digits(length), (1, 0), value=CLS).split(10_000)
        for length in range(1, secret.max_digits + 1)
    ]
    seconds = []
    for _ in track(range(5), "the network in batches"):
        logits.clear()
        start = time.perf_counter()
        for length in batches:
            for batch in length:
                network(batch)
        seconds.append(time.perf_counter() - start)
    hook.remove()
    circuits = read_circuits(network)
    scanned = torch.cat([block.clone() for _, _, block in scan(circuits)])
    apart = (scanned - torch.cat(logits)).abs()

    by_network, by_tables = len(scanned) / statistics.median(seconds), scan_rate(circuits)
    eight = scan_rate(read_circuits(NeuralNetwork(10, 3, 8)))
    table = Table("scan", "codes per second", "ratio")
    table.add_row("the network, batches of 10,000", f"{by_network / 1e6:.2f} million", "1")
    table.add_row("the tables, up to 5 digits", f"{by_tables / 1e6:.0f} million", f"{by_tables / by_network:.0f}")
    table.add_row("the tables, up to 8 digits", f"{eight / 1e6:.0f} million", f"{eight / by_network:.0f}")
    console.print(table)
    near = scanned.abs() < 20
    console.print(
        f"largest difference in logits over {len(scanned):,} codes: {apart.max():.1e}, "
        f"where logits go down to {scanned.min():.0f}; {apart[near].max():.1e} where they are within 20 of 0\n"
    )


def growth(console):
    dice = random.Random(1)
    table = Table(
        "digits", "inputs", "median seconds to build", "slowest", "against 5 digits", "scan, codes per second"
    )
    rows = {}
    for length in track(range(4, 9), "4 to 8 digits"):
        built = [build(draw(dice, length, length, heads=3)) for _ in range(2 * SEEDS)]
        assert all(puzzle.certificate.holds for puzzle in built)
        rate = scan_rate(read_circuits(NeuralNetwork(10, 3, length)))
        rows[length] = [puzzle.seconds for puzzle in built], rate
    five = statistics.median(rows[5][0])
    for length, (seconds, rate) in rows.items():
        median = statistics.median(seconds)
        table.add_row(
            *(str(length), f"{count_codes(length):,}", f"{median:.2f}", f"{max(seconds):.2f}"),
            *(f"{median / five:.1f}", f"{rate / 1e6:.0f} million"),
        )
    console.print(table)
    console.print(f"{2 * SEEDS} random puzzles of 3 pictures each")
    try:
        import resource
    except ImportError:
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    console.print(f"peak memory of this process: {gibibytes(peak):.2f} GiB")


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", choices=[*SECTIONS, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=10_000, help="of the original's loop (default: 10,000)")
    chosen = parser.parse_args()
    console = Console(highlight=False)
    console.print(
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.system()}, "
        f"{torch.get_num_threads()} threads, {platform.machine()}\n"
    )
    measures = (partial(training, rounds=chosen.rounds), processes, scan_against_network, growth)
    for section, measure in zip(SECTIONS, measures, strict=True):
        if section in chosen.sections or not chosen.sections:
            measure(console)


if __name__ == "__main__":
    main()
