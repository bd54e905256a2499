"""A puzzle file is read as it is meant, and every mistake in it is named in one sentence."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.secret import PuzzleError, Secret

ONE = 'pictures = ["""\n##\n..\n"""]\n'
GOOD = 'code = "7"\n' + ONE


def test_the_ghost_is_read(ghost):
    assert (ghost.code, ghost.max_digits, ghost.pictures.shape) == ("2013", 5, (3, 5, 5))
    primes = torch.tensor([n in (1, 2, 3, 5, 7, 11, 13, 17, 19, 23) for n in range(1, 26)])
    assert torch.equal(ghost.pictures[2].flatten(), primes.float())
    assert ghost.pictures[0].tolist()[4] == [0, 1, 0, 1, 0]
    assert ghost.pictures[1].tolist()[3] == [0, 1, 1, 1, 0]


def test_leading_zeros_byte_order_marks_and_windows_line_ends_are_fine():
    secret = Secret.parse(b"\xef\xbb\xbf" + GOOD.replace('"7"', '"0"').replace("\n", "\r\n").encode())
    assert secret.code == "0"
    assert secret.pictures.tolist() == [[[1, 1], [0, 0]]]


@pytest.mark.parametrize(("extra", "max_digits"), [("", 5), ("max_digits = 1", 1), ("max_digits = 8", 8)])
def test_max_digits_is_five_unless_said_otherwise(extra, max_digits):
    assert Secret.parse((GOOD + extra).encode()).max_digits == max_digits


def test_a_long_code_has_a_network_as_long_as_itself():
    picture = ("." * 8 + "\n") * 8
    assert Secret.parse(f'code = "1234567"\npictures = ["""\n{picture}"""]'.encode()).max_digits == 7


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("code = ", "not TOML"),
        ("x = " + "[" * 5000, "not TOML"),
        ("x = " + "9" * 5000, "not TOML"),
        (GOOD + "color = 1", "unknown key 'color'"),
        (ONE, "'code' is missing"),
        ('code = "7"', "'pictures' is missing"),
        ("code = 7\n" + ONE, "string in quotes"),
        ("code = 07\n" + ONE, "string in quotes"),
        ('code = "7a"\n' + ONE, "character 2 is 'a'"),
        ('code = "７"\n' + ONE, "character 1 is '７'"),
        ('code = ""\n' + ONE, "has 0"),
        ('code = "123456789"\n' + ONE, "has 9"),
        ('code = "7"\npictures = []', "1 to 8 pictures, one per head: here are 0"),
        ('code = "7"\npictures = [' + '"##\\n##",' * 9 + "]", "here are 9"),
        ('code = "7"\npictures = "##"', "list of multi-line strings"),
        ('code = "7"\npictures = [1]', "list of multi-line strings"),
        ('code = "77"\n' + ONE, "picture 1 has 2 rows of 2 cells, but must have 3 rows of 3: one row and one column"),
        ('code = "7"\npictures = ["##\\n##", ""]', "picture 2 has 0 rows of 0 cells"),
        ('code = "7"\npictures = ["##\\n#"]', "picture 1, row 2: 1 cells, where row 1 has 2"),
        ('code = "7"\npictures = ["##\\n##", "##\\n#o"]', "picture 2, row 2, column 2: 'o' is neither '#' nor '.'"),
        (GOOD + "max_digits = 0", "from 1, the length of the code, to 8"),
        (GOOD + "max_digits = 9", "from 1, the length of the code, to 8"),
        (GOOD + "max_digits = true", "whole number"),
        (GOOD + 'max_digits = "5"', "whole number"),
    ],
)
def test_a_mistake_is_named(content, told, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PuzzleError) as error:
        Secret.read(path)
    assert told in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_a_folder_or_not_utf8_is_named(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(PuzzleError, match="cannot be read"):
            Secret.read(path)
    (tmp_path / "latin.toml").write_bytes('# Ä\ncode = "1"'.encode("latin-1"))
    with pytest.raises(PuzzleError, match="not UTF-8: byte 3"):
        Secret.read(tmp_path / "latin.toml")


KEYS = st.sampled_from(["code", "pictures", "max_digits", "other"])
VALUES = st.one_of(
    st.integers().map(str),
    st.text().map(repr),
    st.text("0123456789", max_size=9).map('"{}"'.format),
    st.lists(st.text("#.\\n x", max_size=12).map('"{}"'.format)).map(lambda texts: f"[{', '.join(texts)}]"),
)
TABLES = st.lists(st.tuples(KEYS, VALUES)).map(lambda pairs: "\n".join(f"{key} = {value}" for key, value in pairs))


def is_read_or_refused_in_one_sentence(content):
    try:
        secret = Secret.parse(content)
    except PuzzleError as error:
        assert str(error).strip() and "\n" not in str(error)
    else:
        size = 1 + len(secret.code)
        assert secret.pictures.shape[1:] == (size, size)
        assert len(secret.code) <= secret.max_digits <= 8


@given(st.binary() | st.text().map(str.encode) | TABLES.map(str.encode))
@example(GOOD.encode())
def test_any_content_is_a_secret_or_one_sentence(content):
    is_read_or_refused_in_one_sentence(content)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(st.binary() | st.text().map(str.encode) | TABLES.map(str.encode))
def test_any_content_is_a_secret_or_one_sentence_ten_thousand_times(content):
    is_read_or_refused_in_one_sentence(content)
