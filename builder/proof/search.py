"""Finds the hardest wrong codes, or proves that none is above a limit, without trying every code.

Branch and bound. A node allows a set of digits at each place of the codes of one length.
`circuits` defines the sums D_h = sum_p exp(score_h) and N_h = sum_p exp(score_h) vote_h. Two
bounds hold for every code of a node:

1. Each head alone. N_h / D_h <= ratio_h, the largest ratio of any choice of allowed digits.
   Dinkelbach's method finds it ("On Nonlinear Fractional Programming", 1967): choose the digits
   that maximize N_h - ratio_h D_h, let their N_h / D_h be the next ratio_h, and repeat.
2. All heads together. N_h - ratio_h D_h is never above 0. So N_h / D_h <= ratio_h + (N_h - ratio_h
   D_h) / max D_h. The sum of this over the heads is a sum over places again, and here all heads
   must choose the same digit.

The digits that the second bound chooses are a code of the node, its candidate. A node is settled
if its bound is at or below the limit, or if it holds one code alone. Any other node is divided:

- If the candidate's own logit is above the limit, into the candidate's digit and all others.
- Otherwise the bound is loose, because D_h differs from max D_h. Then the node is divided, for the
  head that matters most, into digits with a large exp(score_h) and digits with a small one.

How exact this is in float64. Let u = 2^-53, P the number of positions, H the number of heads, M_h
the largest |vote_h|, and V = 1 + |bias| + sum_h M_h. All sums may be computed in any order. In
units of u V, errors are at most:

- 753 from the exp(score). A score below -745, relative to that of CLS, counts for nothing, and one
  above 709 is refused. So the relative error is at most 745 u from the argument and 8 u from exp
  itself, and a mean of votes moves by at most that much of M_h.
- P H + P + 3 from the rest of a logit by the tables, a sum of P H terms.
- 8 P + 5 from the first bound. Its largest N - ratio D is a sum of P terms. The sizes of these
  terms add up to at most 4 M D, plus the sum itself. The sum, D and a quotient add 4 P.
- 8 P + 5 H + 28 from the second bound. The sizes of its terms add up to at most 2 V over all
  places and heads, and to 3 V for what doesn't depend on the digits. max D has an error of its
  own, and the bound of a part is the bound of its node minus at most 4 V.

A bound and a logit that it is compared with have 753 each. Together that is less than E = 1600 +
17 P + 5 H + P H units. Codes whose logits differ by less are ties, and a node whose bound is that
close to the limit is settled. So no code that is left out is above the limit by more than 2 E,
which is the search's precision.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from builder.network.circuits import BLANK
from builder.network.codes import count_codes
from builder.network.model import CLS
from builder.proof.found import Found, Hardest

BATCH = 512  # nodes bounded at a time, at most
ENTRIES = 2**21  # of a batch's largest table, at most: 16 MiB
ROUNDS = 8  # of Dinkelbach's method, at most
# Places at which a node is divided in one go. With more there are fewer batches, but more nodes.
PLACES = 2
UNIT_ROUNDOFF = 2.0**-53  # of float64


class Nodes(NamedTuple):
    """Sets of codes, and what is known of each. The first dimension of all three is the batch.

    allowed: whether a place may have a token, (batch, max_digits, 12). After the end of a code,
        BLANK alone is allowed.
    ratio: an upper bound of each head's N / D, (batch, heads). Dinkelbach's method starts there.
    bound: an upper bound of the logits, (batch,).
    """

    allowed: Tensor
    ratio: Tensor
    bound: Tensor

    def count_options(self):
        """How many tokens each place may have, (batch, max_digits)."""
        return self.allowed.sum(2)


class Bounds(NamedTuple):
    """What bounding says of each node: see the top of this file.

    ratio: an upper bound of each head's N / D, (batch, heads).
    gain: what each token adds to the second bound, (batch, max_digits, 12), -inf if not allowed.
    bound: an upper bound of the logits, (batch,).
    codes: the candidates, (batch, max_digits).
    logits: the logits of the candidates, (batch,).
    look: exp(score) of the candidates' tokens, (batch, heads, max_digits).
    slack: how much each head's part of the bound is above the candidate's, (batch, heads).
    """

    ratio: Tensor
    gain: Tensor
    bound: Tensor
    codes: Tensor
    logits: Tensor
    look: Tensor
    slack: Tensor


def precision(circuits):
    """How exact a search of these tables is, in logits, a float: see the top of this file."""
    heads, positions, _ = circuits.score.shape
    units = 1600 + 17 * positions + 5 * heads + positions * heads
    largest_votes = circuits.vote.abs().amax((1, 2)).sum().item()
    size = 1 + abs(circuits.bias.item()) + largest_votes
    return 2 * units * UNIT_ROUNDOFF * size


def search(circuits, code, k=1, limit=-math.inf, budget=1_000_000, watch=None):
    """Finds the k wrong codes with the highest logits above a limit, or all of them if fewer exist.

    circuits: the network's tables.
    code: the secret, which is not a wrong code; "" leaves none out.
    budget: the number of nodes after which the search gives up.
    watch: if given, it is called now and then with the nodes and the settled share so far.

    Returns a Found. Raises OverflowError if a product of the tables could leave the range of
    float64.
    """
    tables = _Tables(circuits)
    tie = tables.precision / 2
    hardest = Hardest(circuits, code, k, limit)
    total = count_codes(circuits.max_digits)
    visited = 0
    settled = 0

    stack = [tables.root()]
    while stack and visited < budget:
        nodes = stack.pop()
        if len(nodes.bound) > tables.batch:
            stack.append(take_rows(nodes, slice(None, -tables.batch)))
            nodes = take_rows(nodes, slice(-tables.batch, None))
        visited += len(nodes.bound)
        bounds = tables.find_bounds(nodes)

        hardest.add(bounds.codes[bounds.logits > hardest.threshold])
        threshold = hardest.threshold

        # A comparison with NaN is false. So a node whose bound is NaN is not settled by it.
        options = nodes.count_options()
        settled_by_bound = bounds.bound <= threshold + tie
        has_one_code = (options == 1).all(1) & bounds.logits.isfinite()
        is_settled = settled_by_bound | has_one_code
        settled += _count_codes(options[is_settled])

        # If the bound or the logit is NaN, the node is split on its candidate, too.
        is_loose = bounds.logits < bounds.bound - tie
        is_secret = (bounds.codes == hardest.secret).all(1)
        split_on_candidate = is_secret | (bounds.logits > threshold + tie) | ~is_loose
        is_open = ~is_settled
        parts = tables.divide(
            take_rows(nodes, is_open), take_rows(bounds, is_open), split_on_candidate[is_open]
        )

        options = parts.count_options()
        settled_by_bound = parts.bound <= threshold + tie
        is_empty = (options == 0).any(1)
        settled += _count_codes(options[settled_by_bound])
        parts = take_rows(parts, ~(settled_by_bound | is_empty))
        if len(parts.bound):
            # The most promising come last, and the next batch is taken from there.
            stack.append(take_rows(parts, parts.bound.argsort(stable=True)))
        if watch:
            watch(visited, settled / total)
    return Found(hardest.codes, hardest.logits, visited, settled, tables.precision)


def _count_codes(options):
    """How many codes nodes hold together, exactly. options: of each place, (batch, max_digits)."""
    # Python's integers don't end: those of int64 would at 20 digits.
    return sum(math.prod(places) for places in options.tolist())


def take_rows(batch, rows):
    """Some of the nodes of a batch, or of their Bounds."""
    return type(batch)(*(part[rows] for part in batch))


class _Tables:
    """The tables of circuits, as the bounds need them.

    look: exp(score) of each token at each place, (heads, max_digits, 12).
    product: exp(score) vote, same shape.

    Scores are relative to CLS's own, which is part of every code. So exp(score) of CLS is 1, and no
    D is below 1.
    """

    def __init__(self, circuits):
        look = (circuits.score - circuits.score[:, :1, CLS:]).exp()
        largest_product = look.amax(2).sum(1) * circuits.vote.abs().amax((1, 2))  # (heads,)
        # The sizes of the terms of any sum below add up to no more than this.
        largest_sum = 8 * largest_product.sum() + circuits.bias.abs()
        if not largest_sum.isfinite():
            raise OverflowError("the network's scores and votes are too large to be searched")
        self.circuits = circuits
        self.cls_vote = circuits.vote[:, 0, CLS]  # (heads,)
        self.look = pad(look[:, 1:], (0, 1))  # BLANK adds nothing
        self.product = pad((look * circuits.vote)[:, 1:], (0, 1))
        self.precision = precision(circuits)
        self.batch = max(1, min(BATCH, ENTRIES // self.look.numel()))  # nodes bounded at a time

    def root(self):
        """All codes, in a node for each length."""
        max_digits = self.circuits.max_digits
        # Row n - 1 is the node of n digits: its first n places have one.
        has_digit = torch.ones(max_digits, max_digits, dtype=torch.bool).tril()[:, :, None]
        never = torch.zeros_like(has_digit)  # CLS is at none of these places
        allowed = torch.cat([has_digit.expand(-1, -1, CLS), never, ~has_digit], dim=2)
        largest_vote = self.circuits.vote.amax((1, 2))  # no mean of votes is above it
        ratio = largest_vote.expand(max_digits, -1)
        return Nodes(allowed, ratio, ratio.new_full((max_digits,), math.inf))

    def find_bounds(self, nodes):
        """The Bounds of nodes."""
        allowed = nodes.allowed[:, None]  # (batch, 1, max_digits, 12)
        ratio = nodes.ratio
        # The largest and the smallest D of a code, (batch, heads).
        largest = 1 + torch.where(allowed, self.look, 0.0).amax(3).sum(2)
        smallest = 1 + torch.where(allowed, self.look, math.inf).amin(3).sum(2)
        product = torch.where(allowed, self.product, -math.inf)

        step = torch.zeros_like(ratio)
        for _ in range(ROUNDS):
            ratio = ratio + step
            best, tokens = self._contribution(product, ratio).max(3)
            excess = self.cls_vote - ratio + best.sum(2)  # the largest N - ratio D
            step = excess / (1 + _pick(self.look, tokens).sum(2))
            if (step.abs() <= self.precision).all():
                break
        # N - ratio D <= excess for every code, so N / D <= ratio + excess / D.
        room = torch.maximum(excess / smallest, excess / largest)
        ratio = torch.minimum(ratio + room, nodes.ratio)

        gain = (self._contribution(product, ratio) / largest[:, :, None, None]).sum(1)
        rest = self.circuits.bias + (ratio + (self.cls_vote - ratio) / largest).sum(1)
        best, codes = gain.max(2)

        look = _pick(self.look, codes[:, None])
        denominator = 1 + look.sum(2)  # D of the candidate
        mean = (self.cls_vote + _pick(self.product, codes[:, None]).sum(2)) / denominator
        return Bounds(
            ratio=ratio,
            gain=gain,
            bound=rest + best.sum(1),
            codes=codes,
            logits=self.circuits.bias + mean.sum(1),
            look=look,
            slack=(ratio - mean) * (1 - denominator / largest),
        )

    def _contribution(self, product, ratio):
        """What each token adds to N - ratio D, (batch, heads, max_digits, 12).

        product: exp(score) vote, of the same shape, -inf if a token is not allowed.
        """
        return torch.addcmul(product, ratio[:, :, None, None], self.look, value=-1)

    def divide(self, nodes, bounds, split_on_candidate):
        """Divides each node into 2 ** PLACES parts. Returns them all as Nodes, some of them empty.

        split_on_candidate: whether to divide into the candidate's digit and all others, (batch,).
        Otherwise a node is divided into digits with a large look and digits with a small one.
        """
        batch = torch.arange(len(split_on_candidate))
        head = bounds.slack.argmax(1)  # the one that matters most
        looks = self.look[head]  # (batch, max_digits, 12)
        look = bounds.look[batch, head]  # of the candidate, (batch, max_digits)
        largest_look = torch.where(nodes.allowed, looks, 0.0).amax(2)
        is_large = looks > (largest_look + look)[:, :, None] / 2

        is_candidate = one_hot(bounds.codes, BLANK + 1).bool()
        best_gain = bounds.gain.amax(2)
        other_gain = torch.where(is_candidate, -math.inf, bounds.gain).amax(2)
        cost = best_gain - other_gain  # of the best other digit, infinite if there is none
        cost = cost.masked_fill(cost.isinf(), -1.0)

        first_part = torch.where(split_on_candidate[:, None, None], is_candidate, is_large)
        benefit = torch.where(split_on_candidate[:, None], cost, largest_look - look)
        places = benefit.topk(min(PLACES, benefit.shape[1]), dim=1).indices
        parts = [nodes.allowed]
        for place in places.unbind(1):
            parts = _divide_at(parts, place, first_part)

        part_bounds = []
        for allowed in parts:
            best_allowed = torch.where(allowed, bounds.gain, -math.inf).amax(2)
            part_bounds.append(bounds.bound + (best_allowed - best_gain).sum(1))
        return Nodes(torch.cat(parts), bounds.ratio.repeat(len(parts), 1), torch.cat(part_bounds))


def _divide_at(parts, place, first_part):
    """Divides each part, (batch, max_digits, 12), in two at one place of each node, (batch,).

    first_part: which tokens the first of the two keeps at this place, (batch, max_digits, 12).
    """
    elsewhere = ~one_hot(place, first_part.shape[1]).bool()[:, :, None]
    divided = []
    for allowed in parts:
        divided.append(allowed & (elsewhere | first_part))
        divided.append(allowed & (elsewhere | ~first_part))
    return divided


def _pick(table, tokens):
    """The entries of a table for tokens, (batch, heads, places).

    table: (heads, places, 12). tokens: (batch, heads or 1, places).
    """
    return torch.take_along_dim(table[None], tokens[..., None], dim=3)[..., 0]
