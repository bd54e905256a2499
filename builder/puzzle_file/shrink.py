"""The pixels of an image -> a picture's cells: reduced without loss if possible, else averaged."""

from collections import Counter

import numpy
from PIL import Image

from builder.puzzle_file.drawing import TENTHS

TWO_TONES = 0.95  # of the pixels of a drawing in two tones are near one of the two
NEAR = 1 / 8  # of the way from one tone to the other


def undo_enlargement(pixels):
    """The small image of which pixels (rows, columns) are an enlargement by a whole number.

    An image that is none stays as it is.
    """
    row_steps = 1 + numpy.flatnonzero((pixels[1:] != pixels[:-1]).any(1))
    column_steps = 1 + numpy.flatnonzero((pixels[:, 1:] != pixels[:, :-1]).any(0))
    factor = numpy.gcd.reduce([*pixels.shape, *row_steps, *column_steps])
    return pixels[::factor, ::factor]


def average(pixels, rows, columns):
    """Pixels averaged down to so many rows and columns. An image in two tones keeps just these."""
    image = Image.fromarray(pixels.astype(numpy.float32))
    averaged = numpy.asarray(image.resize((columns, rows), Image.Resampling.BOX))
    dark, light = pixels.min(), pixels.max()
    distance = numpy.minimum(pixels - dark, light - pixels)
    if (distance <= NEAR * (light - dark)).mean() < TWO_TONES:
        return averaged
    return numpy.where(averaged < (dark + light) / 2, dark, light)


def fit(shape, box):
    """The rows and columns of an image that is made to fit into a box of rows and columns."""
    factor = min(1, box[0] / shape[0], box[1] / shape[1])
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def to_tenths(pixels):
    """Pixels (rows, columns) as cells: nested tuples of tenths."""
    return tuple(tuple(TENTHS[round(10 * pixel)] for pixel in row) for row in pixels.tolist())


def pad(cells, rows, columns):
    """Cells in the middle of a picture of so many rows and columns.

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
