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


@pytest.mark.parametrize(("extra", "max_digits"), [("", 5), ("max_digits = 1", 1), ("max_digits = 16", 16)])
def test_max_digits_is_five_unless_said_otherwise(extra, max_digits):
    assert Secret.parse((GOOD + extra).encode()).max_digits == max_digits


def test_a_long_code_has_a_network_as_long_as_itself():
    picture = ("." * 8 + "\n") * 8
    assert Secret.parse(f'code = "1234567"\npictures = ["""\n{picture}"""]'.encode()).max_digits == 7


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("code = ", "not TOML"),
        (GOOD + "decoys = True", "and true and false are lower case"),
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
        ('code = "12345678901234567"\n' + ONE, "1 to 16 digits: this one has 17"),
        ('code = "7"\npictures = []', "1 to 8 pictures, one per head: this file has 0"),
        ('code = "7"\npictures = [' + '"##\\n##",' * 9 + "]", "this file has 9"),
        ('code = "7"\npictures = "##"', "list of multi-line strings"),
        ('code = "7"\npictures = [1]', "list of multi-line strings"),
        ('code = "77"\n' + ONE, "picture 1 has 2 rows of 2 cells, but must have 3 rows of 3: one row and one column"),
        ('code = "7"\npictures = ["##\\n##", ""]', "picture 2 has 0 rows of 0 cells"),
        ('code = "7"\npictures = ["##\\n#"]', "picture 1, row 2: 1 cell, where row 1 has 2"),
        ('code = "7"\npictures = ["##\\n##", "##\\n#o"]', "picture 2, row 2, column 2: 'o' is neither '#' nor '.'"),
        (GOOD + "max_digits = 0", "from 1, the length of the code, to 16"),
        (GOOD + "max_digits = 17", "from 1, the length of the code, to 16"),
        (GOOD + "max_digits = true", "whole number"),
        (GOOD + 'max_digits = "5"', "whole number"),
        (GOOD + 'decoys = "true"', "decoys must be true or false, without quotes"),
        (GOOD + "decoys = 1", "decoys must be true or false"),
        (GOOD + "title = 7", "title must be a string in quotes"),
        (GOOD + 'story = ["Once"]', "story must be a string in quotes"),
        (GOOD + "difficulty = 3", "difficulty must be a string in quotes"),
        (GOOD + 'title = ""', "title is empty: write something, or leave the key out"),
        (GOOD + 'story = """\n \n"""', "story is empty"),
        (GOOD + f'title = "{"x" * 81}"', "title must have at most 80 characters: this one has 81"),
        (GOOD + f'difficulty = "{"x" * 81}"', "difficulty must have at most 80 characters"),
        (GOOD + f'story = "{"x" * 10_001}"', "at most 10,000 characters: this one has 10,001"),
        (GOOD + 'title = "two\\nlines"', "title, line 1: it holds a line break"),
        (GOOD + 'title = "a\\tb"', "title, line 1: it holds the control character"),
        (GOOD + 'story = "one\\ntwo \\u001b[31m"', r"story, line 2: it holds the control character '\x1b'"),
        (GOOD + 'story = "one\\u2028two"', r"story, line 1: it holds the control character '\u2028'"),
        (GOOD + "# " + "x" * 1_000_000, "at most 1,000,000 bytes"),
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


def refusal(text, key="story", code="0742"):
    """The error about a puzzle with this text, or None if there is none."""
    size = 1 + len(code)
    picture = ("." * size + "\n") * size
    try:
        Secret.parse(f"code = '{code}'\npictures = ['''\n{picture}''']\n{key} = '''{text}'''".encode())
    except PuzzleError as error:
        return str(error)


def test_an_authors_words_are_kept_as_they_are():
    story = 'A $tory for {you}:\n\n```\ncode & "quotes"\n```\n\n    $title stays, and so does a line\'s end'
    secret = Secret.parse((GOOD + f"title = ' Für $dich '\nstory = '''\n\n{story} \n\n'''").encode())
    assert (secret.title, secret.story) == ("Für $dich", story)
    assert (secret.difficulty, secret.decoys) == ("", False)
    assert Secret.parse((GOOD + "difficulty = '★★☆'").encode()).difficulty == "★★☆"
    assert Secret.parse((GOOD + "decoys = true").encode()).decoys is True


def test_a_puzzle_without_words_gets_neutral_ones(ghost):
    secret = Secret.parse(GOOD.encode())
    assert secret.title and secret.story
    assert "ghost" not in (secret.title + secret.story).lower() and "ghost" in ghost.title
    assert Secret(secret.code, secret.pictures, 5).story == secret.story


@pytest.mark.parametrize(
    "spelled", ["0742", "0,742", "0 7 4 2", "0-7_4.2", "zero 0... 7, 4 &\n2!", "１0742", "０７４２", "a0742b"]
)
def test_a_story_that_holds_the_code_is_refused(spelled):
    for key in ("story", "title", "difficulty"):
        if "\n" not in spelled or key == "story":
            assert refusal(f"You say {spelled}", key) == f"{key}, line 1: it holds the code, and solvers read it"
    assert refusal(f"\n\nThe room\n is {spelled}").startswith("story, line 3: it holds the code")


def test_a_story_may_hold_what_is_not_the_code():
    for text in ("074", "0743", "2470", "0 7 four 2", "0a742"):
        assert refusal(text) is None
    assert refusal("7 of 07", code="07") is None  # such short numbers are in many stories
    assert "holds the code" in refusal("at 0:07", code="007")


def test_a_missing_file_a_folder_and_a_file_that_is_not_utf8_are_named(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(PuzzleError, match="cannot be read"):
            Secret.read(path)
    (tmp_path / "latin.toml").write_bytes('# Ä\ncode = "1"'.encode("latin-1"))
    with pytest.raises(PuzzleError, match="not UTF-8: byte 3"):
        Secret.read(tmp_path / "latin.toml")


KEYS = st.sampled_from(["code", "pictures", "max_digits", "title", "story", "difficulty", "decoys", "other"])
VALUES = st.one_of(
    st.integers().map(str),
    st.text().map(repr),
    st.text("0123456789", max_size=17).map('"{}"'.format),
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
        assert len(secret.code) <= secret.max_digits <= 16
        assert secret.title.strip() and secret.story.strip() and "\n" not in secret.title + secret.difficulty


@given(st.binary() | st.text().map(str.encode) | TABLES.map(str.encode))
@example(GOOD.encode())
def test_any_content_is_a_secret_or_gets_one_sentence(content):
    is_read_or_refused_in_one_sentence(content)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(st.binary() | st.text().map(str.encode) | TABLES.map(str.encode))
def test_any_content_is_a_secret_or_gets_one_sentence_ten_thousand_times(content):
    is_read_or_refused_in_one_sentence(content)


def test_decoys_need_places_that_no_other_digit_could_fill():
    """In a drawing that is its own mirror image, the digits of two places could stand for each other."""
    mirrored = 'code = "05"\npictures = ["#..\\n.##\\n.##"]\n'
    assert not Secret.parse(mirrored.encode()).decoys
    with pytest.raises(PuzzleError, match="rows 2 and 3 are alike in every picture, and so are their columns"):
        Secret.parse((mirrored + "decoys = true").encode())
    assert Secret.parse((mirrored.replace('n.##"]', 'n.#."]') + "decoys = true").encode()).decoys
