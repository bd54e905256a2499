"""The cells that pairs of tokens show: the pictures for the code's own, random ones for others."""

import torch

from builder.network.model import CLS, tokenize
from builder.proof.certify import OTHER_CELL
from builder.training.decoys.nudges import draw_nudges

DRAWS = 100  # of the tables, at most
TOO_MANY = 10_000  # beginnings of numbers that look like the code's


def draw_tables(secret, generator):
    """Each head's cell for each pair of tokens, (heads, 11, 11): a row is the token that looks.

    Random cells are drawn from those of the head's tile. So tiles are as bright for all numbers,
    and a tile of one brightness doesn't show which digits the code has. All are drawn again while
    another number shows the pictures.
    """
    tiles = torch.tensor(secret.tiles, dtype=torch.float64)
    (code,) = tokenize(secret.code)
    for _ in range(DRAWS):
        drawn = torch.randint(len(code) ** 2, (len(tiles), CLS + 1, CLS + 1), generator=generator)
        tables = tiles.flatten(1).gather(1, drawn.flatten(1)).view_as(drawn)
        tables[:, code[:, None], code] = tiles
        if not has_lookalike(tables, tiles):
            break
    tables[:, CLS, :CLS] += draw_nudges(tables[:, CLS], code, generator)
    return tables


def has_lookalike(tables, tiles):
    """Whether two numbers or more show the tiles, with no cell that is off by more than OTHER_CELL.

    tables: (heads, 11, 11). tiles: (heads, 1 + digits, 1 + digits).

    The numbers are found place by place: a beginning is kept if its cells look like the tiles'.
    """
    beginnings = torch.tensor([[CLS]])
    for place in range(1, tiles.shape[1]):
        digits = torch.arange(CLS).repeat(len(beginnings))[:, None]
        beginnings = torch.cat([beginnings.repeat_interleave(CLS, 0), digits], 1)
        rows = tables[:, digits, beginnings] - tiles[:, place, : place + 1][:, None]
        columns = tables[:, beginnings, digits] - tiles[:, : place + 1, place][:, None]
        off = torch.cat([rows, columns], 2).abs().amax((0, 2))
        beginnings = beginnings[off <= OTHER_CELL]
        if len(beginnings) > TOO_MANY:
            return True
    return len(beginnings) > 1
