"""The hardest wrong codes, nearly, without looking at all of them: a beam search, digit by digit.

A partial code is itself a code, so one pass finds hard codes of every length in milliseconds.
"""

import torch

from builder.circuits import BLANK
from builder.keyspace import encode
from builder.model import CLS

WIDTH = 500  # partial codes kept for their logit; those one digit off are kept besides
STRAYS = 100  # and some at random, since a bad beginning may end well


def beam_search(circuits, code, k, generator):
    """Hard wrong codes of each length: the k with the highest logits among those the beam has met.

    code: the secret. generator: a torch.Generator for the strays. Returns codes, shape (batch, max_digits).
    Raises OverflowError as Circuits.terms does.
    """
    circuits = circuits.double()
    secret = encode(code, circuits.max_digits)
    terms = torch.cat(circuits.terms())  # (2 * heads, positions, 11)
    codes, sums = torch.full_like(secret, BLANK), terms[None, :, 0, CLS]  # (batch, 2 * heads)
    found = []
    for length in range(1, circuits.max_digits + 1):
        digits = torch.arange(10).repeat(len(codes))
        codes = codes.repeat_interleave(10, dim=0)
        codes[:, length - 1] = digits
        sums = (sums[:, None] + terms[:, length, :10].T).flatten(0, 1)
        looks, votes = sums.chunk(2, dim=1)
        logits = (votes / looks).sum(1)  # the bias is the same for all

        wrong = (codes != secret).any(1)
        found.append(codes[wrong][logits[wrong].topk(min(k, int(wrong.sum()))).indices])
        if len(codes) > WIDTH:
            keep = (codes[:, :length] != secret[:, :length]).sum(1) <= 1
            keep[logits.topk(WIDTH).indices] = True
            keep[torch.randint(len(codes), (STRAYS,), generator=generator)] = True
            codes, sums = codes[keep], sums[keep]
    return torch.cat(found)
