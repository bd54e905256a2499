"""A drawing in a puzzle file -> the cells of a picture."""

from builder.errors import PuzzleError
from builder.puzzle_file.sizes import check_side
from builder.words import counted

TENTHS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)  # what a cell can be, from dark to lit
CELLS = dict(zip(".123456789#", TENTHS, strict=True))


def read_drawing(name, drawing, digits):
    """The cells of a drawing, nested tuples (rows, columns) of numbers from 0 to 1.

    name: what a message calls the picture. drawing: a text of several lines, or a list of texts,
    one for each row. digits: the code's. Raises PuzzleError on a mistake.
    """
    rows = _rows(name, drawing)
    if not rows:
        raise PuzzleError(f"{name} is empty: draw something, or name an image file")
    for number, row in enumerate(rows, 1):
        for column, character in enumerate(row, 1):
            if character not in CELLS:
                raise PuzzleError(
                    f"{name}, row {number}, column {column}: {character!r} is not a cell: "
                    "a cell is '.' (dark), 1 to 9 (tenths of grey) or '#' (lit)"
                )
    if len(rows) == 1 and isinstance(drawing, str):
        raise PuzzleError(
            f"{name} has 1 row: rows that are strings of their own stand in brackets, "
            "picture by picture"
        )
    check_side(name, len(rows), digits, "row")
    columns = len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) != columns:
            raise PuzzleError(
                f"{name}, row {number} has {counted(len(row), 'cell')}, but row 1 has {columns}"
            )
    check_side(name, columns, digits, "column")
    return tuple(tuple(CELLS[character] for character in row) for row in rows)


def _rows(name, drawing):
    lines = drawing
    if isinstance(drawing, str):
        lines = drawing.strip().splitlines()
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise PuzzleError(
            f"{name} must be a multi-line string, a list of strings, one for each row, "
            "or the name of an image file"
        )
    return [line.strip() for line in lines]
