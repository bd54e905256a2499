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
from matplotlib.figure import Figure

from puzzle import guess as script
from tests.helpers import GUESS, PUZZLE, content, run, sentence

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
DAMAGED = "is damaged, or a file is missing: unpack the puzzle again"


@pytest.fixture
def ask(monkeypatch, capsys):
    """Runs the script in this process, where torch is already loaded. Returns its status, output and errors."""
    monkeypatch.syspath_prepend(PUZZLE)

    def ask(*arguments, lines=b""):
        monkeypatch.setattr(sys, "argv", ["guess.py", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(GUESS), run_name="__main__")
        return end.value.code, *capsys.readouterr()

    return ask


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
    for row in range(len(ghost.code) + 1):
        cells = ["".join(" █"[cell] * 3 for cell in picture[row]) for picture in ghost.pictures]
        assert "  ".join(f"{['CLS', *ghost.code][row]:>3} {text}" for text in cells) in won
    assert "You found it" in won and "picture 3" in won and "head" not in won
    assert "You found it" not in jumble and "head 3" in jumble and "picture" not in jumble
    assert content(puzzle) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["12x4"], "'12x4' is no number: type digits 0 to 9 alone"),
        (["1 2"], "'1 2' is no number"),
        (["-5"], "'-5' is no number"),
        (["１２"], "'１２' is no number"),
        ([""], "'' is no number"),
        (["1", "123456"], "6 digits are too many: this network takes at most 5"),
        (["1", "--save", "x.bmp"], "x.bmp is no file name that ends in .png, .svg or .pdf"),
        (
            ["1", "--save", "none/x.png"],
            "none/x.png is no file name that ends in .png, .svg or .pdf, in a folder that exists",
        ),
        (["--plot"], "no number is given: python guess.py NUMBER"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["1", "--plot"], "no window can be opened here: use --save FILE instead of --plot"),
    ],
)
def test_bad_input_gets_one_sentence(ask, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("matplotlib.pyplot.figure", Figure)  # as where there is no display
    status, _, error = ask(*arguments)
    assert (
        status == 2 and told in error and error.startswith("guess.py: ") and error.count("\n") == 1
    )
    assert not list(tmp_path.iterdir())


def without(packages, *arguments, **options):
    """Runs the script as if these packages were not installed."""
    hide = f"import sys, runpy; sys.modules.update(dict.fromkeys({packages})); sys.path[0] = {str(PUZZLE)!r}; "
    start = f"sys.argv = ['guess.py', *sys.argv[1:]]; runpy.run_path({str(GUESS)!r}, run_name='__main__')"
    return run("-c", hide + start, *arguments, **options)


@pytest.mark.parametrize("package", ["torch", "rich", "matplotlib"])
def test_a_missing_package_is_named_with_the_command_that_mends_it(tmp_path, package):
    told = sentence(without([package], "1", "--save", "x.png", cwd=tmp_path))
    assert told.startswith(f"guess.py: {package}")
    assert told.endswith(
        f'is missing or damaged: python -m pip install -U -r "{PUZZLE / "requirements.txt"}"\n'
    )


def test_help_and_typos_do_not_wait_for_packages():
    packages = ["torch", "rich", "matplotlib"]
    helped = without(packages, "--help")
    assert helped.returncode == 0 and max(map(len, helped.stdout.splitlines())) <= 100
    assert all(
        word in helped.stdout
        for word in ("--save", "--plot", "--ascii", "< numbers.txt", "CLS stands before")
    )
    assert not re.search(r"\d", helped.stdout)  # a digit could be a hint
    assert "'12x' is no number" in sentence(without(packages, "12x"))


def test_the_script_compiles_on_python_3_9():
    for name in ("guess.py", "classifier/model.py"):
        ast.parse((PUZZLE / name).read_bytes(), feature_version=(3, 9))


def test_a_missing_file_is_told(puzzle):
    (puzzle / "classifier" / "model.py").unlink()
    assert DAMAGED in sentence(run(puzzle / "guess.py", "1"))


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_damaged_weights_are_told(puzzle, damage, monkeypatch):
    """torch.load alone answers wrongly where a byte of a weight is altered."""
    monkeypatch.setattr(script, "HERE", puzzle)
    monkeypatch.syspath_prepend(puzzle)
    script.load()
    weights = puzzle / "classifier" / "torch_state_dict"
    whole = weights.read_bytes()
    place = whole.index(b"PK", len(whole) // 3) - 20  # before an archive's own bytes
    altered = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    weights.write_bytes(altered if damage == "altered" else whole[: len(whole) // 2])
    with pytest.raises(script.GuessError, match=DAMAGED):
        script.load()


def test_piped_numbers_are_answered_line_by_line_and_an_error_names_its_line(ask):
    status, output, error = ask(
        lines="\ufeff4711\n\n12x\n  007 \n123456\n90210\n".encode() + b"\xff\n"
    )
    assert status == 2
    assert answered(output) == [("4711", "0"), ("007", "0"), ("90210", "0")]
    told = re.findall(r"^guess.py: (line \d: \S+)", error, re.MULTILINE)
    assert told == ["line 3: '12x'", "line 5: 6", "line 7: '\ufffd'"]


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")]
)
def test_answers_are_saved_as_one_sheet(ask, tmp_path, monkeypatch, ending, start):
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = tmp_path / f"Öl.{ending}"
    status, output, error = ask("4711", "90210", "--ascii", "--save", str(file))
    assert (
        (status, error) == (0, "")
        and output.isascii()
        and "\x1b" not in output
        and f"\\xd6l.{ending}\n" in output
    )
    assert list(tmp_path.iterdir()) == [file] and file.read_bytes().startswith(start)


@POSIX
@pytest.mark.slow
def test_a_full_disk_is_told_and_a_reader_who_leaves_early_is_no_error():
    def shell(command):
        command = command.replace("GUESS", f"{sys.executable} {GUESS}")
        return subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, encoding="utf-8", timeout=60
        )

    if os.path.exists("/dev/full"):
        assert "cannot be written: No space left on device" in sentence(
            shell("GUESS 1 > /dev/full")
        )
    left = shell("yes 4711 | GUESS | head -n 1")
    assert (left.stdout, left.stderr) == ("4711: probability 0\n", "")


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
            (b"4x\n", b"'4x' is no number"),
            (b"\x1b[A\x1b[A\n", b"4711: probability 0"),
            (b"help\n", b"Rows are the tokens that look, columns those looked at"),
            (ghost.code.encode() + b"\n", b'solved "A ghost in the latent space" in 3 guesses'),
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
