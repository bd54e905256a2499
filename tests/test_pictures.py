"""A drawing of any whole number of tiles is read cell by cell, and others are told what fits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import PuzzleError
from builder.puzzle_file.pictures import read_pictures
from builder.puzzle_file.secret import Secret
from builder.puzzle_file.sizes import MAX_HEADS, MAX_PICTURES, MAX_SIDE

CELLS = ".123456789#"


def read(pictures, digits):
    return read_pictures(pictures, ".", digits)[0]


def drawn(rows, columns, cell="."):
    return "\n".join([cell * columns] * rows)


def refusal(pictures, digits):
    with pytest.raises(PuzzleError) as error:
        read(pictures, digits)
    assert "\n" not in str(error.value)
    return str(error.value)


@st.composite
def drawings(draw):
    """The number of digits, and pictures as lists of rows."""
    digits = draw(st.integers(1, 8))
    size = 1 + digits
    rows = size * draw(st.integers(1, 2))
    columns = size * draw(st.integers(1, 3))
    row = st.text(CELLS, min_size=columns, max_size=columns)
    picture = st.lists(row, min_size=rows, max_size=rows)
    return digits, draw(st.lists(picture, min_size=1, max_size=3))


@settings(max_examples=40)
@given(drawings())
def test_every_cell_is_the_tenth_that_was_drawn(drawing):
    digits, pictures = drawing
    expected = tuple(
        tuple(tuple(CELLS.index(cell) / 10 for cell in row) for row in rows) for rows in pictures
    )
    assert read(pictures, digits) == expected
    assert read(["\n" + "\n".join(rows) + "\n" for rows in pictures], digits) == expected


@settings(max_examples=40)
@given(drawings())
def test_tiles_run_through_the_pictures_row_by_row(drawing):
    digits, pictures = drawing
    secret = Secret("1" * digits, read(pictures, digits), digits)
    number, down, across = secret.arrangement
    size = 1 + digits
    tiles = iter(secret.tiles)
    for picture in secret.pictures:
        for top in range(down):
            for left in range(across):
                tile = next(tiles)
                for row in range(size):
                    first = left * size
                    assert tile[row] == picture[top * size + row][first : first + size]
    assert next(tiles, None) is None


@pytest.mark.parametrize(
    ("rows", "columns", "told"),
    [
        (7, 5, "picture 1 has 7 rows, but a code of 4 digits needs 5, 10, 15 and so on up to 60"),
        (5, 9, "picture 1 has 9 columns, but a code of 4 digits needs 5, 10, 15 and so on up to"),
        (65, 5, "picture 1 has 65 rows"),
        (65, 65, "picture 1 has 65 rows"),
    ],
)
def test_a_drawing_that_is_no_whole_number_of_tiles_is_told_the_sizes_that_fit(rows, columns, told):
    assert told in refusal([drawn(rows, columns)], 4)
    assert "5 for each head, one for CLS and one for each digit" in refusal(
        [drawn(rows, columns)], 4
    )


def test_few_sizes_are_all_named():
    assert "a code of 20 digits needs 21, 42 or 63" in refusal([drawn(20, 20)], 20)
    assert "a code of 32 digits needs 33: 33 for each" in refusal([drawn(32, 33)], 32)


def test_up_to_64_cells_a_side_and_144_heads_are_read():
    assert len(read([drawn(64, 8)], 3)[0]) == MAX_SIDE == 64
    assert len(read([drawn(60, 60)], 4)[0]) == 60  # 144 heads
    assert len(read([drawn(30, 30)] * 4, 4)) == 4  # the same number
    assert MAX_HEADS == 144
    assert (
        "would need 225 heads, one for each 4 x 4 cells, and 144 is the most: 48 x 48"
        in refusal([drawn(60, 60)], 3)
    )
    assert "5 pictures of 30 x 30 cells would need 180 heads" in refusal([drawn(30, 30)] * 5, 4)
    assert "25 x 25 cells fit" in refusal([drawn(30, 30)] * 5, 4)
    assert read([drawn(25, 25)] * 5, 4)


def test_all_pictures_have_one_size():
    assert refusal([drawn(5, 5), drawn(5, 10)], 4) == (
        "picture 2 has 5 x 10 cells and picture 1 has 5 x 5: "
        "all pictures of a puzzle need the same size"
    )


@pytest.mark.parametrize("cell", "0oO*x ")
def test_what_is_no_cell_is_named_with_its_place(cell):
    told = refusal([["##", f"#{cell}x"]], 1)
    assert told.startswith(f"picture 1, row 2, column 2: {cell!r} is not a cell: ")


def test_rows_without_brackets_are_noticed():
    assert "stand in brackets, picture by picture" in refusal(["##", ".."], 1)


def test_there_are_up_to_eight_pictures():
    assert len(read(["##\n.."] * MAX_PICTURES, 1)) == 8
    assert "1 to 8 pictures: this file has 9" in refusal(["##\n.."] * 9, 1)
    assert "this file has 0" in refusal([], 1)


def test_cells_are_for_image_files_alone():
    with pytest.raises(PuzzleError, match="cells is for image files, and this file names none"):
        read_pictures(["##\n.."], ".", 1, cells=10)
