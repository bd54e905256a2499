"""Smoothness: with decoys, a large picture comes together as more and more digits are right.

A wrong number shows the cells of its right digits where they belong, and random ones elsewhere. The
more cells belong together, the less neighbours differ. So solvers can climb by what they see. They
need numbers of different digits for that, since equal digits show smooth pictures of their own.
"""

from functools import partial

from builder.attacks.climb import at_every_length, climb
from builder.attacks.exchanges import exchanges, random_different_digits

LOOKS = 3000  # numbers that somebody looks at, at most


def by_smoothness(target):
    """Climbs from random codes of different digits, towards smoother pictures."""
    score = partial(smoothness, target)
    looks = 0
    for start in at_every_length(random_different_digits(target.max_digits)):
        for codes in climb(score, start, exchanges, rounds=len(start)):
            yield codes
            looks += len(codes)
        if looks >= LOOKS:
            return


def smoothness(target, codes):
    """Minus the total variation of the pictures that numbers (batch, digits) show, (batch,).

    The total variation is the sum of the differences of neighbouring cells (Rudin et al., 1992).
    """
    pictures = target.network.get_pictures(list(target.raw_cells(codes)))
    down = pictures.diff(dim=2).abs().sum((1, 2, 3))
    across = pictures.diff(dim=3).abs().sum((1, 2, 3))
    return -(down + across)
