"""False summits: whoever climbs on the logit ends at a wrong number.

With decoys a head's sum of looks depends on the set of digits alone, so a logit is a sum over
places as long as the set stays, and its slopes may change with the set. The votes are learned so
that they do: as long as other digits are wrong, a digit of a bait beats the right one. Then nearly
every climb ends at the bait or at another false summit. Whoever exchanges digits, and so stays
within a set, or reads the circuits, still gets in.

The bait is a random number. It may hold digits of the code, even at their places, so that neither
it nor the false summits around it say which digits the code has, or hasn't. All numbers of the same
digits are a transportation problem, so a fit's hard negatives are found completely (`multisets`).

A context is a code with a place whose digit is left open. Contexts come from climbs: those in which
the right digit was taken although another one was wrong. The share of climbs that reach the code is
measured by the certificate (`climbs`).
"""

import math

import torch
from torch.nn.functional import pad

from builder.network.circuits import BLANK
from builder.network.model import CLS
from builder.proof.certify import CLIMBS
from builder.proof.climbs import climb, draw_climbs
from builder.proof.multisets import is_searchable, search_multisets
from builder.proof.search import search
from builder.training.decoys import queries
from builder.training.decoys.lesson import DecoyLesson
from builder.training.decoys.recipe import DecoyRecipe
from builder.training.lesson import GAP, HARD_CODES, HARD_NODES
from builder.training.nearest import nearest
from builder.training.parameters import rounded
from builder.training.write import write_queries

DRAWS = 15  # of the cells that the code does not decide, and of the bait, at most
SETTLING = 15  # fits for one draw, at most: most draws that settle take fewer than ten
FEW_CODES = 32  # hard negatives: if a search finds fewer, that of multisets follows
HOPELESS = 0.06  # a draw is given up if a larger share of climbs reaches the code
FIRST_CONTEXTS = 180  # drawn at random
MORE_CONTEXTS = 50  # after a fit that lets too many climbs reach the code, at most
BAIT_DIGITS = 2  # that a bait has, at most: with more, fewer votes suit it
LARGEST_RADIUS = 2  # wrong digits in a context, at least; drawn with the bait
WRONG = 2 / 3  # of a bait's digits differ from the code's, at least, and three of them
ASKED = 1.003 * GAP  # of a fit, whose result is exact to a few digits
LEAD = 0.01 * GAP  # by which the bait is to beat the right digit
FORBIDDEN = 1e12  # the price of a wrong code that leaves less than the gap
PRICE = 1e8  # of a context in which the right digit beats the bait
LARGEST_RANGES = 15_000  # of votes: from about 35,000 on, rounding takes the whole gap
CHEAPER = 10.0  # what the price is divided by if votes are larger
LEAST_PRICE = 1e4
PROBES = 4000  # climbs that look for contexts
AIM = 0.014  # of them may reach the code; the certificate allows more
ROUNDS = 2  # of new contexts, at most


class SummitRecipe(DecoyRecipe):
    """The recipe of a puzzle with decoys and false summits."""

    def __init__(self, secret, watch=None):
        """watch: if given, called with the number of each draw."""
        super().__init__(secret)
        self.watch = watch

    def begin_lesson(self, network, generator):
        """Draws cells and baits until few climbs reach the code, or keeps the best of all draws."""
        best, best_state = None, None
        for number in range(1, 1 + DRAWS):
            if self.watch:
                self.watch(number)
            write_queries(network, *queries.draw_queries(self.secret, network, generator))
            lesson = SummitLesson(self.secret, network, generator)
            has_settled = lesson.settle()
            if best is None or has_settled or lesson.reached < best.reached:
                best = lesson
                best_state = {name: part.clone() for name, part in network.state_dict().items()}
            if has_settled:
                break
        network.load_state_dict(best_state)
        return best


class SummitLesson(DecoyLesson):
    """As a DecoyLesson, with contexts besides the negatives.

    bait: (digits,). contexts: codes, (contexts, digits), and their open places, (contexts,).
    reached: the share of climbs that reach the code, None before it was measured.
    """

    STEPS = 100

    def __init__(self, secret, network, generator):
        super().__init__(secret, network, generator)
        self.generator = generator
        self.code = self.right_code[0, : len(secret.code)]
        self.bait = draw_bait(self.code, generator)
        self.radius = torch.randint(1, 1 + LARGEST_RADIUS, (), generator=generator).item()
        self.contexts = self.code.new_empty(0, len(self.code))
        self.places = self.code.new_empty(0)
        self.price = PRICE
        self.rounds = 0
        self.reached = None
        self.best_reached, self.best_votes = math.inf, None
        self.add_contexts(*draw_contexts(self.code, self.bait, generator))

    def add_contexts(self, codes, places):
        """Adds contexts, but for those in which the right digit may or must win."""
        kept = self.is_far(codes, places) & (self.bait != self.code)[places]
        self.contexts = torch.cat([self.contexts, codes[kept]])
        self.places = torch.cat([self.places, places[kept]])

    def is_far(self, codes, places):
        """Whether contexts have at least `radius` wrong digits at their other places."""
        wrong = (codes != self.code).scatter(1, places[:, None], False)
        return wrong.sum(1) >= self.radius

    def lures(self):
        """What votes are learned from in contexts: rows of bait minus right, as `contrast`."""
        rows = torch.arange(len(self.contexts))
        room = len(self.right_code[0]) - len(self.code)
        baited = pad(self.contexts, (0, room), value=BLANK)
        right = baited.clone()
        baited[rows, self.places] = self.bait[self.places]
        right[rows, self.places] = self.code[self.places]
        return self.mean_inputs(baited) - self.mean_inputs(right)

    def fit_votes(self, contrast):
        """As a DecoyLesson. The price falls until float32 can hold the votes."""
        lures = self.lures()
        rows = torch.cat([contrast, lures]).flatten(1)
        margins = rows.new_full((len(rows),), ASKED)
        margins[len(contrast) :] = LEAD
        while True:
            prices = rows.new_full((len(rows),), FORBIDDEN)
            prices[len(contrast) :] = self.price
            votes = nearest(rows, margins, prices, torch.zeros_like(rows[0]))
            if self.blurs[0] is not None:
                target = self.disguise(votes.view_as(self.votes))
                votes = nearest(rows, margins, prices, target.flatten())
            votes = rounded(votes).view_as(self.votes)
            if self.price <= LEAST_PRICE or self.vote_ranges(votes) <= LARGEST_RANGES:
                return votes
            self.price /= CHEAPER

    def vote_ranges(self, votes):
        """How far apart a head's votes for digits are, added up over the heads, for a gap of 1."""
        every_vote = (self.inputs[:, :CLS] @ votes.T).flatten(0, 1)  # (positions * 10, heads)
        ranges = every_vote.amax(0) - every_vote.amin(0)
        return ranges.sum().item() / GAP

    def settle(self):
        """Learns until few climbs reach the code and no wrong code is too high.

        Returns whether it got there. It gives up as soon as many climbs reach the code, since more
        negatives hardly ever make them fewer, and if new negatives don't end.
        """
        for _ in range(SETTLING):
            gap = self.fit()
            contexts = self.find_contexts()
            if self.reached > HOPELESS:
                return False
            found = self.add_hard_negatives(gap)
            if self.reached > AIM:
                self.add_contexts(*contexts)
            elif not found:
                return True
        return False

    def find_hard_negatives(self, gap):
        """As a Lesson's. If there are none, adds contexts while too many climbs reach the code."""
        found, hardest = super().find_hard_negatives(gap)
        if found:
            return found, hardest
        contexts = self.find_contexts()
        if self.reached < self.best_reached:
            self.best_reached, self.best_votes = self.reached, self.votes
        if self.reached <= AIM:
            return 0, hardest
        if self.rounds == ROUNDS:
            self.votes = self.best_votes
            return 0, hardest
        self.rounds += 1
        self.add_contexts(*contexts)
        return MORE_CONTEXTS, hardest

    def find_hard_codes(self, circuits, limit):
        """As a Lesson's. Few codes are asked for again, because a fit costs more here."""
        if not is_searchable(circuits):
            return super().find_hard_codes(circuits, limit)
        code = self.secret.code
        found = search(circuits, code, HARD_CODES, limit, HARD_NODES)
        if len(found.codes) < FEW_CODES:
            found = search_multisets(circuits, code, HARD_CODES, limit, found.codes)
        return found.codes

    def find_contexts(self):
        """Climbs. Sets the share that reach the code, and returns contexts in which it came closer.

        At most MORE_CONTEXTS of them: codes (contexts, digits) and places (contexts,).
        """
        codes, orders = draw_climbs(PROBES, len(self.code), self.generator)
        orders[: PROBES // 2] = torch.arange(len(self.code))
        found_codes, found_places = [], []

        def watch(codes, places, logits):
            right = logits.argmax(1) == self.code[places]
            found_codes.append(codes[right])
            found_places.append(places[right])

        ends = climb(self.circuits(), codes, orders, watch)
        reached = (ends == self.code).all(1).double()
        self.reached = max(half.mean().item() for half in reached.chunk(2))
        codes, places = torch.cat(found_codes), torch.cat(found_places)
        some = self.is_far(codes, places).nonzero()[:, 0]
        some = some[torch.randperm(len(some), generator=self.generator)[:MORE_CONTEXTS]]
        return codes[some], places[some]

    def relax(self):
        """Gives up the disguise, unless it isn't rounding that is wrong."""
        if self.best_reached > CLIMBS:
            return False
        self.best_reached, self.best_votes = math.inf, None
        return super().relax()


def draw_bait(code, generator):
    """A random number of few digits, (digits,), that differs from the code at most places.

    Half of all baits differ from it at all places. Climbs that stop before the bait keep a right
    digit more often than chance would, and so all false summits together keep as many.
    """
    least = max(3, math.ceil(WRONG * len(code)))
    if torch.rand((), generator=generator) < 0.5:
        least = len(code)
    while True:
        kinds = torch.randint(1, 1 + BAIT_DIGITS, (), generator=generator).item()
        few = torch.randint(CLS, (kinds,), generator=generator)
        bait = few[torch.randint(kinds, code.shape, generator=generator)]
        if (bait != code).sum() >= least:
            return bait


def draw_contexts(code, bait, generator):
    """Codes between random ones, the bait and the code, (FIRST_CONTEXTS, digits), and places."""
    size = (FIRST_CONTEXTS, len(code))
    codes = torch.randint(10, size, generator=generator)
    for goal in (bait, code):
        share = torch.rand(FIRST_CONTEXTS, 1, generator=generator)
        codes = torch.where(torch.rand(size, generator=generator) < share, goal, codes)
    return codes, torch.randint(len(code), (FIRST_CONTEXTS,), generator=generator)
