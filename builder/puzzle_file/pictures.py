"""The pictures of a puzzle file, drawings and image files -> cells, all of one size."""

import math
from dataclasses import dataclass
from typing import Any

from builder.errors import PuzzleError
from builder.puzzle_file.drawing import CELLS, read_drawing
from builder.puzzle_file.sizes import (
    MAX_HEADS,
    MAX_PICTURES,
    MAX_SIDE,
    check_heads,
    default_side,
    largest_square,
    sides,
    tile_size,
)
from builder.puzzle_file.toml_file import is_whole_number

CONTRAST = 0.3  # from the darkest cell of an image to the lightest, at least
SMALLEST_PHOTO = 8  # cells of its longer side; in fewer nothing of it can be recognised


@dataclass(frozen=True)
class ImageFile:
    """An image file that the author names.

    name: as the author wrote it. digest: of the file, SHA-256 in hexadecimal digits.
    pixels: a numpy array (rows, columns) from 0 (black) to 1 (white).
    is_qr_code: whether each pixel is a module of a QR code, so that it can't be averaged.
    """

    name: str
    digest: str
    pixels: Any
    is_qr_code: bool


def read_pictures(entries, folder, digits, cells=None):
    """The cells of all pictures, nested tuples (pictures, rows, columns), and the ImageFiles.

    entries: the list in the puzzle file; each is a drawing, or the name of an image file in the
    folder. digits: the code's. cells: of the longer side of a large image, if the author names it.
    Raises PuzzleError on a mistake.
    """
    if not isinstance(entries, list):
        raise PuzzleError(
            'pictures must be a list of drawings or image files: [ """...""", "skull.png" ]'
        )
    if not 1 <= len(entries) <= MAX_PICTURES:
        raise PuzzleError(
            f"there must be 1 to {MAX_PICTURES} pictures: this file has {len(entries)}"
        )
    drawings = {}
    images = {}
    for number, entry in enumerate(entries, 1):
        if _names_a_file(entry):
            images[number] = _read_image_file(entry, folder)
        else:
            drawings[number] = read_drawing(f"picture {number}", entry, digits)
    _check_cells(cells, images, drawings, digits)
    _check_same_size(drawings)
    pictures = drawings | _shrink(images, drawings, digits, cells)
    rows, columns = len(pictures[1]), len(pictures[1][0])
    check_heads(len(pictures), rows, columns, digits)
    in_order = tuple(pictures[number] for number in sorted(pictures))
    return in_order, tuple(images.values())


def _names_a_file(entry):
    """A single line of anything but cells; a drawing has two rows at least."""
    if not isinstance(entry, str):
        return False
    line = entry.strip()
    return len(line.splitlines()) == 1 and not set(line) <= set(CELLS)


def _read_image_file(name, folder):
    # They bring numpy and Pillow, which a puzzle of drawings needn't wait for.
    from builder.puzzle_file.image_file import read_image
    from builder.puzzle_file.qr_code import read_qr_code
    from builder.puzzle_file.shrink import reduce

    pixels, digest = read_image(name, folder)
    qr_code = read_qr_code(pixels)
    if qr_code is None:
        pixels = reduce(pixels)
    else:
        pixels = qr_code
    return ImageFile(name, digest, pixels, is_qr_code=qr_code is not None)


def _check_cells(cells, images, drawings, digits):
    if cells is None:
        return
    fitting = sides(digits)
    if not is_whole_number(cells) or not fitting[0] <= cells <= fitting[-1]:
        raise PuzzleError(
            f"cells must be a whole number from {fitting[0]} to {fitting[-1]}: "
            "it is how many cells an image's longer side becomes"
        )
    if not images:
        raise PuzzleError("cells is for image files, and this file names none: leave the key out")
    if drawings:
        raise PuzzleError(
            "cells cannot be chosen beside a drawing, since images become as large as that: "
            "leave the key out"
        )


def _check_same_size(drawings):
    sizes = {number: (len(drawing), len(drawing[0])) for number, drawing in drawings.items()}
    for number, (rows, columns) in sizes.items():
        first, (first_rows, first_columns) = next(iter(sizes.items()))
        if (rows, columns) != (first_rows, first_columns):
            raise PuzzleError(
                f"picture {number} has {rows} x {columns} cells and picture {first} has "
                f"{first_rows} x {first_columns}: all pictures of a puzzle need the same size"
            )


def _shrink(images, drawings, digits, cells):
    """The cells of each image: {number: cells}, as large as the drawings if there are any."""
    if not images:
        return {}
    from builder.puzzle_file.shrink import average, fit, pad, to_tenths

    box = _choose_box(images, drawings, digits, cells)
    shrunk = {}
    for number, image in images.items():
        shape = image.pixels.shape
        fitting = fit(shape, box)
        if fitting == shape:
            shrunk[number] = to_tenths(image.pixels)
        elif drawings and max(fitting) < SMALLEST_PHOTO:
            raise PuzzleError(
                f"{image.name} would become as small as the drawing beside it, {fitting[0]} x "
                f"{fitting[1]} cells: draw larger, or leave one of the two out"
            )
        elif image.is_qr_code:
            raise PuzzleError(
                f"{image.name}, a QR code, needs {shape[0]} x {shape[0]} cells with its margin, "
                f"and {box[0]} x {box[1]} is the most here: shorten what it says"
            )
        else:
            shrunk[number] = to_tenths(average(image.pixels, *fitting))
        _check_contrast(image.name, shrunk[number])
    if drawings:
        rows, columns = box
    else:
        rows = _whole_tiles(max(len(picture) for picture in shrunk.values()), digits)
        columns = _whole_tiles(max(len(picture[0]) for picture in shrunk.values()), digits)
    return {number: pad(picture, rows, columns) for number, picture in shrunk.items()}


def _choose_box(images, drawings, digits, cells):
    """The rows and columns that each image has to fit into."""
    if drawings:
        drawing = next(iter(drawings.values()))
        return len(drawing), len(drawing[0])
    if cells is not None:
        return cells, cells
    rows = _whole_tiles(max(image.pixels.shape[0] for image in images.values()), digits)
    columns = _whole_tiles(max(image.pixels.shape[1] for image in images.values()), digits)
    size = tile_size(digits)
    heads = len(images) * (rows // size) * (columns // size)
    if max(rows, columns) <= MAX_SIDE and heads <= MAX_HEADS:
        return rows, columns
    side = default_side(len(images), digits)
    most = largest_square(len(images), digits)
    for image in images.values():
        if image.is_qr_code:
            side = max(side, min(most, image.pixels.shape[0]))
    return side, side


def _whole_tiles(cells, digits):
    """A number of cells, rounded up to whole tiles."""
    size = tile_size(digits)
    return math.ceil(cells / size) * size


def _check_contrast(name, picture):
    values = {cell for row in picture for cell in row}
    if max(values) - min(values) < CONTRAST:
        raise PuzzleError(
            f"{name} has hardly any contrast: its cells are all from {min(values)} to {max(values)}"
        )
