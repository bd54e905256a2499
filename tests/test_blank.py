"""--new prints a puzzle file that can be built as it is, and that names every key."""

import pytest

from builder.puzzle_file.blank import blank_puzzle
from builder.puzzle_file.parse import KEYS
from builder.puzzle_file.secret import Secret

CODES = ["7", "3105", "310535", "123456789", "1234567890", "12345678901234567890123456789012"]


@pytest.mark.parametrize("code", CODES)
def test_a_new_puzzle_file_can_be_built_as_it_is(code):
    text = blank_puzzle(code)
    secret = Secret.parse(text.encode())
    assert secret.code == code
    assert {cell for row in secret.pictures[0] for cell in row} == {0}
    rows = [line.split("# ")[1] for line in text.splitlines() if line.lstrip().startswith('".')]
    assert rows == ["CLS", *code]
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("code", CODES)
def test_each_key_can_be_used_by_deleting_the_sign_before_it(code):
    text = blank_puzzle(code)
    for key in ("title", "story", "difficulty", "hints", "max_digits"):
        used = text.replace(f"# {key} =", f"{key} =")
        assert used != text
        assert Secret.parse(used.encode())


def test_keys_are_named_where_they_are_possible():
    assert all(f"{key} = " in blank_puzzle("3105") for key in KEYS)
    assert "summits" not in blank_puzzle("310")
    assert "summits" not in blank_puzzle("0123456789")
    repeated = blank_puzzle("3100")
    assert "decoys = true" in repeated and "summits = true" in repeated
    assert "equal rows and columns" in repeated
    assert "equal rows and columns" not in blank_puzzle("3105")
    long = blank_puzzle("31053105310")
    assert "decoys = true" not in long and "summits = true" not in long
    assert "Decoys are not possible: the code has over 10 digits" in long


def test_it_says_that_an_image_file_does_as_well(tmp_path):
    text = blank_puzzle("3105")
    start, end = text.index("pictures = [\n"), text.index("\n]\n") + len("\n]\n")
    with_image = text[:start] + text[end:]
    assert "The name of an image file beside this file does as well" in text
    used = with_image.replace("# pictures =", "pictures =").replace("# cells =", "cells =")
    from PIL import Image

    gradient = Image.linear_gradient("L").resize((640, 480))
    gradient.save(tmp_path / "skull.png")
    secret = Secret.parse(used.encode(), tmp_path)
    assert secret.arrangement == (1, 8, 10)
