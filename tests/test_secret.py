"""A puzzle file is read as it is meant, every mistake in it is named in one sentence, and drawings get advice."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.errors import PuzzleError
from builder.puzzle_file.advice import advise
from builder.puzzle_file.blank import blank_puzzle
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


@pytest.mark.parametrize("code", ["7", "310535", "3105", "1234567890123456"])
def test_a_new_puzzle_file_can_be_built_as_it_is(code):
    text = blank_puzzle(code)
    secret = Secret.parse(text.encode())
    assert secret.code == code and {sum(map(sum, picture)) for picture in secret.pictures} == {0}
    rows = [line.split("# ")[1] for line in text.splitlines() if line.lstrip().startswith('".')]
    assert rows == ["CLS", *code]
    assert ("# decoys = true" in text) == (len(set(code)) == len(code))
    for key in (
        "title",
        "story",
        "difficulty",
        "max_digits",
    ):  # each can be used by taking its # away
        assert Secret.parse(text.replace(f"# {key} =", f"{key} =").encode())


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
            "a comma is missing, or the ] after the last picture: Unclosed array (at end of document)",
        ),
        (
            'code = "7"\npictures = ["##\\n##" "##\\n##"]',
            "a comma is missing, or the ] after the last picture: Unclosed array (at line 2, column 22)",
        ),
        (
            GOOD + 'code = "8"\n',
            "this key stands in the file twice: Cannot overwrite a value (at line 6, column 11)",
        ),
        (
            GOOD + r'title = "C:\users"',
            r"write \\ for a backslash, or put the text in single quotes: Invalid hex value (at line 6",
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
            "picture 1 must be a multi-line string, a list of strings, one for each row, or the name",
        ),
        (
            'code = "77"\n' + ONE,
            "picture 1 has 2 rows, but a code of 2 digits needs 3, 6, 9 and so on up to 63: 3 for each ",
        ),
        ('code = "7"\npictures = ["##\\n##", ""]', "picture 2 is empty"),
        ('code = "7"\npictures = ["##\\n#"]', "picture 1, row 2 has 1 cell, but row 1 has 2"),
        (
            'code = "7"\npictures = ["##\\n##", "##\\n#o"]',
            "picture 2, row 2, column 2: 'o' is no cell: a cell is '.' (dark), 1 to 9",
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
            "have the same row and the same column in every picture; change a cell of one of them",
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
        f"{tmp_path}: a folder is no puzzle file: name a file that ends in .toml"
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
    assert sentence.startswith(f"{tmp_path / 'bundle'}: not the puzzle file, which is {puzzle_file}")
    assert sentence.endswith(f" {puzzle_file}")
    image = tmp_path / "skull.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert 'name the image in it: pictures = ["skull.png"]' in refusal_of(image)


def test_another_encoding_is_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes('code = "1"\n# Ä'.encode("latin-1"))
    assert refusal_of(tmp_path / "latin.toml").endswith("line 2: not UTF-8: save the file as UTF-8")


def refusal(text, key="story", code="0742"):
    """The error about a puzzle with this text, or None if there is none."""
    picture = ("." * (1 + len(code)) + "\n") * (1 + len(code))
    try:
        Secret.parse(
            f"code = '{code}'\npictures = ['''\n{picture}''']\n{key} = '''{text}'''".encode()
        )
    except PuzzleError as error:
        return str(error)


@pytest.mark.parametrize(
    "spelled", ["0742", "0,742", "0 7 4 2", "0-7_4.2", "１0742", "０７４２", "a0742b"]
)
def test_a_text_that_holds_the_code_is_refused(spelled):
    for key in ("story", "title", "difficulty"):
        assert refusal(f"You say {spelled}", key).endswith("2' is the code, and solvers read it")
    assert refusal(f"\n\nThe room\n is {spelled}").startswith("story, line 3: '0")


def test_a_story_may_hold_what_is_not_the_code():
    for text in ("074", "0743", "2470", "0 7 four 2", "0a742"):
        assert refusal(text) is None
    assert refusal("7 of 07", code="07") is None  # such short numbers are in many stories
    assert "'0:07' is the code" in refusal("at 0:07", code="007")


def test_an_authors_words_are_kept_and_neutral_ones_stand_for_those_left_out(ghost):
    story = 'A $tory for {you}:\n\n```\ncode & "quotes"\n```\n\n    $title stays, and so does a line\'s end'
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


KEYS = st.sampled_from(
    ["code", "pictures", "max_digits", "title", "story", "difficulty", "decoys", "other"]
)
VALUES = st.one_of(
    st.integers().map(str),
    st.text().map(repr),
    st.text("0123456789", max_size=33).map('"{}"'.format),
    st.lists(st.text("#.\\n x", max_size=12).map('"{}"'.format)).map(
        lambda texts: f"[{', '.join(texts)}]"
    ),
)
TABLES = st.lists(st.tuples(KEYS, VALUES)).map(
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


def advice(*pictures, code=None, decoys=False):
    """The advice on pictures, each a string of rows: "#. .#"."""
    cells = tuple(
        tuple(tuple(int(cell == "#") for cell in row) for row in picture.split())
        for picture in pictures
    )
    return advise(Secret(code or "1234567"[: len(cells[0]) - 1], cells, 7, decoys=decoys))


DIAGONAL = "#.. .#. ..#"


def test_a_drawing_that_is_whole_before_the_last_digit_is_named():
    assert advice("#.. .#. ...", "##. ##. ...") == [
        "the code without its last digit shows the whole drawing, because row 3 and column 3 are dark in every "
        "picture: light a cell in row 3 or column 3"
    ]
    (told,) = advice("#..... .#.... #.#... ...... ...... ......")
    assert (
        "without its last 3 digits" in told
        and "rows 4, 5 and 6 and columns 4, 5 and 6 are dark" in told
    )
    for last in (
        "#.. .#. #..",
        "#.# .#. ...",
        DIAGONAL,
    ):  # one cell of the last row or column is enough
        assert advice(last, "##. ##. ...") == []
    assert "its last digit shows" in advice("#.. ... ...")[0]
    assert advice("#. ..") == []  # a code has one digit at least


def test_pictures_that_tell_solvers_nothing_are_named():
    assert advice(DIAGONAL, "..# .#. #..", DIAGONAL, DIAGONAL) == [
        "pictures 1, 3 and 4 are the same: one of them is enough"
    ]
    dark, lit = "... ... ...", "### ### ###"
    assert advice(dark, DIAGONAL, lit) == [
        "picture 1 is all dark: solvers see nothing in it",
        "picture 3 is all lit: solvers see nothing in it",
    ]


def test_with_decoys_mirror_images_are_named():
    house, tree = ".#. ### #.#", "##. .## ..#"
    assert "left and right are mirror images" in advice(house, decoys=True)[0]
    assert "top and bottom are mirror images" in advice("##. .## ##.", decoys=True)[0]
    assert advice(house) == advice(tree, decoys=True) == advice(house, tree, decoys=True) == []
