"""What decoys need of a code and its pictures."""

import itertools

from builder.errors import PuzzleError

DIGITS_OF_ONE_HEAD = 7  # at most; with 8 float32 is too coarse for most pictures


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
