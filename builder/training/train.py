"""Trains a network until its certificate holds, and says round by round how far it is. Never prints.

Each step shows the right code with its pictures, and wrong codes of three kinds. Some are random, some are close (one
digit off), and some are hard: a search finds them anew every round. When the right code's logit is far enough above all
others, `finish` makes the pictures exact and the answers flat, and `certify` tries the result.
"""

import math
import os
import tempfile
from typing import NamedTuple

import torch
from torch.nn.functional import relu, softplus

from builder.proof.certify import CELL, Certificate, cell_errors, certify
from builder.proof.circuits import read_circuits
from builder.proof.codes import decode, encode, one_digit_off, random_codes, tokens_by_length
from builder.proof.rounding import rounding_bound
from builder.proof.search import Found, search
from builder.threads import one_thread
from builder.training.decoys import Votes
from builder.training.finish import flatten, sharpen
from builder.training.start import start

LEARNING_RATES = 0.02, 0.01  # at first, for even and odd seeds; they fall to nearly 0 along a cosine
BETAS = (0.9, 0.99)  # a shorter memory for the step size than the usual 0.999: the hard codes change all the time
PICTURE_WEIGHTS = 4, 30  # for even and odd seeds
MARGIN = 4.0  # training pushes logits beyond this, right ones above and wrong ones below
GAP = 4.0  # how far the right code's logit must be above all others before the network is finished
OTHER_CELL_GOAL = 0.5  # training moves a cell of each close code at least this far from the pictures
BLUNT = 10  # rounds that knew the code, but could not have shown the pictures: after so many, an attempt is stuck
RANDOM_CODES = 64
HARD_CODES = 64  # new ones in a round
HARD_NODES = 1000  # of the search for them
FINISH_NODES = 100_000  # of the search that looks whether the network can be finished
ROUNDING_SHARE = 0.45  # of the gap that rounding may take up; flatten needs less than half
POOL = 300  # hard codes that are kept


class Round(NamedTuple):
    """How far training is after some steps.

    seed, step: of this attempt. probability: the secret's. hardest_code, hardest_probability: the wrong code that comes
    closest, of those known. worst_cell: the largest distance of a picture's cell from its 0 or 1.
    certificate: of the finished network, where training had reason to finish it.
    """

    seed: int
    step: int
    probability: float
    hardest_code: str
    hardest_probability: float
    worst_cell: float
    certificate: Certificate | None


def train(secret, seed=0, max_attempts=10, watch=None):
    """Trains until the certificate holds: yields a Round every few steps, the last one with the certificate.

    An attempt that is stuck ends with a certificate that does not hold; the next seed is tried, max_attempts in all.
    One seed gives the same weights on one machine, whatever the number of cores.
    watch: if given, called while a certificate is made, as `search` calls it.
    """
    # With the first optimizer torch loads its compiler, which makes a cache folder in the temporary one. Nothing is
    # compiled here, so it gets a folder that exists already.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())
    for attempt in range(seed, seed + max_attempts):
        for progress in _attempt(secret, attempt, watch):
            yield progress
        if progress.certificate.holds:
            return


def _attempt(secret, seed, watch):
    """The rounds of one attempt, the last one with a certificate."""
    with one_thread():
        lesson = Lesson(secret, seed)
        learner = Votes(secret, seed) if secret.decoys else Descent(secret, seed)
    for step in range(0, learner.step_limit + 1, learner.steps_per_round):
        right, wrong, hardest = lesson.prepare(learner.network)
        certificate = None
        if right - wrong >= GAP:
            certificate = _finish(learner.network, secret, lesson, watch)
        if certificate is None and (step == learner.step_limit or lesson.blunt == BLUNT):
            certificate = certify(learner.network, secret, watch)
        yield Round(
            seed=seed,
            step=step,
            probability=_sigmoid(right),
            hardest_code=hardest,
            hardest_probability=_sigmoid(wrong),
            worst_cell=lesson.worst_cell(learner.network),
            certificate=certificate,
        )
        if certificate:
            return
        with one_thread():
            learner.learn(lesson)


class Descent:
    """A network that learns looks and votes by gradient descent."""

    steps_per_round = 10
    step_limit = 1000  # an attempt that takes longer is stuck

    def __init__(self, secret, seed):
        self.network = start(secret, seed)
        rate, self.picture_weight = LEARNING_RATES[seed % 2], PICTURE_WEIGHTS[seed % 2]
        if seed % 2:  # another way to start, with exact pictures, for those that the first way does not learn
            self.network = sharpen(self.network, secret)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, betas=BETAS, fused=True)
        rounds = self.step_limit // self.steps_per_round
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, rounds + 1)

    def learn(self, lesson):
        """Takes the steps of one round: makes the loss smaller."""
        for _ in range(self.steps_per_round):
            self.optimizer.zero_grad()
            self.loss(lesson).backward()
            self.optimizer.step()
        self.schedule.step()

    def loss(self, lesson):
        """How far the network is from what the lesson asks for, shape ()."""
        logits = read_circuits(self.network).logits(
            torch.cat([lesson.right, lesson.random(), lesson.close, lesson.pool])
        )
        errors = cell_errors(self.network, lesson.secret, lesson.tokens)
        return (
            softplus(MARGIN - logits[0])  # the right one: binary cross-entropy, beyond MARGIN
            + softplus(MARGIN + logits[1:]).logsumexp(0)  # the wrong ones: the same, the worst counting most
            + self.picture_weight * errors[:, 0].square().sum()  # the right one shows the pictures
            + relu(OTHER_CELL_GOAL - errors[:, 1:].amax((0, 2, 3))).sum()  # the close ones do not
        )


@one_thread()
def _finish(network, secret, lesson, watch):
    """The certificate of the finished network where it holds, else None. Hard codes that it finds join the pool."""
    if not secret.decoys:  # they are exact already
        network = sharpen(network, secret)
    if lesson.worst_cell(network) > CELL:
        lesson.blunt += 1
        return None
    right = lesson.logit(network)
    found = lesson.search(network, right - GAP, HARD_CODES, FINISH_NODES)
    lesson.add(found.codes)
    if len(found.codes) or not found.complete:
        return None
    found = lesson.search(network, -math.inf, 1, FINISH_NODES)
    gap = right - found.logits[0].item()
    if not found.complete or rounding_bound(network) > ROUNDING_SHARE * gap:
        return None
    certificate = certify(flatten(network, secret, gap), secret, watch)
    return certificate if certificate.holds else None


class Lesson:
    """What a network is shown: the right code, and wrong ones, of which the hard ones change with the network."""

    def __init__(self, secret, seed):
        self.secret = secret
        self.right = encode(secret.code, secret.max_digits)
        self.close = one_digit_off(secret.code, secret.max_digits)
        (self.tokens,) = tokens_by_length(torch.cat([self.right, self.close]))
        self.pool = self.close
        self.blunt = 0  # rounds in which the network knew the code, but had lost a direction that the pictures need
        self.generator = torch.Generator().manual_seed(seed)

    def search(self, network, limit, k, budget):
        """The hardest wrong codes above a limit: see `search`. Nothing is found where scores have run away."""
        with torch.no_grad():
            try:
                return search(read_circuits(network), self.secret.code, k, limit, budget)
            except OverflowError:  # training may catch them again, or be stuck
                return Found(self.close[:0], torch.empty(0), nodes=0, settled=0.0, complete=False)

    @torch.no_grad()
    def logit(self, network):
        """The right code's logit."""
        return read_circuits(network).double().logits(self.right).item()

    def add(self, codes):
        """Adds hard codes to the pool."""
        self.pool = torch.cat([codes, self.pool, self.close]).unique(dim=0)

    @one_thread()
    @torch.no_grad()
    def prepare(self, network):
        """Finds the codes that are hard now. Returns the logits of the right code and the hardest, and the hardest."""
        self.add(self.search(network, -MARGIN, HARD_CODES, HARD_NODES).codes)
        logits, order = read_circuits(network).double().logits(self.pool).sort(descending=True, stable=True)
        self.pool = self.pool[order[:POOL]]
        return self.logit(network), logits[0].item(), decode(self.pool[0])

    @one_thread()
    @torch.no_grad()
    def worst_cell(self, network):
        """How far the worst cell of the pictures is from its 0 or 1."""
        return cell_errors(network, self.secret, self.tokens[:1]).max().item()

    def random(self):
        """Wrong codes of random lengths and digits, (batch, max_digits)."""
        codes = random_codes(RANDOM_CODES, self.secret.max_digits, self.generator)
        return codes[(codes != self.right).any(1)]


def _sigmoid(logit):
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
