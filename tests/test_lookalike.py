"""A puzzle whose pictures another number would show can't have decoys, and the number is named."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import PuzzleError
from builder.puzzle_file.lookalike import expect_lookalikes, find_lookalike
from builder.puzzle_file.secret import Secret


def make_tile(digits, cell):
    places = range(1 + digits)
    return tuple(tuple(cell(row, column) for column in places) for row in places)


def shown(tile, places):
    """What a head shows for a number whose digits stand at these places of the code."""
    order = (0, *places)
    return tuple(tuple(tile[row][column] for column in order) for row in order)


def looks_like(tile, other):
    pairs = [
        (cell, other_cell)
        for row, other_row in zip(tile, other, strict=True)
        for cell, other_cell in zip(row, other_row, strict=True)
    ]
    return all(abs(cell - other_cell) <= 0.25 for cell, other_cell in pairs)


def all_lookalikes(code, tiles):
    """Every other number that shows the tiles, found by trying all of them."""
    digits = len(tiles[0]) - 1
    own = tuple(1 + code.index(digit) for digit in code)
    numbers = itertools.product(set(own), repeat=digits)
    return [
        number
        for number in numbers
        if number != own and all(looks_like(tile, shown(tile, number)) for tile in tiles)
    ]


TENTHS = st.sampled_from([0, 0, 0, 0.2, 0.5, 1, 1])
TILES = st.integers(1, 4).flatmap(
    lambda digits: st.lists(
        st.lists(TENTHS, min_size=(1 + digits) ** 2, max_size=(1 + digits) ** 2).map(
            lambda cells: make_tile(digits, lambda row, column: cells[row * (1 + digits) + column])
        ),
        min_size=1,
        max_size=2,
    )
)


@given(TILES, st.sampled_from(["2013", "2001", "2121", "7777"]))
def test_it_finds_a_lookalike_exactly_if_there_is_one(tiles, code):
    code = code[: len(tiles[0]) - 1]
    places = [1 + code.index(digit) for digit in code]
    tiles = [shown(tile, places) for tile in tiles]  # equal rows and columns for equal digits
    expected = all_lookalikes(code, tiles)
    found = find_lookalike(code, tiles)
    assert found in expected or (found is None and not expected)


def test_ten_digits_and_144_heads_are_decided():
    dice = random.Random(1)
    dense = [make_tile(10, lambda row, column: int(dice.random() < 0.9)) for _ in range(144)]
    assert find_lookalike("0123456789", dense) is None
    # Only the cell of places 9 and 10 tells digits apart, and it is met last.
    single = make_tile(10, lambda row, column: int((row, column) == (9, 10)))
    found = find_lookalike("0123456789", [single] * 144)
    assert looks_like(single, shown(single, found))


def refusal(content):
    with pytest.raises(PuzzleError) as error:
        Secret.parse(content.encode())
    return str(error.value)


def puzzle(code, *pictures, extra="decoys = true"):
    drawn = ", ".join(f'"""\n{picture.replace(" ", chr(10))}\n"""' for picture in pictures)
    return f'code = "{code}"\npictures = [{drawn}]\n{extra}\n'


DIAGONAL = "#.... .#... ..#.. ...#. ....#"


def test_a_drawing_that_is_symmetric_under_reversal_shows_the_reversed_number():
    cells = [[0] * 5 for _ in range(5)]
    for row, column in ((0, 1), (1, 2), (2, 4)):
        for one, other in ((row, column), ((5 - row) % 5, (5 - column) % 5)):
            cells[one][other] = 1
    picture = " ".join("".join(".#"[cell] for cell in row) for row in cells)
    told = refusal(puzzle("2013", picture))
    assert "3102 would show the same pictures as 2013: write " in told
    remedy = told.split("write ")[1]
    sign, column = remedy[0], int(remedy.split("column ")[1].split()[0])
    first, *others = picture.split()
    fixed = first[: column - 1] + sign + first[column:]
    assert Secret.parse(puzzle("2013", " ".join([fixed, *others])).encode()).decoys


def test_a_diagonal_is_refused_with_decoys_and_fine_without():
    told = refusal(puzzle("2013", DIAGONAL))
    assert "would show the same pictures as 2013: draw something less regular, or leave" in told
    number = told.split("because ")[1].split()[0]
    assert sorted(number) == sorted("2013") and number != "2013"
    assert Secret.parse(puzzle("2013", DIAGONAL, extra="").encode())


def test_another_head_or_another_tile_can_tell_the_digits_apart():
    tells = ".#..# ..#.. #..#. ..... ##..."
    assert Secret.parse(puzzle("2013", DIAGONAL, tells).encode())
    rows = [one + other for one, other in zip(DIAGONAL.split(), tells.split(), strict=True)]
    assert Secret.parse(puzzle("2013", " ".join(rows)).encode()).arrangement == (1, 1, 2)


def test_grey_cells_that_differ_by_two_tenths_look_alike_and_by_three_do_not():
    assert "50 would show" in refusal(puzzle("05", ".24 ... ..."))
    assert Secret.parse(puzzle("05", ".25 ... ...").encode())


@pytest.mark.parametrize("picture", [".. ..", "## ##", "45 54"])
def test_one_digit_needs_a_picture_in_which_something_is_seen(picture):
    assert "every number would look like the code" in refusal(puzzle("7", picture))
    assert Secret.parse(puzzle("7", picture, "#. .#").encode())


def test_a_picture_in_which_hardly_anything_is_seen_is_refused():
    told = refusal(puzzle("201", "#### #### ###. ####"))
    assert told.startswith("decoys need pictures in which more can be seen: so many cells are")
    assert Secret.parse(puzzle("201", "#### #### ###. ####", ".#.# ##.. ..#. #.##").encode())


@given(st.lists(TENTHS, min_size=4, max_size=4), st.integers(1, 2))
def test_the_number_of_lookalikes_is_what_drawing_cells_gives(cells, heads):
    """Of one digit: nine others, each with three drawn cells in every head."""
    tile = make_tile(1, lambda row, column: cells[2 * row + column])
    own = (tile[0][1], tile[1][0], tile[1][1])
    draws = list(itertools.product(cells, repeat=3))
    alike = sum(looks_like([draw], [own]) for draw in draws)
    expected = 9 * (alike / len(draws)) ** heads
    assert expect_lookalikes([tile] * heads) == pytest.approx(expected)


def test_digits_at_their_own_places_leave_fewer_cells_to_chance():
    """Two digits: both wrong, or one of them, which leaves three of the eight cells known."""
    tile = ((1, 0, 0), (0, 0, 0), (0, 0, 0))
    dark = 8 / 9
    assert expect_lookalikes([tile]) == pytest.approx(81 * dark**8 + 2 * 9 * dark**5)


def test_more_digits_than_there_are_cannot_have_decoys():
    picture = " ".join(["." * 12] * 12)
    assert "10 digits at most" in refusal(puzzle("12345678901", picture))


def with_twins(code, seed=0, tiles=3):
    """Random pictures that draw a digit alike wherever it stands in the code, one cell a text."""
    dice = random.Random(seed)
    tokens = ["C", *code]
    pictures = []
    for _ in range(tiles):
        cells = {}
        for one, other in itertools.product(tokens, repeat=2):
            cells.setdefault((one, other), dice.choice(".#"))
        rows = ["".join(cells[one, other] for other in tokens) for one in tokens]
        pictures.append(" ".join(rows))
    return pictures


@pytest.mark.parametrize("code", ["2012", "20120", "7577", "31415926"])
def test_a_digit_that_is_drawn_alike_may_stand_in_the_code_twice(code):
    content = puzzle(code, *with_twins(code), extra=SUMMITS if len(code) > 4 else "decoys = true")
    secret = Secret.parse(content.encode())
    assert secret.repeats_a_digit and secret.count_candidates(4) == 10_000
    assert Secret.parse(puzzle("2013", *with_twins("2013")).encode()).count_candidates(4) == 5040


@pytest.mark.parametrize(("row", "column"), [(1, 2), (4, 3), (2, 4), (0, 1)])
def test_a_digit_that_is_drawn_differently_may_not(row, column):
    pictures = with_twins("2012")
    rows = [list(line) for line in pictures[1].split()]
    rows[row][column] = "#" if rows[row][column] == "." else "."
    pictures[1] = " ".join("".join(line) for line in rows)
    told = refusal(puzzle("2012", *pictures, extra="decoys = true"))
    assert "draw rows 2 and 5 alike, and columns 2 and 5" in told


TELLS = ".#..# ..#.. #..#. ..... ##..."
SUMMITS = "decoys = true\nsummits = true"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (puzzle("2013", TELLS, TELLS, TELLS, extra="summits = true"), "add the line decoys = true"),
        (puzzle("2013", TELLS, TELLS, extra=SUMMITS), "at least 3 heads, because the logit of"),
        (puzzle("201", *[".#.# ..#. #..# ..##"] * 3, extra=SUMMITS), "at least 4 digits, because"),
        (
            puzzle("2013", TELLS, TELLS, TELLS, extra="decoys = true\nsummits = 1"),
            "summits must be true or false, without quotes",
        ),
    ],
)
def test_false_summits_need_decoys_digits_and_heads(content, told):
    assert told in refusal(content)


def test_false_summits_need_an_unused_digit():
    dice = random.Random(2)
    pictures = [" ".join("".join(dice.choices(".#", k=11)) for _ in range(11)) for _ in range(3)]
    told = refusal(puzzle("2013456789", *pictures, extra=SUMMITS))
    assert "choose a code of 4 to 9 digits" in told


def test_false_summits_are_possible_with_three_pictures_or_three_tiles():
    assert Secret.parse(puzzle("2013", TELLS, TELLS, TELLS, extra=SUMMITS).encode()).summits
    rows = " ".join(row * 3 for row in TELLS.split())
    assert Secret.parse(puzzle("2013", rows, extra=SUMMITS).encode()).summits


def test_with_decoys_there_is_room_after_the_code_unless_said_otherwise():
    dice = random.Random(3)
    for digits, max_digits in ((4, 5), (5, 6), (7, 8)):
        side = 1 + digits
        drawn = [" ".join("".join(dice.choices(".#", k=side)) for _ in range(side)) for _ in "12"]
        code = "2013456"[:digits]
        assert Secret.parse(puzzle(code, *drawn).encode()).max_digits == max_digits
        own = f"decoys = true\nmax_digits = {digits}"
        assert Secret.parse(puzzle(code, *drawn, extra=own).encode()).max_digits == digits
