"""The pixels of an image -> a picture's cells: reduced without loss if possible, else averaged."""

from collections import Counter

import numpy
from PIL import Image

from builder.puzzle_file.drawing import TENTHS
from builder.puzzle_file.sizes import MAX_SIDE

TWO_TONES = 0.95  # of the pixels of a drawing in two tones are near one of the two
NEAR = 1 / 8  # of the way from one tone to the other


def reduce(pixels):
    """The pixels (rows, columns) of an image, without those that only repeat their neighbours.

    A large image in two tones is reduced even if JPEG has blurred it.
    """
    small = undo_enlargement(pixels)
    if small.shape == pixels.shape and max(small.shape) > MAX_SIDE and _has_two_tones(pixels):
        return undo_enlargement(_separate_tones(pixels, pixels.min(), pixels.max()))
    return small


def undo_enlargement(pixels):
    """The small image of which pixels are an enlargement by a whole number, or the same image."""
    row_steps = 1 + numpy.flatnonzero((pixels[1:] != pixels[:-1]).any(1))
    column_steps = 1 + numpy.flatnonzero((pixels[:, 1:] != pixels[:, :-1]).any(0))
    factor = numpy.gcd.reduce([*pixels.shape, *row_steps, *column_steps])
    return pixels[::factor, ::factor]


def average(pixels, rows, columns):
    """Pixels averaged down to this many rows and columns. An image in two tones keeps just two."""
    image = Image.fromarray(pixels.astype(numpy.float32))
    averaged = numpy.asarray(image.resize((columns, rows), Image.Resampling.BOX))
    if _has_two_tones(pixels):
        return _separate_tones(averaged, pixels.min(), pixels.max())
    return averaged


def _has_two_tones(pixels):
    dark = pixels.min()
    light = pixels.max()
    near = NEAR * (light - dark)
    return ((pixels <= dark + near) | (pixels >= light - near)).mean() >= TWO_TONES


def _separate_tones(pixels, dark, light):
    """Dark or light for each pixel. Of thin lines, averages are pale, and still are lines."""
    middle = (pixels.min() + pixels.max()) / 2
    return numpy.where(pixels < middle, dark, light)


def fit(shape, box):
    """The rows and columns of an image that is made to fit into a box of rows and columns."""
    factor = min(1, box[0] / shape[0], box[1] / shape[1])
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def to_tenths(pixels):
    """Pixels (rows, columns) as cells: nested tuples of tenths."""
    return tuple(tuple(TENTHS[round(10 * pixel)] for pixel in row) for row in pixels.tolist())


def pad(cells, rows, columns):
    """Cells in the middle of a picture of this many rows and columns.

    What is around them has the commonest value of their border.
    """
    first_column = [row[0] for row in cells]
    last_column = [row[-1] for row in cells]
    border = Counter([*cells[0], *cells[-1], *first_column, *last_column])
    (background, _), *_ = border.most_common()
    top = (rows - len(cells)) // 2
    left = (columns - len(cells[0])) // 2
    right = columns - len(cells[0]) - left
    empty_row = (background,) * columns
    filled = [(background,) * left + row + (background,) * right for row in cells]
    below = rows - len(cells) - top
    return (*[empty_row] * top, *filled, *[empty_row] * below)
