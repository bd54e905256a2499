"""Small changes of the cells in CLS's row, so that votes can tell the digits of the code apart.

With decoys a score is a cell, so half of all digits would have the same score, and a sum of votes
over digits of equal scores doesn't know their order. Nudges of less than CELL make the scores
differ, and the cells stay crisp.
"""

import torch
from torch.nn.functional import pad

from builder.network.model import CLS
from builder.proof.certify import CELL

NUDGE = 0.98 * CELL  # the largest change of a cell
DRAWS = 1000
APART = 1.5 * NUDGE  # digits that are this far apart for CLS are far enough
VOTE_RANGE = 15_000  # votes of one head, for a gap of 1, that are no further apart survive float32


def draw_nudges(cells, code, generator):
    """What to add to the cells of CLS's row, (heads, 10).

    cells: (heads, 11). code: the tokens of the code, (1 + digits,). Returns the first draw that is
    good enough, or else the best: a better one would tell more of the code.
    """
    code = list(dict.fromkeys(code.tolist()))  # a digit that stands there twice counts once
    heads = len(cells)
    levels = torch.linspace(-1, 1, CLS, dtype=torch.float64)
    if heads > 1:
        levels = torch.sin(torch.pi / 2 * levels)  # in a square, corners are far apart
    order = torch.rand(DRAWS, heads, CLS, generator=generator, dtype=torch.float64).argsort(2)
    draws = NUDGE * levels[order]  # (DRAWS, heads, 10)
    scores = (cells + pad(draws, (0, 1)))[:, :, code]  # (DRAWS, heads, 1 + digits)
    if heads == 1:
        ranges = vote_range(scores[:, 0])
        return draws[ranges.clamp(min=VOTE_RANGE).argmin()]
    return draws[smallest_distance(scores[:, :, 1:]).clamp(max=APART).argmax()]


def smallest_distance(scores):
    """The distance of the two digits that are closest, (draws,): infinite for one digit alone.

    scores: (draws, heads, digits). The scores of all heads are a digit's coordinates.
    """
    distances = []
    for score in scores:
        pairs = torch.pdist(score.T)
        distances.append(pad(pairs, (0, 1), value=torch.inf).min())
    return torch.stack(distances)


def vote_range(scores):
    """How far apart one head's votes are if every wrong code is 1 below the right one in logit.

    scores: of CLS and the right digits, all different, (draws, 1 + digits). Returns (draws,).
    """
    votes, cls_vote = ideal_votes(scores)
    votes = torch.cat([votes.flatten(1), cls_vote[:, None]], 1)
    # A logit is N / D, with D = sum(exp(score)). So lowering it by 1 takes D times what lowers N by
    # 1.
    return scores.exp().sum(1) * (votes.amax(1) - votes.amin(1))


def ideal_votes(scores):
    """One head's votes for which every wrong digit costs at least 1, and so do missing ones.

    scores: of CLS and the right digits, all different, (draws, 1 + digits). Returns the votes
    (draws, digits, digits) of the digit that belongs to each place (second axis) at each place
    (last axis), and the vote of CLS, (draws,).

    The logit of a code is N / D, where N sums exp(score) vote over CLS and its digits. Let x be a
    digit's exp(score). Its vote is a part t of its token plus a part of its position, which is
    called -m here. So it adds x t - x m to N. Draw each digit as a point (x, y) with y = x t. Then
    a digit adds y - m x, the value at x = 0 of the line of slope m through its point: its
    intercept.

    Wrong digits: at a place of slope m, the right digit's line must pass at least 1 above the
    points of all others. So the points lie on a concave curve, and m is the slope of a tangent. In
    ascending order of x, let two neighbours be x1 < x2 with slopes m1 > m2. Each one's line passes
    exactly 1 above the other's point if

        y2 = y1 + m1 (x2 - x1) - 1    and    y1 = y2 - m2 (x2 - x1) - 1.

    Their sum is m1 - m2 = 2 / (x2 - x1), the bend between the two. The intercepts differ by

        (y2 - m2 x2) - (y1 - m1 x1) = (m1 - m2) x2 - 1.

    Missing digits: a code without its last digits, or without any, loses their intercepts, which
    must add up to 1 or more. Raising all y by the same amount raises all intercepts by it and
    changes nothing else, so the least amount that is enough is added. The vote of CLS then makes N
    of the right code 0.
    """
    cls_x, digit_x = scores.exp().split([1, scores.shape[1] - 1], 1)
    x, order = digit_x.sort(1)
    rank = order.argsort(1)
    bends = 2 / x.diff()
    slopes = pad(-bends.cumsum(1), (1, 0)).gather(1, rank)
    intercepts = pad((x[:, 1:] * bends - 1).cumsum(1), (1, 0)).gather(1, rank)
    lost = intercepts.flip(1).cumsum(1)  # without the last digit, the last two, ...
    count = torch.arange(1, 1 + lost.shape[1])
    intercepts = intercepts + ((1 - lost) / count).amax(1, keepdim=True)
    token_part = intercepts / digit_x + slopes  # t = y / x
    votes = token_part[:, :, None] - slopes[:, None]
    return votes, -intercepts.sum(1) / cls_x[:, 0]
