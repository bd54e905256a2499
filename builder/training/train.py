"""Trains a network until its certificate holds. Never prints.

What doesn't depend on the code is drawn (`compose`). Queries follow from the pictures: the right code shows them, all
others show noise (`pictures`) or crisp cells (`decoys`). What each look adds to the answer is learned (`lesson`).
"""

import random
from typing import NamedTuple

import torch

from builder.proof.certify import FLAT, Certificate, certify
from builder.proof.rounding import rounding_bound
from builder.training import decoys, pictures
from builder.training.draw import draw, write_queries, write_votes
from builder.training.votes import GAP, SHARE, Lesson

STEPS = 40  # an attempt that takes more is stuck
SLACK = 1.01  # for what rounding to float32 changes


class Round(NamedTuple):
    """A step of training: a fit to known wrong codes, and a search for harder ones.

    seed: of this attempt. step: its number of fits. gap: how far the secret's logit is above those of all known wrong
    codes. certificate: of the finished network, None before.
    """

    seed: int
    step: int
    gap: float
    certificate: Certificate | None


def train(secret, seed=0, max_attempts=10, watch=None):
    """Trains until the certificate holds: yields a Round for each step, the last one with the certificate.

    An attempt that is stuck ends with a certificate that does not hold; the next seed is tried, max_attempts in all.
    One seed gives the same weights on one machine, whatever the number of cores.
    watch: if given, called while a certificate is made, as `search` calls it.
    """
    for attempt in range(seed, seed + max_attempts):
        certificate = yield from _attempt(secret, attempt, watch)
        if certificate.holds:
            return


@torch.no_grad()
def _attempt(secret, seed, watch):
    """Yields the rounds of one attempt, the last one with a certificate. Returns this certificate."""
    generator = torch.Generator().manual_seed(seed)
    network = draw(secret, generator)
    # What follows is drawn anew for each secret, or whoever builds a puzzle of this size would know the same decoys.
    generator.manual_seed(
        random.Random(f"{seed}, {secret.code}, {secret.pictures}").getrandbits(63)
    )
    recipe = decoys if secret.decoys else pictures
    write_queries(network, *recipe.draw_queries(secret, network, generator))
    lesson = Lesson(secret, network, generator)
    for step in range(1, STEPS + 1):
        fitted = lesson.fit()
        found, gap = lesson.mine(fitted)
        certificate = None
        if not found or fitted < GAP or step == STEPS:
            finish(network, lesson, SHARE * fitted, generator)
            certificate = certify(network, secret, watch)
            if lesson.disguised and not certificate.holds and step < STEPS:
                lesson.disguised, certificate = False, None  # the next steps try without
        yield Round(seed, step, gap, certificate)
        if certificate:
            return certificate


def finish(network, lesson, gap, generator):
    """Writes the votes into the network so that it answers exactly 0 to every wrong code.

    gap: the secret's logit is at least this far above all others. The threshold lies in its middle. Then the logits are
    scaled until every wrong one is below -FLAT, whatever rounding does.
    """
    right_logit = (lesson.mean_inputs(lesson.right_code) * lesson.votes).sum()
    write_votes(network, lesson.votes, right_logit - gap / 2, generator)
    scale = SLACK * FLAT / (gap / 2 - rounding_bound(network))
    network.projection.weight *= scale
    network.projection.bias *= scale
