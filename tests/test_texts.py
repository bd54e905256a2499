"""The code is found in whatever solvers read, however it is spelled; all else passes."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builder.errors import PuzzleError
from builder.puzzle_file.secret import Secret
from builder.puzzle_file.texts import SPELLED_OUT, check_bytes, check_name, check_text

DIGITS = st.text("0123456789", min_size=SPELLED_OUT, max_size=8)
SIGNS = st.text(" -–.,_/|*\n\u200b\u00a0\u20e3'’", max_size=2)
# The digits 0 to 9 of several scripts, each from its zero on.
ZEROS = "0٠०０𝟎𝟘"


def refusal(check, *arguments):
    """What a check says, or None if it passes."""
    try:
        check(*arguments)
    except PuzzleError as error:
        return str(error)
    return None


def spell(code, zero="0", signs=""):
    """A code in the digits of the script that has this zero."""
    return signs.join(chr(ord(zero) + int(digit)) for digit in code)


@pytest.mark.parametrize(
    "spelled",
    [
        "0742",
        "0,742",
        "0 7 4 2",
        "0-7_4.2",
        "１0742",
        "０７４２",
        "a0742b",
        "⓪⑦④②",
        "07⁴²",
        "<b>07</b>42",
        '0<span class="x9">7</span>42',
        "07&nbsp;42",
        "0&#55;42",
        r"\textbf{07}\textbf{42}",
        "**07**42",
    ],
)
def test_a_text_that_holds_the_code_is_refused(spelled):
    for text in (spelled, f"You say {spelled}, don't you?"):
        assert refusal(check_text, "letter.txt", text, "0742").startswith("letter.txt, line 1: '0")
    told = refusal(check_text, "story", f"\n\nThe room\n is {spelled}", "0742")
    assert told.startswith("story, line 4: '0")
    assert told.endswith("2' is the code, and solvers read it")


@given(DIGITS, st.sampled_from(ZEROS), SIGNS, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_digits_of_any_script_and_form_are_found_with_any_signs_between_them(
    code, zero, signs, form
):
    text = unicodedata.normalize(form, f"so: {spell(code, zero, signs)}!")
    assert refusal(check_text, "story", text, code)
    assert refusal(check_name, spell(code, zero, "-"), code)


@given(DIGITS, st.text("0123456789abc .,<>&;\n"))
def test_a_text_in_which_the_digits_do_not_follow_each_other_passes(code, text):
    digits = "".join(character for character in text if character.isdigit())
    assume(code not in digits)
    assert refusal(check_text, "story", text, code) is None


@pytest.mark.parametrize("text", ["074", "0743", "2470", "0 7 four 2", "0a742", "x < 07 and 4"])
def test_a_text_may_hold_what_is_not_the_code(text):
    assert refusal(check_text, "story", text, "0742") is None


def test_a_code_of_one_or_two_digits_is_refused_only_if_the_text_is_nothing_else():
    assert refusal(check_text, "story", "7 of 07", "07") is None
    assert refusal(check_text, "title", " *07* ", "07")
    assert "'0:07' is the code" in refusal(check_text, "story", "at 0:07", "007")


def test_a_count_that_a_readme_has_is_no_code_but_an_authors_number_is():
    for text in ("it has 1,492 parameters", "all 1,492 inputs"):
        assert refusal(check_text, "letter.txt", text, "1492") is None
    for text in ("14-92 parameters", "1492 parameters", "1,492 ships", "1,492 parameters: 1492"):
        assert refusal(check_text, "letter.txt", text, "1492")


def test_every_text_of_a_puzzle_file_is_looked_through():
    picture = ".....\n" * 5
    for line in (
        "title = '07-42'",
        "story = '07-42'",
        "difficulty = '07-42'",
        "hints=['', '07-42']",
    ):
        line = line.replace("['',", "['Look again.',")
        content = f"code = '0742'\npictures = ['''\n{picture}''']\n{line}"
        told = refusal(Secret.parse, content.encode())
        assert "line 1: '07-42' is the code, and solvers read it" in told


def test_drawings_and_images_in_a_text_are_no_false_alarm():
    path = '<svg width="300"><path d="M 0.7 4.2 L 0,7 42 12.0742 10742"/>Hi</svg>'
    assert refusal(check_text, "letter.svg", path, "0742") is None
    image = "iVBOR" + "a0742/+A" * 20
    assert (
        refusal(check_text, "letter.html", f'<img src="data:image/png;base64,{image}">', "0742")
        is None
    )
    assert refusal(check_text, "letter.ipynb", f'"image/png": "{image}"', "0742") is None
    for hidden in ('<img alt="0742">', "<!-- 0742 -->", '<a href="x/0742">'):
        told = refusal(check_text, "letter.html", f"<p>\n{hidden}Hi", "0742")
        assert told.startswith("letter.html, line 2: '0742'")
    assert refusal(check_text, "letter.txt", "0<7>42", "0742")
    assert refusal(check_text, "letter.txt", "3" * 200 + "0742", "0742")


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
ENCODINGS += ["cp1252", "latin-1", "mac_roman", "cp437", "koi8-r", "iso8859-7"]
ENCODINGS += ["cp932", "euc_jp", "gb18030", "big5", "euc_kr"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_letter_in_any_encoding_is_looked_through(encoding):
    for text in ("Für dich:\n07 – 42", "私の数字\n07・42", "número <b>07</b>42\r\n", "07-42"):
        content = text.encode(encoding, errors="replace")
        assert refusal(check_bytes, "letter.txt", content, "0742"), text
        assert refusal(check_bytes, "letter.txt", content, "0743") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp932", "euc_jp", "gb18030", "big5"])
def test_wide_digits_are_found_in_the_encodings_that_have_them(encoding):
    content = "私の数字は\n０７４２".encode(encoding, errors="replace")
    assert "line 2: '0742'" in refusal(check_bytes, "letter.txt", content, "0742")


def test_one_byte_that_is_wrong_does_not_stop_the_search():
    for wrong in (b"\xff", b"\x00", b"\x81"):
        content = b"Dear all, " + wrong + b" this is a letter of some length, with 07/42 in it." * 2
        assert refusal(check_bytes, "letter.txt", content, "0742")


def test_a_file_that_is_no_text_passes(tmp_path):
    from PIL import Image

    Image.effect_noise((64, 64), 90).save(tmp_path / "noise.png")
    for content in ((tmp_path / "noise.png").read_bytes(), bytes(range(256)) * 50 + b"0742" * 3):
        assert refusal(check_bytes, "noise.png", content, "0742") is None


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("0742", "my-puzzle"),
        ("0742.zip", "my-puzzle.zip"),
        ("valentine-07-42.zip", "valentine.zip"),
        ("0-7-4-2", "my-puzzle"),
        ("07.42", "my-puzzle"),
        ("key ０７−４２.toml", "key.toml"),
        ("letters/0742.txt", "letters/my-puzzle.txt"),
        ("07/42.txt", "07/my-puzzle.txt"),
        ("0742/letter.txt", "my-puzzle/letter.txt"),
        ("x07074242.png", "x.png"),
    ],
)
def test_a_name_that_tells_the_code_gets_another_one(name, suggested):
    told = refusal(check_name, name, "0742")
    assert told.endswith(f"choose another one, such as {suggested}")
    assert refusal(check_name, suggested, "0742") is None


def test_other_names_pass():
    for name in ("valentine.zip", "letters/74.txt", "0743.zip", "07 and 42.txt"):
        assert refusal(check_name, name, "0742") is None
    assert refusal(check_name, "07.zip", "07")
    assert refusal(check_name, "room 07.zip", "07") is None
