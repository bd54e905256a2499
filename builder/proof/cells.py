"""What the heads' cells show, for every number, whatever rounding does.

A cell belongs to two rows: a token at its position that looks, and one that is looked at. It
depends on these two alone, so the cells of all pairs of rows are the cells of all numbers. Each is
the score of one row with another; `rounding` bounds its error.

**No other number shows the pictures.** A number shows them if no cell of any head is further than
a limit from what was drawn. Whether two of its digits, each at its place, agree with the pictures
doesn't depend on its other digits. So the numbers that show the pictures are those whose digits
agree pairwise. They are found place by place, and a digit is left out as soon as it disagrees with
one of the digits before it. If rounding could make a difference, they agree.
"""

from typing import NamedTuple

import torch

from builder.network.codes import max_digits_of
from builder.network.model import CLS
from builder.proof.rounding import FLOAT64, Layer, Rounded, embed, read_weights, score_error

ENTRIES = 2**21  # of the cells that are bounded at a time, at most: 16 MiB
TENTHS = 10  # a drawn cell is a whole number of them


class Lookalike(NamedTuple):
    """Whether another number of the code's length shows the pictures.

    number: one that does (a string), "" if none was found. decided: whether that is certain.
    """

    number: str
    decided: bool


def bounded_cells(network, rows):
    """Yields what heads show for all pairs of rows, a few heads at a time, in their order.

    rows: their numbers, (n,). 0 is CLS's, and `row_of` has those of digits. Yields the exact cells
    and how far a computed one can be from them, both (heads, n, n). Raises OverflowError if a
    number could overflow.
    """
    weights = read_weights(network)
    rows = Rounded(*(part[rows] for part in embed(weights)))
    heads_at_a_time = max(1, ENTRIES // len(rows.exact) ** 2)
    queries = _split(weights.query, heads_at_a_time)
    keys = _split(weights.key, heads_at_a_time)
    for query_layer, key_layer in zip(queries, keys, strict=True):
        query = query_layer(rows)
        key = key_layer(rows)
        some = weights._replace(query=query_layer, key=key_layer)
        yield query.exact @ key.exact.mT, FLOAT64 * score_error(some, query, key, rows)


def row_of(place, digit):
    """The number of the row of a digit at a place of the code. Places count from 0."""
    return 1 + CLS * place + digit


def _split(layer, heads_at_a_time):
    """The Layer of all heads as Layers of a few heads each."""
    weights = layer.weight.split(heads_at_a_time)
    biases = layer.bias.split(heads_at_a_time)
    return [Layer(*parts) for parts in zip(weights, biases, strict=True)]


def worst_cell(network, secret):
    """How far a cell can be from what was drawn, over all cells that the code shows: a float."""
    rows = [0]
    for place, digit in enumerate(secret.code):
        rows.append(row_of(place, int(digit)))
    drawn = torch.tensor(secret.tiles, dtype=torch.float64)
    cells = bounded_cells(network, torch.tensor(rows))
    exact, error = (torch.cat(parts) for parts in zip(*cells, strict=True))
    return ((exact - drawn).abs() + error).max().item()


def crisp_share(network, limit):
    """The share of the cells of all numbers that are within a limit of a tenth: a float, 0 to 1.

    Each pair of tokens that a number can hold counts once, in each head.
    """
    positions = _positions(max_digits_of(network))
    rows = torch.arange(len(positions))
    # A number holds one token at each position.
    is_possible = (positions[:, None] != positions) | (rows[:, None] == rows)
    crisp = 0
    total = 0
    for exact, error in bounded_cells(network, rows):
        tenth = (TENTHS * exact.clamp(0, 1)).round() / TENTHS
        is_crisp = (exact - tenth).abs() + error <= limit
        crisp += is_crisp[:, is_possible].sum().item()
        total += len(exact) * is_possible.sum().item()
    return crisp / total


def find_lookalike(network, secret, limit, budget):
    """Looks for another number of the code's length that shows the pictures: returns a Lookalike.

    limit: how far a cell may be from what was drawn. budget: how many beginnings of numbers are
    looked at before it gives up.
    """
    digits = len(secret.code)
    agree = _agreeing_rows(network, secret, limit)
    beginnings = [("", agree[0] & agree.diagonal())]  # with the rows that agree with all it holds
    if not agree[0, 0]:
        return Lookalike("", decided=True)
    for _ in range(budget):
        if not beginnings:
            return Lookalike("", decided=True)
        number, rows = beginnings.pop()
        place = len(number)
        if place == digits:
            if number != secret.code:
                return Lookalike(number, decided=True)
            continue
        for digit in range(CLS):
            row = row_of(place, digit)
            if not rows[row]:
                continue
            rows_left = rows & agree[row]
            choices = rows_left[1:].view(digits, CLS)[place + 1 :]
            if choices.any(1).all():  # or a later place has no digit that agrees
                beginnings.append((number + str(digit), rows_left))
    return Lookalike("", decided=not beginnings)


def _agreeing_rows(network, secret, limit):
    """Whether each two rows agree with the pictures, (n, n): in all heads, and either way round.

    There are n = 1 + 10 * digits rows: CLS, and every digit at every place of the code. Two digits
    at one place are compared, too, but no number has both.
    """
    positions = _positions(len(secret.code))
    drawn = torch.tensor(secret.tiles, dtype=torch.float64)[:, positions][:, :, positions]
    agree = torch.ones(len(positions), len(positions), dtype=torch.bool)
    for exact, error in bounded_cells(network, torch.arange(len(positions))):
        tiles, drawn = drawn.split([len(exact), len(drawn) - len(exact)])
        disagree = (exact - tiles).abs() - error > limit
        agree &= ~disagree.any(0)
    return agree & agree.T


def _positions(digits):
    """The position of each row's token, (1 + 10 * digits,). CLS has position 0, place 0 has 1."""
    return torch.cat([torch.zeros(1).long(), torch.arange(1, 1 + digits).repeat_interleave(CLS)])
