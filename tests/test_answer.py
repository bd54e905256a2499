"""An answer shows the same pictures on every console and on paper, in the colours or characters that there are."""

import io
import re

import pytest
from matplotlib import colormaps
from rich.console import Console

from puzzle.guess import COLOURS, LETTERS, SHADES, draw_sheet, show

ANSWER = "40", 0.0, [[[0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [0.0, 0.2, 0.0]], [[-2.0, 2.0, 2.0]] * 3]


def shown(answer, width=60, encoding="utf-8", **options):
    """What a console shows of an answer, its lines without the blanks at their ends."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    show(Console(file=file, width=width, highlight=False, legacy_windows=False, **options), *answer)
    file.flush()
    return re.sub(" +$", "", file.buffer.getvalue().decode(encoding), flags=re.MULTILINE)


def copied(text):
    """What is left of coloured output when it is copied as text."""
    return re.sub(" +$", "", re.sub(r"\x1b\[[\d;]*m", "", text), flags=re.MULTILINE)


def diagonal(code, heads=3, probability=0.0):
    """An answer with a lit diagonal in each picture."""
    size = 1 + len(code)
    return (
        code,
        probability,
        [[[float(row == column) for column in range(size)] for row in range(size)]] * heads,
    )


BLOCKS = """\
40: probability 0

head 1         head 2
    CLS 4  0       CLS 4  0
CLS    ▄▄▄███  CLS    ██████
  4 ███▄▄▄       4    ██████
  0    ▁▁▁       0    ██████
0.00 to 1.00   -2.00 to 2.00

"""


def test_a_pipe_gets_shades():
    assert shown(ANSWER) == BLOCKS


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1"])
def test_a_console_without_unicode_gets_letters(encoding):
    text = shown(ANSWER, encoding=encoding)
    assert (
        text.isascii()
        and "CLS ...444888  CLS ...888888\n  4 888444...    4 ...888888\n  0 ...111..." in text
    )


def test_no_color_gets_shades():
    plain = shown(ANSWER, force_terminal=True, color_system="truecolor", no_color=True)
    assert copied(plain) == BLOCKS and not re.search(r"\x1b\[[\d;]*[34]8[;m]", plain)


@pytest.mark.parametrize("colours", ["standard", "truecolor"])
def test_copied_colours_are_the_same_picture_in_shades(colours):
    text = shown(ANSWER, force_terminal=True, color_system=colours)
    assert copied(text) == BLOCKS
    assert bool(re.search(r"\x1b\[[\d;]*48;[\d;]*m", text)) == (colours != "standard")


def test_24_bit_colour_shows_every_cell_in_its_colour():
    text = shown(ANSWER, force_terminal=True, color_system="truecolor")
    (first,) = (line for line in text.splitlines() if line.startswith("CLS"))
    low, middle, high = (
        ";".join(map(str, bytes.fromhex(COLOURS[level][1:]))) for level in (0, 4, 8)
    )
    cells = re.findall(r"38;2;([\d;]+);48;2;([\d;]+)m(...)", first)
    looks = {low: "   ", middle: SHADES[4] * 3, high: "███"}
    assert cells == [
        (colour, colour, looks[colour]) for colour in (low, middle, high, low, high, high)
    ]


def test_the_colours_are_viridis_which_colour_blind_eyes_can_read():
    for level, colour in enumerate(COLOURS):
        theirs = colormaps["viridis"](level / (len(COLOURS) - 1), bytes=True)[:3]
        assert (
            max(
                abs(int(a) - int(b)) for a, b in zip(bytes.fromhex(colour[1:]), theirs, strict=True)
            )
            <= 2
        )
    assert len(set(SHADES)) == len(set(LETTERS)) == len(COLOURS) == 9


def test_only_the_right_number_is_framed_and_its_pictures_are_named():
    won = shown(diagonal("407", probability=0.9999999))
    assert won.startswith("407: probability 0.9999999\n\n╭─") and "You found it" in won
    assert re.findall(r"picture \d|head \d", won) == ["picture 1", "picture 2", "picture 3"]
    assert "╭" not in shown(diagonal("407")) and "You found it" not in shown(diagonal("407"))


@pytest.mark.parametrize(
    ("width", "cell", "pictures"), [(200, 3, 3), (80, 2, 2), (70, 3, 1), (40, 2, 1), (30, 1, 1)]
)
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_pictures_of_16_digits_are_whole_and_two_stand_side_by_side_if_they_can(
    width, cell, pictures, probability
):
    code = "0123456789012345"
    text = [
        line.strip("│").rstrip()
        for line in shown(diagonal(code, 8, probability), width=width).splitlines()
    ]
    assert "\n".join(text).count("0.00 to 1.00") == 8
    start = next(number for number, line in enumerate(text) if re.match("head 1|picture 1", line))
    assert len(re.findall("head|picture", text[start])) >= pictures and max(map(len, text)) <= width
    for row, token in enumerate(["CLS", *code]):
        assert text[start + 2 + row].startswith(f"{token:>3} " + " " * (cell * row) + "█" * cell)


def test_cells_nearly_equal_look_equal_and_no_minus_stands_before_a_zero():
    text = shown(
        ("1", 0.0, [[[-0.004, 1.004], [0.01, 0.99]], [[0.0, 0.0], [0.0, -0.007]], [[1.0] * 2] * 2])
    )
    assert (
        "CLS    ███    CLS            CLS ██████\n" in text
        and "  1    ███      1              1 ██████\n" in text
    )
    assert "0.00 to 1.00" in text and "-0.00" not in text and "-0.01 to 0.00" in text


@pytest.fixture
def sheet(monkeypatch, tmp_path):
    """Draws answers on a sheet; returns the matplotlib figure."""
    figures = []
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig",
        lambda figure, path, **_: (figures.append(figure), path.touch()),
    )

    def sheet(answers):
        draw_sheet(answers, tmp_path / "x.png", False)
        figures[0].draw_without_rendering()
        return figures.pop()

    return sheet


@pytest.mark.parametrize(
    ("heads", "digits", "times"),
    [(1, 1, 2), (3, 5, 2), (5, 12, 1), pytest.param(8, 16, 2, marks=pytest.mark.slow)],
)
def test_no_label_on_a_sheet_lies_over_another_or_over_the_edge(sheet, heads, digits, times):
    code = "0123456789012345"[:digits]
    figure = sheet([diagonal(code, heads)] * times)
    parts = figure.subfigs
    axes = [axis for part in parts for axis in part.axes]
    assert len(parts) == times and len(axes) == times * heads
    assert [axis.get_title() for axis in axes[:heads]] == [
        f"head {i}: 0.00 to 1.00" for i in range(1, 1 + heads)
    ]
    labels = [part._suptitle for part in parts]
    assert {label.get_text() for label in labels} == {f"{code}: probability 0"}
    for axis in axes:
        labels += [
            axis.title,
            axis.xaxis.label,
            axis.yaxis.label,
            *axis.get_xticklabels(),
            *axis.get_yticklabels(),
        ]
    boxes = [label.get_window_extent().extents for label in labels]
    pictures = [axis.get_window_extent().extents for axis in axes]
    right, top = figure.bbox.size
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        assert 0 <= x0 < x1 <= right and 0 <= y0 < y1 <= top
        for other in boxes[number + 1 :] + pictures:
            assert x1 <= other[0] or other[2] <= x0 or y1 <= other[1] or other[3] <= y0
    rows = [round(box[1]) for box in pictures]
    assert max(map(rows.count, rows)) == min(4, heads)
