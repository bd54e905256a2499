"""Learns what a look at each input adds to the logit, from the right code and wrong ones.

What the heads look at is known, so the logit is linear in the votes, and logistic regression finds them. Wrong codes are
of three kinds: random ones, close ones (one digit off), and hard ones, which a search finds anew after every fit.
"""

import torch
from torch.nn.functional import pad

from builder.model import CLS
from builder.proof.circuits import BLANK, Circuits
from builder.proof.codes import encode, one_digit_off, random_codes
from builder.proof.search import search
from builder.training.compose import inputs
from builder.training.decoys import draw_targets

GAP = 10.0  # how far the right code's logit must be above those of known wrong codes
SHARE = 0.9  # of this gap that no other code may fall short of
RANDOM_CODES = 64
HARD_CODES = 64  # new ones after a fit
HARD_NODES = 20_000  # of the search for them
POOL = 500  # wrong codes that are kept, the hardest
DECAY = 1e-1, 1e-13  # weight decay, first and last: it shrinks until the gap is large enough
ITERATIONS = 50  # of Newton's method


class Lesson:
    """The codes that a network learns from, and the votes learned so far, (heads, n_hidden)."""

    def __init__(self, secret, network, scores, generator):
        """scores: for each head a vector whose products with the inputs are its scores, (heads, n_hidden)."""
        self.secret, self.network = secret, network
        self.inputs, self.score = inputs(network), inputs(network) @ scores.T
        self.votes = torch.zeros_like(scores)
        self.right = encode(secret.code, secret.max_digits)
        codes = random_codes(RANDOM_CODES, secret.max_digits, generator)
        self.pool = torch.cat([one_digit_off(secret.code, secret.max_digits), codes[(codes != self.right).any(1)]])
        self.noise = torch.randn(len(scores), CLS + 2 + secret.max_digits, generator=generator, dtype=torch.float64)

    def seen(self, codes):
        """The mean input that each head sees of codes, (batch, heads, n_hidden)."""
        tokens = pad(codes, (1, 0), value=CLS)
        places, known = torch.arange(tokens.shape[1]), tokens.clamp(max=CLS)
        score = self.score[places, known].masked_fill((tokens == BLANK)[:, :, None], -torch.inf)
        return torch.einsum("bph,bpn->bhn", score.softmax(1), self.inputs[places, known])

    def fit(self):
        """Learns the votes from the pool. Returns the gap between the right code's logit and the pool's highest.

        Each head learns to know the right code by itself, as far as it can, and then how much it counts: so the search
        has little to do. With decoys, only all heads together know the code.
        """
        contrast = self.seen(self.right) - self.seen(self.pool)  # (batch, heads, n_hidden)
        if self.secret.decoys:
            together = contrast.flatten(1)
            votes = separate(together).view_as(self.votes)
            target = draw_targets(self.secret, self.network, votes, self.noise)
            self.votes = separate(together, target.flatten()).view_as(votes)
        else:
            votes = torch.stack([separate(head) for head in contrast.unbind(1)])
            votes /= votes.norm(dim=1, keepdim=True)
            self.votes = separate((contrast * votes).sum(2))[:, None] * votes
        return (contrast * self.votes).sum((1, 2)).min().item()

    def mine(self, gap):
        """Adds wrong codes to the pool that are above SHARE of a gap. Returns how many, and the gap that is left."""
        tables = self.score.permute(2, 0, 1), (self.inputs @ self.votes.T).permute(2, 0, 1)
        circuits = Circuits(*tables, torch.zeros(()).double())
        right = circuits.logits(self.right).item()
        found = search(circuits, self.secret.code, HARD_CODES, right - SHARE * gap, HARD_NODES)
        pool = torch.cat([self.pool, found.codes]).unique(dim=0)
        logits, order = circuits.logits(pool).sort(descending=True, stable=True)
        self.pool = pool[order[:POOL]]
        return len(found.codes), right - logits[0].item()


def separate(contrast, target=0.0):
    """Votes (n,), near a target, whose product with each row of the contrast (batch, n) is GAP or more, if it can be."""
    votes, decay, gap = target + torch.zeros_like(contrast[0]), DECAY[0], -torch.inf
    while gap < GAP and decay > DECAY[1]:
        votes = regress(contrast, votes, decay, target)
        gap = (contrast @ votes).min().item()
        decay /= 4
    return votes


def regress(contrast, votes, decay, target):
    """Minimizes log(sum(exp(-contrast @ votes))) + decay / 2 * |votes - target|^2 by Newton's method, from votes."""

    def loss(votes):
        return torch.logsumexp(-contrast @ votes, 0) + decay / 2 * (votes - target).square().sum()

    identity = torch.eye(len(votes), dtype=torch.float64)
    for _ in range(ITERATIONS):
        weight = torch.softmax(-contrast @ votes, 0)
        mean = weight @ contrast
        gradient = decay * (votes - target) - mean
        hessian = (contrast * weight[:, None]).T @ contrast - torch.outer(mean, mean) + decay * identity
        step = torch.linalg.solve(hessian, gradient)
        slope, size = gradient @ step, 1.0
        while size > 1e-6 and loss(votes - size * step) > loss(votes) - 0.1 * size * slope:
            size /= 2
        if size <= 1e-6 or slope < 1e-4:
            break
        votes = votes - size * step
    return votes
