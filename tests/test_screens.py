"""What the author sees fits every width, and says what happened in words."""

import io
from dataclasses import replace

import pytest
import torch
from matplotlib.image import imread
from rich.console import Console

from builder.bundle.texts import draw_examples
from builder.network.model import NeuralNetwork, tokenize
from builder.network.weights import dump, load
from builder.puzzle_file.secret import Secret
from builder.screens import sheet
from builder.screens.screen import Screen
from builder.training.train import train
from builder.words import counted, listed


class Terminal(io.StringIO):
    """A text that says that it is a terminal."""

    def isatty(self):
        return True


def screen(width, file=None, forced=False):
    """A Screen for a file, a log by default. forced: as with FORCE_COLOR."""
    return Screen(
        Console(
            file=file or io.StringIO(),
            width=width,
            force_terminal=forced or None,
            highlight=False,
            markup=False,
        )
    )


def shown(seen):
    return seen.console.file.getvalue()


def untrained(certificate, code, heads, max_digits):
    """A secret and a certificate with untrained weights: a sheet shows any network."""
    size = 1 + len(code)
    picture = tuple(tuple(int(row == column) for column in range(size)) for row in range(size))
    torch.manual_seed(1)
    secret = Secret(code, (picture,) * heads, max_digits)
    weights = dump(NeuralNetwork(10, heads, max_digits))
    return secret, replace(certificate, weights=weights, hardest_codes=(code[:-1] + "0",))


@pytest.mark.parametrize("width", [0, 40, 80, 120])
def test_a_certificate_is_whole_at_every_width_and_breaks_no_word(ghost, certificates, width):
    seen = screen(width)
    seen.certificate(certificates[0])
    told = " ".join(shown(seen).split())
    for promise in certificates[0].promises:
        for words in (promise.promise, promise.meaning, promise.found, promise.limit):
            assert words in told or width < 80 and all(word in told for word in words.split())
    assert max(map(len, shown(seen).splitlines()[1:])) <= (width or 80)


def test_a_promise_that_is_broken_stands_out(certificates):
    seen = screen(80)
    seen.certificate(replace(certificates[0], hardest_probability=0.1))
    assert shown(seen).count("fails  ") == 1 and "fails  nothing else moves it" in shown(seen)


def test_nothing_that_moved_is_left_behind_and_notes_stay(ghost):
    seen = screen(60, Terminal())
    with seen:
        for training_round in train(ghost, watch=seen.proving):
            seen.learning(training_round)
        seen.note("learnt")
    text = shown(seen)
    assert "learning: seed 0" in text
    after = text[text.index("learnt") :]
    erased = "\x1b[2K"
    assert erased in after
    assert "learning" not in after[after.rindex(erased) :]


def test_nothing_moves_in_a_log_even_if_colours_are_forced(ghost):
    seen = screen(80, forced=True)
    with seen:
        for training_round in train(ghost, watch=seen.proving):
            seen.learning(training_round)
    assert shown(seen) == ""


def test_a_note_may_hold_what_looks_like_markup_and_a_path_stays_whole():
    seen = screen(40)
    path = "/a/path/" + "long" * 20 + "/[bold]"
    seen.note(path, whole=True)
    assert path in shown(seen)


def test_numbers_and_lists_read_as_people_write_them():
    assert [counted(n, "cell") for n in (0, 1, 2, 1492)] == [
        "0 cells",
        "1 cell",
        "2 cells",
        "1,492 cells",
    ]
    assert [listed(range(n)) for n in (1, 2, 3)] == ["0", "0 and 1", "0, 1 and 2"]


@pytest.mark.parametrize(
    ("code", "heads", "max_digits"), [("7", 1, 1), ("3141592653589793", 2, 16)]
)
def test_the_sheet_shows_what_the_network_itself_shows(
    certificates, code, heads, max_digits, tmp_path, monkeypatch
):
    secret, certificate = untrained(certificates[0], code, heads, max_digits)
    drawn, draw_matrix = [], sheet._draw_matrix
    monkeypatch.setattr(
        sheet, "_draw_matrix", lambda *shown: (drawn.append(shown[1:]), draw_matrix(*shown))
    )
    sheet.draw_sheet(secret, certificate, tmp_path / "new" / "sheet.png")
    example = draw_examples(secret)[0]
    numbers = list(
        dict.fromkeys(filter(None, [code, code[:-1], certificate.hardest_codes[0], example]))
    )
    assert [shown[2] for shown in drawn[::heads]] == [["CLS", *number] for number in numbers]
    network = load(certificate.weights)
    for place, (_, matrix, tokens) in enumerate(drawn):
        embedding = network.embedding(tokenize(tokens[1:]))
        expected = network.get_attention_matrices(embedding)[place % heads][0]
        torch.testing.assert_close(torch.tensor(matrix), expected.detach())
    height, width, _ = imread(tmp_path / "new" / "sheet.png").shape
    assert width >= 800 and height > 300 * len(numbers)
