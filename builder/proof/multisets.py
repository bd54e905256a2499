"""Finds the hardest wrong codes, or proves that none is above a limit, if CLS looks at a digit as
much at one place as at any other. With decoys it does.

Take all codes of the same digits, which differ in the order of the digits alone: the arrangements
of a multiset. The sum D_h = sum_p exp(score_h) is the same for all of them. So their logit is a sum
over places, and the best of them solves a transportation problem. There are 10^12 codes of 12
digits, but only 293,930 multisets.

The bound of a multiset is Lagrange's. Each place pays a price for its digit. Each digit's price is
paid back as often as the multiset has it. In an arrangement the two cancel out, so any prices give

    logit <= rest + sum over places of (largest gain - price) + sum over digits of count * price

A gain is what a digit at a place adds to the logit, sum_h exp(score_h) vote_h / D_h. The digits
with the largest gain - price are the candidate. If they are an arrangement, it is the best one. If
not, digits that were taken too often get dearer, and those taken too rarely cheaper: the
subgradient method, with the step length of Polyak ("Minimization of Unsmooth Functionals", 1969).
The best prices make both sides equal for the best arrangement (Ford and Fulkerson, "Solving the
Transportation Problem", 1956).

A node allows a set of digits at each place of a multiset's arrangements. A node that its bound
doesn't settle is divided as Murty does ("An Algorithm for Ranking All the Assignments in Order of
Increasing Cost", 1968): every code of it but the candidate differs from the candidate at some
place, and each part holds those that differ at one place first.

How exact this is in float64. Let u, P, H, M_h and V be as in `search`, and n < P the digits of a
code. No price is larger than V. In units of u V, errors are at most:

- 753 from the exp(score), as in `search`.
- 77 from the 1 / D_h: 64 because looks at a digit may differ that much, and 13 for the sum of
  eleven terms, a product in each and the quotient. A quotient N_h / D_h is at most M_h.
- 2 H + 3 from gains and rest: the sums over heads of products that add up to at most V.
- n^2 + 15 n + 2 from the prices: n differences, their sum, and the sum that is paid back. Gains of
  a code add up to at most V, and its prices to at most n V.
- 2 n + 9 from the bound of a part, which is the bound of its node minus at most 4 V.

A logit that a bound is compared with has 753 + P H + P + 3. Together that is less than E = 1600 +
P^2 + 18 P + 2 H + P H units. The search's precision is 2 E, as in `search`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from builder.network.circuits import BLANK
from builder.network.model import CLS
from builder.proof.found import Found, Hardest
from builder.proof.search import UNIT_ROUNDOFF, take_rows

BATCH = 4096  # nodes bounded at a time, at most
ROUNDS = 24  # of changes of a node's prices, at most
MOST_MULTISETS = 6_000_000  # of all lengths together: those of up to 16 digits
SAME_LOOKS = 64  # units in the last place by which looks at one digit may differ


class Nodes(NamedTuple):
    """Arrangements of multisets, and what is known of them. The first dimension is the batch.

    counts: how often each digit occurs, (batch, 10).
    allowed: whether a place may have a digit, (batch, digits, 10).
    prices: of the digits, (batch, 10).
    rounds: how often they were changed, (batch,).
    bound: an upper bound of the logits, (batch,).
    """

    counts: Tensor
    allowed: Tensor
    prices: Tensor
    rounds: Tensor
    bound: Tensor


def is_searchable(circuits):
    """Whether CLS looks at digits alike at all places, and there are few enough multisets."""
    look = _looks(circuits)[:, 1:, :CLS]  # (heads, max_digits, 10)
    least = look.amin(1)
    is_alike = look.amax(1) - least <= SAME_LOOKS * UNIT_ROUNDOFF * least
    return bool(is_alike.all()) and count_multisets(circuits.max_digits) <= MOST_MULTISETS


def count_multisets(max_digits):
    """How many multisets of 1 to max_digits digits there are."""
    return math.comb(max_digits + CLS, CLS) - 1


def search_multisets(circuits, code, k=1, limit=-math.inf, known=None, budget=math.inf, watch=None):
    """Finds the k wrong codes with the highest logits above a limit, or all of them if fewer exist.

    circuits: the network's tables, which `search` doesn't refuse, and for which is_searchable.
    code: the secret, which is not a wrong code; "" leaves none out.
    known: wrong codes above the limit that are known already, (n, max_digits).
    budget: the number of nodes, besides one for each multiset, after which the search gives up.
    watch: if given, it is called now and then with the nodes and the settled share so far.

    Returns a Found.
    """
    hardest = Hardest(circuits, code, k, limit)
    if known is not None:
        hardest.add(known)
    total = count_multisets(circuits.max_digits)
    begun = 0  # multisets
    visited = 0
    settled = 0

    for length in range(1, 1 + circuits.max_digits):
        arrangements = _Arrangements(circuits, length)
        open_nodes = []
        number = 0  # of codes of this length
        for counts in multisets(length).split(BATCH):
            open_nodes.append(arrangements.improve(arrangements.all_of(counts.long()), hardest))
            number += arrangements.count(counts)
            begun += len(counts)
            visited += len(counts)
            if watch:
                watch(visited, begun / total)
        nodes = _joined(*open_nodes)
        while len(nodes.bound):
            if visited >= begun + budget:
                return Found(
                    hardest.codes, hardest.logits, visited, settled, arrangements.precision
                )
            batch = take_rows(nodes, slice(-BATCH, None))
            visited += len(batch.bound)
            improved = arrangements.improve(batch, hardest)
            nodes = _joined(take_rows(nodes, slice(None, -BATCH)), improved)
        settled += number
    return Found(hardest.codes, hardest.logits, visited, settled, arrangements.precision)


def multisets(length):
    """How often each digit occurs in a code of this length: all possibilities, (multisets, 10)."""
    counts = torch.empty(1, 0, dtype=torch.int8)
    left = torch.tensor([length])  # digits that are still to be chosen
    for _ in range(CLS - 1):
        choices = left + 1
        chosen = torch.arange(len(counts)).repeat_interleave(choices)
        first = (choices.cumsum(0) - choices)[chosen]
        count = torch.arange(len(chosen)) - first
        counts = torch.cat([counts[chosen], count[:, None].to(torch.int8)], 1)
        left = left[chosen] - count
    return torch.cat([counts, left[:, None].to(torch.int8)], 1)


class _Arrangements:
    """The codes of one length, and what the bounds need of the circuits.

    look: exp(score) of each digit, (heads, 10), relative to that of CLS.
    product: exp(score) vote of each digit at each place, (heads, digits * 10).
    mean_product: its mean over all places, (heads, 10).
    """

    def __init__(self, circuits, length):
        look = _looks(circuits)
        self.circuits = circuits
        self.length = length
        self.cls_vote = circuits.vote[:, 0, CLS]  # (heads,)
        self.look = look[:, 1, :CLS]
        product = (look * circuits.vote)[:, 1 : 1 + length, :CLS]
        self.product = product.flatten(1)
        self.mean_product = product.mean(1)
        heads, positions, _ = circuits.score.shape
        units = 1600 + positions**2 + 18 * positions + 2 * heads + positions * heads
        largest_votes = circuits.vote.abs().amax((1, 2)).sum().item()
        self.size = 1 + abs(circuits.bias.item()) + largest_votes
        self.precision = 2 * units * UNIT_ROUNDOFF * self.size

    def all_of(self, counts):
        """All arrangements of multisets, (batch, 10), in a node for each."""
        batch = len(counts)
        return Nodes(
            counts=counts,
            allowed=(counts > 0)[:, None].expand(-1, self.length, -1),
            prices=self.find_shares(counts) @ self.mean_product,  # the mean gains
            rounds=torch.zeros(batch, dtype=torch.long),
            bound=torch.full((batch,), math.inf, dtype=torch.float64),
        )

    def count(self, counts):
        """How many arrangements multisets have together, an exact int."""
        factorials = torch.tensor([math.factorial(count) for count in range(1 + self.length)])
        return (factorials[self.length] // factorials[counts.long()].prod(1)).sum().item()

    def find_shares(self, counts):
        """The 1 / D_h of multisets, (batch, heads)."""
        return 1 / (1 + counts.double() @ self.look.T)

    def find_gains(self, shares):
        """What each digit at each place adds to the logit, (batch, digits, 10)."""
        return (shares @ self.product).view(-1, self.length, CLS)

    def improve(self, nodes, hardest):
        """Bounds nodes, and adds their candidates to the hardest codes.

        Returns what is still open: nodes with better prices, and the parts of those whose prices
        are the best, or were changed often enough.
        """
        shares = self.find_shares(nodes.counts)
        values = self.find_gains(shares) - nodes.prices[:, None]
        values.masked_fill_(~nodes.allowed, -math.inf)
        best, digits = values.max(2)  # (batch, digits)
        rest = self.circuits.bias + shares @ self.cls_vote
        bound = rest + best.sum(1) + (nodes.counts * nodes.prices).sum(1)

        is_open = ~(bound <= hardest.threshold + self.precision / 2)
        nodes = take_rows(nodes, is_open)._replace(bound=bound[is_open])
        values, digits = values[is_open], digits[is_open]
        codes = pad(digits, (0, self.circuits.max_digits - self.length), value=BLANK)
        hardest.add(codes[self.circuits.logits(codes) > hardest.threshold])

        excess = one_hot(digits, CLS).sum(1) - nodes.counts
        is_divided = (excess == 0).all(1) | (nodes.rounds == ROUNDS)
        parts = self.divide(take_rows(nodes, is_divided), values[is_divided], digits[is_divided])
        above = (nodes.bound - hardest.threshold).clamp(max=self.size)
        step = above / excess.square().sum(1)
        prices = (nodes.prices + step[:, None] * excess).clamp(-self.size, self.size)
        nodes = nodes._replace(prices=prices, rounds=nodes.rounds + 1)
        open_nodes = _joined(take_rows(nodes, ~is_divided), parts)
        return take_rows(open_nodes, ~(open_nodes.bound <= hardest.threshold + self.precision / 2))

    def divide(self, nodes, values, candidates):
        """The parts of nodes: all their codes but the candidates, (batch, digits).

        values: gain - price, (batch, digits, 10), -inf if a digit is not allowed.
        """
        is_candidate = one_hot(candidates, CLS).bool()
        other_values = values.masked_fill(is_candidate, -math.inf)
        cost = values.amax(2) - other_values.amax(2)  # infinite if there is no other digit
        rank = cost.argsort(1, descending=True).argsort(1)  # places whose cost is high come first
        parts = [take_rows(nodes, slice(0))]
        for turn in range(self.length):
            is_earlier = (rank < turn)[:, :, None]
            is_here = (rank == turn)[:, :, None]
            allowed = nodes.allowed & ~(is_earlier & ~is_candidate) & ~(is_here & is_candidate)
            bound = nodes.bound - cost[rank == turn]
            parts.append(nodes._replace(allowed=allowed, rounds=0 * nodes.rounds, bound=bound))
        return _joined(*parts)


def _joined(*batches):
    """Nodes, one batch behind the other."""
    return Nodes(*(torch.cat(part) for part in zip(*batches, strict=True)))


def _looks(circuits):
    """exp(score) of all tokens at all positions, relative to that of CLS, as circuits.score."""
    return (circuits.score - circuits.score[:, :1, CLS:]).exp()
