"""Trains a network until its certificate holds. Never prints.

What doesn't depend on the code is drawn (`draw`). The queries follow from the pictures
(`queries`). What each look adds to the answer is learned (`lesson`), and written into the network
(`write`). A `recipe` has the order of these steps.
"""

import itertools
import random
from enum import Enum
from typing import NamedTuple

import torch

from builder.proof.certify import FLAT, Certificate, certify
from builder.proof.rounding import rounding_bound
from builder.training.decoys.recipe import DecoyRecipe
from builder.training.decoys.summits import SummitRecipe
from builder.training.lesson import GAP, SHARE
from builder.training.recipe import Recipe
from builder.training.write import write_votes

SLACK = 1.01  # for what rounding to float32 changes


class Obstacle(Enum):
    """Why an attempt ends without a network to certify."""

    VOTES = "no votes tell the code from all other numbers"
    STEPS = "each fit of the votes leaves other numbers that come too close"
    ROUNDING = "float32 is too coarse for the votes that it takes"


class Round(NamedTuple):
    """A step of training: a fit to the known negatives, and a search for harder ones.

    seed: of this attempt. step: its number of fits. gap: how far the secret's logit is above those
    of all known wrong codes. The last round of an attempt has a certificate or an obstacle.
    """

    seed: int
    step: int
    gap: float
    certificate: Certificate | None = None
    obstacle: Obstacle | None = None

    @property
    def succeeds(self):
        """Whether there is a certificate, and it holds."""
        return self.certificate is not None and self.certificate.holds


def train(secret, seed=0, max_attempts=10, watch=None, watch_draws=None):
    """Trains until a certificate holds. Yields a Round for each step.

    An attempt that fails ends with a certificate that does not hold, or with an obstacle. Then the
    next seed is tried, max_attempts in all. One seed gives the same weights on every machine.
    watch: if given, called while a certificate is made, as `search` calls it.
    watch_draws: if given, called with the number of each draw while false summits are looked for.
    """
    for attempt in range(seed, seed + max_attempts):
        recipe = choose_recipe(secret, watch_draws)
        for training_round in _attempt(recipe, attempt, watch):
            yield training_round
            if training_round.succeeds:
                return


def choose_recipe(secret, watch_draws=None):
    """The recipe for a secret's kind of puzzle. watch_draws: as in `train`."""
    if secret.summits:
        return SummitRecipe(secret, watch_draws)
    if secret.decoys:
        return DecoyRecipe(secret)
    return Recipe(secret)


@torch.no_grad()
def _attempt(recipe, seed, watch):
    """Yields the rounds of one attempt."""
    secret = recipe.secret
    generator = torch.Generator().manual_seed(seed)
    network = recipe.draw_network(generator)
    # What follows is drawn afresh for each secret. Otherwise whoever builds a puzzle of this size
    # would know what is drawn.
    generator.manual_seed(
        random.Random(f"{seed}, {secret.code}, {secret.pictures}").getrandbits(63)
    )
    lesson = recipe.begin_lesson(network, generator)
    for step in itertools.count(1):
        fitted = lesson.fit()
        if fitted < GAP:
            yield Round(seed, step, fitted, obstacle=Obstacle.VOTES)
            return
        found, gap = lesson.find_hard_negatives(fitted)
        if not found:
            if finish(network, lesson, SHARE * fitted):
                certificate = certify(network, secret, watch)
                if certificate.holds or not lesson.relax():
                    yield Round(seed, step, gap, certificate)
                    return
            elif not lesson.relax():
                yield Round(seed, step, gap, obstacle=Obstacle.ROUNDING)
                return
        if step == lesson.STEPS:
            yield Round(seed, step, gap, obstacle=Obstacle.STEPS)
            return
        yield Round(seed, step, gap)


def finish(network, lesson, gap):
    """Writes the votes into the network so that it answers exactly 0 to every wrong code.

    gap: the secret's logit is at least this far above all others. The threshold lies in its middle.
    Then the logits are scaled until every wrong one is below -FLAT, whatever rounding does. Returns
    False if no scale is enough, because rounding can move a logit by as much as half the gap.
    """
    threshold = lesson.right_logit() - gap / 2
    write_votes(network, lesson.votes, threshold)
    room = gap / 2 - rounding_bound(network)
    if room <= 0:
        return False
    scale = SLACK * FLAT / room
    write_votes(network, scale * lesson.votes, scale * threshold)
    return True
