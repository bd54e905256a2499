"""What decoys need of a code and its pictures."""

import itertools

from builder.errors import PuzzleError
from builder.puzzle_file.code import DIGITS

DIGITS_OF_ONE_HEAD = 7  # at most; with 8 float32 is too coarse for most pictures
FEWEST_DIGITS_OF_SUMMITS = 4
FEWEST_HEADS_OF_SUMMITS = 3


def check_decoys(code, tiles):
    """Raises PuzzleError if a code and what its heads show can't have decoys.

    tiles: nested tuples (heads, 1 + digits, 1 + digits), as `Secret.tiles`. With decoys a cell
    depends on its two digits alone, and a digit with the same cells as another could replace it.
    """
    if len(set(code)) < len(code):
        raise PuzzleError("decoys need a code whose digits all differ")
    if len(tiles) == 1 and len(code) > DIGITS_OF_ONE_HEAD:
        raise PuzzleError(
            f"decoys need a second picture if the code has over {DIGITS_OF_ONE_HEAD} digits"
        )
    for place, double in itertools.combinations(range(1, 1 + len(code)), 2):
        order = list(range(1 + len(code)))
        order[place] = double
        if all(_reordered(tile, order) == tile for tile in tiles):
            raise PuzzleError(
                f"decoys need digits that look different: {code[place - 1]} and "
                f"{code[double - 1]} have the same row and the same column in every picture; "
                "change a cell of one of them"
            )


def _reordered(tile, order):
    return tuple(tuple(tile[row][column] for column in order) for row in order)


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
    if len(code) == len(DIGITS):
        raise PuzzleError(
            "summits need a digit that the code does not use, because wrong numbers have to lead "
            f"to it: choose a code of {FEWEST_DIGITS_OF_SUMMITS} to {len(DIGITS) - 1} digits"
        )
    if len(tiles) < FEWEST_HEADS_OF_SUMMITS:
        raise PuzzleError(
            f"summits need at least {FEWEST_HEADS_OF_SUMMITS} heads, because the logit of fewer "
            "has hardly any: add a picture, or make the picture larger"
        )
