"""The solver's script: what it reads, what it says, and how it ends."""

import os
import re
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.certify import RIGHT, WRONG
from puzzle.guess import DIGITS, Answer, GuessError, main, read_code, save
from tests.conftest import GUESS, content, guess, run, sentence


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no number"),
        ("  ", "no number"),
        ("12x4", "'x' is not a digit"),
        ("1 2", "' ' is not a digit"),
        ("-12", "'-' is a sign"),
        ("+12", "'+' is a sign"),
        ("1.5", "'.' is a decimal point"),
        ("1,5", "',' is a comma"),
        ("１２", "'１' is not a digit"),
        ("٣", "'٣' is not a digit"),
        ("1²", "'²' is not a digit"),
        ("\udc80", r"'\udc80' is not a digit"),
        ("1\x000", r"'\x00' is not a digit"),
    ],
)
def test_what_is_no_number_is_named(text, told):
    with pytest.raises(GuessError) as error:
        read_code(text)
    assert told in str(error.value)


@pytest.mark.parametrize("code", ["123456", "0" * 5000])
def test_a_number_too_long_is_told_how_long_it_may_be(classifier, code):
    with pytest.raises(GuessError, match=f"{len(code)} digits are too many: this network takes 1 to 5"):
        classifier.answer(code)


def is_a_code_or_one_sentence(text):
    try:
        code = read_code(text)
    except GuessError as error:
        assert str(error).isprintable()
    else:
        assert code and set(code) <= set(DIGITS) and code == text.strip()


TYPED = (
    st.text() | st.text(DIGITS) | st.from_regex(r"\s?[+-]?\d+([.,]\d*)?\s?") | st.text(st.characters(categories=["N"]))
)


@given(TYPED)
def test_anything_typed_is_a_code_or_one_sentence(text):
    is_a_code_or_one_sentence(text)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(TYPED)
def test_anything_typed_is_a_code_or_one_sentence_ten_thousand_times(text):
    is_a_code_or_one_sentence(text)


def test_the_right_code_shows_the_pictures_and_a_wrong_one_does_not(tmp_path, ghost):
    right, wrong = (guess(code, cwd=tmp_path).stdout for code in (ghost.code, ghost.code[::-1]))
    for head, picture in enumerate(ghost.pictures):
        width = 3 * len(picture)
        for row, cells in zip(right.splitlines()[4:9], picture.tolist(), strict=True):
            start = 4 + head * (4 + width + 4)
            assert row[start : start + width].ljust(width) == "".join(" █"[int(cell)] * 3 for cell in cells)
    assert float(re.search("probability (.*)", right)[1]) >= RIGHT
    assert float(re.search("probability (?:below )?(.*)", wrong)[1]) <= WRONG
    assert right.count("█") != wrong.count("█")


def test_several_numbers_show_one_after_the_other():
    output = guess("4711", "007", "90210").stdout
    assert re.findall(r"^(\d+)  ", output, re.MULTILINE) == ["4711", "007", "90210"]


def test_help_tells_all_and_gives_nothing_away(ghost):
    told = guess("--help").stdout
    assert all(word in told for word in ("--save", "--plot", "--ascii", "examples:", "sheet"))
    assert ghost.code not in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["12x"], "'x' is not a digit"),
        (["-5"], "a sign"),
        ([""], "no number"),
        (["123456"], "1 to 5"),
        (["1", "--save", "x.bmp"], "must end in .png, .svg or .pdf"),
        (["1", "--save", "none/x.png"], "cannot be written"),
        (["1", "--save", f"{__file__}/x.png"], "cannot be written"),
        (["1", "--save", "x"], "must end in"),
        (["--plot"], "want a number"),
        (["--colour"], "--help tells"),
        (["1", "--plot"], "use --save FILE instead"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, arguments, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["guess.py", *arguments])
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises((GuessError, SystemExit)) as end:
        main()
    error = f"{end.value}\n" if end.type is GuessError else capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_bad_input_ends_a_process_with_one_sentence(tmp_path):
    assert sentence(guess("12x")).startswith("guess.py: 'x' is not a digit")
    headless = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if sys.platform != "linux":  # elsewhere there is a window to be had without these
        headless["MPLBACKEND"] = "agg"
    assert "use --save FILE instead of --plot" in sentence(guess("1", "--plot", env=headless))


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_answers_are_saved_by_the_files_ending(tmp_path, ending, start):
    save([Answer("4", 0.5, [[[0.0, 1.0], [1.0, 0.0]]])] * 2, tmp_path / f"mit Öl.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"mit Öl.{ending}"]
    assert (tmp_path / f"mit Öl.{ending}").read_bytes().startswith(start)


def test_a_sheet_that_cannot_be_saved_leaves_the_old_one(tmp_path, monkeypatch):
    answers = [Answer("4", 0.5, [[[0.0, 1.0], [1.0, 0.0]]])]
    with pytest.raises(GuessError, match="cannot be written: "):
        save(answers, GUESS / "x.png")  # below a file there is no folder
    (tmp_path / "x.png").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(GuessError, match="x.png cannot be written: No space left"):
        save(answers, tmp_path / "x.png")
    assert content(tmp_path) == {"x.png": b"old"}


def test_one_sheet_is_saved_from_any_folder(tmp_path):
    saved = guess("4711", "90210", "--save", "Öl.png", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert saved.returncode == 0, saved.stderr
    assert saved.stdout.endswith("saved: \\xd6l.png\n") and saved.stdout.isascii()
    assert [path.name for path in tmp_path.iterdir()] == ["Öl.png"]


def test_piped_codes_are_answered_line_by_line():
    piped = guess(input="\ufeff4711\n\n12x\n  007 \n\ufffd\n", env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert piped.returncode == 2
    assert re.findall(r"^(\d+)  ", piped.stdout, re.MULTILINE) == ["4711", "007"]
    told = [line.split(" is ")[0] for line in piped.stderr.splitlines()]
    assert told == ["guess.py: line 3: 'x'", "guess.py: line 5: '\ufffd'"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")
def test_a_full_disk_is_one_sentence():
    with open("/dev/full", "w") as full:
        told = subprocess.run([sys.executable, GUESS, "4711"], stdout=full, stderr=subprocess.PIPE, encoding="utf-8")
    assert told.returncode == 2 and told.stderr.startswith("guess.py: no answer can be written: ")
    assert told.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="needs head")
def test_a_reader_who_leaves_is_no_trouble():
    command = f"{sys.executable} {GUESS} {'4711 ' * 500} | head -n 1"
    left = subprocess.run(command, shell=True, capture_output=True, encoding="utf-8")
    assert left.stdout.startswith("4711") and left.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("leave", [b"\n", b"\x03"])
def test_the_prompt_asks_again_and_again(leave):
    import fcntl
    import pty
    import termios

    def take_the_terminal():  # so that Ctrl-C typed there reaches the script
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    master, terminal = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    asked = subprocess.Popen([sys.executable, GUESS], **streams, start_new_session=True, preexec_fn=take_the_terminal)
    os.close(terminal)
    heard = b""

    def until(text):
        nonlocal heard
        end = time.monotonic() + 60
        while text not in heard and time.monotonic() < end:
            heard += os.read(master, 65536)
        assert text in heard and b"Traceback" not in heard, heard
        heard = heard.split(text, 1)[1]

    try:
        until(b"1 to 5 digits; an empty line leaves.")
        for typed, told in (
            (b"4711\n", b"probability"),
            (b"4x\n", b"'x' is not a digit"),
            (b"\x1b[A\x1b[A\n", b"4711"),
            (b"7\n", b"probability"),
        ):
            until(b"> ")
            os.write(master, typed)
            until(told)
        until(b"> ")
        time.sleep(0.3)  # a Ctrl-C within microseconds of the prompt is noticed only with the next key
        os.write(master, leave)
        assert asked.wait(20) == (130 if leave == b"\x03" else 0)
    finally:
        asked.kill()
        asked.wait()
        os.close(master)


@pytest.mark.parametrize("package", ["torch", "rich", "matplotlib"])
def test_a_missing_package_is_named_with_the_pip_command(tmp_path, package):
    hidden = f"import sys, runpy; sys.modules[{package!r}] = None; sys.argv = ['guess.py', '1', '--save', 'x.png']; "
    missing = run("-c", hidden + f"runpy.run_path({str(GUESS)!r}, run_name='__main__')", cwd=tmp_path)
    assert f"{package} is not installed: python -m pip install -r" in sentence(missing)
