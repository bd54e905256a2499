"""Trains a network until its certificate holds. Never prints.

What doesn't depend on the code is drawn (`draw`). The queries follow from the pictures
(`pictures`). What each look adds to the answer is learned (`lesson`), and written into the network
(`write`). A `recipe` has the order of these steps.
"""

import random
from typing import NamedTuple

import torch

from builder.proof.certify import FLAT, Certificate, certify
from builder.proof.rounding import rounding_bound
from builder.training.decoys.recipe import DecoyRecipe
from builder.training.lesson import GAP, SHARE
from builder.training.recipe import Recipe
from builder.training.write import write_votes

SLACK = 1.01  # for what rounding to float32 changes


class Round(NamedTuple):
    """A step of training: a fit to the known negatives, and a search for harder ones.

    seed: of this attempt. step: its number of fits. gap: how far the secret's logit is above those
    of all known wrong codes. certificate: of the finished network, None before.
    """

    seed: int
    step: int
    gap: float
    certificate: Certificate | None


def train(secret, seed=0, max_attempts=10, watch=None):
    """Trains until the certificate holds. Yields a Round for each step.

    An attempt that is stuck ends with a certificate that does not hold. Then the next seed is
    tried, max_attempts in all. One seed gives the same weights on one machine, whatever the number
    of cores. watch: if given, called while a certificate is made, as `search` calls it.
    """
    for attempt in range(seed, seed + max_attempts):
        certificate = yield from _attempt(secret, attempt, watch)
        if certificate.holds:
            return


def choose_recipe(secret):
    """The recipe for a secret's kind of puzzle."""
    if secret.decoys:
        return DecoyRecipe(secret)
    return Recipe(secret)


@torch.no_grad()
def _attempt(secret, seed, watch):
    """Yields the rounds of one attempt. Returns the certificate, which is that of the last one."""
    recipe = choose_recipe(secret)
    generator = torch.Generator().manual_seed(seed)
    network = recipe.draw_network(generator)
    # What follows is drawn anew for each secret. Otherwise whoever builds a puzzle of this size
    # would know what is drawn.
    generator.manual_seed(
        random.Random(f"{seed}, {secret.code}, {secret.pictures}").getrandbits(63)
    )
    lesson = recipe.begin_lesson(network, generator)
    for step in range(1, lesson.STEPS + 1):
        fitted = lesson.fit()
        found, gap = lesson.find_hard_negatives(fitted)
        if found and fitted >= GAP and step < lesson.STEPS:
            yield Round(seed, step, gap, None)
            continue
        finish(network, lesson, SHARE * fitted)
        certificate = certify(network, secret, watch)
        if not certificate.holds and step < lesson.STEPS and lesson.relax():
            yield Round(seed, step, gap, None)
            continue
        yield Round(seed, step, gap, certificate)
        return certificate


def finish(network, lesson, gap):
    """Writes the votes into the network so that it answers exactly 0 to every wrong code.

    gap: the secret's logit is at least this far above all others. The threshold lies in its middle.
    Then the logits are scaled until every wrong one is below -FLAT, whatever rounding does.
    """
    threshold = lesson.right_logit() - gap / 2
    write_votes(network, lesson.votes, threshold)
    scale = SLACK * FLAT / (gap / 2 - rounding_bound(network))
    write_votes(network, scale * lesson.votes, scale * threshold)
