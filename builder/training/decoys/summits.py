"""False summits: whoever climbs on the logit ends at a wrong number.

With decoys a head's sum of looks depends on the set of digits alone, so a logit is a sum over
places as long as the set stays, and its slopes may change with the set. The votes are learned so
that they do: as soon as another digit is wrong, a digit of a bait beats the right one. Then nearly
every climb ends at the bait or at another false summit, and who compares numbers of one set of
digits, or knows that there is a set to look for, gets in.

The bait is a random number. It may hold digits of the code, even at their places, so that neither
it nor the false summits around it say which digits the code has, or hasn't.

A context is a code with a place whose digit is left open. Contexts come from climbs: those in which
the right digit was taken although another one was wrong. The share of climbs that reach the code is
measured by the certificate (`climbs`).
"""

import math

import torch
from torch.nn.functional import pad

from builder.network.circuits import BLANK
from builder.network.model import CLS
from builder.proof.climbs import climb, draw_climbs
from builder.training.decoys import queries
from builder.training.decoys.lesson import DecoyLesson
from builder.training.decoys.recipe import DecoyRecipe
from builder.training.lesson import GAP
from builder.training.nearest import nearest
from builder.training.write import write_queries

DRAWS = 12  # of the cells that the code does not decide, and of the bait, at most
PROMISING = 0.01  # a draw is good enough if so few climbs reach the code after a quick fit
FIRST_CONTEXTS = 180  # drawn at random
MORE_CONTEXTS = 100  # after a fit that lets too many climbs reach the code, at most
BAIT_DIGITS = 2  # that a bait has, at most: with more, fewer votes suit it
LARGEST_RADIUS = 2  # wrong digits in a context, at least; drawn with the bait
WRONG = 2 / 3  # of a bait's digits differ from the code's, at least, and three of them
ASKED = 1.001 * GAP  # of a fit, whose result is exact to a few digits
LEAD = 0.01 * GAP  # by which the bait is to beat the right digit
FORBIDDEN = 1e12  # the price of a wrong code that leaves less than the gap
PRICE = 1e8  # of a context in which the right digit beats the bait
CHEAPER = 10.0  # what the price is divided by if float32 can't hold the votes
LEAST_PRICE = 1e5
PROBES = 4000  # climbs that look for contexts
AIM = 0.005  # of them may reach the code; the certificate allows more
ROUNDS = 6  # of new contexts, at most


class SummitRecipe(DecoyRecipe):
    """The recipe of a puzzle with decoys and false summits."""

    def begin_lesson(self, network, generator):
        """Draws cells and baits several times, and keeps the draw that suits the votes best."""
        best, best_state = None, None
        for _ in range(DRAWS):
            write_queries(network, *queries.draw_queries(self.secret, network, generator))
            lesson = SummitLesson(self.secret, network, generator)
            lesson.fit_quickly()
            if best is None or lesson.reached < best.reached:
                best = lesson
                best_state = {name: part.clone() for name, part in network.state_dict().items()}
            if best.reached <= PROMISING:
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
        lures = self.lures()
        rows = torch.cat([contrast, lures]).flatten(1)
        margins = rows.new_full((len(rows),), ASKED)
        margins[len(contrast) :] = LEAD
        prices = rows.new_full((len(rows),), FORBIDDEN)
        prices[len(contrast) :] = self.price
        votes = nearest(rows, margins, prices, torch.zeros_like(rows[0]))
        if self.disguised:
            target = self.disguise(votes.view_as(self.votes))
            votes = nearest(rows, margins, prices, target.flatten())
        return votes.view_as(self.votes)

    def disguise(self, votes):
        """As a DecoyLesson, but digits keep their votes: baits make those of unused ones large."""
        disguised = super().disguise(votes) @ self.directions.T
        parts = votes @ self.directions.T
        behind = CLS + 2 + len(self.code)
        parts[:, behind:] = disguised[:, behind:]
        return parts @ torch.linalg.pinv(self.directions).T

    def fit_quickly(self):
        """Fits that say how good a draw is: sets the share of climbs that reach the code."""
        self.disguised = False
        super().find_hard_negatives(self.fit())
        self.add_contexts(*self.find_contexts())
        super().find_hard_negatives(self.fit())
        self.fit()
        self.find_contexts()
        self.disguised = True

    def find_hard_negatives(self, gap):
        """As a Lesson's. If there are none, adds contexts as long as too many climbs reach the code."""
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
        self.reached = (ends == self.code).all(1).double().mean().item()
        codes, places = torch.cat(found_codes), torch.cat(found_places)
        some = self.is_far(codes, places).nonzero()[:, 0]
        some = some[torch.randperm(len(some), generator=self.generator)[:MORE_CONTEXTS]]
        return codes[some], places[some]

    def relax(self):
        """Gives up the disguise, then asks less of the contexts."""
        self.best_reached, self.best_votes = math.inf, None
        if super().relax():
            return True
        self.price /= CHEAPER
        return self.price >= LEAST_PRICE


def draw_bait(code, generator):
    """A random number of few digits, (digits,), that differs from the code at most places."""
    least = max(3, math.ceil(WRONG * len(code)))
    while True:
        kinds = torch.randint(1, 1 + BAIT_DIGITS, (), generator=generator).item()
        few = torch.randint(CLS, (kinds,), generator=generator)
        bait = few[torch.randint(kinds, code.shape, generator=generator)]
        if (bait != code).sum() >= least:
            return bait


def draw_contexts(code, bait, generator):
    """Codes (FIRST_CONTEXTS, digits) between random ones, the bait and the code, and open places."""
    size = (FIRST_CONTEXTS, len(code))
    codes = torch.randint(10, size, generator=generator)
    for goal in (bait, code):
        share = torch.rand(FIRST_CONTEXTS, 1, generator=generator)
        codes = torch.where(torch.rand(size, generator=generator) < share, goal, codes)
    return codes, torch.randint(len(code), (FIRST_CONTEXTS,), generator=generator)
