"""What the author sees is readable at every width, and no number is cut."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from builder.proof.certify import Certificate
from builder.screens.screen import Screen
from builder.training.train import Round
from builder.words import counted, listed

CERTIFICATE = Certificate(
    weights=b"",
    survives=True,
    inputs=11_111_111_111_111_110,
    nodes=108_000,
    complete=True,
    probability=0.99999994,
    logit=123.4,
    hardest_codes=("1234567890123456",),
    hardest_logit=-1234.5,
    hardest_probability=0.0,
    rounding=12.3,
    worst_cell=0.0093,
    fewest_wrong_cells=1234,
    crisp=1.0,
)
ROUND = Round(12, 2490, 0.9987, "1234567890123456", 9.8e-7, 10.1234, None)
LEFT_OUT_LAST = {  # by width: what a table that narrow still shows
    40: ("2,490", "0.9987", "10.1234"),
    50: ("2,490", "9.8e-07"),
    100: ("12", "9.8e-07"),
}


def screen(width, terminal=True):
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False, markup=False
    )
    return Screen(console)


def shown(screen):
    """The text on a screen. Asserts that each line fits."""
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.console.file.getvalue())
    assert max(map(len, text.splitlines())) <= screen.console.width
    return text


@pytest.mark.parametrize("width", [24, 40, 50, 80, 100])
def test_the_table_of_rounds_fits_and_cuts_no_number(width):
    seen = screen(width)
    seen.rounds = [ROUND._replace(step=step) for step in range(0, 2500, 10)]
    seen.console.print(seen.table())
    rows = shown(seen).splitlines()[2:]
    assert len(rows) == 8
    words = {word for row in rows for word in row.split()}
    steps = {f"{2490 - 10 * i:,}" for i in range(8)}
    assert words <= {"12", "0.9987", "1234567890123456", "9.8e-07", "10.1234"} | steps
    assert words >= set(LEFT_OUT_LAST.get(width, ()))


@pytest.mark.parametrize("width", [40, 50, 80, 100])
def test_a_certificate_fits_and_cuts_no_number(width):
    seen = screen(width)
    seen.certificate(CERTIFICATE)
    text = shown(seen)
    assert "11,111,111,111,111,110" in text.split()
    for promise in CERTIFICATE.promises:
        words = f"{promise.promise} {promise.meaning} {promise.limit} {promise.found}".split()
        assert all(word in text for word in words), promise
    assert len(re.findall(r"^(holds|fails)  ", text, re.MULTILINE)) == len(CERTIFICATE.promises)
    assert "1234567890123456" in text.split()


def test_a_promise_that_is_not_kept_is_shown_to_fail():
    seen = screen(80)
    seen.certificate(replace(CERTIFICATE, worst_cell=0.02))
    (failed,) = re.findall(r"^fails  (.*)", shown(seen), re.MULTILINE)
    assert failed.strip() == "the pictures are sharp"


def test_the_search_shows_its_nodes_and_what_is_settled():
    with screen(40) as seen:
        seen.watch(1_234_567, 0.4321)
        seen.live.refresh()
        seen.watch(1, 0)
    assert "1,234,567 nodes" in shown(seen).replace("\n", " ") and "43.2%" in shown(seen)
    assert "search: 1 node, 0.0% of all inputs" in shown(seen).replace("\n", " ")


def test_without_a_terminal_there_is_a_line_for_every_hundred_steps(rounds):
    with screen(200, terminal=False) as seen:
        for progress in rounds:
            seen.show(progress)
        seen.watch(5, 0.5)
    lines = shown(seen).splitlines()
    steps = [int(re.search(r"step +(\d+) ", line)[1]) for line in lines]
    assert steps == [*range(0, seen.rounds[-1].step, 100), seen.rounds[-1].step]
    shape = r"the code \d.\d{4}  closest wrong code \d+ \d.\de[+-]\d\d  worst cell \d"
    assert all(re.search(shape, line) for line in lines)


def test_in_a_terminal_the_table_follows_the_training(rounds):
    with screen(60) as seen:
        for progress in rounds:
            seen.show(progress)
    assert f"{progress.step:,}" in shown(seen) and "worst" in shown(seen)


@pytest.mark.parametrize("width", [0, 1])
def test_a_terminal_that_says_it_has_no_room_is_not_believed(width):
    seen = screen(width)
    seen.certificate(CERTIFICATE)
    assert "the code opens it" in shown(seen)


def test_a_note_may_hold_what_looks_like_markup_and_a_path_stays_whole():
    seen = screen(40)
    path = "/a/path/" + "long" * 20 + "/[bold]"
    seen.note(path, whole=True)
    assert path in seen.console.file.getvalue()


def test_numbers_and_lists_read_as_people_write_them():
    assert [counted(n, "cell") for n in (0, 1, 2, 1492)] == ["0 cells", "1 cell", "2 cells", "1,492 cells"]
    assert [listed(range(n)) for n in (1, 2, 3)] == ["0", "0 and 1", "0, 1 and 2"]
