"""Advice names what gives a picture away and what tells solvers nothing; else it is silent."""

import random

from builder.puzzle_file.advice import advise
from builder.puzzle_file.secret import Secret

DIAGONAL = "#.. .#. ..#"
TWISTED = "##. ..# .#."


def secret_of(*pictures, digits=None, decoys=False):
    """A secret with these pictures, each a string of rows: "#. .#"; a digit is a tenth of grey."""
    values = dict(zip(".123456789#", range(11), strict=True))
    cells = []
    for picture in pictures:
        rows = picture.split()
        cells.append(tuple(tuple(values[cell] / 10 for cell in row) for row in rows))
    digits = digits or len(cells[0]) - 1
    return Secret(("1234567890" * 3)[:digits], tuple(cells), 32, decoys=decoys)


def advice(*pictures, digits=None, decoys=False):
    return advise(secret_of(*pictures, digits=digits, decoys=decoys))


def random_picture(side, seed):
    dice = random.Random(seed)
    return " ".join("".join(dice.choices(".#", k=side)) for _ in range(side))


def test_a_drawing_that_is_whole_before_the_last_digit_is_named():
    assert advice("#.. .#. ...", "##. ##. ...") == [
        "the code without its last digit shows the whole drawing, because row 3 and column 3 are "
        "dark in every picture: change a cell in row 3 or column 3"
    ]
    (told,) = advice("#..... .#.... #.#... ...... ...... ......")
    assert "without its last 3 digits" in told
    assert "rows 4, 5 and 6 and columns 4, 5 and 6 are dark" in told
    for last in ("#.. .#. #..", "#.# .#. ...", DIAGONAL):  # one cell is enough
        assert advice(last, "##. ##. ...") == []
    assert "its last digit shows" in advice("#.. ... ...")[0]
    assert advice("#. ..") == []  # a code has one digit at least


def test_so_is_one_on_a_lit_background():
    assert "row 3 and column 3 are lit" in advice(".## #.# ###")[0]


def test_a_large_picture_is_seen_but_for_one_digit():
    (told,) = advice(random_picture(10, 1), digits=4)
    assert "all tiles but a row and a column each, 64% of the cells" in told
    assert "a QR code cannot be read then" in told
    assert advice(random_picture(5, 1), digits=4) == []
    (told,) = advice(random_picture(42, 1), digits=20)
    assert told.endswith(
        "91% of the cells: a face or a word can be recognised then, and a QR code may be read"
    )
    assert advice(random_picture(10, 1), digits=1) == []  # it has no other digits


def test_a_large_picture_whose_tiles_end_in_dark_cells_is_named():
    tile = ("##.", ".#.", "...")
    (told, _) = advice(" ".join(row * 2 for row in tile * 2), digits=2)
    assert "row 3 and column 3 are dark in every tile" in told


def test_pictures_that_tell_solvers_nothing_are_named():
    assert advice(DIAGONAL, "..# .#. #..", DIAGONAL, DIAGONAL) == [
        "pictures 1, 3 and 4 are the same: one of them is enough"
    ]
    dark, lit, grey = "... ... ...", "### ### ###", "444 444 444"
    assert advice(dark, DIAGONAL, lit, grey) == [
        "picture 1 is all dark: solvers see nothing in it",
        "picture 3 is all lit: solvers see nothing in it",
        "picture 4 is all grey: solvers see nothing in it",
    ]


def test_with_decoys_each_mirror_image_is_named():
    house, tree = ".#. ### #.#", "##. ... ..#"
    assert "in picture 2, left and right are mirror images" in advice(tree, house, decoys=True)[0]
    assert "top and bottom are mirror images" in advice("##. .## ##.", decoys=True)[0]
    assert "left and right and top and bottom" in advice(".#. ### .#.", decoys=True)[0]
    assert advice(house) == advice(TWISTED, tree, decoys=True) == []


def test_with_decoys_each_symmetric_picture_is_named():
    told = advice(TWISTED, DIAGONAL, decoys=True)
    assert [line[:65] for line in told] == [
        "picture 2 is symmetric about the main diagonal, from top left to "
    ]
    assert advice(TWISTED, DIAGONAL) == []
    flat = "... ... ..."
    assert not any("diagonal" in line for line in advice(TWISTED, flat, decoys=True))


def test_with_decoys_symmetric_tiles_of_a_large_picture_are_named():
    symmetric = ("#.##.", ".##.#", "##..#", "#...#", ".####")
    assert [*map("".join, zip(*symmetric, strict=True))] == list(symmetric)
    other = random_picture(5, 3).split()
    rows = [left + right for left, right in zip(symmetric, other, strict=True)]
    rows += [left + right for left, right in zip(other, other[::-1], strict=True)]
    told = advice(" ".join(rows), digits=4, decoys=True)
    assert any(line.startswith("tiles of picture 1 are symmetric") for line in told)
    plain = advice(random_picture(10, 1), digits=4, decoys=True)
    assert not any("symmetric" in line for line in plain)


def test_with_decoys_a_large_picture_that_its_tiles_show_is_named():
    light, dark = ["#.###", "#####", "####.", "#####", "###.#"], [".#...", ".....", "....#"] * 2
    rows = [one + other for one, other in zip(light, dark, strict=False)]
    rows += [other + one for one, other in zip(light, dark, strict=False)]
    (told, *_) = advice(" ".join(rows), digits=4, decoys=True)[1:]
    assert "so different that it can be recognised" in told
    for quiet in (advice(" ".join(rows), digits=4), advice(random_picture(25, 1), digits=4)):
        assert not any("so different" in line for line in quiet)
    detailed = advice(random_picture(25, 1), digits=4, decoys=True)
    assert not any("so different" in line for line in detailed)


def test_with_decoys_a_smooth_picture_is_named():
    gradient = " ".join(
        "".join(".123456789#"[row + column] for column in range(6)) for row in range(6)
    )
    assert any("picture 1 is smooth" in line for line in advice(gradient, decoys=True))
    assert not any("smooth" in line for line in advice(gradient))


def test_a_random_picture_is_seldom_called_smooth():
    called = 0
    for seed in range(100):
        lines = advice(random_picture(5, seed), decoys=True)
        called += any("smooth" in line for line in lines)
    assert called <= 3


def test_the_ghost_needs_no_advice(ghost):
    assert advise(ghost) == []
