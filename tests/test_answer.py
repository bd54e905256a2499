"""An answer shows the same on every console, with what that console has."""

import io
import os
import re

import pytest
from rich.console import Console

from puzzle.guess import VIRIDIS, Answer, Heatmap
from tests.conftest import guess

ANSWER = Answer("40", 0.25, [[[0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.0]], [[-2.0, 2.0, 2.0]] * 3])


def shown(answer, width=60, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    Console(file=file, width=width, highlight=False, legacy_windows=False, **options).print(answer)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


BLOCKS = """\
40  ████████░░░░░░░░░░░░░░░░░░░░░░  probability 0.2500

head 1                head 2
    CLS 4  0              CLS 4  0
CLS    ▒▒▒███         CLS    ██████
  4 ███▒▒▒              4    ██████
  0                     0    ██████
0.00 to 1.00          -2.00 to 2.00

"""


def lines(text):
    return [line.rstrip() for line in text.splitlines()]


def test_a_pipe_gets_shades():
    assert lines(shown(ANSWER)) == lines(BLOCKS)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1"])
def test_a_console_without_unicode_gets_letters(encoding):
    letters = str.maketrans("█▒░", "@+-")
    expected = BLOCKS.translate(letters).replace("@@@@@@@@-", "########-").replace("+++", "===")
    assert lines(shown(ANSWER, encoding=encoding)) == lines(expected)


def test_ascii_can_be_wished_for():
    output = guess("4711", "--ascii").stdout
    assert output.isascii() and "@@@" in output


def test_no_color_gets_shades(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(ANSWER, force_terminal=True, color_system="truecolor")
    assert lines(re.sub(r"\x1b\[[\d;]*m", "", text)) == lines(BLOCKS)
    assert not re.search(r"\x1b\[[\d;]*[34]8[;m]", text)


def test_sixteen_colours_get_shades():
    assert "▒▒▒███" in re.sub(r"\x1b\[[\d;]*m", "", shown(ANSWER, force_terminal=True, color_system="standard"))


def test_24_bit_colour_shows_every_cell_in_its_colour():
    text = shown(ANSWER, force_terminal=True, color_system="truecolor")
    (first,) = (line for line in text.splitlines() if line.startswith("CLS"))
    low, middle, high = (";".join(map(str, bytes.fromhex(VIRIDIS[i]))) for i in (0, 5, 10))
    assert re.findall(r"48;2;([\d;]+)m {3}", first) == [low, middle, high, low, high, high]


def test_256_colours_show_different_cells_differently(ghost):
    # In a process of its own: a rich style remembers the colours of the first console that it was drawn on.
    environment = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": ""}
    text = guess(ghost.code, env={**os.environ, **environment}).stdout
    first = next(line for line in text.splitlines() if line.startswith("CLS"))
    cells = re.findall(r"48;5;(\d+)m {3}", first)
    expected = [cell for picture in ghost.pictures for cell in picture[0].tolist()]
    assert set(zip(cells, expected, strict=True)) == {("53", 0.0), ("220", 1.0)}


def test_the_colours_are_viridis():
    from matplotlib import colormaps

    heatmap = Heatmap("", [[0.0, 1.0]], ["CLS"])
    for step in range(101):
        mine = bytes.fromhex(heatmap.coloured(step / 100)[1].removeprefix("on #"))
        theirs = colormaps["viridis"](step / 100, bytes=True)[:3]
        assert max(abs(int(a) - int(b)) for a, b in zip(mine, theirs, strict=True)) <= 14


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_single_digit_shows_its_whole_range(encoding):
    text = shown(Answer("7", 0.5, [[[-12.25, 0.0], [0.0, 12.25]]] * 2), encoding=encoding)
    assert "-12.25 to 12.25       -12.25 to 12.25" in text


@pytest.mark.parametrize("width", [40, 30, 20])
def test_a_narrow_terminal_stacks_the_pictures(width):
    head = Answer("40718", 0.5, [[[float(i == j) for i in range(6)] for j in range(6)]] * 3)
    text = lines(shown(head, width=width))
    assert width < 25 or max(map(len, text)) <= width
    assert "…" not in "".join(text)
    assert [line for line in text if line.startswith("head")] == ["head 1", "head 2", "head 3"]
    assert text.count("CLS ███") == 3 and text.count("  7          ███") == 3


@pytest.mark.parametrize(
    ("probability", "figure"),
    [
        (0.9999, "0.9999000"),
        (1.0, "1.0000000"),
        (0.5, "0.5000"),
        (0.0012, "0.0012"),
        (1e-9, "1.0e-09"),
        (0.0, "below 1e-45"),
    ],
)
def test_the_figure_says_what_matters(probability, figure):
    assert Answer("1", probability, [[[0.0]]]).figure == figure


def test_one_height_everywhere_is_one_colour():
    assert Heatmap("", [[3.0, 3.0]], ["CLS"]).share(3.0) == 0.0
