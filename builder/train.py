"""Trains a network until its certificate holds, and says round by round how far it is. Never prints.

Each step shows the right code with its pictures, and wrong ones of three kinds: random ones, close ones (one digit
off), and hard ones, kept in a pool that a beam search fills up every round.
"""

import os
import tempfile
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.nn.functional import relu, softplus

from builder.beam import beam_search
from builder.certify import Certificate, cell_errors, certify, one_digit_off, tokens_by_length
from builder.circuits import BLANK, read_circuits
from builder.keyspace import decode, encode
from builder.model import NeuralNetwork

# With the first optimizer torch loads its compiler, which makes itself a cache folder in the temporary one. Nothing is
# compiled here, so it is pointed at a folder that is there already, and leaves none behind.
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())

N_HIDDEN = 10
LEARNING_RATE = 0.02
BETAS = (0.9, 0.99)  # a shorter memory for the step size than the usual 0.999: the hard codes change all the time
PICTURE_WEIGHT = 100
MARGIN = 8.0  # logits are pushed to here, right and wrong, and ...
GOAL = 7.0  # ... from here on training believes itself done: a little inside the certificate's 6.9
GOAL_CELL = 0.0095
GOAL_OTHER_CELL = 0.5
STEPS_PER_ROUND = 10
STEP_LIMIT = 2500  # an attempt that takes longer is stuck
RANDOM_CODES = 64
HARD_PER_LENGTH = 64
POOL = 500


class Round(NamedTuple):
    """How far training is after some steps.

    seed, step: of this attempt. probability: the secret's. hardest_code, hardest_probability: the wrong code that comes
    closest. accepted: wrong codes above one half, and met: of how many that the search has met. worst_cell: the largest
    distance of a picture's cell from its 0 or 1. certificate: of the whole keyspace, where training had reason to look.
    """

    seed: int
    step: int
    probability: float
    hardest_code: str
    hardest_probability: float
    accepted: int
    met: int
    worst_cell: float
    certificate: Certificate | None


def train(secret, seed=0, max_attempts=10, watch=None):
    """Trains until the certificate holds: yields a Round every few steps, the last one with the certificate.

    An attempt that is stuck ends with a certificate that does not hold; the next seed is tried, max_attempts in all.
    The same seed gives the same weights bit for bit, whatever the number of cores.
    watch: if given, called during a look at the whole keyspace with the number of codes looked at so far.
    """
    for attempt in range(seed, seed + max_attempts):
        for progress in _attempt(secret, attempt, watch):
            yield progress
        if progress.certificate.holds:
            return


def _attempt(secret, seed, watch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NeuralNetwork(N_HIDDEN, len(secret.pictures), secret.max_digits)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, betas=BETAS, fused=True)

    right = encode(secret.code, secret.max_digits)
    close = one_digit_off(secret.code, secret.max_digits)
    (right_and_close,) = tokens_by_length(torch.cat([right, close]))
    pool = close

    for step in range(0, STEP_LIMIT + 1, STEPS_PER_ROUND):
        with _one_thread(), torch.no_grad():
            circuits = read_circuits(network)
            try:
                hard = beam_search(circuits, secret.code, HARD_PER_LENGTH, generator)
            except OverflowError:  # scores have run away: training may catch them, or be stuck
                hard = close
            met = torch.cat([pool, hard]).unique(dim=0)
            logits, order = circuits.logits(met).sort(descending=True, stable=True)
            pool = met[order[:POOL]]
            secret_logit = circuits.logits(right)[0]
            worst_cell = cell_errors(network, secret, right_and_close[:1]).max()

        reached = secret_logit >= GOAL and logits[0] <= -GOAL and worst_cell <= GOAL_CELL
        certificate = certify(network, secret, watch) if reached or step == STEP_LIMIT else None
        yield Round(
            seed=seed,
            step=step,
            probability=secret_logit.double().sigmoid().item(),
            hardest_code=decode(pool[0]),
            hardest_probability=logits[0].double().sigmoid().item(),
            accepted=int((logits > 0).sum()),
            met=len(met),
            worst_cell=worst_cell.item(),
            certificate=certificate,
        )
        if certificate:
            if certificate.holds:
                return
            missed = [encode(code, secret.max_digits) for code in certificate.hardest_codes]
            pool = torch.cat([pool, *missed]).unique(dim=0)

        with _one_thread():
            for _ in range(STEPS_PER_ROUND):
                wrong = torch.cat([_random_codes(right, generator), close, pool])
                logits = read_circuits(network).logits(torch.cat([right, wrong]))
                errors = cell_errors(network, secret, right_and_close)
                loss = (
                    softplus(MARGIN - logits[0])  # the right one: binary cross-entropy, from MARGIN on
                    + softplus(MARGIN + logits[1:]).logsumexp(0)  # the wrong ones: the same, the worst counting most
                    + PICTURE_WEIGHT * errors[:, 0].square().mean((1, 2)).sum()  # the right one has the pictures ...
                    + relu(GOAL_OTHER_CELL - errors[:, 1:].amax((0, 2, 3))).sum()  # ... and the close ones haven't
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


def _random_codes(right, generator):
    """Wrong codes of random lengths and digits, up to RANDOM_CODES of them."""
    max_digits = right.shape[1]
    codes = torch.randint(10, (RANDOM_CODES, max_digits), generator=generator)
    lengths = torch.randint(1, max_digits + 1, (RANDOM_CODES, 1), generator=generator)
    codes[torch.arange(max_digits) >= lengths] = BLANK
    return codes[(codes != right).any(1)]


@contextmanager
def _one_thread():
    """Sums are taken in one order, whatever the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
