"""Whether another number would show the pictures of a puzzle with decoys, asked of the drawing.

With decoys a cell depends on its two tokens alone. So a number whose digits are all in the code
shows cells of the pictures, each at a place that follows from the number's digits. Digits that the
code does not use see cells that training draws, and draws again until they differ.
"""

from itertools import chain, combinations
from math import exp, log

from builder.puzzle_file.code import DIGITS

LIMIT = 0.25  # cells that differ by no more than this look alike, as the certificate has it
MOST_REMEDIES = 3


def find_lookalike(code, tiles):
    """Another number of the code's length that would show what the heads show, or None.

    tiles: nested tuples (heads, 1 + digits, 1 + digits), as `Secret.tiles`. If a digit stands in
    the code twice, its rows and columns are equal. Returns the number as places of the code,
    counted from 1, of which each has the number's digit. All numbers are decided: for each place,
    those whose digit is another one there.
    """
    size = len(tiles[0])
    partners = _find_partners(tiles)
    own = [1 + code.index(digit) for digit in code]  # of each digit, its first place
    for place in range(1, size):
        choices = [set(own) for _ in range(size)]
        choices[0] = {0}  # CLS comes first in every number
        choices[place].remove(own[place - 1])
        found = _choose(choices, partners)
        if found:
            return found[1:]
    return None


def find_remedy(code, tiles, lookalike):
    """A cell in the first row of the first head that leaves no lookalike if it changes, or None.

    lookalike: as find_lookalike returns it. Returns the cell's column, counted from 0, and its new
    value, 0 or 1. It tries few cells, since an author waits, and none of a digit that stands in the
    code twice, since its columns are equal.
    """
    first, *others = tiles
    moved = [
        place
        for place, (digit, token) in enumerate(zip(code, lookalike, strict=True), 1)
        if token != place and code.count(digit) == 1
    ]
    for column in moved[:MOST_REMEDIES]:
        value = int(first[0][column] < 0.5)
        changed = _replace(first, 0, _replace(first[0], column, value))
        if find_lookalike(code, (changed, *others)) is None:
            return column, value
    return None


def expect_lookalikes(tiles):
    """How many lookalikes with digits that the code does not use are to be expected: a float.

    Cells of such digits are drawn from the tile's own. So a cell looks like another one as often as
    the tile's cells do. The numbers are counted by the places at which they have the right digit.
    """
    size = len(tiles[0])
    logs = _log_shares(tiles)
    expected = 0
    for right in _subsets(range(1, size)):
        if len(right) == size - 1:
            continue
        known = {0, *right}
        wrong = size - 1 - len(right)
        log_share = wrong * log(len(DIGITS) - 1)
        for row in range(size):
            for column in range(size):
                if row not in known or column not in known:
                    log_share += logs[row][column]
        expected += exp(log_share)
    return expected


def _subsets(places):
    return chain.from_iterable(combinations(places, count) for count in range(len(places) + 1))


def _log_shares(tiles):
    """For each row and column, the logarithm of how often drawn cells of all heads look alike."""
    places = range(len(tiles[0]))
    logs = [[0.0 for _ in places] for _ in places]
    for tile in tiles:
        cells = [cell for row in tile for cell in row]
        for row in places:
            for column in places:
                alike = sum(abs(cell - tile[row][column]) <= LIMIT for cell in cells)
                logs[row][column] += log(alike / len(cells))
    return logs


def _find_partners(tiles):
    """If one place sees the token of another one, which tokens can each third place see?

    Returns sets, [place][token][third place] -> tokens: those whose cells with the first token
    look like the cells of the two places, in both directions. Tokens are named by their places.
    """
    size = len(tiles[0])
    places = range(size)
    cells = {}
    for row in places:
        for column in places:
            cells[row, column] = [tile[row][column] for tile in set(tiles)]
    alike = {}
    for one, first in cells.items():
        for other, second in cells.items():
            alike[one, other] = _look_alike(first, second)
    partners = [[[set() for _ in places] for _ in places] for _ in places]
    for (place, third), (token, partner) in alike:
        there = alike[(place, third), (token, partner)]
        back = alike[(third, place), (partner, token)]
        if there and back and (place != third or token == partner):
            partners[place][token][third].add(partner)
    return partners


def _look_alike(first, second):
    return all(abs(one - other) <= LIMIT for one, other in zip(first, second, strict=True))


def _choose(choices, partners):
    """A token for each place, from its choices, so that all cells look alike, or None."""
    choices = _prune(choices, partners)
    if not all(choices):
        return None
    undecided = [place for place, tokens in enumerate(choices) if len(tokens) > 1]
    if not undecided:
        return tuple(token for (token,) in choices)
    _, place = min((len(choices[place]), place) for place in undecided)
    for token in sorted(choices[place]):
        found = _choose(_replace(choices, place, {token}), partners)
        if found:
            return found
    return None


def _prune(choices, partners):
    """The choices without those that leave another place none."""
    while True:
        left = []
        for place, tokens in enumerate(choices):
            left.append(
                {token for token in tokens if _is_possible(partners[place][token], choices)}
            )
        if left == list(choices):
            return left
        choices = left


def _is_possible(partners, choices):
    return all(own & others for own, others in zip(partners, choices, strict=True))


def _replace(values, index, value):
    return (*values[:index], value, *values[index + 1 :])
