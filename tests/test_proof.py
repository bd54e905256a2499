"""The proof sheet shows what solvers will see, and it is readable for every size of puzzle."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from builder.bundle.readme import draw_examples
from builder.model import NeuralNetwork, tokenize
from builder.proof.certify import Certificate
from builder.proof.weights import dump
from builder.screens.sheet import DPI, draw_proof, draw_sheet
from builder.secret import Secret

ATTACKS = ["Guessing takes 55,555 guesses.", "Climbing the pictures takes 40 guesses. " * 8]


def puzzle(code, heads, max_digits, hardest=None):
    """A secret, and the certificate of an untrained network: a sheet shows any network."""
    size = 1 + len(code)
    secret = Secret(code, torch.eye(size).repeat(heads, 1, 1), max_digits)
    torch.manual_seed(1)
    weights = dump(NeuralNetwork(10, heads, max_digits))
    hardest = (hardest,) if hardest else ()
    return secret, Certificate(weights, True, 10, hardest_codes=hardest)


def texts(figure):
    return [text for axis in figure.axes for text in axis.texts if text.get_text()]


def numbers(figure):
    """The numbers that the sheet shows, in order."""
    return [
        text.get_text().split(":")[0]
        for text in texts(figure)
        if ": " in text.get_text() and "head" not in text.get_text()
    ]


SHAPES = {  # code, heads, max_digits, the hardest wrong code
    "one picture of one digit": ("7", 1, 1, None),
    "one large picture": ("3141592653589793", 1, 16, "3141592653589792"),
    "two": ("314159", 2, 6, "31415"),
    "three": ("2013", 3, 5, "2011"),
    "five": ("2013", 5, 5, "2011"),
    "eight large ones": ("3141592653589793", 8, 16, "314159265358979"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_label_is_over_another_and_all_are_on_the_page(shape, rounds):
    secret, certificate = puzzle(*SHAPES[shape])
    figure = draw_sheet(secret, certificate, rounds, ATTACKS)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    width, height = figure.get_size_inches() * DPI
    curves = figure.axes[1]
    labels = [*texts(figure), *curves.get_xticklabels(), *curves.get_yticklabels(), curves.xaxis.label]
    boxes = [label.get_window_extent(renderer) for label in labels]
    boxes += [box.get_window_extent(renderer) for box in (curves, *figure.axes[0].images)]
    x0, y0, x1, y1 = np.array([box.extents for box in boxes]).T
    on_page = x0.min() > 0 and y0.min() > 0 and x1.max() < width and y1.max() < height
    assert on_page
    across = np.minimum.outer(x1, x1) - np.maximum.outer(x0, x0)
    up = np.minimum.outer(y1, y1) - np.maximum.outer(y0, y0)
    over = (across > 0.5) & (up > 0.5) & ~np.eye(len(boxes), dtype=bool)
    assert not over.any(), [labels[i].get_text() for i in np.argwhere(over)[0] if i < len(labels)]


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_stand_centred_at_most_four_to_a_row(shape):
    secret, certificate = puzzle(*SHAPES[shape])
    figure = draw_sheet(secret, certificate)
    rows = {}
    for image in figure.axes[0].images:
        left, right, bottom, _ = image.get_extent()
        rows.setdefault(round(bottom, 3), []).append((left, right))
    page = figure.get_size_inches()[0]
    for row in rows.values():
        assert len(row) <= 4
        assert (row[0][0] + row[-1][1]) / 2 == pytest.approx(page / 2, abs=0.3)
    assert sum(map(len, rows.values())) == len(secret.pictures) * len(numbers(figure))


def test_the_sheet_shows_what_solvers_will_see():
    secret, certificate = puzzle("2013", 3, 5, "2011")
    figure = draw_sheet(secret, certificate)
    example = draw_examples(secret, 5, certificate.weights)[0]
    assert numbers(figure) == ["2013", "201", "2011", example]
    torch.manual_seed(1)
    network = NeuralNetwork(10, 3, 5)
    shown = [image.get_array() for image in figure.axes[0].images]
    with torch.no_grad():
        for i, number in enumerate(("2013", "201", "2011", example)):
            tokens = tokenize(number)
            for head, matrix in enumerate(network.get_attention_matrices(network.embedding(tokens))):
                assert np.allclose(shown[3 * i + head], matrix[0])
            told = [text.get_text() for text in texts(figure)]
            assert f"probability {network(tokens).item():.7g}" in told


def test_a_number_is_shown_once():
    assert len(numbers(draw_sheet(*puzzle("2013", 1, 5, "201")))) == 3
    assert len(numbers(draw_sheet(*puzzle("7", 1, 1)))) == 2  # no code is shorter, and no wrong number known


def test_attacks_are_told_in_words_and_curves_are_left_out_where_there_was_no_training(rounds):
    secret, certificate = puzzle("2013", 3, 5, "2011")
    assert len(draw_sheet(secret, certificate, rounds).axes) == 2
    figure = draw_sheet(secret, certificate, attacks=ATTACKS)
    assert len(figure.axes) == 1
    told = " ".join(text.get_text() for text in texts(figure))
    assert all(sentence.strip() in told for sentence in ATTACKS)
    assert draw_sheet(secret, certificate).get_size_inches()[1] < figure.get_size_inches()[1]


def test_the_sheet_is_a_png_in_a_folder_that_is_made(tmp_path):
    draw_proof(*puzzle("2013", 3, 5, "2011"), tmp_path / "a" / "proof.png")
    assert (tmp_path / "a" / "proof.png").read_bytes().startswith(b"\x89PNG")
