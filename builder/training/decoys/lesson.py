"""Votes for a puzzle with decoys: unused digits and positions get votes, too."""

import torch

from builder.network.model import CLS, tokenize
from builder.training.decoys.queries import directions
from builder.training.draw import gaussian
from builder.training.lesson import GAP, Lesson
from builder.training.separate import separate

BLUR = 1.8  # of votes that are copied, for votes of size 1; the fit makes it smaller


class DecoyLesson(Lesson):
    """As a Lesson. Only all heads together can know the code, so one fit finds all votes.

    It is disguised at first: a second fit stays near votes that use all digits and positions alike,
    so that sizes of votes don't show the digits of the code, nor its length. Votes that float32
    can't hold are learned without it.
    """

    def __init__(self, secret, network, generator):
        super().__init__(secret, network, generator)
        self.directions = directions(network)
        self.noise = gaussian(len(self.votes), len(self.directions), generator=generator)
        self.disguised = True

    def fit_votes(self, contrast):
        rows = contrast.flatten(1)[None]  # one problem
        votes = separate(rows, torch.zeros_like(rows[:, 0]), GAP)
        if self.disguised:
            target = self.disguise(votes.view_as(self.votes))
            votes = separate(rows, target.view_as(votes), GAP)
        return votes.view_as(self.votes)

    def disguise(self, votes):
        """Votes (heads, n_hidden) in which unused digits and positions copy used ones, with noise.

        A digit copies one that CLS looks at about as much, and a position a random one.
        """
        parts = votes @ self.directions.T  # what each token and position adds, (heads, directions)
        looks = self.score[1, :CLS].T  # of the digits, (heads, 10): positions make no difference
        likeness = torch.cat([looks, self.noise[:, CLS:]], 1)
        digits = torch.arange(CLS)
        positions = torch.arange(CLS + 2, len(self.directions))
        used_digits = tokenize(self.secret.code)[0, 1:]
        used_positions = positions[: len(self.secret.code)]
        for all_of_kind, used in ((digits, used_digits), (positions, used_positions)):
            unused = all_of_kind[~torch.isin(all_of_kind, used)]
            distances = torch.cdist(likeness[:, unused].T, likeness[:, used].T)
            nearest = used[distances.argmin(1)]
            size = parts[:, used].square().mean(1, keepdim=True).sqrt()
            parts[:, unused] = parts[:, nearest] + BLUR * size * self.noise[:, unused]
        return parts @ torch.linalg.pinv(self.directions).T

    def relax(self):
        was_disguised = self.disguised
        self.disguised = False
        return was_disguised
