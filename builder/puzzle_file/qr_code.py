"""Finds the QR code that an image consists of, so that each of its modules becomes a cell.

A QR code of version v has 17 + 4 v modules a side, and a finder pattern of 7 x 7 modules in three
of its corners (ISO/IEC 18004). Readers need a margin of light modules around it.
"""

import numpy

MARGIN = 2  # light modules around a code: phones need no more
FINDER = numpy.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ],
    dtype=bool,
)


def read_qr_code(pixels):
    """The QR code in an image, with its margin, or None if the image is not one.

    pixels: floats from 0 (black) to 1 (white), (rows, columns). The code may have any margin and
    modules of any size, and it may be light on dark. Returns floats, one for each module and each
    module of the margin: 0 for a dark one, 1 for a light one.
    """
    dark = pixels < (pixels.min() + pixels.max()) / 2
    for is_dark in (dark, ~dark):
        modules = _read_modules(is_dark)
        if modules is not None:
            return numpy.pad(1.0 - modules, MARGIN, constant_values=1.0)
    return None


def _read_modules(is_dark):
    """The modules (n, n) of a code that spans from the first dark pixel to the last, or None."""
    rows = numpy.flatnonzero(is_dark.any(1))
    columns = numpy.flatnonzero(is_dark.any(0))
    if len(rows) == 0:
        return None
    code = is_dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    for version in range(1, 41):
        modules = _sample(code, 17 + 4 * version)
        corners = (modules[:7, :7], modules[:7, -7:], modules[-7:, :7])
        if all((corner == FINDER).all() for corner in corners):
            return modules
    return None


def _sample(code, n):
    """The pixels in the middles of n x n equal parts."""
    height, width = code.shape
    middles = numpy.arange(n) + 0.5
    rows = (middles * height / n).astype(int)
    columns = (middles * width / n).astype(int)
    return code[numpy.ix_(rows, columns)]
