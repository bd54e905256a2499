"""Exchanges: with decoys the digits of most codes differ, so a program may try only such numbers.

If a digit that stands in the number is tried at another place, the two digits change places.
"""

import torch

from builder.attacks.climb import STARTS, at_every_length, climb
from builder.network.model import CLS


def by_exchanges(target):
    """Climbs from random codes of different digits."""
    for start in at_every_length(random_different_digits(target.max_digits)):
        yield from climb(target.logits, start, exchanges, rounds=len(start))


def exchanges(code, place):
    """The code with each other digit at this place, (9, digits), and all digits different."""
    digits = torch.arange(CLS)
    digits = digits[digits != code[place]]
    codes = torch.where(code == digits[:, None], code[place], code)
    codes[:, place] = digits
    return codes


def random_different_digits(longest):
    """Codes of different digits to start from, (STARTS, at most 10), the same ones every time."""
    generator = torch.Generator().manual_seed(0)
    orders = torch.stack([torch.randperm(CLS, generator=generator) for _ in range(STARTS)])
    return orders[:, :longest]
