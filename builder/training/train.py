"""Trains a network until its certificate holds. Never prints.

What doesn't depend on the code is drawn (`draw`). Where the heads look is found in closed form: so that the right code
shows the pictures (`pictures`), or so that every number shows crisp cells (`decoys`). The votes are learned (`votes`).
"""

from typing import NamedTuple

import torch

from builder.proof.certify import FLAT, Certificate, certify
from builder.proof.codes import decode
from builder.proof.rounding import rounding_bound
from builder.training import decoys
from builder.training.draw import draw, hidden_size, inputs
from builder.training.pictures import draw_queries
from builder.training.votes import GAP, SHARE, Votes

TARGETS = True
STEPS = 40  # fits; an attempt that needs more is stuck
ROUNDING_SHARE = 0.25  # of the gap that rounding may take up
ROOM = 1.01  # for what rounding the scaled weights changes


class Round(NamedTuple):
    """One step of training: a fit to the wrong codes known before, and a search for harder ones.

    seed, step: of this attempt. hardest_code: the wrong code with the highest logit, of those known. gap: how far the
    secret's logit is above it. certificate: of the finished network, None before.
    """

    seed: int
    step: int
    hardest_code: str
    gap: float
    certificate: Certificate | None


def train(secret, seed=0, max_attempts=10, watch=None):
    """Trains until the certificate holds: yields a Round for every step, the last one with the certificate.

    An attempt that is stuck ends with a certificate that does not hold; the next seed is tried, max_attempts in all.
    One seed gives the same weights on one machine, whatever the number of cores.
    watch: if given, called while a certificate is made, as `search` calls it.
    """
    for attempt in range(seed, seed + max_attempts):
        for progress in _attempt(secret, attempt, watch):
            yield progress
        if progress.certificate.holds:
            return


@torch.no_grad()
def _attempt(secret, seed, watch):
    """The rounds of one attempt, the last one with a certificate."""
    generator = torch.Generator().manual_seed(seed)
    n_hidden = hidden_size(secret.max_digits, secret.decoys)
    network = draw(n_hidden, len(secret.pictures), secret.max_digits, generator)
    vectors = inputs(network)
    if secret.decoys:
        weights, biases = decoys.draw_queries(secret, network, generator)
    else:
        weights, biases = draw_queries(secret, vectors, generator)
    write_queries(network, weights, biases)
    votes = Votes(secret, vectors, weights @ vectors[0, -1] + biases, generator)
    for step in range(STEPS):
        fitted = votes.fit()
        if secret.decoys and TARGETS:
            votes.target = decoys.draw_targets(secret, network, votes.vectors, torch.Generator().manual_seed(seed))
            fitted = votes.fit()
        found, gap = votes.mine(fitted)
        certificate = None
        if not found or fitted < GAP or step == STEPS - 1:
            certificate = certify(finish(network, votes, SHARE * fitted, generator), secret, watch)
            if not certificate.holds and fitted >= GAP and step < STEPS - 1:
                votes.add(certificate.hardest_codes)
                certificate = None
        yield Round(seed, step, decode(votes.pool[0]), gap, certificate)
        if certificate:
            return


def write_queries(network, weights, biases):
    """Turns queries for keys that are the inputs into queries for the network's keys."""
    for matrix, weight, bias in zip(network.attention_matrix_list, weights, biases, strict=True):
        key = matrix.key_layer.weight.double()
        matrix.query_layer.weight.copy_(key @ weight)
        matrix.query_layer.bias.copy_(key @ bias)


def finish(network, votes, gap, generator):
    """Writes votes into the network, scaled so that it answers exactly 0 to all wrong codes.

    gap: the smallest distance from the secret's logit to another one. Half of it lies on each side of 0. Scaled up,
    logits of wrong codes fall below the smallest number that floating-point numbers have for a probability.
    """
    right = (votes.seen(votes.right) * votes.vectors).sum().item()
    noise = torch.randn(network.projection.weight.shape, generator=generator).double()
    scale = 1.0
    for _ in range(2):
        write_votes(network, scale * votes.vectors, scale * (right - gap / 2), noise)
        room = gap / 2 - rounding_bound(network)
        scale = ROOM * FLAT / room
    return network


def write_votes(network, votes, threshold, noise):
    """Writes votes (heads, n_hidden) into the projection, so that a code at the threshold has a logit of 0."""
    direction = (network.output.weight[1] - network.output.weight[0]).double()  # from "wrong" to "right"
    values = [output.value_layer.weight.double() for output in network.attention_output_list]
    rows = torch.cat(
        [torch.linalg.solve((value @ value).T, vote) for value, vote in zip(values, votes, strict=True)]
    )
    unit = direction / direction.square().sum()  # changes the logit by 1
    noise = noise * 0.3 * rows.std() * unit.norm()
    network.projection.weight.copy_(noise + torch.outer(unit, rows - direction @ noise))
    network.projection.bias.copy_(-threshold * unit)
