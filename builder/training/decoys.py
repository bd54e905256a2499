"""Decoys: queries that show crisp cells for every number, so that sharpness gives nothing away.

A cell depends on its two tokens alone. Each head has a table of 0s and 1s, 11 x 11: the digits of the code and CLS show
the picture, and all other cells are drawn at random. Positions are not seen: their directions are not those of tokens.

Only codes without a repeated digit can have decoys. Where a digit stands at two places whose cells differ, cells would
have to depend on the position, and a wrong number would show a part of the true picture.
"""

import math

import torch
from torch.nn.functional import pad

from builder.model import CLS, tokenize
from builder.proof.certify import CELL
from builder.proof.codes import one_digit_off, tokens_by_length

NUDGE = 0.98 * CELL  # at most, of what CLS sees of a digit
DRAWS = 1000  # of the tables, at most, and of the nudges


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
    # Votes can't tell two digits apart whose CLS cells are equal in all heads. So each CLS cell is nudged, by the draw
    # that keeps the code's digits furthest apart.
    cls_cells = tables[:, CLS, code[1:]].T  # (digits of the code, heads)
    levels = torch.linspace(-1, 1, CLS, dtype=torch.float64)
    levels = levels if len(tables) == 1 else torch.sin(math.pi / 2 * levels)  # in a square, corners are far apart
    draws = NUDGE * levels[torch.rand(DRAWS, CLS, len(tables), generator=generator).argsort(1)]  # (DRAWS, 10, heads)
    closest = [torch.pdist(pad(cls_cells + draw[code[1:]], (0, 0, 0, 1), value=9.0)).min() for draw in draws]
    tables[:, CLS, :CLS] += draws[torch.stack(closest).argmax()].T
    return tables


def draw_targets(secret, network, votes, noise):
    """Votes (heads, n_hidden) in which unused digits and positions add as much to the logit as those of the code.

    votes: learned ones. noise: standard normal numbers, (heads, 12 + max_digits).
    """
    rows = directions(network)
    parts = votes @ rows.T  # what each token and position adds
    digits, positions = torch.arange(CLS), torch.arange(CLS + 2, len(rows))
    for part, used in ((digits, tokenize(secret.code)[0, 1:]), (positions, positions[: len(secret.code)])):
        unused = part[~torch.isin(part, used)]
        size = parts[:, used].square().mean(1, keepdim=True).sqrt()
        parts[:, unused] = size * noise[:, unused]
    return parts @ torch.linalg.pinv(rows).T


def directions(network):
    """The vectors of all tokens and positions, (12 + max_digits, n_hidden) in float64."""
    return torch.cat([network.embedding.weight, network.embedding.position]).double()
