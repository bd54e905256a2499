"""What tests share besides fixtures: paths, scripts run as processes, networks made for a test."""

import subprocess
import sys
from pathlib import Path

import torch

from builder.network.model import tokenize
from builder.network.weights import dump, load
from builder.training.train import train

ROOT = Path(__file__).resolve().parents[1]
GHOST, PUZZLE = ROOT / "builder" / "ghost.toml", ROOT / "puzzle"
GUESS = PUZZLE / "guess.py"


def trained(secret, seed=0):
    """The network, loaded as solvers load it, of a puzzle that must be certified."""
    *_, last = train(secret, seed)
    assert last.certificate.holds
    return load(last.certificate.weights)


def run(*command, cwd=ROOT, **options):
    """Runs python with these arguments, a warning being an error.

    Returns the finished process, its output as text.
    """
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        **options,
    )


def guess(*arguments, **options):
    """Runs the solvers' script."""
    return run(GUESS, *arguments, **options)


def sentence(process, status=2):
    """The one line that a process wrote when it refused: asserts its status and that line."""
    assert process.returncode == status, process.stderr
    assert process.stderr.count("\n") == 1, process.stderr
    return process.stderr


def content(folder):
    """The files below a folder, by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def random_pictures(count, size, seed=0):
    """Pictures of random cells, 0 or 1, as a Secret has them: nested tuples (count, size, size)."""
    cells = torch.randint(2, (count, size, size), generator=torch.Generator().manual_seed(seed))
    return tuple(tuple(map(tuple, picture)) for picture in cells.tolist())


def changed(network, change):
    """A copy of the network, after change(copy) has changed its weights in place."""
    copy = load(dump(network))
    with torch.no_grad():
        change(copy)
    return copy


@torch.no_grad()
def probability(network, code):
    """The network's own answer to a code (string): a float."""
    return network(tokenize(code)).item()
