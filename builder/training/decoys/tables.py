"""The cells that pairs of tokens show: the pictures for the code's own, random ones for others."""

import torch

from builder.network.codes import one_digit_off, tokens_by_length
from builder.network.model import CLS, tokenize
from builder.training.decoys.nudges import draw_nudges

DRAWS = 1000  # of the tables, at most


def draw_tables(secret, generator):
    """Each head's cell for each pair of tokens, (heads, 11, 11): a row is the token that looks.

    Random cells are drawn from those of the head's tile. So tiles are as bright for all numbers,
    and a tile of one brightness doesn't show which digits the code has. All are drawn anew while a
    code one digit off shows the pictures.
    """
    tiles = torch.as_tensor(secret.tiles).double()
    (code,) = tokenize(secret.code)
    (close_tokens,) = tokens_by_length(one_digit_off(secret.code, secret.max_digits))
    for _ in range(DRAWS):
        drawn = torch.randint(len(code) ** 2, (len(tiles), CLS + 1, CLS + 1), generator=generator)
        tables = tiles.flatten(1).gather(1, drawn.flatten(1)).view_as(drawn)
        tables[:, code[:, None], code] = tiles
        if not shows_the_pictures(tables, tiles, close_tokens).any():
            break
    tables[:, CLS, :CLS] += draw_nudges(tables[:, CLS], code, generator)
    return tables


def shows_the_pictures(tables, tiles, tokens):
    """Whether all heads show their tiles for tokens (batch, 1 + digits): shape (batch,)."""
    shown = tables[:, tokens[:, :, None], tokens[:, None]]  # (heads, batch, 1 + digits, 1 + digits)
    return (shown == tiles[:, None]).all(3).all(2).all(0)
