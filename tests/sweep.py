"""Builds and certifies many puzzles, to see whether that always works: python -m tests.sweep

Random puzzles have pictures of random cells, and three in ten of the plain ones have a code of one
repeated digit. Tiles are pictures of several heads. The awkward ones are made by hand: diagonals,
checkerboards, pictures that are all dark or all lit, many pictures, short codes in long networks.
It ends with status 1 if a puzzle is not certified that a drawing allows.

With --summits it builds puzzles with false summits instead, and shows each. Some fail: they need
another seed, or one more picture.
"""

import argparse
import itertools
import random
import statistics
import sys
import time
from dataclasses import replace
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import track

from builder.errors import PuzzleError
from builder.proof.certify import Certificate
from builder.puzzle_file.code import DIGITS
from builder.puzzle_file.decoys import check_decoys
from builder.puzzle_file.secret import Secret
from builder.training.train import train

LONG = "2013170420240309"
LONGEST = 16  # the largest max_digits of a random puzzle with decoys
LONGEST_WITH_SUMMITS = 12


class Built(NamedTuple):
    secret: Secret
    seconds: float
    seed: int
    steps: int
    certificate: Certificate | None  # None if no attempt came so far

    @property
    def holds(self):
        return self.certificate is not None and self.certificate.holds

    @property
    def nodes(self):
        return self.certificate.nodes if self.certificate else 0


def pictures(size, heads, is_lit):
    """Pictures whose cells are lit if is_lit(row, column, head) says so."""
    return tuple(
        tuple(tuple(int(is_lit(r, c, h)) for c in range(size)) for r in range(size))
        for h in range(heads)
    )


def draw(dice, digits, max_digits, heads=None, decoys=False):
    """A random puzzle whose code has this many digits. heads: None for 1 to 4 pictures."""
    code = draw_code(dice, digits, decoys)
    heads = heads or dice.randint(1, 4)
    cells = pictures(1 + digits, heads, lambda *_: dice.random() < 0.5)
    return Secret(code, cells, max_digits, decoys=decoys)


def draw_code(dice, digits, decoys):
    if decoys:
        return "".join(dice.sample(DIGITS, digits))
    code = "".join(dice.choices(DIGITS, k=digits))
    if dice.random() < 0.3:
        return code[0] * digits
    return code


def draw_tiles(dice, digits, tiles, grey=False, decoys=False):
    """A random puzzle with one picture of tiles x tiles heads."""
    size = tiles * (1 + digits)
    levels = range(11) if grey else (0, 10)
    picture = tuple(tuple(dice.choice(levels) / 10 for _ in range(size)) for _ in range(size))
    code = draw_code(dice, digits, decoys)
    return Secret(code, (picture,), max(5, digits), decoys=decoys)


def awkward():
    """Puzzles that are hard for one reason or another."""
    for digits, heads in itertools.product((7, 8, 16), (1, 2, 4, 8)):
        yield diagonals(digits, heads)
    shapes = (
        lambda row, column, head: (row + column + head) % 2 == 0,  # a checkerboard
        lambda row, column, head: False,
        lambda row, column, head: True,
    )
    for shape, digits, heads in itertools.product(shapes, (4, 8, 16), (1, 3)):
        yield Secret(LONG[:digits], pictures(1 + digits, heads, shape), digits)
    same = pictures(9, 8, lambda row, column, head: row == column)
    yield Secret(LONG[:8], same, 8)
    dice = random.Random(0)
    yield Secret(LONG[:8], draw(dice, 8, 8, heads=8).pictures, 8)
    short_codes = (("0" * 8, 8), ("7", 16), ("2013", 16))
    for heads, (code, max_digits) in itertools.product((1, 3), short_codes):
        yield Secret(code, draw(dice, len(code), max_digits, heads).pictures, max_digits)


def diagonals(digits, heads):
    """Both diagonals, lit and dark, one after the other."""

    def is_lit(row, column, head):
        main = row == column
        other = row + column == digits
        return (main, other, not main, not other)[head % 4]

    return Secret(LONG[:digits], pictures(1 + digits, heads, is_lit), digits)


def decoy_puzzles(dice, number):
    """Random puzzles with decoys that their drawing allows, with any room behind the code."""
    while number:
        digits = dice.randint(4, 10)
        heads = dice.randint(1, 4)
        secret = draw(dice, digits, dice.randint(digits, LONGEST), heads, decoys=True)
        try:
            check_decoys(secret.code, secret.tiles)
        except PuzzleError:
            continue
        number -= 1
        yield secret


def summit_puzzles(dice, number):
    """Random puzzles with false summits: of three heads to eight, and of 9 and 25 tiles."""
    kinds = [None] * round(0.65 * number)
    kinds += [3] * round(0.175 * number)
    kinds += [5] * (number - len(kinds))
    for tiles in kinds:
        yield _draw_summits(dice, tiles)


def _draw_summits(dice, tiles):
    """A random puzzle with false summits that its drawing allows. tiles: in a row, or None."""
    while True:
        digits = dice.randint(4, 8)
        max_digits = dice.randint(digits, LONGEST_WITH_SUMMITS)
        if tiles:
            secret = draw_tiles(dice, digits, tiles, decoys=True)
        else:
            secret = draw(dice, digits, max_digits, dice.randint(3, 8), decoys=True)
        secret = replace(secret, max_digits=max_digits, summits=True)
        try:
            check_decoys(secret.code, secret.tiles)
        except PuzzleError:
            continue
        return secret


def report_summits(built):
    """One line about a puzzle with false summits."""
    secret, certificate = built.secret, built.certificate
    sizes = (
        f"{len(secret.code)} digits, heads: {len(secret.tiles)}, max_digits: {secret.max_digits}"
    )
    if not built.holds:
        return f"{sizes}: not certified within {built.seconds:.1f} s"
    return (
        f"{sizes}: {built.seconds:.1f} s with seed {built.seed}, {certificate.climbs:.2%} of "
        f"climbs arrive, rounding bound {certificate.rounding:.0f}, {certificate.nodes:,} nodes"
    )


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

    short = [dice.randint(1, 8) for _ in some(200)]
    yield "1 to 8 digits", [draw(dice, digits, max(5, digits)) for digits in short]
    for digits in (12, 16):
        yield f"{digits} digits", [draw(dice, digits, digits) for _ in some(20)]
        yield f"{digits} digits, 1 picture", [draw(dice, digits, digits, heads=1) for _ in some(5)]
    for digits in (24, 32):
        yield f"{digits} digits", [draw(dice, digits, digits) for _ in some(5)]
    yield "tiles, 4 digits", [draw_tiles(dice, 4, dice.randint(2, 6), grey=True) for _ in some(10)]
    yield (
        "tiles, 4 digits, decoys",
        [draw_tiles(dice, 4, dice.randint(2, 5), decoys=True) for _ in some(5)],
    )
    yield "decoys, 4 to 10 digits", list(decoy_puzzles(dice, len(some(40))))
    yield "awkward puzzles", list(awkward())


def report(name, built):
    """One line about a group of puzzles."""
    seconds = [puzzle.seconds for puzzle in built]
    slowest = max(built, key=lambda puzzle: puzzle.seconds).secret
    certified = sum(puzzle.holds for puzzle in built)
    restarted = sum(puzzle.seed > 0 for puzzle in built if puzzle.holds)
    nodes = max(puzzle.nodes for puzzle in built)
    return (
        f"{name}: {certified} of {len(built)} certified, {restarted} of them after a restart; "
        f"median {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s "
        f"({slowest.code}, heads: {len(slowest.tiles)}); at most {nodes:,} nodes"
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="share of each random group")
    parser.add_argument("--seed", type=int, default=0, help="where random numbers start from")
    parser.add_argument("--summits", action="store_true", help="puzzles with false summits alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.summits:
        number = max(1, round(40 * arguments.share))
        for secret in summit_puzzles(random.Random(arguments.seed), number):
            print(report_summits(build(secret)), flush=True)
        return 0
    failed = []
    for name, secrets in groups(arguments.share, arguments.seed):
        watched = track(secrets, name, console=Console(stderr=True), transient=True)
        built = [build(secret) for secret in watched]
        print(report(name, built), flush=True)
        failed += [puzzle.secret for puzzle in built if not puzzle.holds]
    for secret in failed:
        print(
            f"not certified: {secret.code}, heads: {len(secret.tiles)}, "
            f"max_digits: {secret.max_digits}, decoys: {secret.decoys}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
