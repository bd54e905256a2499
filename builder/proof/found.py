"""What a search for the hardest wrong codes finds."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from builder.network.codes import encode


class Found(NamedTuple):
    """What a search found.

    codes, logits: the hardest wrong codes above the limit, (n, max_digits) and (n,), hardest first.
    nodes: how many nodes were bounded.
    settled: how many codes are settled, an int. If these are not all codes there are, codes and
        logits are the hardest seen so far.
    precision: how exact the search is, in logits. If all codes are settled, no other one is above
        the limit, or above the last of k logits, by more than this.
    """

    codes: Tensor
    logits: Tensor
    nodes: int
    settled: int
    precision: float


class Hardest:
    """The k wrong codes with the highest logits, of those that were added.

    codes, logits: (n, max_digits) and (n,), hardest first. threshold: only codes with a logit above
    this are looked for: above a limit at first, later above the last of k logits. secret: the right
    code, (1, max_digits), which is never among them.
    """

    def __init__(self, circuits, code, k=1, limit=-math.inf):
        self.circuits = circuits
        self.secret = encode(code, circuits.max_digits)
        self.k = k
        self.limit = limit
        self.threshold = limit
        self.codes = torch.empty(0, circuits.max_digits, dtype=torch.long)
        self.logits = torch.empty(0, dtype=torch.float64)

    def add(self, codes):
        """Adds the wrong ones of codes, (batch, max_digits), all of them above the threshold."""
        codes = codes[(codes != self.secret).any(1)]
        if not len(codes):
            return
        # Duplicates occur: a code can be found in more than one way.
        codes = torch.cat([self.codes, codes]).unique(dim=0)
        logits, order = self.circuits.logits(codes).sort(descending=True, stable=True)
        self.codes = codes[order[: self.k]]
        self.logits = logits[: self.k]
        if len(self.logits) == self.k:
            self.threshold = max(self.limit, self.logits[-1].item())
