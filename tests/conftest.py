"""Fixtures: the default secret, its bundle and certificates, a small puzzle, the builder itself."""

import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import settings

# Compiled code names the folders of this machine, and puzzle/ is handed out.
sys.dont_write_bytecode = True
torch.set_num_threads(1)  # as the builder and guess.py do

from builder import __main__  # noqa: E402
from builder.bundle.bundle import WEIGHTS  # noqa: E402
from builder.network.weights import load  # noqa: E402
from builder.puzzle_file.secret import Secret  # noqa: E402
from builder.training.train import train  # noqa: E402
from tests.helpers import GHOST, PUZZLE, trained  # noqa: E402

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")


@pytest.fixture(scope="session")
def ghost():
    return Secret.read(GHOST)


@pytest.fixture(scope="session")
def network():
    """The network of the bundle in puzzle/."""
    return load((PUZZLE / WEIGHTS).read_bytes())


@pytest.fixture(scope="session")
def with_decoys(ghost):
    """The default secret with decoys, and its network."""
    secret = replace(ghost, decoys=True)
    return secret, trained(secret)


@pytest.fixture(scope="session")
def rounds(ghost):
    """The Rounds of training the ghost."""
    return list(train(ghost))


@pytest.fixture(scope="session")
def certificates(ghost, rounds):
    """Two certificates of the default puzzle, which hold: of two seeds."""
    return [rounds[-1].certificate, list(train(ghost, 1))[-1].certificate]


@pytest.fixture
def tiny(tmp_path):
    """A puzzle file that is built in a moment."""
    path = tmp_path / "tiny.toml"
    path.write_text(
        'code = "05"\nmax_digits = 3\npictures = ["#..\\n.#.\\n..#", "###\\n...\\n###"]\n'
    )
    return path


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Calls the builder in this process, in a temporary folder: its status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["builder/__main__.py", *map(str, arguments)])
        try:
            status = __main__.main()
        except SystemExit as end:  # --help and --version
            status = end.code
        return status, *capsys.readouterr()

    return call
