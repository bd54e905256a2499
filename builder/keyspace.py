"""Every code there is: all strings of 1 to max_digits digits, leading zeros counted.

A batch of codes is a tensor (batch, max_digits) of digits, with BLANK behind the end of a shorter code. Among the codes
of one length, a code's number is the code read as a number.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from builder.circuits import BLANK
from builder.model import CLS

BLOCK = 500_000  # codes scored at a time: few enough for the processor's cache, so far more than twice as fast


def count_codes(max_digits):
    """How many codes there are."""
    return sum(10**length for length in range(1, max_digits + 1))


def encode(code, max_digits):
    """A code (string) as a batch of one, shape (1, max_digits)."""
    return torch.tensor([[int(digit) for digit in code] + [BLANK] * (max_digits - len(code))])


def decode(digits):
    """The string of one row of a batch of codes."""
    return "".join(str(digit) for digit in digits.tolist() if digit != BLANK)


def numbered(length, numbers, max_digits):
    """The codes of one length that have these numbers (shape (batch,)), shape (batch, max_digits)."""
    codes = torch.full((len(numbers), max_digits), BLANK)
    for place in range(length):
        codes[:, place] = numbers // 10 ** (length - 1 - place) % 10
    return codes


def scan(circuits):
    """Scores every code: yields (length, number of the first code, logits of it and those that follow it).

    Both sums of the logit's formula add up over positions: those of all prefixes and of all suffixes are computed once,
    and a code costs two additions and a division per head. In float64, from tables in any type; a block of logits is
    good until the next is asked for. Raises OverflowError as Circuits.terms does.
    """
    circuits = circuits.double()
    terms = circuits.terms()
    for length in range(1, circuits.max_digits + 1):
        middle = length // 2
        prefixes = [_sums(table, 1, 1 + middle, start=table[:, 0, CLS:]) for table in terms]
        suffixes = [_sums(table, 1 + middle, 1 + length, start=table.new_zeros(len(table), 1)) for table in terms]
        height, width = prefixes[0].shape[1], suffixes[0].shape[1]
        rows = min(height, max(1, BLOCK // width))
        looks, votes, logits = (torch.empty(rows, width, dtype=torch.float64) for _ in range(3))
        for top in range(0, height, rows):
            looks, votes, logits = (block[: height - top] for block in (looks, votes, logits))
            logits.fill_(circuits.bias)
            prefix_looks, prefix_votes = (table[:, top : top + rows, None] for table in prefixes)
            for head in range(len(circuits.score)):
                torch.add(prefix_looks[head], suffixes[0][head], out=looks)
                torch.add(prefix_votes[head], suffixes[1][head], out=votes)
                logits += votes.div_(looks)
            yield length, top * width, logits.flatten()


def _sums(table, first, last, start):
    """Sums over positions first to last - 1, for all their digits in the order of the codes' numbers.

    table: (heads, positions, 11). start: (heads, 1), added to each. Returns (heads, 10 ** positions).
    """
    sums = start
    for position in range(first, last):
        sums = (sums[:, :, None] + table[:, position, None, :10]).flatten(1)
    return sums


class Survey(NamedTuple):
    """What a look at the whole keyspace found, the secret itself left out.

    looked_at: codes scored, the secret among them. accepted: wrong codes with a logit above 0.
    codes, logits: the hardest wrong codes, (k, max_digits), and their logits, (k,), the hardest first.
    """

    looked_at: int
    accepted: int
    codes: Tensor
    logits: Tensor


def survey(circuits, code, k, watch=None):
    """Looks at every code but the secret one, and keeps the k with the highest logits.

    watch: if given, called now and then with the number of codes looked at so far.
    """
    looked_at = accepted = 0
    codes, logits = torch.empty(0, circuits.max_digits, dtype=torch.long), torch.empty(0, dtype=torch.float64)
    floor = -torch.inf  # a code at or below it is not among the k hardest
    for length, first, block in scan(circuits):
        if length == len(code) and 0 <= int(code) - first < len(block):
            block[int(code) - first] = -torch.inf
        looked_at += len(block)
        highest = block.max()
        if highest > 0:
            accepted += int((block > 0).sum())
        if highest > floor:
            places = (block > floor).nonzero()[:, 0]
            if len(places) > k:
                places = places[block[places].topk(k).indices]
            codes = torch.cat([codes, numbered(length, places + first, circuits.max_digits)])
            logits, order = torch.cat([logits, block[places]]).topk(min(k, len(codes)))
            codes = codes[order]
            floor = logits[-1] if len(logits) == k else floor
        if watch:
            watch(looked_at)
    return Survey(looked_at, accepted, codes, logits)
