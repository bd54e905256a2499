"""Finds the hardest wrong codes exactly, or proves that none is above a limit, without looking at every code.

Branch and bound. A node allows a set of digits at each place of the codes of one length. With the sums of `circuits`,
D_h = sum_p exp(score_h) and N_h = sum_p exp(score_h) vote_h, two bounds hold for every code in it:

1. Each head alone. N_h / D_h <= ratio_h, the largest ratio that any choice of allowed digits gives. Dinkelbach's method
   finds it ("On Nonlinear Fractional Programming", 1967): choose the digits that maximize N_h - ratio_h D_h, let their
   N_h / D_h be the next ratio_h, and repeat.
2. All heads together. N_h - ratio_h D_h is never above 0, so N_h / D_h <= ratio_h + (N_h - ratio_h D_h) / max D_h. The
   sum of this over the heads is a sum over places again, and here all heads must choose the same digit.

The digits that the second bound chooses are a code of the node, its candidate. A node whose bound is not above the
limit is dropped, with every code in it. Any other node is divided, in one of two ways:

- Where the candidate's own logit is above the limit, the candidate is set apart, and the rest is divided by the first
  place in which a code differs from it (Lawler, "A Procedure for Computing the K Best Solutions", 1972).
- Elsewhere the bound is loose, because D_h differs from max D_h. For the head that matters most, the two places that
  matter most are divided into digits with a large exp(score_h) and digits with a small one.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from builder.model import CLS
from builder.proof.circuits import BLANK
from builder.proof.codes import count_codes, encode
from builder.threads import one_thread

BATCH = 512  # nodes bounded at a time
ROUNDS = 8  # of Dinkelbach's method, at most
PLACES = 2  # that are halved at a time: with more, there are fewer batches, but more nodes
PRECISION = 1e-9  # of a logit, relative to the largest vote: far above what float64 loses
EPSILON = 1e-14  # what float64 loses in sums over places


class Found(NamedTuple):
    """What a search found.

    codes, logits: the hardest wrong codes above the limit, (n, max_digits) and (n,), the hardest first.
    nodes: how many nodes were bounded. settled: the share of the keyspace that is settled, 0.0 to 1.0.
    complete: whether all of it is settled. Then codes and logits are exact; else they are the hardest seen so far.
    """

    codes: Tensor
    logits: Tensor
    nodes: int
    settled: float
    complete: bool


class Nodes(NamedTuple):
    """Sets of codes, and what is known of each. The first dimension of all three is the batch of nodes.

    allowed: whether a place may have a digit, (batch, max_digits, 10); nothing is allowed behind the end of a code.
    ratio: an upper bound of each head's N / D, (batch, heads), where Dinkelbach's method starts.
    bound: an upper bound of the logits, (batch,).
    """

    allowed: Tensor
    ratio: Tensor
    bound: Tensor

    def where(self, rows):
        return Nodes(*(part[rows] for part in self))

    def codes(self):
        """How many codes there are in all nodes, a float."""
        return self.allowed.sum(2).clamp(min=1).double().prod(1).sum().item()


class Bounds(NamedTuple):
    """What bounding says of each node: see the top of this file.

    ratio: an upper bound of each head's N / D, (batch, heads). gain: what each digit adds to the second bound,
    (batch, max_digits, 10), -inf where not allowed. best: the largest gain at each place, (batch, max_digits).
    bound: of the logits, (batch,). codes, logits: the candidates, (batch, max_digits) and (batch,).
    look: exp(score) of the candidates' digits, (batch, heads, max_digits). loose: how much each head's part of the
    bound is above the candidate's, because its D is not max D, (batch, heads).
    """

    ratio: Tensor
    gain: Tensor
    best: Tensor
    bound: Tensor
    codes: Tensor
    logits: Tensor
    look: Tensor
    loose: Tensor

    def where(self, rows):
        return Bounds(*(part[rows] for part in self))


@one_thread()
@torch.no_grad()
def search(circuits, code, k=1, limit=-math.inf, budget=1_000_000, watch=None):
    """Finds the k wrong codes with the highest logits above the limit: all of them, where there are fewer than k.

    circuits: the network's tables. code: the secret, which is no wrong code; "" leaves none out. budget: nodes after
    which the search gives up. watch: if given, called now and then with the nodes and the settled share so far.
    Returns a Found. Logits are exact, and nothing above the limit is missed, within PRECISION of the largest vote.
    Raises OverflowError as Circuits.terms does.
    """
    circuits = circuits.double()
    tables = _Tables(circuits)
    precision = PRECISION * (1 + circuits.vote.abs().max().item())
    secret = encode(code, circuits.max_digits)
    total = count_codes(circuits.max_digits)
    codes, logits = torch.empty(0, circuits.max_digits, dtype=torch.long), torch.empty(0, dtype=torch.float64)
    visited, settled = 0, 0.0

    stack = [tables.root()]
    while stack and visited < budget:
        nodes = stack.pop()
        if len(nodes.bound) > BATCH:
            stack.append(nodes.where(slice(None, -BATCH)))
            nodes = nodes.where(slice(-BATCH, None))
        visited += len(nodes.bound)
        codes_there = nodes.codes()
        bounds = tables.bound(nodes)

        is_secret = (bounds.codes == secret).all(1)
        fresh = (bounds.logits > _floor(logits, k, limit)) & ~is_secret
        if fresh.any():  # one code may be the candidate of many nodes
            codes = torch.cat([codes, bounds.codes[fresh]]).unique(dim=0)
            logits, order = circuits.logits(codes).sort(descending=True, stable=True)
            codes, logits = codes[order[:k]], logits[:k]
        floor = _floor(logits, k, limit) + precision

        undecided = bounds.bound > floor
        apart = undecided & ((bounds.logits > floor) | is_secret | (bounds.logits >= bounds.bound - precision))
        parts = [_set_apart(nodes.where(apart), bounds.where(apart))]
        parts += tables.divide(nodes.where(undecided & ~apart), bounds.where(undecided & ~apart))
        nodes = Nodes(*map(torch.cat, zip(*parts, strict=True)))
        nodes = nodes.where(nodes.bound > floor)
        settled += codes_there - nodes.codes()
        if len(nodes.bound):
            # The most promising come last, where the next batch is taken.
            stack.append(nodes.where(nodes.bound.argsort(stable=True)))
        if watch:
            watch(visited, settled / total)
    return Found(codes, logits, visited, 1.0 if not stack else settled / total, not stack)


def _floor(logits, k, limit):
    """A code with a logit at or below this is not wanted any more."""
    return max(limit, logits[-1].item()) if len(logits) == k else limit


class _Tables:
    """The tables of circuits, as the bounds need them: D and N of each digit at each place, per head."""

    def __init__(self, circuits):
        look, product = circuits.terms()
        self.circuits = circuits
        self.largest_vote = circuits.vote.abs().max()
        self.cls_look, self.cls_product = look[:, 0, CLS], product[:, 0, CLS]  # (heads,)
        self.look, self.product = look[:, 1:, :CLS], product[:, 1:, :CLS]  # (heads, max_digits, 10)

    def root(self):
        """All codes, in a node for each length."""
        max_digits = self.circuits.max_digits
        allowed = torch.ones(max_digits, max_digits, dtype=torch.bool).tril()[:, :, None].expand(-1, -1, 10)
        ratio = self.circuits.vote.amax((1, 2)).expand(max_digits, -1)  # no mean is above the largest
        return Nodes(allowed, ratio, torch.full((max_digits,), math.inf))

    def bound(self, nodes):
        """The Bounds of nodes."""
        allowed, ratio = nodes.allowed, nodes.ratio
        present = allowed.any(2)  # (batch, max_digits)
        banned = torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -math.inf)
        largest = self.cls_look + self._sum(torch.where(allowed[:, None], self.look, 0.0).amax(3), present)
        smallest = self.cls_look + self._sum(torch.where(allowed[:, None], self.look, math.inf).amin(3), present)

        for _ in range(ROUNDS):
            value = self.product - ratio[:, :, None, None] * self.look + banned[:, None]  # (batch, heads, places, 10)
            value, digits = value.max(3)
            excess = self.cls_product - ratio * self.cls_look + self._sum(value, present)  # max of N - ratio D
            there = self.cls_look + self._sum(_pick(self.look, digits), present)  # D of these digits
            if (excess.abs() <= EPSILON * self.largest_vote * there).all():
                break
            ratio = ratio + excess / there
        # No N / D is above the ratio by more than max(N - ratio D) / min D, and what rounding may have hidden of it.
        above = (excess.clamp(min=0) + EPSILON * self.largest_vote * largest) / smallest
        ratio = torch.minimum(ratio + above, nodes.ratio)

        share = (self.product - ratio[:, :, None, None] * self.look) / largest[:, :, None, None]
        gain = share.sum(1) + banned
        best, digits = gain.max(2)
        best = best.masked_fill(~present, 0.0)
        bound = self.circuits.bias + (ratio + (self.cls_product - ratio * self.cls_look) / largest).sum(1) + best.sum(1)
        chosen = digits[:, None].expand(-1, len(self.look), -1)
        look = _pick(self.look, chosen)
        there = self.cls_look + self._sum(look, present)
        mean = (self.cls_product + self._sum(_pick(self.product, chosen), present)) / there
        return Bounds(
            ratio=ratio,
            gain=gain,
            best=best,
            bound=bound,
            codes=digits.masked_fill(~present, BLANK),
            logits=self.circuits.bias + mean.sum(1),
            look=look,
            loose=(ratio - mean) * (1 - there / largest),
        )

    def divide(self, nodes, bounds):
        """Divides nodes by the size of exp(score), where it makes the bound most loose: returns the parts."""
        present = nodes.allowed.any(2)
        rows, head = torch.arange(len(present)), bounds.loose.argmax(1)
        look, table = bounds.look[rows, head], self.look[head]
        top = torch.where(nodes.allowed, table, 0.0).amax(2)
        loose = (top - look).masked_fill(~present, -1.0)
        most, places = loose.topk(min(PLACES, loose.shape[1]), dim=1)
        places = places.where(most >= 0, places[:, :1])  # a code with one digit has its place halved twice
        parts = [nodes.allowed]
        for place in places.unbind(1):
            middle = (top[rows, place] + look[rows, place]) / 2
            large = (table[rows, place] > middle[:, None])[:, None]
            elsewhere = ~one_hot(place, loose.shape[1]).bool()[:, :, None]
            parts = [part & (elsewhere | digits) for part in parts for digits in (large, ~large)]
        return [_narrow(bounds, allowed, present) for allowed in parts]

    @staticmethod
    def _sum(table, present):
        """Sums a table (batch, heads, places) over the places of each code."""
        return torch.where(present[:, None], table, 0.0).sum(2)


def _pick(table, digits):
    """The entries of a table (heads, places, 10) for digits (batch, heads, places)."""
    return table.expand(len(digits), -1, -1, -1).gather(3, digits[..., None])[..., 0]


def _narrow(bounds, allowed, present):
    """The nodes of these bounds with fewer digits allowed. Where a place that is present has none, there is no code."""
    best = bounds.gain.masked_fill(~allowed, -math.inf).amax(2).masked_fill(~present, 0.0)
    return Nodes(allowed, bounds.ratio, bounds.bound + (best - bounds.best).sum(1))


def _set_apart(nodes, bounds):
    """All codes of nodes but the candidates, divided by the first place where they differ from the candidate.

    Places come in the order of what a change there costs, so that the parts with many codes have the lowest bounds.
    """
    present = nodes.allowed.any(2)
    candidate = one_hot(bounds.codes.masked_fill(~present, 0), 10).bool() & present[:, :, None]
    cost = bounds.best - bounds.gain.masked_fill(candidate, -math.inf).amax(2)
    cost = cost.masked_fill(~present, math.inf)
    rank = cost.argsort(dim=1, descending=True, stable=True).argsort(1)
    rows, place = present.nonzero().unbind(1)
    before = rank[rows] < rank[rows, place][:, None]
    fixed = torch.where(before[:, :, None], candidate[rows], nodes.allowed[rows])
    nodes = Nodes(fixed, bounds.ratio[rows], bounds.bound[rows] - bounds.best[rows, place])
    others = ~candidate[rows, place]
    here = torch.arange(len(rows))
    nodes.allowed[here, place] &= others
    gain = bounds.gain[rows, place].masked_fill(~nodes.allowed[here, place], -math.inf).amax(1)
    return nodes._replace(bound=nodes.bound + gain)
