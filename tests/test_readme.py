"""What the READMEs show is what happens."""

import os
import re
import subprocess
import sys

import pytest
import torch

from builder.model import tokenize
from builder.proof.weights import load
from builder.secret import Secret
from builder.training.train import train
from tests.helpers import ROOT, gibibytes, run

README = (ROOT / "README.md").read_text(encoding="utf-8")
SOLVERS = (ROOT / "puzzle" / "README.md").read_text(encoding="utf-8")


def test_the_solvers_snippet_runs_and_is_six_lines_at_most():
    (snippet,) = re.findall(r"```python\n(.*?)```", SOLVERS, re.DOTALL)
    assert len(snippet.splitlines()) <= 6
    ran = run("-B", "-W", "error", "-c", snippet, cwd=ROOT / "puzzle")
    assert ran.returncode == 0, ran.stderr
    assert re.match(r"tensor\(\[.*?\], grad_fn=.*?\) tensor\(\[\[\[", ran.stdout)


def test_the_solvers_readme_fits_one_screen():
    assert len(SOLVERS.splitlines()) <= 60


def test_the_example_puzzle_is_built_and_shows_what_is_printed(tmp_path):
    (puzzle,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    secret = Secret.parse(puzzle.encode())
    *_, last = train(secret)
    assert last.certificate.holds
    network = load(last.certificate.weights)
    with torch.no_grad():
        (picture,) = network.get_attention_matrices(network.embedding(tokenize(secret.code)))
    shown = re.search(
        rf"^{secret.code}  █+  probability.*?\n\nhead 1\n.*?\n(.*?)\n-?\d", README, re.DOTALL | re.MULTILINE
    )[1]
    cells = [
        [float(line[i] == "█") for i in range(4, 4 + 15, 3)] for line in (row.ljust(19) for row in shown.splitlines())
    ]
    assert torch.equal(torch.tensor(cells), picture[0].round().abs())


def test_every_file_of_the_builder_is_in_the_layout():
    named = {
        name for row in re.findall(r"^\| (`.*`) \|", README, re.MULTILINE) for name in re.findall(r"`([\w.]+)`", row)
    }
    assert named == {path.name for path in (ROOT / "builder").iterdir() if path.is_file()}


def test_the_top_level_holds_what_it_should():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {path.split("/")[0] for path in tracked.stdout.split()}
    assert {name for name in top if not name.startswith(".")} == {
        "puzzle",
        "builder",
        "tests",
        "README.md",
        "pyproject.toml",
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs the memory figures of a POSIX system")
def test_eight_digits_are_certified_in_less_than_a_gibibyte(tmp_path):
    (tmp_path / "eight.toml").write_text('code = "20131704"\npictures = ["""\n' + "#.##..#.#\n" * 9 + '"""]\n')
    command = [sys.executable, "-m", "builder", tmp_path / "eight.toml", "--out", tmp_path / "out"]
    building = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(building.pid, 0)
    building.returncode = os.waitstatus_to_exitcode(status)
    assert building.returncode == 0
    assert gibibytes(usage.ru_maxrss) < 1
