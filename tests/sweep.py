"""Builds and certifies many puzzles, to see whether that always works: python -m tests.sweep

Random puzzles have 1 to 4 pictures of random cells, and three in ten have a code of one repeated digit. The awkward
ones are made by hand: diagonals, checkerboards, pictures that are all dark or all lit, many pictures, short
codes in long networks. Ends with status 1 if one of them is not certified.
"""

import argparse
import functools
import itertools
import random
import statistics
import sys
import time
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import track

from builder.proof.certify import Certificate
from builder.puzzle_file.code import DIGITS
from builder.puzzle_file.secret import Secret
from builder.training.train import train

LONG = "2013170420240309"


class Built(NamedTuple):
    secret: Secret
    seconds: float
    seed: int
    steps: int
    certificate: Certificate


def pictures(size, heads, is_lit):
    """Pictures whose cells are lit where is_lit(row, column, head) says so."""
    cells = range(size)
    return tuple(
        tuple(tuple(int(is_lit(r, c, h)) for c in cells) for r in cells) for h in range(heads)
    )


def draw(dice, digits, max_digits, heads=None, decoys=False):
    """A random puzzle whose code has this many digits. heads: None for 1 to 4 pictures."""
    code = "".join(dice.sample(DIGITS, digits) if decoys else dice.choices(DIGITS, k=digits))
    if not decoys and dice.random() < 0.3:
        code = code[0] * digits
    cells = pictures(1 + digits, heads or dice.randint(1, 4), lambda *_: dice.random() < 0.5)
    return Secret(code, cells, max_digits, decoys=decoys)


def awkward():
    """Puzzles that are hard for one reason or another."""

    def is_diagonal(row, column, head, last):
        return [row == column, row + column == last, row != column, row + column != last][head % 4]

    for digits, heads in itertools.product((7, 8, 16), (1, 2, 4, 8)):
        yield Secret(
            LONG[:digits],
            pictures(1 + digits, heads, functools.partial(is_diagonal, last=digits)),
            digits,
        )
    checkerboard, dark, lit = lambda *place: sum(place) % 2 == 0, lambda *_: False, lambda *_: True
    for shape, digits, heads in itertools.product((checkerboard, dark, lit), (4, 8, 16), (1, 3)):
        yield Secret(LONG[:digits], pictures(1 + digits, heads, shape), digits)
    yield Secret(
        LONG[:8], pictures(9, 8, lambda row, column, _: row == column), 8
    )  # 8 that are the same
    dice = random.Random(0)
    yield Secret(LONG[:8], draw(dice, 8, 8, heads=8).pictures, 8)
    for heads, (code, max_digits) in itertools.product(
        (1, 3), (("0" * 8, 8), ("7", 16), ("2013", 16))
    ):
        yield Secret(code, draw(dice, len(code), max_digits, heads).pictures, max_digits)


def build(secret, seed=0):
    """Trains and certifies a puzzle, and measures the time."""
    start = time.perf_counter()
    *_, last = train(secret, seed)
    return Built(secret, time.perf_counter() - start, last.seed, last.step, last.certificate)


def groups(share, seed):
    """The groups of puzzles, by name, each a list of secrets."""
    dice = random.Random(seed)

    def some(number):
        return range(max(1, round(number * share)))

    yield (
        "1 to 8 digits",
        [draw(dice, digits, max(5, digits)) for digits in (dice.randint(1, 8) for _ in some(200))],
    )
    for digits in (12, 16):
        yield f"{digits} digits", [draw(dice, digits, digits) for _ in some(20)]
        yield f"{digits} digits, 1 picture", [draw(dice, digits, digits, heads=1) for _ in some(5)]
    drawn = [(dice.randint(4, 8), dice.randint(2, 4)) for _ in some(20)] + [
        (dice.randint(4, 6), 1) for _ in some(10)
    ]
    yield (
        "decoys, 4 to 8 digits",
        [draw(dice, digits, max(5, digits), heads, decoys=True) for digits, heads in drawn],
    )
    yield "awkward puzzles", list(awkward())


def report(name, built):
    """One line about a group of puzzles."""
    seconds = [puzzle.seconds for puzzle in built]
    slowest = max(built, key=lambda puzzle: puzzle.seconds).secret
    return (
        f"{name}: {sum(puzzle.certificate.holds for puzzle in built)} of {len(built)} certified, "
        f"{sum(puzzle.seed > 0 for puzzle in built)} of them after a restart; "
        f"median {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s "
        f"({slowest.code}, pictures: {len(slowest.pictures)}); "
        f"at most {max(puzzle.certificate.nodes for puzzle in built):,} nodes"
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="build this share of each random group (default: 1)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="where the random numbers start from (default: 0)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    failed = []
    for name, secrets in groups(arguments.share, arguments.seed):
        built = [
            build(secret)
            for secret in track(secrets, name, console=Console(stderr=True), transient=True)
        ]
        print(report(name, built), flush=True)
        failed += [puzzle.secret for puzzle in built if not puzzle.certificate.holds]
    for secret in failed:
        print(
            f"not certified: {secret.code}, pictures: {len(secret.pictures)}, decoys: {secret.decoys}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
