"""What decoys and false summits need of a code and its pictures."""

from itertools import combinations

from builder.errors import PuzzleError
from builder.puzzle_file.code import DIGITS
from builder.puzzle_file.lookalike import LIMIT, expect_lookalikes, find_lookalike, find_remedy

DIGITS_OF_ONE_HEAD = 7  # at most; with 8 float32 is too coarse for most pictures
MOST_EXPECTED = 30  # lookalikes; if more are to be expected, hardly any draw has none
FEWEST_DIGITS_OF_SUMMITS = 4
FEWEST_HEADS_OF_SUMMITS = 3


def check_decoys(code, tiles):
    """Raises PuzzleError if a code and what its heads show can't have decoys.

    tiles: nested tuples (heads, 1 + digits, 1 + digits), as `Secret.tiles`.
    """
    if len(code) > len(DIGITS):
        raise PuzzleError(f"decoys need a code of {len(DIGITS)} digits at most")
    twins = _find_twins(code, tiles)
    if twins:
        one, other = (1 + place for place in twins)
        raise PuzzleError(
            "decoys need a code whose digits all differ, or else the same row and the same column "
            f"for a digit that stands in it twice: draw rows {one} and {other} alike, and columns "
            f"{one} and {other}"
        )
    if len(tiles) == 1 and len(code) > DIGITS_OF_ONE_HEAD:
        raise PuzzleError(
            f"decoys need a second picture if the code has over {DIGITS_OF_ONE_HEAD} digits"
        )
    if max(map(_contrast, tiles)) <= LIMIT:  # drawn cells are like the pictures' own
        raise PuzzleError(
            "decoys need a picture in which something can be seen: "
            "with these every number would look like the code; change a cell"
        )
    other = find_lookalike(code, tiles)
    if other:
        number = "".join(code[place - 1] for place in other)
        raise PuzzleError(
            f"decoys are not possible, because {number} would show the same pictures as {code}: "
            f"{_remedy(code, tiles, other)}, or leave decoys out"
        )
    if expect_lookalikes(tiles) > MOST_EXPECTED:
        raise PuzzleError(
            "decoys need pictures in which more can be seen: so many cells are alike that other "
            "numbers would show them, too; draw more, add a picture, or leave decoys out"
        )


def _find_twins(code, tiles):
    """Two places, counted from 1, that have the same digit and another row or column, or None."""
    for one, other in combinations(range(1, 1 + len(code)), 2):
        if code[one - 1] != code[other - 1]:
            continue
        for tile in tiles:
            rows_differ = tile[one] != tile[other]
            columns_differ = any(row[one] != row[other] for row in tile)
            if rows_differ or columns_differ:
                return one, other
    return None


def _remedy(code, tiles, lookalike):
    cell = find_remedy(code, tiles, lookalike)
    if cell is None:
        return "draw something less regular"
    column, value = cell
    sign = ".#"[value]
    return f"write {sign} in row 1, column {1 + column} of picture 1"


def _contrast(tile):
    cells = [cell for row in tile for cell in row]
    return max(cells) - min(cells)


def check_summits(code, tiles, decoys):
    """Raises PuzzleError if a puzzle can't have false summits.

    There a digit that the code doesn't use has to beat the right one in other heads' company.
    """
    if not decoys:
        raise PuzzleError("summits need decoys: add the line decoys = true, or delete this key")
    if len(code) < FEWEST_DIGITS_OF_SUMMITS:
        raise PuzzleError(
            f"summits need a code of at least {FEWEST_DIGITS_OF_SUMMITS} digits, because a program "
            "tries all shorter ones anyway: choose a longer code"
        )
    if len(set(code)) == len(DIGITS):
        raise PuzzleError(
            "summits need a digit that the code does not use, because wrong numbers have to lead "
            f"to it: choose a code of {FEWEST_DIGITS_OF_SUMMITS} to {len(DIGITS) - 1} digits"
        )
    if len(tiles) < FEWEST_HEADS_OF_SUMMITS:
        raise PuzzleError(
            f"summits need at least {FEWEST_HEADS_OF_SUMMITS} heads, because the logit of fewer "
            "has hardly any: add a picture, or make the picture larger"
        )
