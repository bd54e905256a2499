"""Learns what a look at each input adds to the logit, from the right code and wrong ones.

The queries are written by now, so it is known where the heads look. So the logit is linear in the
votes, and logistic regression finds them. The wrong codes are the negatives: random ones, close
ones (one digit off), and hard ones, which a search finds again after every fit.
"""

import torch
from torch.nn.functional import pad

from builder.network.circuits import BLANK, Circuits, read_circuits
from builder.network.codes import encode, one_digit_off, random_codes
from builder.network.model import CLS
from builder.proof.hardest import find_hardest
from builder.proof.search import search
from builder.training.parameters import inputs
from builder.training.separate import DECAYS, separate

GAP = 10.0  # how far the right code's logit must be above those of all negatives
SHARE = 0.97  # of a fit's gap that every other code must leave
RANDOM_CODES = 64
HARD_CODES = 64  # new ones after a fit, at most
DECAYS_ALONE = DECAYS[:10]  # a head that needs less doesn't know the code by itself
HARD_NODES = 2000  # of the search for them
MORE_HARD_NODES = 100_000  # of a second search if there are none


class Lesson:
    """What one network learns from, and what it has learned so far.

    inputs: token + position, (1 + max_digits, 11, n_hidden). score: how much each head looks at
    each of them, (1 + max_digits, 11, heads). right_code: (1, max_digits). negatives: the wrong
    codes, (negatives, max_digits). votes: a look at the input y adds votes @ y to the logit,
    (heads, n_hidden).
    """

    STEPS = 40  # fits of an attempt, at most: one that takes more is stuck

    def __init__(self, secret, network, generator):
        """network: its queries are written already."""
        self.secret = secret
        self.inputs = inputs(network)
        self.score = read_circuits(network).score.permute(1, 2, 0)
        self.votes = self.inputs.new_zeros(self.score.shape[2], self.inputs.shape[2])
        self.right_code = encode(secret.code, secret.max_digits)
        close_negatives = one_digit_off(secret.code, secret.max_digits)
        codes = random_codes(RANDOM_CODES, secret.max_digits, generator)
        random_negatives = codes[(codes != self.right_code).any(1)]
        self.negatives = torch.cat([close_negatives, random_negatives])

    def mean_inputs(self, codes):
        """The mean input that each head sees of codes, (batch, heads, n_hidden)."""
        tokens = pad(codes, (1, 0), value=CLS)
        places = torch.arange(tokens.shape[1])
        known = tokens.clamp(max=CLS)  # any token will do for BLANK, which is never looked at
        score = self.score[places, known]
        score = score.masked_fill((tokens == BLANK)[:, :, None], -torch.inf)
        return torch.einsum("bph,bpn->bhn", score.softmax(1), self.inputs[places, known])

    def contrast(self):
        """What votes are learned from: rows of right minus wrong, (negatives, heads, n_hidden)."""
        return self.mean_inputs(self.right_code) - self.mean_inputs(self.negatives)

    def fit(self):
        """Learns the votes. Returns how far the right code is above all negatives, a float."""
        contrast = self.contrast()
        self.votes = self.fit_votes(contrast)
        return (contrast * self.votes).sum((1, 2)).min().item()

    def fit_votes(self, contrast):
        """Votes (heads, n_hidden) for rows of right minus wrong, (batch, heads, n_hidden).

        Each head learns the code alone, then how much the head counts. That leaves the search
        little to do.
        """
        heads = contrast.transpose(0, 1)  # a problem for each head
        votes, _ = separate(heads, GAP, DECAYS_ALONE)
        votes /= votes.norm(dim=1, keepdim=True)
        together = (contrast * votes).sum(2)[None]  # one problem: (1, batch, heads)
        shares, _ = separate(together, GAP)
        return shares.view(-1, 1) * votes

    def circuits(self):
        """The network as tables, with the votes learned so far and without a bias."""
        score = self.score.permute(2, 0, 1)
        vote = (self.inputs @ self.votes.T).permute(2, 0, 1)
        return Circuits(score, vote, torch.zeros((), dtype=torch.float64))

    def right_logit(self):
        """The sum of votes for the right code, a tensor of shape ()."""
        return (self.mean_inputs(self.right_code) * self.votes).sum()

    def find_hard_negatives(self, gap):
        """Adds wrong codes that leave less than SHARE of a gap to the negatives.

        Returns how many it found, and the gap that the hardest of all negatives leaves.
        """
        found = self.add_hard_negatives(gap)
        circuits = self.circuits()
        hardest = circuits.logits(self.negatives).max()
        return found, (circuits.logits(self.right_code) - hardest).item()

    def add_hard_negatives(self, gap):
        """Adds wrong codes that leave less than SHARE of a gap to the negatives: says how many."""
        circuits = self.circuits()
        limit = circuits.logits(self.right_code).item() - SHARE * gap
        codes = self.find_hard_codes(circuits, limit)
        self.negatives = torch.cat([self.negatives, codes])
        return len(codes)

    def find_hard_codes(self, circuits, limit):
        """Wrong codes whose logits are above a limit, at most HARD_CODES, (codes, max_digits)."""
        code = self.secret.code
        found = search(circuits, code, HARD_CODES, limit, HARD_NODES)
        if not len(found.codes):
            found = find_hardest(circuits, code, HARD_CODES, limit, MORE_HARD_NODES)
        return found.codes

    def relax(self):
        """Makes the next fit ask for less, and returns whether it does.

        Called after a fit that leaves no hard negatives, if float32 is too coarse for its votes or
        if the certificate doesn't hold.
        """
        return False
