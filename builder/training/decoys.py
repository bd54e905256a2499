"""Decoys: queries that show crisp cells for every number, so that sharpness gives nothing away.

A cell depends on its two tokens alone. Each head has a table of 0s and 1s, 11 x 11: the digits of the code and CLS show
the picture, and all other cells are drawn at random. Positions are not seen: their directions are not those of tokens.

Only codes without a repeated digit can have decoys. Where a digit stands at two places whose cells differ, cells would
have to depend on the position, and a wrong number would show a part of the true picture.
"""

import torch
from torch.nn.functional import pad

from builder.model import CLS, tokenize
from builder.proof.certify import CELL
from builder.proof.circuits import read_circuits
from builder.proof.codes import one_digit_off, tokens_by_length

NUDGE = 0.98 * CELL  # at most, of what CLS sees of a digit
DRAWS = 1000  # of the tables, at most, and of the nudges
APART = 1.5 * NUDGE  # nudges that are this far apart are far enough
VOTE_RANGE = 15_000  # votes of one head, for a gap of 1, that float32 can tell apart, and disguised ones too
NOISE = 1.2  # of an unused digit's votes, for votes of size 1; a fit makes them smaller


def draw_queries(secret, network, generator):
    """For each head a query weight and bias for the inputs as keys, (heads, n, n) and (heads, n) in float64."""
    dual = torch.linalg.pinv(directions(network))[:, : CLS + 1]  # (n, 11): 1 for one token, 0 for all else
    weights = dual @ draw_tables(secret, generator).mT @ dual.T
    return weights, torch.zeros_like(weights[:, 0])


def draw_tables(secret, generator):
    """For each head what a token (row) sees of another one, (heads, 11, 11): the pictures, and random cells.

    Random cells are lit as often as the pictures'. It draws until no code one digit off shows the pictures.
    """
    pictures = torch.as_tensor(secret.pictures).double()
    (code,) = tokenize(secret.code)
    (close_tokens,) = tokens_by_length(one_digit_off(secret.code, secret.max_digits))
    lit = pictures.mean((1, 2), keepdim=True).expand(-1, CLS + 1, CLS + 1)
    for _ in range(DRAWS):
        tables = torch.bernoulli(lit, generator=generator)
        tables[:, code[:, None], code] = pictures
        shown = tables[:, close_tokens[:, :, None], close_tokens[:, None]]  # (heads, codes, 1 + digits, 1 + digits)
        if (shown != pictures[:, None]).any(3).any(2).any(0).all():
            break
    tables[:, CLS, :CLS] += draw_nudges(tables[:, CLS], code, generator)
    return tables


def draw_nudges(cells, code, generator):
    """How far each head's CLS cells are to be from 0 or 1, (heads, 10), so that votes can tell the digits apart.

    cells: (heads, 11). It takes the first draw that will do, because a better one would tell more about the code.
    """
    levels = torch.linspace(-1, 1, CLS, dtype=torch.float64)
    levels = levels if len(cells) == 1 else torch.sin(torch.pi / 2 * levels)  # in a square, corners are far apart
    draws = NUDGE * levels[torch.rand(DRAWS, len(cells), CLS, generator=generator).argsort(2)]
    scores = (cells + pad(draws, (0, 1)))[:, :, code]  # (DRAWS, heads, 1 + digits)
    if len(cells) == 1:
        return draws[vote_range(scores[:, 0]).clamp(min=VOTE_RANGE).argmin()]
    return draws[torch.stack([torch.pdist(score.T[1:]).min() for score in scores]).clamp(max=APART).argmax()]


def vote_range(scores):
    """How far apart the votes of a single head must be, at least, to put all other codes a logit of 1 below.

    scores: of CLS and the right digits, (batch, 1 + digits). Returns (batch,).

    Let x = exp(score). The sum of x (vote - logit) must be below 0 for wrong codes. Each place prefers its own digit if
    the points (x, x vote) of the digits lie on a concave curve, and the place's vote is the slope of a tangent. A code
    without its last digits is wrong if their tangents are above 0 at x = 0, all together.
    """
    own, looks = scores.exp().split([1, scores.shape[1] - 1], 1)
    ascending, order = looks.sort(1)
    bends = 2 / ascending.diff()  # between the slopes of two tangents
    slopes = pad(-bends.cumsum(1), (1, 0)).gather(1, order.argsort(1))
    values = pad((ascending[:, 1:] * bends - 1).cumsum(1), (1, 0)).gather(1, order.argsort(1))  # at x = 0
    last = values.flip(1).cumsum(1)  # of the last digit, of the last two, ...
    values = values + ((1 - last) / torch.arange(1, 1 + last.shape[1])).amax(1, keepdim=True)
    votes = (values / looks + slopes)[:, :, None] - slopes[:, None]  # of each digit at each place, minus the logit
    votes = torch.cat([votes.flatten(1), -values.sum(1, keepdim=True) / own], 1)
    return scores.exp().sum(1) * (votes.amax(1) - votes.amin(1))


def draw_targets(secret, network, votes, noise):
    """Votes (heads, n_hidden) in which unused digits and positions add to the logit what used ones add, blurred.

    votes: learned ones. noise: standard normal numbers, (heads, 12 + max_digits).
    """
    rows = directions(network)
    parts = votes @ rows.T  # what each token and position adds
    # A digit is like another one that CLS looks at about as much, and a position is like any other.
    like = torch.cat([read_circuits(network).score[:, 1, :CLS], noise[:, CLS:]], 1)
    digits, positions = torch.arange(CLS), torch.arange(CLS + 2, len(rows))
    for part, used in ((digits, tokenize(secret.code)[0, 1:]), (positions, positions[: len(secret.code)])):
        unused = part[~torch.isin(part, used)]
        nearest = used[torch.cdist(like[:, unused].T, like[:, used].T).argmin(1)]
        size = parts[:, used].square().mean(1, keepdim=True).sqrt()
        parts[:, unused] = parts[:, nearest] + NOISE * size * noise[:, unused]
    return parts @ torch.linalg.pinv(rows).T


def directions(network):
    """The vectors of all tokens and positions, (12 + max_digits, n_hidden) in float64."""
    return torch.cat([network.embedding.weight, network.embedding.position]).double()
