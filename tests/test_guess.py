"""The solver's script: what it reads, what it shows on every console, and what it says when something is wrong."""

import io
import os
import pickle
import random
import re
import shutil
import subprocess
import sys
import time
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from builder.certify import RIGHT, WRONG
from puzzle.guess import DIGITS, VIRIDIS, Answer, Classifier, GuessError, Heatmap, main, read_code, save
from tests.conftest import GUESS, ROOT, run, sentence

CLASSIFIER = ROOT / "puzzle" / "classifier"
WEIGHTS = (CLASSIFIER / "torch_state_dict").read_bytes()


def guess(*arguments, **options):
    return run("-W", "error", GUESS, *arguments, **options)


@pytest.fixture(scope="module")
def classifier():
    return Classifier(CLASSIFIER)


# What somebody types


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


# What is shown

ANSWER = Answer("40", 0.25, [[[0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.0]], [[-2.0, 2.0, 2.0]] * 3])


def shown(answer, width=60, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    Console(file=file, width=width, highlight=False, legacy_windows=False, **options).print(answer)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


BLOCKS = """\
40  ████████░░░░░░░░░░░░░░░░░░░░░░  probability 0.2500

head 1                head 2
    CLS 4  0              CLS 4  0
CLS    ▒▒▒███         CLS    ██████
  4 ███▒▒▒              4    ██████
  0                     0    ██████
0.00 to 1.00          -2.00 to 2.00

"""


def lines(text):
    return [line.rstrip() for line in text.splitlines()]


def test_a_pipe_gets_shades():
    assert lines(shown(ANSWER)) == lines(BLOCKS)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1"])
def test_a_console_without_unicode_gets_letters(encoding):
    letters = str.maketrans("█▒░", "@+-")
    expected = BLOCKS.translate(letters).replace("@@@@@@@@-", "########-").replace("+++", "===")
    assert lines(shown(ANSWER, encoding=encoding)) == lines(expected)


def test_ascii_can_be_wished_for():
    output = guess("4711", "--ascii").stdout
    assert output.isascii() and "@@@" in output


def test_no_color_gets_shades(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(ANSWER, force_terminal=True, color_system="truecolor")
    assert lines(re.sub(r"\x1b\[[\d;]*m", "", text)) == lines(BLOCKS)
    assert not re.search(r"\x1b\[[\d;]*[34]8[;m]", text)


def test_sixteen_colours_get_shades():
    assert "▒▒▒███" in re.sub(r"\x1b\[[\d;]*m", "", shown(ANSWER, force_terminal=True, color_system="standard"))


def test_24_bit_colour_shows_every_cell_in_its_colour():
    text = shown(ANSWER, force_terminal=True, color_system="truecolor")
    (first,) = (line for line in text.splitlines() if line.startswith("CLS"))
    low, middle, high = (";".join(map(str, bytes.fromhex(VIRIDIS[i]))) for i in (0, 5, 10))
    assert re.findall(r"48;2;([\d;]+)m {3}", first) == [low, middle, high, low, high, high]


def test_256_colours_show_different_cells_differently(ghost):
    # In a process of its own: a rich style remembers the colours of the first console that it was drawn on.
    environment = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": ""}
    text = guess(ghost.code, env={**os.environ, **environment}).stdout
    first = next(line for line in text.splitlines() if line.startswith("CLS"))
    cells = re.findall(r"48;5;(\d+)m {3}", first)
    expected = [cell for picture in ghost.pictures for cell in picture[0].tolist()]
    assert set(zip(cells, expected, strict=True)) == {("53", 0.0), ("220", 1.0)}


def test_the_colours_are_viridis():
    from matplotlib import colormaps

    heatmap = Heatmap("", [[0.0, 1.0]], ["CLS"])
    for step in range(101):
        mine = bytes.fromhex(heatmap.coloured(step / 100)[1].removeprefix("on #"))
        theirs = colormaps["viridis"](step / 100, bytes=True)[:3]
        assert max(abs(int(a) - int(b)) for a, b in zip(mine, theirs, strict=True)) <= 14


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_single_digit_shows_its_whole_range(encoding):
    text = shown(Answer("7", 0.5, [[[-12.25, 0.0], [0.0, 12.25]]] * 2), encoding=encoding)
    assert "-12.25 to 12.25       -12.25 to 12.25" in text


@pytest.mark.parametrize("width", [40, 30, 20])
def test_a_narrow_terminal_stacks_the_pictures(width):
    head = Answer("40718", 0.5, [[[float(i == j) for i in range(6)] for j in range(6)]] * 3)
    text = lines(shown(head, width=width))
    assert width < 25 or max(map(len, text)) <= width
    assert "…" not in "".join(text)
    assert [line for line in text if line.startswith("head")] == ["head 1", "head 2", "head 3"]
    assert text.count("CLS ███") == 3 and text.count("  7          ███") == 3


@pytest.mark.parametrize(
    ("probability", "figure"),
    [
        (0.9999, "0.9999000"),
        (1.0, "1.0000000"),
        (0.5, "0.5000"),
        (0.0012, "0.0012"),
        (1e-9, "1.0e-09"),
        (0.0, "below 1e-45"),
    ],
)
def test_the_figure_says_what_matters(probability, figure):
    assert Answer("1", probability, [[[0.0]]]).figure == figure


def test_one_height_everywhere_is_one_colour():
    assert Heatmap("", [[3.0, 3.0]], ["CLS"]).share(3.0) == 0.0


# The script as a process


def test_the_right_code_shows_the_pictures_and_a_wrong_one_does_not(tmp_path, ghost):
    right, wrong = (guess(code, cwd=tmp_path).stdout for code in (ghost.code, ghost.code[::-1]))
    for head, picture in enumerate(ghost.pictures):
        width = 3 * len(picture)
        for row, cells in zip(lines(right)[4:9], picture.tolist(), strict=True):
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
    assert "use --save FILE instead of --plot" in sentence(guess("1", "--plot", env=headless))


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_answers_are_saved_by_the_files_ending(tmp_path, ending, start):
    save([ANSWER, ANSWER], tmp_path / f"mit Öl.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"mit Öl.{ending}"]
    assert (tmp_path / f"mit Öl.{ending}").read_bytes().startswith(start)


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


def test_a_reader_who_leaves_is_no_trouble():
    command = f"{sys.executable} {GUESS} {'4711 ' * 500} | head -n 1"
    if os.name == "posix":
        left = subprocess.run(command, shell=True, capture_output=True, encoding="utf-8")
        assert left.stdout.startswith("4711") and left.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("leave", [b"\n", b"\x03"])
def test_the_prompt_asks_again_and_again(leave):
    import pty

    master, terminal = pty.openpty()
    asked = subprocess.Popen(
        [sys.executable, GUESS],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )
    os.close(terminal)
    heard = b""

    def until(text):
        nonlocal heard
        end = time.monotonic() + 60
        while text not in heard and time.monotonic() < end:
            heard += os.read(master, 65536)
        assert text in heard, heard
        before, heard = heard.split(text, 1)
        return before

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
    try:
        assert asked.wait(20) == (130 if leave == b"\x03" else 0)
    finally:
        asked.kill()
        asked.wait()
        os.close(master)
    assert b"Traceback" not in heard


# What is missing or broken


@pytest.mark.parametrize("package", ["torch", "rich", "matplotlib"])
def test_a_missing_package_is_named_with_the_pip_command(tmp_path, package):
    hidden = f"import sys, runpy; sys.modules[{package!r}] = None; sys.argv = ['guess.py', '1', '--save', 'x.png']; "
    missing = run("-c", hidden + f"runpy.run_path({str(GUESS)!r}, run_name='__main__')", cwd=tmp_path)
    assert f"{package} is not installed: python -m pip install -r" in sentence(missing)


class Bomb:
    """A pickle that would create a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def state_dict(**changes):
    return {**torch.load(io.BytesIO(WEIGHTS), weights_only=True), **changes}


def saved(thing, **options):
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def zipped(**entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


HOSTILE = {
    "empty": b"",
    "text": b"hello\n",
    "another zip": zipped(readme=b"hello"),
    "an empty zip": zipped(),
    "the old format": saved(state_dict(), _use_new_zipfile_serialization=False),
    "no dict": saved([1, 2, 3]),
    "an empty dict": saved({}),
    "no tensors": saved({name: 1 for name in state_dict()}),
    "a name missing": saved({name: tensor for name, tensor in state_dict().items() if name != "output.bias"}),
    "a name too many": saved(state_dict(extra=torch.zeros(1))),
    "a wrong shape": saved(state_dict(**{"output.bias": torch.zeros(3)})),
    "another size": saved(state_dict(**{"projection.weight": torch.zeros(11, 33)})),
    "no heads": saved(state_dict(**{"projection.weight": torch.zeros(10, 0)})),
    "no size": saved(state_dict(**{"projection.weight": torch.zeros(0, 0)})),
    "no digits": saved(state_dict(**{"embedding.position": torch.zeros(1, 10)})),
    "whole numbers": saved({name: tensor.int() for name, tensor in state_dict().items()}),
    "double": saved({name: tensor.double() for name, tensor in state_dict().items()}),
    "sparse": saved(state_dict(**{"output.weight": torch.zeros(2, 10).to_sparse()})),
    "nan": saved(state_dict(**{"output.bias": torch.tensor([0.0, torch.nan])})),
    "infinite": saved(state_dict(**{"output.bias": torch.tensor([0.0, torch.inf])})),
    "far larger than its file": saved(state_dict(**{"projection.weight": torch.zeros(1).expand(100_000, 300_000)})),
}


def refuses(folder, weights):
    (folder / "torch_state_dict").write_bytes(weights)
    with pytest.raises(GuessError, match="is damaged, or not this network's weights: unpack the puzzle again"):
        Classifier(folder)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(CLASSIFIER, tmp_path / "classifier")


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_weights_are_refused(folder, case):
    refuses(folder, HOSTILE[case])


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_does_not(folder, tmp_path, legacy):
    target = tmp_path / "boom"
    pickle.loads(pickle.dumps(Bomb(tmp_path / "proof"))).close()
    assert (tmp_path / "proof").exists()  # the bomb is live
    refuses(folder, saved(state_dict(extra=Bomb(target)), _use_new_zipfile_serialization=not legacy))
    refuses(folder, pickle.dumps(Bomb(target)))
    assert not target.exists()


def test_weights_cut_short_anywhere_are_refused(folder):
    for length in range(0, len(WEIGHTS), 97):
        refuses(folder, WEIGHTS[:length])
    refuses(folder, WEIGHTS[:-1])


def flipped_weights_are_refused_or_make_no_difference(folder, classifier, times):
    dice = random.Random(times)
    codes = ["90210", "4711", "007", "1"]
    truth = [vars(classifier.answer(code)) for code in codes]
    same = 0
    for _ in range(times):
        damaged = bytearray(WEIGHTS)
        for _ in range(dice.choice([1, 1, 1, 2, 5, 50])):
            damaged[dice.randrange(len(damaged))] ^= dice.randrange(1, 256)
        (folder / "torch_state_dict").write_bytes(damaged)
        try:
            other = Classifier(folder)
        except GuessError:
            continue
        same += 1
        assert [vars(other.answer(code)) for code in codes] == truth
    return same


def test_flipped_weights_are_refused_or_make_no_difference(folder, classifier):
    flipped_weights_are_refused_or_make_no_difference(folder, classifier, 100)


@pytest.mark.slow
def test_a_thousand_flipped_weights_are_refused_or_make_no_difference(folder, classifier):
    same = flipped_weights_are_refused_or_make_no_difference(folder, classifier, 1000)
    assert 0 < same < 1000


def test_every_bit_of_the_archives_directory_may_flip(folder, classifier):
    """The end of the file, where zip keeps its names and places: no flip there may lead to another answer."""
    truth = vars(classifier.answer("4711"))
    for place in range(len(WEIGHTS) - 180, len(WEIGHTS)):
        damaged = bytearray(WEIGHTS)
        damaged[place] ^= 1 << (place % 8)
        (folder / "torch_state_dict").write_bytes(damaged)
        try:
            assert vars(Classifier(folder).answer("4711")) == truth
        except GuessError as error:
            assert "is damaged" in str(error)


def test_a_broken_bundle_is_one_sentence_in_a_process_too(tmp_path):
    here = shutil.copytree(ROOT / "puzzle", tmp_path / "a puzzle")
    (here / "classifier" / "torch_state_dict").write_bytes(WEIGHTS[:5000])
    assert "is damaged" in sentence(run("-W", "error", here / "guess.py", "4711"))
    (here / "classifier" / "torch_state_dict").unlink()
    with pytest.raises(GuessError, match=r"torch_state_dict cannot be read .*: unpack the puzzle again"):
        Classifier(here / "classifier")
