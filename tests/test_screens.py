"""What the author sees fits every width, and says what happened in words."""

import io
from dataclasses import replace

import matplotlib
import pytest
import torch
from matplotlib.image import imread
from rich.console import Console

from builder.bundle.texts import draw_examples
from builder.network.model import NeuralNetwork, tokenize
from builder.network.weights import dump, load
from builder.puzzle_file.secret import Secret
from builder.screens import sheet
from builder.screens.certificate import describe
from builder.screens.fonts import families_for
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


def untrained(certificate, code, tiles, max_digits):
    """A secret and a certificate with untrained weights: a sheet shows any network.

    tiles: how many pictures there are, and how many heads each is high and wide.
    """
    pictures, down, across = tiles
    size = 1 + len(code)
    picture = ((1.0,) * size * across,) * size * down
    torch.manual_seed(1)
    network = NeuralNetwork(10, pictures * down * across, max_digits)
    network.arrangement.copy_(torch.tensor(tiles))
    hardest = (code[:-1] + "0",)
    return (
        Secret(code, (picture,) * pictures, max_digits),
        replace(certificate, weights=dump(network), hardest_codes=hardest),
    )


@pytest.mark.parametrize(("width", "columns"), [(0, 80), (40, 40), (80, 80), (120, 120)])
def test_a_certificate_is_whole_at_every_width_and_breaks_no_word(certificates, width, columns):
    """A width of 0 is none, so 80 columns are taken. On 40, sentences are wrapped."""
    seen = screen(width)
    seen.certificate(certificates[0])
    told = " ".join(shown(seen).split())
    lines = describe(certificates[0])
    for promise in certificates[0].promises:
        for sentence in (promise.name, *lines[promise.name]):
            pieces = [sentence]
            if columns == 40:
                pieces = sentence.split()
            for piece in pieces:
                assert piece in told
    for line in shown(seen).splitlines()[1:]:
        assert len(line) <= columns


def test_a_promise_that_is_broken_stands_out(certificates):
    seen = screen(80)
    seen.certificate(replace(certificates[0], hardest_probability=0.1))
    assert shown(seen).count("fails  ") == 1
    assert "fails  nothing else moves it" in shown(seen)


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


# The author's sheet.


@pytest.fixture
def drawn(monkeypatch):
    """What the sheet draws: (number, picture, labels) for each picture, in order."""
    drawn = []
    draw_number = sheet._draw_number

    def watched(part, axes, network, number, what):
        draw_number(part, axes, network, number, what)
        for axis in axes:
            if axis.images:
                labels = [label.get_text() for label in axis.get_yticklabels()]
                drawn.append((number, torch.tensor(axis.images[0].get_array()), labels))

    monkeypatch.setattr(sheet, "_draw_number", watched)
    return drawn


@pytest.mark.parametrize(
    ("code", "tiles", "max_digits"),
    [("7", (1, 1, 1), 1), ("2013", (2, 2, 3), 5)],
)
def test_the_sheet_shows_the_pictures_that_the_network_shows(
    certificates, code, tiles, max_digits, tmp_path, drawn
):
    secret, certificate = untrained(certificates[0], code, tiles, max_digits)
    assert sheet.draw_sheet(secret, certificate, tmp_path / "new" / "sheet.png") == ""
    numbers = [code, code[:-1], certificate.hardest_codes[0], draw_examples(secret)[0]]
    expected = []
    network = load(certificate.weights)
    for number in dict.fromkeys(filter(None, numbers)):
        matrices = network.get_attention_matrices(network.embedding(tokenize(number)))
        for picture in network.get_pictures(matrices)[0]:
            expected.append((number, picture.detach()))
    assert [number for number, _, _ in drawn] == [number for number, _ in expected]
    for (number, shown, labels), (_, picture) in zip(drawn, expected, strict=True):
        torch.testing.assert_close(shown, picture)
        is_one_head = tiles[1:] == (1, 1)
        assert (labels == ["CLS", *number]) == is_one_head


def test_a_picture_on_the_sheet_is_square_and_crisp_and_right_side_up_whatever_matplotlibrc_says(
    ghost, certificates, tmp_path
):
    """The picture of the code is dark in its first cell and light in the second, cell by cell."""
    careless = {"image.origin": "lower", "image.interpolation": "bicubic", "text.usetex": True}
    with matplotlib.rc_context(careless):
        sheet.draw_sheet(ghost, certificates[0], tmp_path / "sheet.png")
        assert matplotlib.rcParams["text.usetex"]  # the author's settings are as they were
    image = imread(tmp_path / "sheet.png")[:, :, :3]
    dark, light = (torch.tensor(matplotlib.colormaps["viridis"](end)[:3]) for end in (0.0, 1.0))
    pixels = torch.tensor(image)
    is_dark = (pixels - dark).abs().amax(2) < 0.02
    is_light = (pixels - light).abs().amax(2) < 0.02
    is_drawn = is_dark | is_light
    top = is_drawn.any(1).nonzero()[0].item()
    left = is_drawn[top].nonzero()[0].item()
    side = 0
    while is_drawn[top + side, left]:
        side += 1
    for row, cells in enumerate(ghost.pictures[0]):
        for column, cell in enumerate(cells):
            y = top + round((row + 0.5) * side / 5)
            x = left + round((column + 0.5) * side / 5)
            assert is_light[y, x] == (cell == 1)
    share = is_drawn[top : top + side, left : left + side].float().mean()
    assert share > 0.98


def test_fonts_for_any_script_are_found_and_what_no_font_has_is_named():
    assert families_for("שלום, Αθήνα, Москва") == (["DejaVu Sans"], "")
    families, missing = families_for("A \U00013000 and \U00013001")
    assert families[0] == "DejaVu Sans"
    assert missing == "\U00013000\U00013001"


def test_the_builder_says_which_characters_the_sheet_lacks(tiny, call):
    tiny.write_text(f"title = '\U00013000'\n{tiny.read_text()}", encoding="utf-8")
    status, output, error = call(tiny, "--sheet")
    assert (status, error) == (0, "")
    assert "no font on this computer has '\U00013000': the sheet shows □ instead" in output
