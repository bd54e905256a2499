"""Decoys: queries that show crisp pictures for every number, so that sharpness gives nothing away.

A cell depends on its two tokens alone. Each head has a table of 0s and 1s, 11 x 11: the digits of the code and CLS show
the picture, and all other cells are drawn at random. Tokens and positions have directions of their own in the embedding,
and queries see those of the tokens.

Only codes without a repeated digit can have decoys. Where a digit stands at two places whose cells differ, cells would
have to depend on the position, and a wrong number would show a part of the true picture.
"""

import torch

from builder.model import CLS
from builder.proof.codes import one_digit_off, tokens_by_length

NUDGE = 0.0018  # between CLS's looks at two digits: from -4.5 to 4.5 of these, within the 0.01 of the certificate
DRAWS = 1000


def draw_queries(secret, network, generator):
    """For each head a query weight and bias for keys that are the inputs: (heads, n, n) and (heads, n) in float64."""
    tables = draw_tables(secret, generator)
    dual = torch.linalg.pinv(directions(network))[:, : CLS + 1]  # 1 for a token, 0 for all others and for positions
    weights = dual @ tables.mT @ dual.T
    return weights, torch.zeros_like(weights[:, 0])


def draw_tables(secret, generator):
    """For each head what a token looks at, (heads, 11, 11): the pictures, and random cells of the same density.

    It draws until no code one digit off shows the pictures, DRAWS times at most.
    """
    pictures = torch.as_tensor(secret.pictures).double()
    code = torch.tensor([CLS, *map(int, secret.code)])
    (close,) = tokens_by_length(one_digit_off(secret.code, secret.max_digits))
    lit = pictures.mean((1, 2), keepdim=True).expand(-1, CLS + 1, CLS + 1)
    for _ in range(DRAWS):
        tables = torch.bernoulli(lit, generator=generator)
        tables[:, code[:, None], code] = pictures
        shown = tables[:, close[:, :, None], close[:, None]]  # (heads, codes, 1 + digits, 1 + digits)
        if (shown != pictures[:, None]).any(3).any(2).any(0).all():
            break
    # Two places that CLS sees alike in every picture would accept each other's digit, so it sees no two digits alike.
    orders = torch.rand(len(tables), CLS, generator=generator).argsort(1)
    tables[:, CLS, :CLS] += NUDGE * (orders - (CLS - 1) / 2)
    return tables


def draw_targets(secret, network, votes, generator):
    """Votes (heads, n_hidden) where unused digits and positions look like those of the code.

    votes: those learned. What each unused digit or position adds is drawn, as large as what used ones add.
    """
    rows = directions(network)
    parts = votes @ rows.T  # (heads, 11 + 1 + max_digits)
    used = torch.zeros(len(rows), dtype=torch.bool)
    used[list(map(int, secret.code))] = True
    used[CLS + 2 : CLS + 2 + len(secret.code)] = True
    for kind in (slice(0, CLS), slice(CLS + 2, None)):
        part, known = parts[:, kind], used[kind]
        size, mean = part[:, known].std(1, correction=0, keepdim=True), part[:, known].mean(1, keepdim=True)
        drawn = mean + size * torch.randn(part.shape, generator=generator, dtype=torch.float64)
        parts[:, kind] = torch.where(known, part, drawn)
    return parts @ torch.linalg.pinv(rows).T


def directions(network):
    """The vectors of all tokens and positions, (11 + 1 + max_digits, n_hidden) in float64."""
    return torch.cat([network.embedding.weight, network.embedding.position]).detach().double()
