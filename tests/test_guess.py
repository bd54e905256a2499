"""The solver's script: what it reads, what it says, and how it ends."""

import ast
import io
import os
import re
import runpy
import select
import shutil
import subprocess
import sys
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzle.guess import DIGITS, EXAMPLES, GuessError, main, read_code
from tests.helpers import GUESS, PUZZLE, content, guess, run, sentence


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no number"),
        ("  ", "no number"),
        ("12x4", "'x' in '12x4' is not a digit"),
        ("1 2", "' ' in '1 2' is not a digit"),
        ("-12", "'-' in '-12' is a sign"),
        ("+12", "'+' in '+12' is a sign"),
        ("1.5", "'.' in '1.5' is a decimal point"),
        ("1,5", "',' in '1,5' is a comma"),
        ("１２", "'１' in '１２' is not a digit"),
        ("٣", "'٣' in '٣' is not a digit"),
        ("1²", "'²' in '1²' is not a digit"),
        ("\udc80", r"'\udc80' in '\udc80' is not a digit"),
        ("1\x000", r"'\x00' in '1\x000' is not a digit"),
    ],
)
def test_what_is_no_number_is_named(text, told):
    with pytest.raises(GuessError) as error:
        read_code(text)
    assert told in str(error.value)


@pytest.mark.parametrize("code", ["123456", "0" * 5000])
def test_a_number_that_is_too_long_is_refused_with_the_length_it_may_have(classifier, code):
    with pytest.raises(GuessError, match=f"{len(code)} digits are too many: this network takes at most 5"):
        classifier.answer(code)


def is_a_code_or_gets_one_sentence(text):
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
def test_anything_typed_is_a_code_or_gets_one_sentence(text):
    is_a_code_or_gets_one_sentence(text)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(TYPED)
def test_anything_typed_is_a_code_or_gets_one_sentence_ten_thousand_times(text):
    is_a_code_or_gets_one_sentence(text)


@pytest.fixture
def ask(monkeypatch, capsys):
    """Runs the script's main in this process; returns what it prints."""

    def ask(*arguments, columns="80"):
        monkeypatch.setattr(sys, "argv", ["guess.py", *arguments])
        monkeypatch.setenv("COLUMNS", columns)
        assert main() == 0
        return capsys.readouterr().out

    return ask


def test_the_right_code_shows_the_pictures_and_a_wrong_one_does_not(tmp_path, ghost):
    """Runs in a copy of the puzzle, which must work alone. The script must leave nothing behind there."""
    here = shutil.copytree(PUZZLE, tmp_path / "mit Öl", ignore=shutil.ignore_patterns("__pycache__"))
    before = content(here)
    asked = run("-W", "error", here / "guess.py", ghost.code, ghost.code[::-1], cwd=tmp_path)
    right, wrong = re.split(f"^(?={ghost.code[::-1]}  )", asked.stdout, flags=re.MULTILINE)
    for head, picture in enumerate(ghost.pictures):
        width = 3 * len(picture)
        for row, cells in zip(right.splitlines()[4:9], picture.tolist(), strict=True):
            start = 4 + head * (4 + width + 4)
            assert row[start : start + width].ljust(width) == "".join(" █"[int(cell)] * 3 for cell in cells)
    assert float(re.search("probability (.*)", right)[1]) >= 0.999
    assert float(re.search("probability (.*)", wrong)[1]) <= 0.001
    assert right.count("█") != wrong.count("█")
    assert "You found it" in right and "You found it" not in wrong
    assert content(here) == before


def test_several_numbers_show_one_after_the_other(ask):
    assert re.findall(r"^(\d+)  ", ask("4711", "007", "90210"), re.MULTILINE) == ["4711", "007", "90210"]


def test_ascii_can_be_asked_for(ask, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = ask("4711", "--ascii")
    assert output.isascii() and "\x1b" not in output and "888" in output and "..." in output


@pytest.mark.parametrize("columns", ["0", "1", "23"])
def test_a_console_without_columns_gets_the_whole_answer(ask, columns):
    whole = ask("4711")
    assert ask("4711", columns=columns) == whole


def test_help_tells_all_and_gives_nothing_away(ghost):
    told = guess("--help").stdout
    assert all(word in told for word in ("--save", "--plot", "--ascii", "examples:", "sheet", "NUMBER"))
    assert not re.search(r"\d", told)  # a digit could be a hint
    assert EXAMPLES in told and max(map(len, EXAMPLES.splitlines())) <= 106


def test_help_does_not_wait_for_torch(tmp_path):
    blocked = "import sys, runpy; sys.modules.update(dict.fromkeys(['torch', 'rich', 'matplotlib'])); sys.argv = "
    for arguments, status in ((["guess.py", "--help"], 0), (["guess.py", "12x"], 2)):
        asked = run("-c", f"{blocked}{arguments}; runpy.run_path({str(GUESS)!r}, run_name='__main__')")
        assert asked.returncode == status and "installed" not in asked.stderr


def test_the_script_knows_no_puzzle(ghost):
    text = GUESS.read_text(encoding="utf-8")
    assert not re.search(rf"(?<!\d){ghost.code}(?!\d)", text) and "builder" not in text
    assert not re.search(r"nois|crisp|sharp", text)  # words that are true of wrong numbers in some puzzles only


def test_the_script_compiles_on_python_3_8():
    for name in ("guess.py", "classifier/model.py"):
        ast.parse((PUZZLE / name).read_bytes(), feature_version=(3, 8))


def test_the_script_computes_with_one_thread_and_an_import_leaves_the_threads_alone(ask):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        runpy.run_path(str(GUESS), run_name="imported")
        assert torch.get_num_threads() == 2
        ask("1")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["12x"], "'x' in '12x' is not a digit"),
        (["-5"], "a sign"),
        ([""], "no number"),
        (["123456"], "at most 5"),
        (["1", "123456"], "at most 5"),
        (["1", "--save", "x.bmp"], "not a file name that ends in .png, .svg or .pdf"),
        (["1", "--save", "none/x.png"], "cannot be written"),
        (["1", "--save", f"{__file__}/x.png"], "cannot be written"),
        (["1", "--save", ".png"], ".png is not a file name that ends in"),
        (["--plot"], "no number is given"),
        (["--save", "x.png"], "no number is given"),
        (["1"] * 51 + ["--save", "x.png"], "a sheet has room for 50 numbers, and these are 51"),
        (["1"] * 2000 + ["--plot"], "a sheet has room for 50 numbers, and these are 2,000"),
        (["--colour"], "--help tells"),
        (["1", "--plot"], "use --save FILE instead of --plot"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, arguments, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["guess.py", *arguments])
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GuessError) as end:
        main()
    assert told in str(end.value) and "\n" not in str(end.value)
    shown = capsys.readouterr()
    assert not list(tmp_path.iterdir()) and shown.err == "" and (shown.out == "" or "instead of --plot" in told)


def test_bad_input_ends_a_process_with_one_sentence():
    assert sentence(guess("12x")).startswith("guess.py: 'x' in '12x' is not a digit")


@pytest.mark.slow
def test_a_machine_without_a_screen_gets_one_sentence():
    headless = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if sys.platform != "linux":  # elsewhere a window needs neither of these
        headless["MPLBACKEND"] = "agg"
    assert "use --save FILE instead of --plot" in sentence(guess("1", "--plot", env=headless))


def test_piped_codes_are_answered_line_by_line():
    lines = f"\ufeff4711\n\n12x\n  007 \n\ufffd\n{'1' * 9_998}\n90210"
    piped = guess(input=lines, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert piped.returncode == 2
    assert re.findall(r"^(\d+)  ", piped.stdout, re.MULTILINE) == ["4711", "007", "90210"]
    told = [line.split(" is ")[0] for line in piped.stderr.splitlines()]
    assert told[:2] == ["guess.py: line 3: 'x' in '12x'", "guess.py: line 5: '\ufffd' in '\ufffd'"]
    assert told[2:] == ["guess.py: line 6: 9998 digits are too many: this network takes at most 5"]


def test_bytes_that_are_no_text_are_refused_and_the_next_line_is_answered(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["guess.py"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n4711\n"), encoding="ascii"))
    assert main() == 2
    shown = capsys.readouterr()
    assert shown.out.startswith("4711  ")
    assert shown.err.startswith("guess.py: line 1: '\ufffd' in '\ufffd\ufffd' is not a digit")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("leave", [b"\x04", *(pytest.param(key, marks=pytest.mark.slow) for key in (b"\n", b"\x03"))])
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
            if select.select([master], [], [], 1)[0]:
                heard += os.read(master, 65536)
        assert text in heard and b"Traceback" not in heard, heard
        heard = heard.split(text, 1)[1]

    try:
        until(b"Type the digits of a number, at most 5; an empty line leaves.")
        for typed, told in (
            (b"4711\n", b"probability"),
            (b"4x\n", b"'x' in '4x' is not a digit"),
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
        assert os.read(master, 100).endswith(b"\n")
    finally:
        asked.kill()
        asked.wait()
        os.close(master)


@pytest.mark.parametrize("package", ["torch", "rich", "matplotlib"])
def test_a_missing_package_is_named_with_the_pip_command(tmp_path, package):
    hidden = f"import sys, runpy; sys.modules[{package!r}] = None; sys.argv = ['guess.py', '1', '--save', 'x.png']; "
    missing = run("-c", hidden + f"runpy.run_path({str(GUESS)!r}, run_name='__main__')", cwd=tmp_path)
    assert f"{package} is not installed, or is damaged: python -m pip install -r" in sentence(missing)
    assert missing.stdout == "" and not list(tmp_path.iterdir())
