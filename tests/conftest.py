"""Fixtures: the default secret, the bundle in puzzle/, a small puzzle, the builder called in this process."""

import sys

import pytest
from hypothesis import settings

sys.dont_write_bytecode = True  # compiled code names the folders of this machine, and puzzle/ is handed out

from builder import __main__  # noqa: E402
from builder.bundle import bundle  # noqa: E402
from builder.paths import GHOST, PUZZLE  # noqa: E402
from builder.secret import Secret  # noqa: E402
from builder.training.train import train  # noqa: E402
from puzzle.guess import Classifier  # noqa: E402

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")


@pytest.fixture(scope="session")
def ghost():
    return Secret.read(GHOST)


@pytest.fixture(scope="session")
def network():
    """The network of the bundle in puzzle/."""
    return bundle.read(PUZZLE)


@pytest.fixture(scope="session")
def classifier():
    """That network as the guess script holds it."""
    return Classifier(PUZZLE / "classifier")


@pytest.fixture(scope="session")
def rounds(ghost):
    """The Rounds of training the ghost."""
    return list(train(ghost))


@pytest.fixture
def tiny(tmp_path):
    """A puzzle file that is built in a moment."""
    path = tmp_path / "tiny.toml"
    path.write_text('code = "05"\nmax_digits = 3\npictures = ["#..\\n.#.\\n..#", "###\\n...\\n###"]\n')
    return path


@pytest.fixture
def call(monkeypatch, capsys):
    """Calls the builder in this process, where torch is already loaded. Returns its status, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["builder", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            sys.exit(__main__.main())
        return end.value.code, *capsys.readouterr()

    return call
