"""Climbing: from a number to the best of its neighbours, until none is better."""

import itertools

import torch

from builder.network.model import CLS

STARTS = 20  # random numbers that an attack starts from


def climb(score, code, neighbours, rounds):
    """Climbs from a code, (digits,), and yields the numbers that it asks.

    score: a function of codes (batch, digits): how good they are, (batch,).
    neighbours: a function of a code and of a round, 0 to rounds - 1. It returns the codes to try
    then, (tries, digits). The climb ends after all rounds without a better code.
    """
    yield code[None]
    highest = score(code[None]).item()
    unmoved = 0
    for turn in itertools.count():
        tried = neighbours(code, turn % rounds)
        yield tried
        values = score(tried)
        best = values.argmax()
        if values[best] > highest:
            code = tried[best]
            highest = values[best].item()
            unmoved = 0
        else:
            unmoved += 1
        if unmoved == rounds:
            return


def random_starts(longest):
    """Codes to start from, (STARTS, longest), the same ones every time."""
    return torch.randint(CLS, (STARTS, longest), generator=torch.Generator().manual_seed(0))


def at_every_length(starts):
    """Yields each start cut to every length, short ones first: nobody knows the code's length."""
    for start in starts:
        for digits in range(1, 1 + len(start)):
            yield start[:digits]
