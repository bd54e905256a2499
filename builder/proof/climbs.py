"""Climbs on the logit: how many of them end at the code. This is measured, not proved.

A climb starts from a random number of the code's length. It goes through the places again and
again, and takes the best digit at each, until nothing changes any more. All of it is done on the
circuits, where an answer costs little.
"""

import torch

from builder.network.circuits import Circuits
from builder.network.model import CLS

CLIMBS = 10_000  # of each kind: from left to right, and in an order drawn for each climb
BATCH = 1000  # climbs at a time
SWEEPS = 6  # over all places, at most


def share_of_climbs(circuits, code, generator, count=CLIMBS):
    """The share of climbs that end at the code (string), 0 to 1: of both kinds, the larger one."""
    right = torch.tensor([int(digit) for digit in code])
    shares = []
    for is_shuffled in (False, True):
        reached = 0
        for start in range(0, count, BATCH):
            codes, orders = draw_climbs(min(BATCH, count - start), len(code), generator)
            if not is_shuffled:
                orders = orders.sort(1).values
            ends = climb(circuits, codes, orders)
            reached += (ends == right).all(1).sum().item()
        shares.append(reached / count)
    return max(shares)


def draw_climbs(count, digits, generator):
    """Random codes to start from, (count, digits), and for each the order of its places, alike."""
    codes = torch.randint(10, (count, digits), generator=generator)
    orders = torch.rand(count, digits, generator=generator).argsort(1)
    return codes, orders


def climb(circuits, codes, orders, watch=None):
    """Where climbs end, (batch, digits).

    codes: where they start, (batch, digits), all of one length. orders: the order in which each
    goes through the places, alike. watch: if given, called before each step with the codes, the
    places (batch,) and what `digit_logits` says of them.
    """
    tables = Tables(circuits)
    codes = codes.clone()
    rows = torch.arange(len(codes))
    for _ in range(SWEEPS):
        before = codes.clone()
        for places in orders.unbind(1):
            logits = tables.digit_logits(codes, places)
            if watch:
                watch(codes, places, logits)
            codes[rows, places] = logits.argmax(1)
        if torch.equal(codes, before):
            break
    return codes


class Tables:
    """Circuits, prepared for asking what each digit at one place would do."""

    def __init__(self, circuits: Circuits):
        look = circuits.score.exp()  # (heads, positions, 11)
        product = look * circuits.vote
        self.digit_look, self.digit_product = look[:, 1:, :CLS], product[:, 1:, :CLS]
        self.cls_look, self.cls_product = look[:, 0, CLS:], product[:, 0, CLS:]  # (heads, 1)
        self.bias = circuits.bias

    def digit_logits(self, codes, places):
        """The logits of codes with each of the ten digits at a place, (batch, 10).

        codes: (batch, digits). places: one for each code, (batch,), counted from 0.
        """
        rows = torch.arange(len(codes))
        every_place = torch.arange(codes.shape[1])
        look = self.digit_look[:, every_place, codes]  # (heads, batch, digits)
        product = self.digit_product[:, every_place, codes]
        other_looks = self.cls_look + look.sum(2) - look[:, rows, places]  # (heads, batch)
        other_products = self.cls_product + product.sum(2) - product[:, rows, places]
        looks = other_looks[:, :, None] + self.digit_look[:, places]  # (heads, batch, 10)
        products = other_products[:, :, None] + self.digit_product[:, places]
        return self.bias + (products / looks).sum(0)
