"""Which sizes a picture can have: whole tiles, each as large as one head's matrix."""

from builder.errors import PuzzleError
from builder.words import counted, listed

MAX_PICTURES = 8
MAX_SIDE = 64  # cells
MAX_HEADS = 144  # tiles of all pictures
# Of photos, if the author names no number of cells: enough to recognise a face, and soon trained.
DEFAULT_SIDE = 50  # cells
DEFAULT_HEADS = 100


def tile_size(digits):
    """Cells on a side of one head's matrix: one for CLS and one for each digit."""
    return 1 + digits


def sides(digits):
    """The numbers of cells that a picture can be high or wide, in ascending order."""
    size = tile_size(digits)
    return range(size, MAX_SIDE + 1, size)


def check_side(name, cells, digits, noun):
    """Raises PuzzleError unless this many rows or columns make whole tiles.

    noun: "row" or "column".
    """
    fitting = sides(digits)
    if cells in fitting:
        return
    if len(fitting) <= 3:
        numbers = listed(fitting, "or")
    else:
        numbers = f"{fitting[0]}, {fitting[1]}, {fitting[2]} and so on up to {fitting[-1]}"
    raise PuzzleError(
        f"{name} has {counted(cells, noun)}, but a code of {counted(digits, 'digit')} needs "
        f"{numbers}: {tile_size(digits)} for each head, one for CLS and one for each digit"
    )


def check_heads(pictures, rows, columns, digits):
    """Raises PuzzleError if this many pictures of this size (in cells) need more than MAX_HEADS."""
    size = tile_size(digits)
    heads = pictures * (rows // size) * (columns // size)
    if heads > MAX_HEADS:
        largest = largest_square(pictures, digits)
        raise PuzzleError(
            f"{counted(pictures, 'picture')} of {rows} x {columns} cells would need {heads} heads, "
            f"one for each {size} x {size} cells, and {MAX_HEADS} is the most: "
            f"{largest} x {largest} cells fit"
        )


def largest_square(pictures, digits, max_heads=MAX_HEADS, max_side=MAX_SIDE):
    """The side, in cells, of the largest square that this many pictures can have, or one tile."""
    size = tile_size(digits)
    tiles = 1
    while pictures * (tiles + 1) ** 2 <= max_heads and (tiles + 1) * size <= max_side:
        tiles += 1
    return tiles * size


def default_side(pictures, digits):
    """The longer side, in cells, of this many photos if the author names no number."""
    return largest_square(pictures, digits, DEFAULT_HEADS, DEFAULT_SIDE)
