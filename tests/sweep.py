"""Builds and certifies random puzzles, to see whether it always works: python -m tests.sweep

Small puzzles have 1 to 5 digits and large ones 8; each has 1 to 4 pictures of random cells, and in three of ten one
digit is repeated throughout the code. Ends with status 1 if one of them could not be certified.
"""

import argparse
import random
import statistics
import sys
import time
from typing import NamedTuple

import torch
from rich.progress import track

from builder.certify import Certificate
from builder.secret import Secret
from builder.train import train


class Built(NamedTuple):
    secret: Secret
    seconds: float
    attempts: int
    certificate: Certificate


def draw(dice, digits, max_digits, heads=None):
    """A random puzzle with a code of so many digits."""
    code = "".join(dice.choice("0123456789") for _ in range(digits))
    if dice.random() < 0.3:
        code = code[0] * digits
    size = 1 + digits
    cells = [float(dice.random() < 0.5) for _ in range((heads or dice.randint(1, 4)) * size * size)]
    return Secret(code, torch.tensor(cells).view(-1, size, size), max_digits)


def build(secret, seed=0):
    """Trains and certifies a puzzle, with the clock running."""
    start = time.perf_counter()
    *_, last = train(secret, seed)
    return Built(secret, time.perf_counter() - start, 1 + last.seed - seed, last.certificate)


def sweep(small, large, seed=0):
    """Draws the puzzles, and builds one after the other as it yields them."""
    dice = random.Random(seed)
    for _ in range(small):
        yield build(draw(dice, digits=dice.randint(1, 5), max_digits=5))
    for _ in range(large):
        yield build(draw(dice, digits=8, max_digits=8))


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--small", type=int, default=200, help="puzzles of 1 to 5 digits (default: 200)")
    parser.add_argument("--large", type=int, default=20, help="puzzles of 8 digits (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="where the dice start from (default: 0)")
    chosen = parser.parse_args()

    total = chosen.small + chosen.large
    built = list(track(sweep(chosen.small, chosen.large, chosen.seed), "sweeping", total=total))
    for name, group in (("1 to 5 digits", built[: chosen.small]), ("8 digits", built[chosen.small :])):
        if group:
            slowest = max(group, key=lambda puzzle: puzzle.seconds)
            print(
                f"{name}: {sum(puzzle.certificate.holds for puzzle in group)} of {len(group)} certified, "
                f"{sum(puzzle.attempts > 1 for puzzle in group)} of them after a restart; "
                f"median {statistics.median(puzzle.seconds for puzzle in group):.2f} s, "
                f"slowest {slowest.seconds:.2f} s ({slowest.secret.code}, {len(slowest.secret.pictures)} pictures)"
            )
    return 0 if all(puzzle.certificate.holds for puzzle in built) else 1


if __name__ == "__main__":
    sys.exit(main())
