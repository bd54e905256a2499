"""Advice names what gives a drawing away, and says nothing about a good drawing."""

import pytest
import torch

from builder.advice import advise
from builder.secret import Secret


def secret(*pictures, code=None):
    cells = torch.tensor([[[float(cell == "#") for cell in row] for row in picture.split()] for picture in pictures])
    return Secret(code or "1" * (cells.shape[1] - 1), cells, 5)


GOOD = "#.. .#. ..#"


@pytest.mark.parametrize(
    ("digits", "pictures", "decoys", "told"), [(6, 1, 1, 1), (6, 1, 0, 0), (6, 2, 1, 0), (5, 1, 1, 0)]
)
def test_decoys_with_one_picture_and_many_digits_get_advice(digits, pictures, decoys, told):
    cells = [torch.eye(1 + digits), 1 - torch.eye(1 + digits)][:pictures]
    advice = advise(Secret("123456"[:digits], torch.stack(cells), 6, decoys=bool(decoys)))
    assert len(advice) == told and all("draw a second picture" in sentence for sentence in advice)


def test_the_ghost_needs_no_advice(ghost):
    assert advise(ghost) == []


def test_mirror_images_are_named_where_there_are_decoys():
    house = torch.tensor([[0, 1, 0], [1, 1, 1], [1, 0, 1]]).float()
    tree = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1]]).float()
    for picture, mirrored in ((house, True), (house.T, True), (tree, False)):
        for decoys in (True, False):
            told = [
                sentence for sentence in advise(Secret("12", picture[None], 5, decoys=decoys)) if "mirror" in sentence
            ]
            assert len(told) == (mirrored and decoys)
    assert not any(
        "mirror" in sentence for sentence in advise(Secret("12", torch.stack([house, tree]), 5, decoys=True))
    )


def test_a_drawing_that_is_whole_before_the_last_digit_is_named():
    (advice,) = advise(secret("#.. .#. ...", "##. ##. ..."))
    assert advice == (
        "the code without its last digit shows the whole drawing, because row 3 and column 3 are dark in every "
        "picture: light a cell in row 3 or column 3"
    )
    (advice,) = advise(secret("#..... .#.... #.#... ...... ...... ......"))
    assert "without its last 3 digits" in advice
    assert "because rows 4, 5 and 6 and columns 4, 5 and 6 are dark" in advice and "in row 6 or column 6" in advice


@pytest.mark.parametrize("last", ["#.. .#. #..", "#.# .#. ...", "#.. .#. ..#"])
def test_one_cell_of_the_last_row_or_column_is_enough(last):
    assert advise(secret(last, "##. ##. ...")) == []


def test_advice_leaves_out_no_more_digits_than_all_but_one():
    assert "its last digit shows" in advise(secret("#.. ... ..."))[0]
    assert advise(secret("#. ..")) == []


def test_pictures_that_are_the_same_are_named():
    assert advise(secret(GOOD, "..# .#. #..", GOOD, GOOD)) == [
        "pictures 1, 3 and 4 are the same: one of them is enough"
    ]


def test_flat_pictures_are_named_once():
    dark, lit = "... ... ...", "### ### ###"
    assert advise(secret(dark, GOOD, lit)) == [
        "picture 1 is all dark: solvers see nothing in it",
        "picture 3 is all lit: solvers see nothing in it",
    ]
    assert advise(secret(dark, dark)) == ["pictures 1 and 2 are all dark: solvers see nothing in them"]
