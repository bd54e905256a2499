"""The solver's script: what it reads, what it says, and how it ends, wherever it is opened."""

import ast
import builtins
import codecs
import errno
import io
import json
import os
import re
import runpy
import select
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib
import pytest
from matplotlib.image import imread

from puzzle import guess as script
from tests.helpers import GUESS, PUZZLE, content, run, sentence

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
DAMAGED = "is missing or damaged: unpack the puzzle again"
REQUIREMENTS = PUZZLE / "requirements.txt"


@pytest.fixture
def ask(monkeypatch, capsys):
    """Runs the script in this process, where torch is loaded. Returns status, output and errors."""

    monkeypatch.syspath_prepend(PUZZLE)  # as Python does for a script

    def ask(*arguments, lines=b""):
        monkeypatch.setattr(sys, "argv", ["guess.py", *arguments])
        if lines is not None:
            stream = io.BufferedReader(io.BytesIO(lines))
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        path = list(sys.path)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(GUESS), run_name="__main__")
        assert sys.path == path  # a notebook goes on with it
        return end.value.code, *capsys.readouterr()

    return ask


class Typed(io.StringIO):
    """What somebody types, as a standard input."""

    def isatty(self):
        return True


@pytest.fixture
def puzzle(tmp_path):
    """A copy of the puzzle, which must work alone."""
    return shutil.copytree(
        PUZZLE, tmp_path / "mit Öl", ignore=shutil.ignore_patterns("__pycache__")
    )


def answered(text):
    """The numbers that were answered, with their probabilities."""
    return re.findall(r"^(\d+): probability (\S+)$", text, re.MULTILINE)


def test_the_right_number_shows_the_pictures_and_a_wrong_one_does_not(puzzle, ghost):
    """Nothing may be left behind in the folder, which an author hands out."""
    before = content(puzzle)
    wrong = ghost.code[::-1]
    shown = run(puzzle / "guess.py", wrong, ghost.code, cwd=puzzle.parent).stdout
    assert answered(shown) == [(wrong, "0"), (ghost.code, "1")]
    jumble, won = shown.split(f"{ghost.code}:")
    for row, token in enumerate(["CLS", *ghost.code]):
        for picture in ghost.pictures:
            cells = "".join("██" if cell else "  " for cell in picture[row])
            assert f"{token:>3} {cells}" in won
    assert "You found it" in won and "picture 3" in won and "head" not in won
    assert "You found it" not in jumble and "head 3" in jumble and "picture" not in jumble
    assert content(puzzle) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["12x4"], "'12x4' is not a number: type digits 0 to 9 alone"),
        (["1 2"], "'1 2' is not a number"),
        (["-5"], "'-5' is not a number"),
        (["１２"], "'１２' is not a number"),
        ([""], "'' is not a number"),
        (["1", "123456"], "6 digits are too many: this network takes at most 5"),
        (["1", "--save", "x.bmp"], "x.bmp is not a name for a sheet: it must end in .png, .svg or"),
        (["1", "--save", "none/x.png"], "none/x.png cannot be saved: there is no folder none"),
        (["1", "--save", "folder.png"], "folder.png is a folder: give the sheet another name"),
        (["--save", "x.png"], "no number is given: python guess.py NUMBER --save try.png"),
        (["1"] * 101 + ["--save", "x.png"], "a sheet has room for 100 numbers, not for 101"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_bad_input_gets_one_sentence(ask, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    status, output, error = ask(*arguments)
    assert (status, output) == (2, "")
    assert told in error and error.startswith("guess.py: ") and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


HIDE = """
import runpy, sys
class Hidden:
    def find_spec(name, path, target=None):
        if name in {packages}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hidden)
sys.argv = {arguments}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def without(packages, *arguments, **options):
    """Runs the script as if these packages were not installed."""
    arguments = [str(GUESS), *map(str, arguments)]
    return run("-c", HIDE.format(packages=packages, arguments=arguments), **options)


def missing(package):
    command = f'"{sys.executable}" -m pip install -r "{REQUIREMENTS}"'
    return f"guess.py: {package} is missing: {command}\n"


@pytest.mark.parametrize("package", ["torch", "matplotlib"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    ask, tmp_path, monkeypatch, package
):
    monkeypatch.setitem(sys.modules, package, None)
    status, _, error = ask("1", "--save", str(tmp_path / "x.png"))
    assert (status, error) == (2, missing(package)) and not list(tmp_path.iterdir())


def test_only_pictures_need_rich_and_only_a_sheet_needs_matplotlib():
    assert sentence(without(["rich"], "1")) == missing("rich")
    assert '"number": "1"' in without(["rich", "matplotlib"], "1", "--json").stdout


def test_a_remedy_that_cannot_help_is_not_offered(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert "pip" not in script.remedy("torch") and "pip" in script.remedy("rich")


def test_help_and_typos_do_not_wait_for_packages():
    packages = ["torch", "rich", "matplotlib"]
    helped = without(packages, "--help")
    assert helped.returncode == 0 and max(map(len, helped.stdout.splitlines())) <= 100
    for word in ("--save", "--json", "--ascii", "< numbers.txt", "CLS stands before"):
        assert word in helped.stdout
    assert not re.search(r"\d", helped.stdout)  # a digit could be a hint
    assert "'12x' is not a number" in sentence(without(packages, "12x"))


def test_help_is_there_without_docstrings():
    assert "CLS stands before" in run("-OO", GUESS, "--help").stdout


def test_the_scripts_compile_on_python_3_9():
    for name in ("guess.py", "heatmap.py", "classifier/model.py"):
        ast.parse((PUZZLE / name).read_bytes(), feature_version=(3, 9))


def test_the_script_says_what_it_needs_as_the_requirements_do():
    """In the lines of PEP 723, so that `uv run guess.py` needs no set-up."""
    block = re.search(r"(?m)^# /// script\n((?:# .*\n)+)# ///$", GUESS.read_text("utf-8"))[1]
    needed = re.search(r"^# dependencies = (.*)$", block, re.MULTILINE)[1]
    listed = re.findall(r"^[a-z].*?(?=\s|$)", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
    assert json.loads(needed) == listed and len(listed) == 3
    assert '# requires-python = ">=3.9"\n' in block


@pytest.mark.parametrize("name", ["classifier/model.py", "heatmap.py"])
def test_a_missing_file_is_told(puzzle, monkeypatch, name):
    monkeypatch.setattr(script, "HERE", puzzle)
    (puzzle / name).unlink()
    with pytest.raises(script.GuessError, match=f"{name} is missing: unpack the puzzle again"):
        script.run_file(name)


@pytest.mark.parametrize("damage", ["missing", "cut", "altered"])
def test_damaged_weights_are_told(puzzle, damage, monkeypatch):
    """torch.load alone answers wrongly if a byte of a weight is altered."""
    monkeypatch.setattr(script, "HERE", puzzle)
    script.load()
    weights = puzzle / "classifier" / "torch_state_dict"
    whole = weights.read_bytes()
    place = whole.index(b"PK", len(whole) // 3) - 20  # before an archive's own bytes
    weights.unlink()
    if damage == "cut":
        weights.write_bytes(whole[: len(whole) // 2])
    if damage == "altered":
        weights.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(script.GuessError, match=DAMAGED):
        script.load()


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        ("import nothing_of_this_name", ModuleNotFoundError),
        ("this is no Python", SyntaxError),
        ("CLS = 1 / 0", ZeroDivisionError),
        ("open('nothing of this name')", FileNotFoundError),
    ],
)
def test_a_solvers_own_mistake_in_the_model_is_shown_as_python_shows_it(
    puzzle, monkeypatch, mistake, error
):
    monkeypatch.setattr(script, "HERE", puzzle)
    monkeypatch.setattr(sys, "argv", ["guess.py", "1"])
    with open(puzzle / "classifier" / "model.py", "a", encoding="utf-8") as model:
        model.write(mistake)
    with pytest.raises(error):
        script.run()


def test_piped_numbers_are_answered_line_by_line_and_an_error_names_its_line(ask):
    lines = "\ufeff4711\n\n12x\n  007 # a guess\n123456\n90210,1; 2\n# none\n".encode() + b"\xff\n"
    status, output, error = ask(lines=lines)
    assert status == 2
    assert [number for number, _ in answered(output)] == ["4711", "007", "90210", "1", "2"]
    told = re.findall(r"^guess.py: (line \d: \S+)", error, re.MULTILINE)
    assert told == ["line 3: '12x'", "line 5: 6", "line 8: '\ufffd'"]


@pytest.mark.parametrize(
    ("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
)
def test_a_file_that_powershell_wrote_is_read(ask, mark, encoding):
    status, output, _ = ask(lines=mark + "4711\r\n007\r\n".encode(encoding))
    assert (status, answered(output)) == (0, [("4711", "0"), ("007", "0")])


def test_answers_are_lines_of_json_for_other_programs(ask, ghost):
    status, output, error = ask(ghost.code, "47", "--json")
    assert (status, error) == (0, "") and output.isascii()
    right, wrong = map(json.loads, output.splitlines())
    assert list(right) == ["number", "probability", "matrices", "pictures"]
    assert (right["number"], wrong["number"]) == (ghost.code, "47")
    assert right["probability"] > 0.999999 and wrong["probability"] == 0
    for matrix, tile in zip(right["matrices"], ghost.tiles, strict=True):
        for row, wanted in zip(matrix, tile, strict=True):
            assert row == pytest.approx(wanted, abs=0.01)
    assert right["pictures"] == right["matrices"]  # each picture is one head's
    assert [len(matrix) for matrix in wrong["matrices"]] == [3, 3, 3]


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")]
)
def test_answers_are_saved_as_one_sheet(ask, tmp_path, monkeypatch, ending, start):
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = tmp_path / f"Öl.{ending}"
    status, output, error = ask("4711", "90210", "--ascii", "--save", str(file))
    assert (status, error) == (0, f"saved: {file}\n")
    assert output.isascii() and "\x1b" not in output
    assert list(tmp_path.iterdir()) == [file]
    saved = file.read_bytes()
    assert saved.startswith(start) and b"saved by guess.py" in saved


@pytest.mark.parametrize("fails", ["write_bytes", "replace"])
def test_a_sheet_that_cannot_be_saved_is_named_and_what_was_there_stays(
    ask, tmp_path, monkeypatch, fails
):
    def write_half(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def replace(old, new):
        raise PermissionError(errno.EACCES, "Permission denied", str(old))

    file = tmp_path / "try.png"
    file.write_bytes(b"a keepsake")
    if fails == "write_bytes":
        monkeypatch.setattr(Path, "write_bytes", write_half)
    else:
        monkeypatch.setattr(os, "replace", replace)
    status, _, error = ask("4711", "--save", str(file))
    why = "No space left on device" if fails == "write_bytes" else "Permission denied"
    assert (status, error) == (2, f"guess.py: {file} cannot be saved: {why}\n")
    assert content(tmp_path) == {"try.png": b"a keepsake"}


def test_a_sheet_looks_the_same_whatever_a_solver_has_set_for_matplotlib(ask, tmp_path):
    ask("4711", "--save", str(tmp_path / "plain.png"))
    settings = {
        "image.origin": "lower",
        "image.cmap": "gray",
        "text.usetex": True,
        "figure.facecolor": "black",
        "text.color": "white",
        "savefig.dpi": 17,
        "savefig.bbox": "tight",
        "axes.autolimit_mode": "round_numbers",
    }
    with matplotlib.rc_context(settings):
        status, _, _ = ask("4711", "--save", str(tmp_path / "set.png"))
        assert matplotlib.rcParams["image.origin"] == "lower"  # a notebook goes on with it
    assert status == 0
    assert (imread(tmp_path / "plain.png") == imread(tmp_path / "set.png")).all()


@pytest.mark.slow
def test_settings_that_are_no_text_are_named(tmp_path):
    (tmp_path / "matplotlibrc").write_text("image.origin: lower", encoding="utf-16")
    ran = run(GUESS, "4711", "--save", "x.png", cwd=tmp_path)
    assert "guess.py: x.png cannot be saved: your matplotlibrc is not UTF-8\n" in ran.stderr
    assert ran.returncode == 2 and "Traceback" not in ran.stderr


def test_files_beside_the_script_are_not_imported_and_settings_do_not_stop_it(puzzle):
    """numbers.py and random.py are names that a solver of this puzzle thinks of first."""
    for name in sys.stdlib_module_names | {"torch", "numpy", "rich", "matplotlib", "PIL", "attr"}:
        (puzzle / f"{name}.py").write_text("raise SystemExit('this file was imported')")
    (puzzle / "matplotlibrc").write_text("image.origin: lower\nno setting\n")
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    ran = subprocess.run(
        [sys.executable, "guess.py", "4711", "--save", "x.png"],
        cwd=puzzle,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert ran.returncode == 0 and "saved: x.png\n" in ran.stderr, ran.stderr
    assert answered(ran.stdout) == [("4711", "0")]


@pytest.mark.slow
@pytest.mark.parametrize("start", [["-I", "guess.py"], ["-m", "guess"], ["-OO", "guess.py"]])
def test_the_script_finds_its_files_however_it_is_started(puzzle, start):
    other = puzzle.parent / "classifier"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('another package of this name')")
    environment = {**os.environ, "PYTHONPATH": str(puzzle.parent)}
    ran = run(*start, "4711", cwd=puzzle, env=environment)
    assert answered(ran.stdout) == [("4711", "0")] and ran.stderr == ""


def test_it_answers_in_a_notebook_whose_output_is_no_terminal(ask, monkeypatch):
    """There, print goes to an object of the notebook's, and input asks in the page."""
    monkeypatch.setattr(builtins, "get_ipython", lambda: None, raising=False)
    typed = iter(["4711", "quit"])
    monkeypatch.setattr(builtins, "input", lambda prompt="": next(typed))
    with redirect_stdout(io.StringIO()) as page:
        assert ask("12")[0] == 0
        assert ask()[0] == 0
    assert answered(page.getvalue()) == [("12", "0"), ("4711", "0")]
    assert "head 3" in page.getvalue()


def test_it_answers_if_the_output_or_the_input_is_closed(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", None)
    assert ask(lines=None) == (2, "", "guess.py: no number is given: python guess.py NUMBER\n")
    assert answered(ask("4711", lines=None)[1]) == [("4711", "0")]
    monkeypatch.setattr(sys, "stdout", None)
    file = tmp_path / "x.png"
    assert ask("4711", "--save", str(file), lines=None) == (0, "", f"saved: {file}\n")
    assert ask(lines=b"4711")[0] == 0


class Log:
    """What a program may put in the place of its output."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_it_answers_into_whatever_stands_in_the_place_of_the_output(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stderr", Log())
    with redirect_stdout(Log()) as log:
        assert ask("12", "--save", str(tmp_path / "x.png"))[0] == 0
        monkeypatch.setattr(sys, "stdin", Typed("4711\n"))
        assert ask(lines=None)[0] == 0
    assert answered(log.text) == [("12", "0"), ("4711", "0")]
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    assert ask(lines=None)[0] == 2
    assert sys.stderr.text.endswith("guess.py: no number is given: python guess.py NUMBER\n")


def test_the_prompt_does_not_go_into_a_file_of_answers(ask, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Typed("4711\nhelp\n12x\n1, 2\n"))
    status, output, error = ask(lines=None)
    assert status == 0
    assert [number for number, _ in answered(output)] == ["4711", "1", "2"]
    assert "> " not in output and "Type a number" not in output and "CLS stands" not in output
    assert error.startswith("Type a number's digits, or 'help'") and error.count("> ") == 5
    assert "CLS stands before" in error and "guess.py: '12x' is not a number" in error


@POSIX
@pytest.mark.slow
def test_a_full_disk_is_told_and_closed_streams_and_a_reader_who_leaves_are_no_errors():
    def shell(command):
        command = command.replace("GUESS", f"{sys.executable} {GUESS}")
        return subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, encoding="utf-8", timeout=300
        )

    if os.path.exists("/dev/full"):
        told = sentence(shell("GUESS 1 > /dev/full"))
        assert told == "guess.py: the answer cannot be written: No space left on device\n"
    left = shell("yes 4711 | GUESS | head -n 1")
    assert (left.stdout, left.stderr) == ("4711: probability 0\n", "")
    for command in ("GUESS 4711 >&-", "GUESS 4711 <&-", "GUESS 4711 2>&-"):
        ran = shell(command)
        assert (ran.returncode, ran.stderr) == (0, ""), command


class Terminal:
    """The script at its prompt on a pseudo-terminal."""

    def __enter__(self):
        import fcntl
        import pty
        import termios

        def take_the_terminal():  # so that Ctrl-C typed there reaches the script
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.keyboard, terminal = pty.openpty()
        options = {"start_new_session": True, "preexec_fn": take_the_terminal}
        self.script = subprocess.Popen(
            [sys.executable, GUESS], stdin=terminal, stdout=terminal, stderr=terminal, **options
        )
        os.close(terminal)
        self.heard = b""
        return self

    def __exit__(self, *_):
        self.script.kill()
        self.script.wait()
        os.close(self.keyboard)

    def until(self, text):
        end = time.monotonic() + 60
        while text not in self.heard and time.monotonic() < end:
            if select.select([self.keyboard], [], [], 1)[0]:
                self.heard += os.read(self.keyboard, 65536)
        assert text in self.heard and b"Traceback" not in self.heard, self.heard
        self.heard = self.heard.split(text, 1)[1]

    def type(self, text):
        self.until(b"> ")
        time.sleep(
            0.2
        )  # a Ctrl-C within microseconds of the prompt is noticed only with the next key
        os.write(self.keyboard, text)


@POSIX
def test_the_prompt_has_a_history_and_counts_the_guesses_until_the_right_one(ghost):
    with Terminal() as terminal:
        terminal.until(b"Type a number's digits, or 'help'; 'quit' or an empty line leaves.")
        for typed, told in (
            (b"4711\n", b"4711: probability 0"),
            (b"4x\n", b"'4x' is not a number"),
            (b"\x1b[A\x1b[A\n", b"4711: probability 0"),
            (b"help\n", b"Rows are the tokens that look, columns those looked at"),
            (ghost.code.encode() + b"\n", b'You solved "A ghost in the latent space". Guesses: 3'),
        ):
            terminal.type(typed)
            terminal.until(told)
        terminal.type(b"q\n")
        assert terminal.script.wait(20) == 0


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize(("typed", "status"), [(b"\x04", 0), (b"\x03", 130), (b"EXIT\n", 0)])
def test_the_prompt_can_be_left(typed, status):
    with Terminal() as terminal:
        terminal.type(typed)
        assert terminal.script.wait(20) == status
        assert os.read(terminal.keyboard, 100).endswith(b"\n")
