"""Pairs of places: the two digits with the highest logit at two places at once."""

import itertools
from functools import partial

import torch

from builder.attacks.climb import at_every_length, climb, random_starts
from builder.network.model import CLS

PAIRS = torch.cartesian_prod(torch.arange(CLS), torch.arange(CLS))  # (100, 2)


def by_pairs(target):
    """Climbs from random codes of two digits and more."""
    for start in at_every_length(random_starts(target.max_digits)):
        places = list(itertools.combinations(range(len(start)), 2))
        if places:
            neighbours = partial(other_pairs, places)
            yield from climb(target.logits, start, neighbours, rounds=len(places))


def other_pairs(places, code, turn):
    """The code with each other pair of digits at the places whose turn it is, (99, digits)."""
    codes = code.repeat(len(PAIRS), 1)
    codes[:, places[turn]] = PAIRS
    return codes[(codes != code).any(1)]
