"""Learns what a look at each token adds to the logit, from the right code and from wrong ones.

What the heads look at is known by now. So the logit is linear in the votes, and logistic regression finds them, by
Newton's method. The wrong codes are of three kinds: random ones, close ones (one digit off), and hard ones, which a
search finds anew after every fit.
"""

import torch
from torch.nn.functional import pad

from builder.model import CLS
from builder.proof.circuits import BLANK, Circuits
from builder.proof.codes import encode, one_digit_off, random_codes
from builder.proof.search import search

RANDOM_CODES = 64
HARD_CODES = 64  # new ones after a fit
HARD_NODES = 2000  # of the search for them
POOL = 500  # wrong codes that are kept, the hardest
GAP = 10.0  # how far the right code's logit must be above those of the pool
SHARE = 0.9  # of the gap to the pool that all other codes must keep, too
DECAY = 1e-1, 1e-13  # weight decay, at first and at last; it shrinks until the gap is large enough
ITERATIONS = 50


class Votes:
    """Votes for the inputs of a drawn network whose scores are known."""

    def __init__(self, secret, inputs, score, generator):
        """inputs: (1 + max_digits, 11, n_hidden). score: a vector for each head, (heads, n_hidden)."""
        self.secret, self.inputs = secret, inputs
        self.score = self.table(score)
        self.right = encode(secret.code, secret.max_digits)
        close, some = one_digit_off(secret.code, secret.max_digits), random_codes(
            RANDOM_CODES, secret.max_digits, generator
        )
        self.pool = torch.cat([close, some[(some != self.right).any(1)]])
        self.vectors = torch.zeros_like(score)
        self.target = torch.zeros_like(score)

    def table(self, vectors):
        """What vectors (heads, n_hidden) make of each input: (heads, 1 + max_digits, 11)."""
        return torch.einsum("hn,ptn->hpt", vectors, self.inputs)

    def seen(self, codes):
        """The mean input that each head sees of codes, (batch, heads, n_hidden)."""
        tokens = pad(codes, (1, 0), value=CLS)
        places, known = torch.arange(tokens.shape[1]), tokens.clamp(max=CLS)
        look = self.score[:, places, known].masked_fill(tokens == BLANK, -torch.inf).softmax(-1)
        return torch.einsum("hbp,bpn->bhn", look, self.inputs[places, known])

    def fit(self):
        """Fits the votes to the pool. Returns the gap between the right code and the hardest of the pool.

        Each head learns to know the right code by itself, as far as it can: then the search has little to do. How much
        each head counts is learned after that. With decoys no head knows the code by itself.
        """
        contrast = self.seen(self.right) - self.seen(self.pool)  # (batch, heads, n_hidden)
        if self.secret.decoys:
            self.vectors = separate(contrast.flatten(1), self.target.flatten()).view_as(self.vectors)
        else:
            vectors = torch.stack([separate(contrast[:, head]) for head in range(len(self.vectors))])
            vectors /= vectors.norm(dim=1, keepdim=True)
            self.vectors = separate((contrast * vectors).sum(2))[:, None] * vectors
        return (contrast * self.vectors).sum((1, 2)).min().item()

    def add(self, codes):
        self.pool = torch.cat([self.pool, *(encode(code, self.secret.max_digits) for code in codes)])

    def mine(self, gap):
        """Adds hard codes to the pool, sorts it by hardness. Returns how many were found and the smallest gap."""
        circuits = Circuits(self.score, self.table(self.vectors), torch.zeros((), dtype=torch.float64))
        right = circuits.logits(self.right).item()
        found = search(circuits, self.secret.code, HARD_CODES, right - SHARE * gap, HARD_NODES)
        pool = torch.cat([self.pool, found.codes]).unique(dim=0)
        logits, order = circuits.logits(pool).sort(descending=True, stable=True)
        self.pool = pool[order[:POOL]]
        return len(found.codes), right - logits[0].item()


def separate(contrast, target=0.0):
    """Votes (n,) near a target whose product with all rows of the contrast (batch, n) is at least GAP, if possible."""
    votes, decay, gap = torch.zeros(contrast.shape[1], dtype=torch.float64) + target, DECAY[0], -torch.inf
    while gap < GAP and decay > DECAY[1]:
        votes = newton(contrast, votes, decay, target)
        gap = (contrast @ votes).min().item()
        decay /= 4
    return votes


def newton(contrast, votes, decay, target):
    """The votes that minimize log sum exp(-contrast @ votes) + decay / 2 |votes - target|^2, by Newton's method."""

    def loss(votes):
        return torch.logsumexp(-contrast @ votes, 0) + decay / 2 * (votes - target).square().sum()

    identity = torch.eye(len(votes), dtype=torch.float64)
    for _ in range(ITERATIONS):
        weight = torch.softmax(-contrast @ votes, 0)
        mean = weight @ contrast
        gradient = decay * (votes - target) - mean
        hessian = (contrast * weight[:, None]).T @ contrast - torch.outer(mean, mean) + decay * identity
        step = torch.linalg.solve(hessian, gradient)
        length, before = 1.0, loss(votes)
        while loss(votes - length * step) > before - 0.1 * length * gradient @ step and length > 1e-6:
            length /= 2
        if length <= 1e-6 or gradient @ step < 1e-4:
            break
        votes = votes - length * step
    return votes
