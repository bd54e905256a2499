"""Votes for a puzzle with decoys: unused digits and positions get votes, too."""

import torch

from builder.network.model import CLS, tokenize
from builder.training.decoys.queries import directions
from builder.training.lesson import GAP, Lesson
from builder.training.separate import approach, separate

BLURS = 1.8, 0.6, 0.2, None  # of copied votes of size 1, before a fit makes it smaller


class DecoyLesson(Lesson):
    """As a Lesson. Only all heads together can know the code, so one fit finds all votes.

    They are disguised: a second fit stays near votes that use all digits and positions alike, so
    that sizes of votes don't show the digits of the code, nor its length. The more votes are
    blurred, the larger they are. What float32 can't hold is learned with less blur, at last without
    a disguise.
    """

    def __init__(self, secret, network, generator):
        super().__init__(secret, network, generator)
        self.directions = directions(network)
        shape = len(self.votes), len(self.directions)
        noise = torch.rand(shape, generator=generator, dtype=torch.float64)
        self.noise = 12**0.5 * (noise - 0.5)  # its standard deviation is 1, and no value is far off
        self.blurs = list(BLURS)

    def fit_votes(self, contrast):
        rows = contrast.flatten(1)[None]  # one problem
        votes, decay = separate(rows, GAP)
        if self.blurs[0] is not None:
            target = self.disguise(votes.view_as(self.votes)).view_as(votes)
            votes = approach(rows, target, votes, GAP, decay)
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
            blur = self.blurs[0] * size * self.noise[:, unused]
            parts[:, unused] = parts[:, nearest] + blur
        return parts @ torch.linalg.pinv(self.directions).T

    def relax(self):
        self.blurs.pop(0)
        return bool(self.blurs)
