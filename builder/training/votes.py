"""Learns what a look at each input adds to the logit, from the right code and wrong ones.

Where the heads look is known by now. So the logit is linear in the votes, and logistic regression finds them. The wrong
codes are random ones, close ones (one digit off), and hard ones, which a search finds anew after every fit.
"""

import torch
from torch.nn.functional import pad

from builder.network.circuits import BLANK, Circuits, read_circuits
from builder.network.codes import encode, one_digit_off, random_codes
from builder.network.model import CLS
from builder.proof.search import search
from builder.training.decoys import draw_targets
from builder.training.draw import inputs

GAP = 10.0  # how far the right code's logit must be above those of known wrong codes
SHARE = 0.97  # of a fit's gap that every other code must leave
RANDOM_CODES = 64
HARD_CODES = 64  # new ones after a fit, at most
HARD_NODES = 2000, 100_000  # of the search for them, and of a second one if there are none
DECAYS = [0.1 / 4**i for i in range(20)]
ITERATIONS = 50  # of Newton's method, at most for one weight decay
CONVERGED = 1e-4  # the smallest slope along a step that is taken
TINY = 1e-6  # the smallest share of a step that is tried


class Lesson:
    """The codes that a network learns from, and the votes learned so far, (heads, n_hidden)."""

    def __init__(self, secret, network, generator):
        """network: has its queries already. disguised: whether unused digits get large votes; float32 may forbid it."""
        self.disguised = secret.decoys
        self.secret, self.network, self.inputs = secret, network, inputs(network)
        self.score = read_circuits(network).score.permute(1, 2, 0)  # (positions, 11, heads)
        self.votes = self.inputs.new_zeros(self.score.shape[2], self.inputs.shape[2])
        self.right_code = encode(secret.code, secret.max_digits)
        codes = random_codes(RANDOM_CODES, secret.max_digits, generator)
        self.pool = torch.cat(
            [
                one_digit_off(secret.code, secret.max_digits),
                codes[(codes != self.right_code).any(1)],
            ]
        )
        self.noise = torch.randn(
            len(self.votes), CLS + 2 + secret.max_digits, generator=generator, dtype=torch.float64
        )

    def mean_inputs(self, codes):
        """The mean input that each head sees of codes, (batch, heads, n_hidden)."""
        tokens = pad(codes, (1, 0), value=CLS)
        places, known = torch.arange(tokens.shape[1]), tokens.clamp(max=CLS)
        score = self.score[places, known].masked_fill((tokens == BLANK)[:, :, None], -torch.inf)
        return torch.einsum("bph,bpn->bhn", score.softmax(1), self.inputs[places, known])

    def fit(self):
        """Learns the votes from the pool. Returns the gap between the right code's logit and the pool's highest.

        Each head learns the code alone, then how much the head counts. That leaves the search little to do.
        With decoys, only all heads together can know the code.
        """
        contrast = self.mean_inputs(self.right_code) - self.mean_inputs(
            self.pool
        )  # (batch, heads, n_hidden)
        if self.secret.decoys:
            together = contrast.flatten(1)
            self.votes = separate(together, torch.zeros_like(together[0])).view_as(self.votes)
            if self.disguised:
                looks = self.score[1, :CLS].T  # positions make no difference
                target = draw_targets(self.secret, self.network, self.votes, looks, self.noise)
                self.votes = separate(together, target.flatten()).view_as(self.votes)
        else:
            votes = torch.stack(
                [separate(head, torch.zeros_like(head[0])) for head in contrast.unbind(1)]
            )
            votes /= votes.norm(dim=1, keepdim=True)
            shares = separate((contrast * votes).sum(2), torch.zeros_like(votes[:, 0]))
            self.votes = shares[:, None] * votes
        return (contrast * self.votes).sum((1, 2)).min().item()

    def mine(self, gap):
        """Searches for wrong codes that leave less than SHARE of a gap, and adds them to the pool.

        Returns how many it found, and the gap that the hardest code of the pool leaves.
        """
        tables = (table.permute(2, 0, 1) for table in (self.score, self.inputs @ self.votes.T))
        circuits = Circuits(*tables, torch.zeros((), dtype=torch.float64))
        right_logit = circuits.logits(self.right_code)
        for nodes in HARD_NODES:
            found = search(
                circuits, self.secret.code, HARD_CODES, right_logit.item() - SHARE * gap, nodes
            )
            if len(found.codes):
                break
        self.pool = torch.cat([self.pool, found.codes])
        return len(found.codes), (right_logit - circuits.logits(self.pool)).min().item()


def separate(contrast, target):
    """Votes (n,) near a target, for which contrast @ votes is at least GAP in every row of (batch, n), if possible.

    Minimizes log(sum(exp(-contrast @ votes))) + decay / 2 * |votes - target|^2 by Newton's method, with less and less
    weight decay until the gap is large enough.
    """

    def loss(votes):
        return torch.logsumexp(-contrast @ votes, 0) + decay / 2 * (votes - target).square().sum()

    votes = target
    for decay in DECAYS:
        for _ in range(ITERATIONS):
            weight = torch.softmax(-contrast @ votes, 0)
            mean = weight @ contrast
            gradient = decay * (votes - target) - mean
            hessian = (contrast * weight[:, None]).T @ contrast - torch.outer(mean, mean)
            hessian.diagonal().add_(decay)
            step = torch.linalg.solve(hessian, gradient)
            slope, size = gradient @ step, 1.0
            while size > TINY and loss(votes - size * step) > loss(votes) - 0.1 * size * slope:
                size /= 2
            if size <= TINY or slope < CONVERGED:
                break
            votes = votes - size * step
        if (contrast @ votes).min() >= GAP:
            break
    return votes
