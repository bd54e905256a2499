"""Builds and certifies many puzzles, to see whether that always works: python -m tests.sweep

Random puzzles have 1 to 4 pictures of random cells, and three in ten have a code of one repeated digit. The awkward
ones are made by hand: diagonals, checkerboards, pictures that are all dark or all lit, many pictures, short
codes in long networks. Ends with status 1 if one of them is not certified.
"""

import argparse
import math
import random
import statistics
import sys
import time
from dataclasses import replace
from typing import NamedTuple

import torch
from rich.progress import track

from builder.proof.certify import Certificate
from builder.proof.weights import load
from builder.screens import attack
from builder.secret import Secret
from builder.training.train import train

SWEEPS = {"1 to 8": (200, range(1, 9)), "12": (20, [12]), "16": (20, [16])}  # puzzles, and the digits of their codes
DECOYS = 20  # puzzles with decoys


class Built(NamedTuple):
    secret: Secret
    seconds: float
    attempts: int
    certificate: Certificate


def draw(dice, digits, max_digits, heads=None):
    """A random puzzle whose code has this many digits. heads: None for 1 to 4 pictures."""
    code = "".join(dice.choice("0123456789") for _ in range(digits))
    if dice.random() < 0.3:
        code = code[0] * digits
    size = 1 + digits
    cells = [float(dice.random() < 0.5) for _ in range((heads or dice.randint(1, 4)) * size * size)]
    return Secret(code, torch.tensor(cells).view(-1, size, size), max_digits)


def awkward():
    """Puzzles that are hard for one reason or another, by name."""
    long = "2013170420240309"

    def pictures(size, heads, picture):
        rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        return torch.stack([picture(rows, columns, head).float() for head in range(heads)])

    def diagonals(rows, columns, head):
        return [rows == columns, rows + columns == rows.max(), rows != columns, rows + columns != rows.max()][head % 4]

    def random_cells(rows, columns, head):
        return torch.rand(rows.shape, generator=torch.Generator().manual_seed(head)) < 0.5

    shapes = {
        "checkerboards": lambda rows, columns, head: (rows + columns + head) % 2 == 0,
        "dark": lambda rows, columns, head: rows < 0,
        "lit": lambda rows, columns, head: rows >= 0,
    }
    for digits in (7, 8, 16):
        for heads in (1, 2, 4, 8):
            secret = Secret(long[:digits], pictures(1 + digits, heads, diagonals), digits)
            yield f"{heads} diagonals, {digits} digits", secret
    for name, shape in shapes.items():
        for digits in (4, 8, 16):
            for heads in (1, 3):
                yield (
                    f"{heads} {name}, {digits} digits",
                    Secret(long[:digits], pictures(1 + digits, heads, shape), digits),
                )
    yield "8 pictures that are the same", Secret("20131704", pictures(9, 8, lambda r, c, h: r == c), 8)
    yield "8 random pictures", Secret("20131704", pictures(9, 8, random_cells), 8)
    for heads in (1, 3):
        yield f"00000000, pictures: {heads}", Secret("00000000", pictures(9, heads, random_cells), 8)
        yield f"one digit of 16, pictures: {heads}", Secret("7", pictures(2, heads, random_cells), 16)
        yield f"four digits of 16, pictures: {heads}", Secret("2013", pictures(5, heads, random_cells), 16)


def build(secret, seed=0):
    """Trains and certifies a puzzle, and measures the time."""
    start = time.perf_counter()
    *_, last = train(secret, seed)
    return Built(secret, time.perf_counter() - start, 1 + last.seed - seed, last.certificate)


def sweep(puzzles, digits, seed=0):
    """Draws random puzzles, and yields each one when it is built. digits: the lengths that a code may have."""
    dice = random.Random(seed)
    for _ in range(puzzles):
        length = dice.choice(digits)
        yield build(draw(dice, length, max(5, length)))


def with_decoys(puzzles, seed=0):
    """Draws random puzzles with decoys, and yields each one when it is built: 4 to 8 different digits, 2 to 4 heads."""
    dice = random.Random(seed)
    for _ in range(puzzles):
        digits, heads = dice.randint(4, 8), dice.randint(2, 4)
        code = "".join(dice.sample("0123456789", digits))
        yield build(replace(draw(dice, digits, max(5, digits), heads), code=code, decoys=True))


def opened_by_pictures(built):
    """Whether the code of a built puzzle is found by eye."""
    network = load(built.certificate.weights)
    return attack.count_guesses(network, attack.by_eye(network)) < math.inf


def report(name, built):
    """One line about a group of puzzles."""
    slowest = max(built, key=lambda puzzle: puzzle.seconds)
    return (
        f"{name}: {sum(puzzle.certificate.holds for puzzle in built)} of {len(built)} certified, "
        f"{sum(puzzle.attempts > 1 for puzzle in built)} of them after a restart; "
        f"median {statistics.median(puzzle.seconds for puzzle in built):.2f} s, "
        f"slowest {slowest.seconds:.2f} s ({slowest.secret.code}, pictures: {len(slowest.secret.pictures)}); "
        f"at most {max(puzzle.certificate.nodes for puzzle in built):,} nodes"
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument(
        "--share", type=float, default=1.0, help="build this share of each group of random puzzles (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="where the random numbers start from (default: 0)")
    chosen = parser.parse_args()

    everything = []
    for name, (puzzles, digits) in SWEEPS.items():
        puzzles = max(1, round(puzzles * chosen.share))
        built = list(track(sweep(puzzles, digits, chosen.seed), f"{name} digits", total=puzzles))
        print(report(f"{name} digits", built), flush=True)
        everything += built
    puzzles = max(1, round(DECOYS * chosen.share))
    built = list(track(with_decoys(puzzles, chosen.seed), "decoys", total=puzzles))
    opened = sum(opened_by_pictures(puzzle) for puzzle in track(built, "attacking them"))
    print(report("decoys, 4 to 8 digits", built))
    print(
        f"their cells within 0.01 of 0 or 1: at least {min(puzzle.certificate.crisp for puzzle in built):.2%}; "
        f"opened by eye: {opened} of {len(built)}",
        flush=True,
    )
    everything += built
    hard = dict(awkward())
    built = {name: build(secret) for name, secret in track(hard.items(), "awkward puzzles")}
    print(report("awkward puzzles", built.values()))
    everything += built.values()
    for puzzle in everything:
        if not puzzle.certificate.holds:
            print(f"not certified: {puzzle.secret.code}, pictures: {len(puzzle.secret.pictures)}")
    return 0 if all(puzzle.certificate.holds for puzzle in everything) else 1


if __name__ == "__main__":
    sys.exit(main())
