"""Finds the hardest wrong codes, or proves that none is above a limit, without looking at every code.

Branch and bound. A node allows a set of digits at each place of the codes of one length. With the sums of `circuits`,
D_h = sum_p exp(score_h) and N_h = sum_p exp(score_h) vote_h, two bounds hold for every code in it:

1. Each head alone. N_h / D_h <= ratio_h, the largest ratio that any choice of allowed digits gives. Dinkelbach's method
   finds it ("On Nonlinear Fractional Programming", 1967): choose the digits that maximize N_h - ratio_h D_h, let their
   N_h / D_h be the next ratio_h, and repeat.
2. All heads together. N_h - ratio_h D_h is never above 0, so N_h / D_h <= ratio_h + (N_h - ratio_h D_h) / max D_h. The
   sum of this over the heads is a sum over places again, and here all heads must choose the same digit.

The digits that the second bound chooses are a code of the node, its candidate. A node is settled when its bound is
shown to be at or below the limit, or when it holds one code alone. Any other node is divided in two, at one place:

- Where the candidate's own logit is above the limit, into the candidate's digit and all other digits.
- Elsewhere the bound is loose, because D_h differs from max D_h. There, for the head that matters most, into digits
  with a large exp(score_h) and digits with a small one.

How exact this is in float64. Let u = 2^-53 and V = 1 + |bias| + the sum over heads of the largest |vote_h|. A score
below -745, relative to that of CLS, counts for nothing, and one above 709 is refused. So the relative error of an
exp(score) is at most 745 u from its argument and 8 u from exp itself, and moves a mean of votes by at most 753 u V. All
other roundings are those of sums over at most 17 places and 8 heads, whose terms add up to at most 4 V: less than
250 u V. A bound and a logit that it is compared with are off by less than 2048 u V = 2^-42 V together. Codes that
differ by less than 2^-41 V are ties, which the search need not tell apart. PRECISION is more than both.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from builder.network.circuits import BLANK
from builder.network.codes import count_codes, encode
from builder.network.model import CLS

BATCH = 512  # nodes bounded at a time
ROUNDS = 8  # of Dinkelbach's method, at most
PLACES = (
    2  # at which a node is divided in one go: with more, there are fewer batches, but more nodes
)
PRECISION = 2.0**-40  # of a logit, relative to V above


class Found(NamedTuple):
    """What a search found.

    codes, logits: the hardest wrong codes above the limit, (n, max_digits) and (n,), the hardest first.
    nodes: how many nodes were bounded. settled: how many codes are settled, an int. If these are not all codes there
    are, codes and logits are the hardest seen so far.
    """

    codes: Tensor
    logits: Tensor
    nodes: int
    settled: int


class Nodes(NamedTuple):
    """Sets of codes, and what is known of each. The first dimension of all three is the batch of nodes.

    allowed: whether a place may have a token, (batch, max_digits, 12); behind the end of a code, that is BLANK alone.
    ratio: an upper bound of each head's N / D, (batch, heads), where Dinkelbach's method starts.
    bound: an upper bound of the logits, (batch,).
    """

    allowed: Tensor
    ratio: Tensor
    bound: Tensor

    def count(self):
        """How many codes there are in each node, (batch,), exact."""
        return self.allowed.sum(2).prod(1)


class Bounds(NamedTuple):
    """What bounding says of each node: see the top of this file.

    ratio: an upper bound of each head's N / D, (batch, heads). gain: what each token adds to the second bound,
    (batch, max_digits, 12), -inf where not allowed. bound: of the logits, (batch,). codes, logits: the candidates,
    (batch, max_digits) and (batch,). look: exp(score) of the candidates' digits, (batch, heads, max_digits).
    loose: how much each head's part of the bound is above the candidate's, (batch, heads).
    """

    ratio: Tensor
    gain: Tensor
    bound: Tensor
    codes: Tensor
    logits: Tensor
    look: Tensor
    loose: Tensor


def precision(circuits):
    """How exact a search of these tables is, in logits, a float: the top of this file derives it."""
    return PRECISION * (1 + circuits.bias.abs() + circuits.vote.abs().amax((1, 2)).sum()).item()


def search(circuits, code, k=1, limit=-math.inf, budget=1_000_000, watch=None):
    """Finds the k wrong codes with the highest logits above the limit: all of them, where there are fewer than k.

    circuits: the network's tables. code: the secret, which is no wrong code; "" leaves none out. budget: nodes after
    which the search gives up. watch: if given, called now and then with the nodes and the settled share so far.
    Returns a Found. Where all codes are settled, no other one is above the limit, or above the last logit of k, by more
    than precision(circuits). Raises OverflowError where a product of the tables could leave the range of float64.
    """
    tables = _Tables(circuits)
    tie = tables.precision / 2
    secret, total = encode(code, circuits.max_digits), count_codes(circuits.max_digits)
    codes, logits = (
        torch.empty(0, circuits.max_digits, dtype=torch.long),
        torch.empty(0, dtype=torch.float64),
    )
    wanted = limit  # only a code with a logit above this is
    visited, settled = 0, 0

    stack = [tables.root()]
    while stack and visited < budget:
        nodes = stack.pop()
        if len(nodes.bound) > BATCH:
            stack.append(_rows(nodes, slice(None, -BATCH)))
            nodes = _rows(nodes, slice(-BATCH, None))
        visited += len(nodes.bound)
        bounds = tables.bound(nodes)

        is_secret = (bounds.codes == secret).all(1)
        new = (bounds.logits > wanted) & ~is_secret
        if new.any():  # a code stays the candidate of the parts that its node is divided into
            codes = torch.cat([codes, bounds.codes[new]]).unique(dim=0)
            logits, order = circuits.logits(codes).sort(descending=True, stable=True)
            codes, logits = codes[order[:k]], logits[:k]
            wanted = max(limit, logits[-1].item()) if len(logits) == k else limit

        count = nodes.count()
        done = (bounds.bound <= wanted + tie) | (count == 1) & bounds.logits.isfinite()
        settled += count[done].sum().item()
        apart = is_secret | (bounds.logits > wanted + tie) | ~(bounds.logits < bounds.bound - tie)
        nodes = tables.divide(_rows(nodes, ~done), _rows(bounds, ~done), apart[~done])
        count = nodes.count()
        done = (nodes.bound <= wanted + tie) | (
            count == 0
        )  # not for NaN: what is not shown to be below stays in
        settled += count[done].sum().item()
        nodes = _rows(nodes, ~done)
        if len(nodes.bound):
            # The most promising come last, where the next batch is taken.
            stack.append(_rows(nodes, nodes.bound.argsort(stable=True)))
        if watch:
            watch(visited, settled / total)
    return Found(codes, logits, visited, settled)


def _rows(batch, rows):
    """Some of the nodes of a batch, or of their Bounds."""
    return type(batch)(*(part[rows] for part in batch))


class _Tables:
    """The tables of circuits, as the bounds need them: exp(score) and exp(score) vote of each token at each place.

    Scores are relative to CLS's own, which is part of every code. So exp(score) of CLS is 1, and no D is below 1.
    """

    def __init__(self, circuits):
        look = (circuits.score - circuits.score[:, :1, CLS:]).exp()
        largest_product = look.amax(2).sum(1) * circuits.vote.abs().amax((1, 2))
        if (
            not (8 * largest_product + circuits.bias).isfinite().all()
        ):  # no sum below has more than 8 such terms
            raise OverflowError("the network's scores and votes are too large to be searched")
        self.circuits, self.cls_vote = circuits, circuits.vote[:, 0, CLS]  # (heads,)
        self.look = pad(look[:, 1:], (0, 1))  # (heads, max_digits, 12): BLANK adds nothing
        self.product = pad((look * circuits.vote)[:, 1:], (0, 1))
        self.precision = precision(circuits)

    def root(self):
        """All codes, in a node for each length."""
        max_digits = self.circuits.max_digits
        inside = torch.ones(max_digits, max_digits, dtype=torch.bool).tril()[:, :, None]
        allowed = torch.cat(
            [inside.expand(-1, -1, CLS), inside & False, ~inside], dim=2
        )  # digits, CLS, BLANK
        ratio = self.circuits.vote.amax((1, 2)).expand(
            max_digits, -1
        )  # no mean is above the largest vote
        return Nodes(allowed, ratio, ratio.new_full((max_digits,), math.inf))

    def bound(self, nodes):
        """The Bounds of nodes."""
        ratio, allowed = nodes.ratio, nodes.allowed[:, None]  # (batch, 1, max_digits, 12)
        largest = 1 + torch.where(allowed, self.look, 0.0).amax(3).sum(
            2
        )  # D of a code, (batch, heads)
        smallest = 1 + torch.where(allowed, self.look, math.inf).amin(3).sum(2)
        product = torch.where(allowed, self.product, -math.inf)

        def value(ratio):  # what each token adds to N - ratio D, (batch, heads, max_digits, 12)
            return torch.addcmul(product, ratio[:, :, None, None], self.look, value=-1)

        step = torch.zeros_like(ratio)
        for _ in range(ROUNDS):
            ratio = ratio + step
            best, digits = value(ratio).max(3)
            excess = self.cls_vote - ratio + best.sum(2)  # the largest N - ratio D
            step = excess / (1 + _pick(self.look, digits).sum(2))
            if (step.abs() <= self.precision).all():
                break
        # N - ratio D <= excess for every code, so N / D <= ratio + excess / D.
        ratio = torch.minimum(
            ratio + torch.maximum(excess / smallest, excess / largest), nodes.ratio
        )

        gain = (value(ratio) / largest[:, :, None, None]).sum(1)
        rest = self.circuits.bias + (ratio + (self.cls_vote - ratio) / largest).sum(1)
        best, codes = gain.max(2)
        look = _pick(self.look, codes[:, None])
        here = 1 + look.sum(2)  # D of the candidate
        mean = (self.cls_vote + _pick(self.product, codes[:, None]).sum(2)) / here
        loose = (ratio - mean) * (1 - here / largest)
        return Bounds(
            ratio, gain, rest + best.sum(1), codes, self.circuits.bias + mean.sum(1), look, loose
        )

    def divide(self, nodes, bounds, apart):
        """Divides nodes by the candidate's digit where apart, (batch,), and by looks elsewhere. Returns the parts."""
        rows, head = torch.arange(len(apart)), bounds.loose.argmax(1)
        table, look = (
            self.look[head],
            bounds.look[rows, head],
        )  # (batch, max_digits, 12), (batch, max_digits)
        top = torch.where(nodes.allowed, table, 0.0).amax(2)
        candidate = one_hot(bounds.codes, BLANK + 1).bool()
        best = bounds.gain.amax(2)
        cost = best - torch.where(candidate, -math.inf, bounds.gain).amax(
            2
        )  # of the best other digit
        weight = torch.where(apart[:, None], cost.masked_fill(cost.isinf(), -1.0), top - look)
        half = torch.where(apart[:, None, None], candidate, table > (top + look)[:, :, None] / 2)
        parts = [nodes.allowed]
        for place in weight.topk(min(PLACES, weight.shape[1]), dim=1).indices.unbind(1):
            elsewhere = ~one_hot(place, weight.shape[1]).bool()[:, :, None]
            parts = [part & (elsewhere | digits) for part in parts for digits in (half, ~half)]
        bound = [
            bounds.bound + (torch.where(part, bounds.gain, -math.inf).amax(2) - best).sum(1)
            for part in parts
        ]
        return Nodes(torch.cat(parts), bounds.ratio.repeat(len(parts), 1), torch.cat(bound))


def _pick(table, tokens):
    """The entries of a table (heads, places, 12) for tokens (batch, heads or 1, places): (batch, heads, places)."""
    return torch.take_along_dim(table[None], tokens[..., None], dim=3)[..., 0]
