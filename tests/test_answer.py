"""An answer shows the same picture on every console, in the colours or characters that the console has."""

import io
import os
import re

import pytest
from matplotlib import colormaps
from rich.console import Console

from puzzle.guess import COLOURS, LETTERS, SHADES, Answer, Heatmap
from tests.helpers import guess

ANSWER = Answer("40", 0.25, [[[0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [0.0, 0.2, 0.0]], [[-2.0, 2.0, 2.0]] * 3])


def shown(answer, width=60, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    Console(file=file, width=width, highlight=False, legacy_windows=False, **options).print(answer)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def diagonal(code):
    """An answer with a lit diagonal in each of three pictures."""
    size = 1 + len(code)
    return Answer(code, 0.0, [[[float(row == column) for column in range(size)] for row in range(size)]] * 3)


def copied(text):
    """What is left of coloured output when it is copied as text."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


BLOCKS = """\
40  ████████░░░░░░░░░░░░░░░░░░░░░░  probability 0.25

head 1           head 2
    CLS 4  0         CLS 4  0
CLS    ▄▄▄███    CLS    ██████
  4 ███▄▄▄         4    ██████
  0    ▁▁▁         0    ██████
0.00 to 1.00     -2.00 to 2.00

"""
ASCII = """\
40  ########----------------------  probability 0.25

head 1           head 2
    CLS 4  0         CLS 4  0
CLS ...444888    CLS ...888888
  4 888444...      4 ...888888
  0 ...111...      0 ...888888
0.00 to 1.00     -2.00 to 2.00

"""


def lines(text):
    return [line.rstrip() for line in text.splitlines()]


def test_a_pipe_gets_shades():
    assert lines(shown(ANSWER)) == lines(BLOCKS)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1"])
def test_a_console_without_unicode_gets_letters(encoding):
    assert lines(shown(ANSWER, encoding=encoding)) == lines(ASCII)


def test_no_color_gets_shades(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(ANSWER, force_terminal=True, color_system="truecolor")
    assert lines(copied(text)) == lines(BLOCKS)
    assert not re.search(r"\x1b\[[\d;]*[34]8[;m]", text)


def test_sixteen_colours_get_shades():
    text = shown(ANSWER, force_terminal=True, color_system="standard")
    assert lines(copied(text)) == lines(BLOCKS) and not re.search(r"\x1b\[(4\d|10\d)[;m]", text)


def test_copied_colours_are_the_same_picture_in_shades():
    assert lines(copied(shown(ANSWER, force_terminal=True, color_system="truecolor"))) == lines(BLOCKS)


def test_24_bit_colour_shows_every_cell_in_its_colour():
    text = shown(ANSWER, force_terminal=True, color_system="truecolor")
    (first,) = (line for line in text.splitlines() if line.startswith("CLS"))
    low, middle, high = (";".join(map(str, bytes.fromhex(COLOURS[level][1:]))) for level in (0, 4, 8))
    cells = re.findall(r"38;2;([\d;]+);48;2;([\d;]+)m(...)", first)
    looks = {low: "   ", middle: "▄▄▄", high: "███"}
    assert cells == [(colour, colour, looks[colour]) for colour in (low, middle, high, low, high, high)]


def test_256_colours_show_different_cells_differently(ghost, classifier):
    # In a process of its own: a rich style remembers the colours of the first console that it was drawn on.
    environment = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": ""}
    text = guess(ghost.code, env={**os.environ, **environment}).stdout
    assert lines(copied(text)) == lines(shown(classifier.answer(ghost.code), width=80))
    first = next(line for line in text.splitlines() if line.startswith("CLS"))
    cells = re.findall(r"48;5;(\d+)m(?:   |███)", first)
    expected = [cell for picture in ghost.pictures for cell in picture[0].tolist()]
    assert set(zip(cells, expected, strict=True)) == {("53", 0.0), ("220", 1.0)}


def test_the_colours_are_viridis():
    for level, colour in enumerate(COLOURS):
        theirs = colormaps["viridis"](level / (len(COLOURS) - 1), bytes=True)[:3]
        assert max(abs(int(a) - int(b)) for a, b in zip(bytes.fromhex(colour[1:]), theirs, strict=True)) <= 2


def lightness(colour):
    """How bright a colour looks, 0 to 1 (relative luminance, which colour-blind people see too)."""
    channels = (value / 255 for value in bytes.fromhex(colour[1:]))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_level_is_brighter_than_the_one_below():
    bright = [lightness(colour) for colour in COLOURS]
    assert bright == sorted(bright) and all(b > 1.15 * a for a, b in zip(bright, bright[1:], strict=False))
    assert SHADES[0] == " " and [ord(shade) for shade in SHADES[1:]] == list(range(0x2581, 0x2589))  # 1/8 to 8/8


def test_letters_have_as_many_levels_as_shades_and_can_be_spelled():
    assert len(LETTERS) == len(SHADES) == len(COLOURS) == len(set(LETTERS)) == len(set(SHADES)) == 9
    assert "".join(LETTERS).isascii() and not any(letter.isspace() for letter in "".join(LETTERS))


def test_nine_equal_steps_lie_between_the_lowest_value_and_the_highest():
    heatmap = Heatmap("", [[place / 10 - 3 for place in (0, 1, 9, 11, 19, 41, 49, 71, 79, 81, 90)]], [])
    assert heatmap.levels == [[0, 0, 0, 1, 1, 4, 4, 7, 7, 8, 8]]


@pytest.mark.parametrize("off", [0.0, 0.01, 0.05])
def test_cells_nearly_0_or_1_look_like_0_or_1(off):
    """Otherwise an exact picture would look better than one that is a little off."""
    heatmap = Heatmap("", [[-off, off, 0.0], [1 - off, 1 + off, 1.0]], [])
    assert heatmap.levels == [[0, 0, 0], [8, 8, 8]]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_single_digit_shows_its_whole_range(encoding):
    text = shown(Answer("7", 0.5, [[[-12.25, 0.0], [0.0, 12.25]]] * 2), encoding=encoding)
    assert "-12.25 to 12.25    -12.25 to 12.25" in text


@pytest.mark.parametrize("ends", [(-99999.0, 99999.0), (-1e29, 1e29), (-0.001, 1e5)])
def test_a_large_range_is_whole_in_a_narrow_terminal(ends):
    text = lines(shown(Answer("7", 0.5, [[ends, ends]] * 2), width=24))
    low, high = map(float, text[6].split(" to "))
    assert (low, high) == pytest.approx(ends, rel=0.01, abs=0.01)


def test_no_minus_stands_before_a_zero():
    assert Heatmap("", [[-0.004, 0.996]], []).extent == "0.00 to 1.00"


@pytest.mark.parametrize("width", [35, 30, 24])
def test_a_narrow_terminal_stacks_the_pictures(width):
    text = lines(shown(diagonal("40718"), width=width))
    assert max(map(len, text)) <= width and "…" not in "".join(text)
    assert [line for line in text if line.startswith("head")] == ["head 1", "head 2", "head 3"]
    assert text.count("CLS ███") == 3 and text.count("  7          ███") == 3


@pytest.mark.parametrize(
    ("width", "cell", "pictures"), [(200, 3, 3), (80, 2, 2), (79, 3, 1), (54, 2, 1), (40, 2, 1), (30, 1, 1), (24, 1, 1)]
)
def test_cells_shrink_until_pictures_of_16_digits_are_whole_and_two_stand_side_by_side_if_they_can(
    width, cell, pictures
):
    code = "0123456789012345"
    text = lines(shown(diagonal(code), width=width))
    start = next(number for number, line in enumerate(text) if line.startswith("head 1"))
    assert text[start].count("head") == pictures and max(map(len, text)) <= width
    assert text[start + 1].startswith("    " + ("CLS" if cell == 3 else "C".center(cell)))
    assert (
        text[start + 1].replace("CLS", "C").split()[:17] == ["C", *code] or cell == 1 and "C" + code in text[start + 1]
    )
    for row, token in enumerate(["CLS", *code]):
        assert text[start + 2 + row].startswith(f"{token:>3} " + " " * (cell * row) + "█" * cell)


@pytest.mark.parametrize("width", [24, 30, 40, 50, 80])
@pytest.mark.parametrize("figure", ["0", "1", "0.9999999", "1.234e-38"])
@pytest.mark.parametrize("code", ["1", "40718", "0123456789012345"])
def test_no_number_is_cut_at_any_width(width, figure, code):
    text = shown(Answer(code, float(figure), [[[0.0] * (1 + len(code))] * (1 + len(code))]), width=width)
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    assert words[0] == code and words[words.index("probability") + 1] == figure
    pictures, *found = text.rstrip().split("\n\nYou found it: ")
    assert pictures.splitlines()[-1].rstrip() == "0.00 to 0.00" and len(found) == (float(figure) > 0.5)


@pytest.mark.parametrize(
    ("probability", "figure"),
    [
        (0.9999, "0.9999"),
        (0.9999999403953552, "0.9999999"),  # the largest number below 1 that float32 has
        (1.0, "1"),
        (0.5, "0.5"),
        (0.123456, "0.1235"),
        (0.0012, "0.0012"),
        (1e-9, "1e-09"),
        (1.401298464324817e-45, "1.401e-45"),  # the smallest above 0
        (0.0, "0"),
    ],
)
def test_the_figure_is_short_and_nothing_is_rounded_to_0_or_1(probability, figure):
    assert Answer("1", probability, [[[0.0]]]).figure == figure


@pytest.mark.parametrize(("probability", "told"), [(0.0, False), (0.5, False), (0.51, True), (1.0, True)])
def test_only_the_right_number_gets_the_line_that_it_is_found(probability, told):
    text = shown(Answer("1", probability, [[[0.0, 1.0]] * 2]), width=80)
    assert ("You found it" in text) == told
    assert len(text.splitlines()) == 8 + 2 * told and text.endswith("\n\n")


def test_values_that_are_equal_or_nearly_so_have_one_colour():
    assert Heatmap("", [[3.0, 3.0]], ["CLS"]).levels == [[0, 0]]
    assert Heatmap("", [[0.0, -0.0078], [0.0, 0.0]], ["CLS", "1"]).levels == [[0, 0], [0, 0]]  # with decoys
    assert Heatmap("", [[0.0, 0.05], [0.1, 0.1]], ["CLS", "1"]).levels == [[0, 4], [8, 8]]
