"""A puzzle file is read as it is meant, and every mistake in it is named in one sentence."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.errors import PuzzleError
from builder.puzzle_file.advice import advise
from builder.puzzle_file.parse import KEYS
from builder.puzzle_file.secret import Secret

ONE = 'pictures = ["""\n##\n..\n"""]\n'
GOOD = 'code = "7"\n' + ONE


def test_the_ghost_is_read_and_needs_no_advice(ghost):
    assert (ghost.code, ghost.max_digits, len(ghost.pictures)) == ("2013", 5, 3)
    primes = tuple(int(n in (1, 2, 3, 5, 7, 11, 13, 17, 19, 23)) for n in range(1, 26))
    assert sum(ghost.pictures[2], ()) == primes
    assert ghost.pictures[0][4] == (0, 1, 0, 1, 0) and ghost.pictures[1][3] == (0, 1, 1, 1, 0)
    assert advise(ghost) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_leading_zeros_windows_line_ends_and_what_powershell_redirects_are_fine(encoding):
    secret = Secret.parse(GOOD.replace('"7"', '"0"').replace("\n", "\r\n").encode(encoding))
    assert (secret.code, secret.pictures) == ("0", (((1, 1), (0, 0)),))


def test_a_picture_may_be_a_list_of_rows():
    assert (
        Secret.parse(b'code = "7"\npictures = [["##", ".."]]').pictures
        == Secret.parse(GOOD.encode()).pictures
    )


@pytest.mark.parametrize(
    ("extra", "max_digits"), [("", 5), ("max_digits = 1", 1), ("max_digits = 32", 32)]
)
def test_max_digits_is_five_unless_said_otherwise(extra, max_digits):
    assert Secret.parse((GOOD + extra).encode()).max_digits == max_digits


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            'code = "7"\n' + ONE.replace("]", ""),
            "the ] after the last picture: Unclosed array (at end of document)",
        ),
        (
            'code = "7"\npictures = ["##\\n##" "##\\n##"]',
            "a comma is missing, or the ] after the last picture: Unclosed array (at line 2",
        ),
        (
            GOOD + 'code = "8"\n',
            "this key stands in the file twice: Cannot overwrite a value (at line 6, column 11)",
        ),
        (
            GOOD + r'title = "C:\users"',
            r"write \\ for a backslash, or put the text in single quotes: Invalid hex value",
        ),
        (GOOD + 'title = "Hi\nstory = 5', "the quote at the end is missing"),
        (GOOD + 'story = """Hi', "the quotes at its end are missing"),
        (GOOD + 'story = "He said "hi""', 'a text that holds quotes stands in """'),
        (GOOD + "title: Hi", "a line reads KEY = VALUE"),
        (GOOD + "decoys = True", "and true and false are lower case"),
        (GOOD + "color = 1", "unknown key 'color'"),
        (ONE, "'code' is missing"),
        ('code = "7"', "'pictures' is missing"),
        ("code = 7\n" + ONE, "string in quotes"),
        ("code = 07\n" + ONE, "string in quotes"),
        ('code = "7a"\n' + ONE, "character 2 is 'a'"),
        ('code = "７"\n' + ONE, "character 1 is '７'"),
        ('code = ""\n' + ONE, "has 0"),
        (f'code = "{"1" * 33}"\n' + ONE, "1 to 32 digits: this one has 33"),
        ('code = "7"\npictures = []', "1 to 8 pictures: this file has 0"),
        ('code = "7"\npictures = [' + '"##\\n##",' * 9 + "]", "this file has 9"),
        ('code = "7"\npictures = "##"', "pictures must be a list of drawings or image files"),
        (
            'code = "7"\npictures = [1]',
            "must be a multi-line string, a list of strings, one for each row, or the name",
        ),
        (
            'code = "77"\n' + ONE,
            "picture 1 has 2 rows, but a code of 2 digits needs 3, 6, 9 and so on up to 63: ",
        ),
        ('code = "7"\npictures = ["##\\n##", ""]', "picture 2 is empty"),
        ('code = "7"\npictures = ["##\\n#"]', "picture 1, row 2 has 1 cell, but row 1 has 2"),
        (
            'code = "7"\npictures = ["##\\n##", "##\\n#o"]',
            "picture 2, row 2, column 2: 'o' is not a cell: a cell is '.' (dark), 1 to 9",
        ),
        (GOOD + "max_digits = 0", "from 1, the length of the code, to 32"),
        (GOOD + "max_digits = 33", "from 1, the length of the code, to 32"),
        (GOOD + "max_digits = true", "whole number"),
        (GOOD + 'decoys = "true"', "decoys must be true or false, without quotes"),
        (
            'code = "11"\ndecoys = true\npictures = ["###\\n###\\n..."]',
            "decoys need a code whose digits all differ",
        ),
        (
            'code = "12345678"\ndecoys = true\npictures = ["' + "#........\\n" * 9 + '"]',
            "a second picture if the code has over 7 digits",
        ),
        (
            'code = "05"\ndecoys = true\npictures = ["#..\\n.##\\n.##"]',
            "50 would show the same pictures as 05: write # in row 1, column 2 of picture 1",
        ),
        (GOOD + "title = 7", "title must be a string in quotes"),
        (GOOD + 'title = ""', "title is empty: write something, or leave the key out"),
        (GOOD + 'story = """\n \n"""', "story is empty"),
        (GOOD + f'title = "{"x" * 81}"', "title must be one line of at most 80 characters"),
        (GOOD + 'difficulty = "two\\nlines"', "difficulty must be one line"),
    ],
)
def test_a_mistake_is_named(content, told, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PuzzleError) as error:
        Secret.read(path)
    assert (
        told in str(error.value)
        and str(error.value).startswith(f"{path}: ")
        and "\n" not in str(error.value)
    )


def refusal_of(path):
    with pytest.raises(PuzzleError) as error:
        Secret.read(path)
    return str(error.value)


def test_what_is_named_instead_of_a_puzzle_file_gets_the_sentence_that_helps(tmp_path):
    missing = tmp_path / "none.toml"
    sentence = refusal_of(missing)
    assert sentence.startswith(f"{missing}: there is no such file: ")
    assert sentence.endswith(f" --new CODE {missing} makes one")
    assert refusal_of(tmp_path) == (
        f"{tmp_path}: a folder is not a puzzle file: name a file that ends in .toml"
    )
    hidden_ending = tmp_path / "key.toml.txt"
    hidden_ending.write_text(GOOD)
    assert refusal_of(hidden_ending).startswith(f"{hidden_ending}: rename it to key.toml: ")
    assert refusal_of(tmp_path / "key.toml") == (
        f"{tmp_path / 'key.toml'}: there is only {hidden_ending}: rename it to key.toml"
    )
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle.toml").write_text(GOOD)
    sentence = refusal_of(tmp_path / "bundle")
    puzzle_file = tmp_path / "bundle.toml"
    assert sentence.startswith(
        f"{tmp_path / 'bundle'}: not the puzzle file, which is {puzzle_file}"
    )
    assert sentence.endswith(f" {puzzle_file}")
    image = tmp_path / "skull.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert 'name the image in it: pictures = ["skull.png"]' in refusal_of(image)


def test_another_encoding_is_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes('code = "1"\n# Ä'.encode("latin-1"))
    assert refusal_of(tmp_path / "latin.toml").endswith("line 2: not UTF-8: save the file as UTF-8")


def test_an_authors_words_are_kept_and_neutral_ones_stand_for_those_left_out(ghost):
    story = 'A $tory for {you}:\n\n```\ncode & "quotes"\n```\n\n    $title and a line\'s end stay'
    secret = Secret.parse(
        (GOOD + f"title = ' Für $dich '\nstory = '''\n\n{story} \n\n'''").encode()
    )
    assert (secret.title, secret.story) == ("Für $dich", story)
    plain = Secret.parse(GOOD.encode())
    assert plain.title and plain.story and "ghost" in ghost.title
    assert "ghost" not in (plain.title + plain.story).lower() and (
        plain.difficulty,
        plain.decoys,
    ) == ("", False)


NAMES = st.sampled_from([*KEYS, "other"])
VALUES = st.one_of(
    st.integers().map(str),
    st.text().map(repr),
    st.text("0123456789", max_size=33).map('"{}"'.format),
    st.lists(st.text("#.\\n x", max_size=12).map('"{}"'.format)).map(
        lambda texts: f"[{', '.join(texts)}]"
    ),
)
TABLES = st.lists(st.tuples(NAMES, VALUES)).map(
    lambda pairs: "\n".join(f"{key} = {value}" for key, value in pairs)
)


@given(st.binary() | st.text().map(str.encode) | TABLES.map(str.encode))
@example(GOOD.encode())
def test_any_content_is_a_secret_or_gets_one_sentence(content):
    try:
        secret = Secret.parse(content)
    except PuzzleError as error:
        assert str(error).strip() and "\n" not in str(error)
    else:
        size = 1 + len(secret.code)
        rows = sum(secret.pictures, ())
        for sides in ({len(picture) for picture in secret.pictures}, {len(row) for row in rows}):
            assert len(sides) == 1 and sides <= set(range(size, 65, size))
        assert len(secret.code) <= secret.max_digits <= 32
