"""What the tests share: the default secret, the bundle that lies in puzzle/, and scripts run as processes."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.dont_write_bytecode = True  # compiled code names the folders of this machine, and puzzle/ is handed out

from builder import __main__, bundle  # noqa: E402
from builder.secret import Secret  # noqa: E402
from puzzle.guess import Classifier  # noqa: E402

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent
GHOST = ROOT / "builder" / "ghost.toml"
PUZZLE = ROOT / "puzzle"
GUESS = PUZZLE / "guess.py"


@pytest.fixture(scope="session")
def ghost():
    return Secret.read(GHOST)


@pytest.fixture(scope="session")
def network():
    """The network of the bundle that lies in puzzle/."""
    return bundle.read(PUZZLE)


@pytest.fixture(scope="session")
def classifier():
    """That network as the guess script holds it."""
    return Classifier(PUZZLE / "classifier")


@pytest.fixture
def tiny(tmp_path):
    """A puzzle file that is built in a moment."""
    path = tmp_path / "tiny.toml"
    path.write_text('code = "05"\nmax_digits = 3\npictures = ["#..\\n.#.\\n..#", "###\\n...\\n###"]\n')
    return path


@pytest.fixture
def call(monkeypatch, capsys):
    """Calls the builder in this process, where torch is loaded: returns status, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["builder", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            sys.exit(__main__.main())
        return end.value.code, *capsys.readouterr()

    return call


def run(*command, cwd=ROOT, **options):
    """Runs python with these arguments; returns the finished process, its output as text."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        stdin=options.pop("stdin", subprocess.DEVNULL if "input" not in options else None),
        **options,
    )


def content(folder):
    """The files below a folder, by their path in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def gibibytes(maxrss):
    """The peak memory that the operating system tells: bytes on macOS, KiB elsewhere."""
    return maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def guess(*arguments, **options):
    return run("-W", "error", GUESS, *arguments, **options)


def sentence(process, status=2):
    """What a process said when it refused: one line, no traceback, nothing else."""
    assert process.returncode == status, process.stderr
    assert process.stderr.count("\n") == 1, process.stderr
    return process.stderr
