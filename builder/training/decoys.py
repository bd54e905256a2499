"""Decoys: queries that show crisp cells for every number, so that sharpness gives nothing away.

A cell depends on its two tokens alone. Each head has a table of 0s and 1s, 11 x 11: the digits of the code and CLS show
the picture, and all other cells are drawn at random. Positions are not seen: their directions are not those of tokens.

Only codes without a repeated digit can have decoys. Where a digit stands at two places whose cells differ, cells would
have to depend on the position, and a wrong number would show a part of the true picture.
"""

import torch
from torch.nn.functional import pad

from builder.network.codes import one_digit_off, tokens_by_length
from builder.network.model import CLS, tokenize
from builder.proof.certify import CELL

NUDGE = 0.98 * CELL  # the largest change of a cell in CLS's row
DRAWS = 1000  # of the tables, at most, and of the nudges
APART = 1.5 * NUDGE  # digits that are this far apart for CLS are far enough
VOTE_RANGE = 15_000  # votes of one head, for a gap of 1, that are no further apart survive float32, even disguised
BLUR = 1.2  # of votes that unused digits and positions copy, for votes of size 1; a fit makes it smaller


def draw_queries(secret, network, generator):
    """For each head a query weight and bias for the inputs as keys, (heads, n, n) and (heads, n) in float64."""
    dual = torch.linalg.pinv(directions(network))[
        :, : CLS + 1
    ]  # (n, 11): 1 for one token, 0 for all else
    weights = dual @ draw_tables(secret, generator).mT @ dual.T
    return weights, torch.zeros_like(weights[:, 0])


def draw_tables(secret, generator):
    """For each head what a token (row) sees of another one, (heads, 11, 11): the pictures, and random cells.

    Random cells are lit as often as the pictures'. It draws anew while a code one digit off shows the pictures.
    """
    pictures = torch.as_tensor(secret.tiles).double()
    (code,) = tokenize(secret.code)
    (close_tokens,) = tokens_by_length(one_digit_off(secret.code, secret.max_digits))
    lit = pictures.mean((1, 2), keepdim=True).expand(-1, CLS + 1, CLS + 1)
    for _ in range(DRAWS):
        tables = torch.bernoulli(lit, generator=generator)
        tables[:, code[:, None], code] = pictures
        shown = tables[
            :, close_tokens[:, :, None], close_tokens[:, None]
        ]  # (heads, codes, 1 + digits, 1 + digits)
        if (shown != pictures[:, None]).any(3).any(2).any(0).all():
            break
    tables[:, CLS, :CLS] += draw_nudges(tables[:, CLS], code, generator)
    return tables


def draw_nudges(cells, code, generator):
    """What to add to each head's CLS cells, (heads, 10), so that votes can tell the digits of the code apart.

    cells: (heads, 11). It takes the first draw that is good enough, else the best: a better one tells more of the code.
    """
    levels = torch.linspace(-1, 1, CLS, dtype=torch.float64)
    levels = (
        levels if len(cells) == 1 else torch.sin(torch.pi / 2 * levels)
    )  # in a square, corners are far apart
    draws = NUDGE * levels[torch.rand(DRAWS, len(cells), CLS, generator=generator).argsort(2)]
    scores = (cells + pad(draws, (0, 1)))[:, :, code]  # (DRAWS, heads, 1 + digits)
    if len(cells) == 1:
        return draws[vote_range(scores[:, 0]).clamp(min=VOTE_RANGE).argmin()]
    apart = [
        torch.pdist(pad(score.T[1:], (0, 0, 0, 1), value=9.0)).min() for score in scores
    ]  # 9 is far from all
    return draws[torch.stack(apart).clamp(max=APART).argmax()]


def vote_range(scores):
    """How far apart one head's votes must be, at least, so that other codes of the same digits are 1 below in logit.

    scores: of CLS and the right digits, all different, (batch, 1 + digits). Returns (batch,).

    Let x = exp(score), and count votes from the right code's logit: then its sum of x vote, with CLS's, is 0. A wrong
    digit lowers it by 1 if the points (x, x vote) of the digits lie on a concave curve, and a place's vote is the slope
    of the tangent at its own digit. So does leaving out the last digits, if their tangents add up to 1 at x = 0.
    """
    own, looks = scores.exp().split([1, scores.shape[1] - 1], 1)
    ascending, order = looks.sort(1)
    place = order.argsort(1)
    bends = 2 / ascending.diff()  # between the slopes of two tangents
    slopes = pad(-bends.cumsum(1), (1, 0)).gather(1, place)
    values = pad((ascending[:, 1:] * bends - 1).cumsum(1), (1, 0)).gather(1, place)  # at x = 0
    last = values.flip(1).cumsum(1)  # of the last digit, of the last two, ...
    values = values + ((1 - last) / torch.arange(1, 1 + last.shape[1])).amax(1, keepdim=True)
    votes = (values / looks + slopes)[:, :, None] - slopes[:, None]  # of each digit at each place
    votes = torch.cat([votes.flatten(1), -values.sum(1, keepdim=True) / own], 1)
    return scores.exp().sum(1) * (
        votes.amax(1) - votes.amin(1)
    )  # to lower a logit by 1 takes sum(x)


def draw_targets(secret, network, votes, looks, noise):
    """Votes (heads, n_hidden) for a second fit to stay near: unused digits and positions copy used ones, with noise.

    votes: of the first fit. looks: scores of the digits, (heads, 10). noise: standard normal, (heads, 12 + max_digits).
    """
    rows = directions(network)
    parts = votes @ rows.T  # what each token and position adds
    # A digit copies one that CLS looks at about as much, and a position a random one.
    like = torch.cat([looks, noise[:, CLS:]], 1)
    digits, positions = torch.arange(CLS), torch.arange(CLS + 2, len(rows))
    for part, used in (
        (digits, tokenize(secret.code)[0, 1:]),
        (positions, positions[: len(secret.code)]),
    ):
        unused = part[~torch.isin(part, used)]
        nearest = used[torch.cdist(like[:, unused].T, like[:, used].T).argmin(1)]
        size = parts[:, used].square().mean(1, keepdim=True).sqrt()
        parts[:, unused] = parts[:, nearest] + BLUR * size * noise[:, unused]
    return parts @ torch.linalg.pinv(rows).T


def directions(network):
    """The vectors of all tokens and positions, (12 + max_digits, n_hidden) in float64."""
    return torch.cat([network.embedding.weight, network.embedding.position]).double()
