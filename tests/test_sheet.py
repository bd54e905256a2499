"""A sheet of answers can be read in all its parts, and is saved whole or not at all."""

import os
import re
import stat
import tempfile
import time

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from puzzle.guess import LARGEST_SHEET, Answer, GuessError, draw, save
from tests.helpers import GUESS, content, guess

CODE = "0123456789012345"
SMALL = Answer("4", 0.5, [[[0.0, 1.0], [1.0, 0.0]]])


def answers(heads, digits, times=1):
    size = 1 + digits
    matrix = [[(row * column) % 7 - 3000.0 for column in range(size)] for row in range(size)]
    return [Answer(CODE[:digits], 0.9999999, [matrix] * heads)] * times


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_answers_are_saved_by_the_files_ending(tmp_path, ending, start):
    save([SMALL] * 2, tmp_path / f"mit Öl.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"mit Öl.{ending}"]
    assert (tmp_path / f"mit Öl.{ending}").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("heads", "digits", "times"), [(1, 1, 2), (1, 16, 1), (3, 5, 2), (4, 8, 1), (5, 12, 1), (8, 16, 1)]
)
def test_no_label_lies_over_another_or_over_the_edge(heads, digits, times):
    figure = Figure(dpi=100)
    draw(figure, answers(heads, digits, times))
    FigureCanvasAgg(figure).draw()
    labels = [text for text in figure.texts if text.get_text()]
    assert len(labels) == times
    for axis in figure.axes:
        labels += [axis.title, axis.xaxis.label, axis.yaxis.label, *axis.get_xticklabels(), *axis.get_yticklabels()]
    labels = [label for label in labels if label.get_text()]
    assert len(labels) == times * (1 + heads * (2 + 2 * (1 + digits)) + -(-heads // 4))
    boxes = [label.get_window_extent().extents for label in labels]
    pictures = [axis.get_window_extent().extents for axis in figure.axes]
    right, top = figure.bbox.size
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        assert 0 <= x0 < x1 <= right and 0 <= y0 < y1 <= top
        for other in boxes[number + 1 :] + pictures:
            assert x1 <= other[0] or other[2] <= x0 or y1 <= other[1] or other[3] <= y0
    assert min(label.get_fontsize() for label in labels) > 5.5


@pytest.mark.parametrize("heads", [1, 3, 4, 5, 8])
def test_at_most_four_pictures_stand_in_a_row_and_are_squares_of_one_size(heads):
    figure = Figure(dpi=100)
    draw(figure, answers(heads, 5, 3))
    boxes = [axis.get_window_extent() for axis in figure.axes]
    rows = [round(box.y0) for box in boxes]
    assert max(map(rows.count, rows)) == min(4, heads) and rows == sorted(rows, reverse=True)
    assert {(round(box.width), round(box.height)) for box in boxes} == {(260, 260)}


def test_a_sheet_says_which_number_and_which_head_it_shows():
    figure = Figure()
    draw(figure, [*answers(2, 5), Answer("407", 0.0, [[[0.0] * 4] * 4] * 2)])
    assert [text.get_text() for text in figure.texts if text.get_text()] == [
        "01234: probability 0.9999999",
        "407: probability 0",
    ]
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [f"head {head}: {ends}" for ends in ("-3000.00 to -2994.00", "0.00 to 0.00") for head in (1, 2)]
    labels = [[label.get_text() for label in axis.get_xticklabels()] for axis in figure.axes[::2]]
    assert labels == [["CLS", *"01234"], ["CLS", *"407"]]


@pytest.mark.slow
def test_time_grows_with_the_numbers_and_not_faster(tmp_path):
    def seconds(times):
        start = time.process_time()
        save(answers(1, 2, times), tmp_path / "x.png")
        return time.process_time() - start

    seconds(1)
    assert seconds(24) < 2 * 8 * seconds(3)


@pytest.mark.slow
def test_the_largest_sheet_there_is_can_be_saved(tmp_path):
    """8 heads, 16 digits, as many numbers as a sheet takes: matplotlib draws no more than 2 ** 16 pixels a side."""
    save(answers(8, 16, LARGEST_SHEET), tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 100_000


def test_a_sheet_that_cannot_be_saved_leaves_the_old_one(tmp_path, monkeypatch):
    with pytest.raises(GuessError, match="cannot be written: "):
        save([SMALL], GUESS / "x.png")  # below a file there is no folder
    (tmp_path / "x.png").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(GuessError, match="x.png cannot be written: No space left"):
        save([SMALL], tmp_path / "x.png")
    assert content(tmp_path) == {"x.png": b"old"}


def test_a_sheet_is_made_in_the_folder_that_it_goes_to(tmp_path, monkeypatch):
    """A temporary folder may lie on another disk, from which a file cannot be put in place in one step."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    save([SMALL], tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_neighbours_of_a_sheet_are_left_alone(tmp_path):
    (tmp_path / "x.png.part").write_text("mine")
    (tmp_path / "precious").write_text("mine too")
    (tmp_path / "x.png").symlink_to("precious")
    save([SMALL], tmp_path / "x.png")
    found = content(tmp_path)
    assert found.pop("x.png").startswith(b"\x89PNG") and not (tmp_path / "x.png").is_symlink()
    assert found == {"x.png.part": b"mine", "precious": b"mine too"}


def test_a_loop_of_links_gives_way_to_the_sheet(tmp_path):
    (tmp_path / "x.png").symlink_to("x.png")
    save([SMALL], tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_of_that_name_gets_one_sentence(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(GuessError, match="x.png cannot be written: "):
        save([SMALL], tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_sheet_has_the_permissions_of_any_new_file(tmp_path, mask):
    old = os.umask(mask)
    try:
        save([SMALL], tmp_path / "x.png")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.png").stat().st_mode) == 0o666 & ~mask


def test_one_sheet_is_saved_from_any_folder(tmp_path):
    saved = guess("4711", "90210", "--save", "Öl.png", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert saved.returncode == 0, saved.stderr
    assert saved.stdout.endswith("saved: \\xd6l.png\n") and saved.stdout.isascii()
    assert [path.name for path in tmp_path.iterdir()] == ["Öl.png"]
    assert re.findall(r"^(\d+)  ", saved.stdout, re.MULTILINE) == ["4711", "90210"]
