"""Place by place: the digit with the highest logit at each place in turn."""

import torch

from builder.attacks.climb import at_every_length, climb, random_starts
from builder.attacks.target import equal_digits
from builder.network.model import CLS


def by_place(target):
    """Climbs from 0, 00, ..., 1, 11, ..., then from random codes."""
    longest = target.max_digits
    for start in at_every_length(torch.cat([equal_digits(longest), random_starts(longest)])):
        yield from climb(target.logits, start, other_digits, rounds=len(start))


def other_digits(code, place):
    """The code with each other digit at this place, (9, digits)."""
    codes = code.repeat(CLS, 1)
    codes[:, place] = torch.arange(CLS)
    return codes[codes[:, place] != code[place]]
