"""What the READMEs show is what happens, and the rooms of the project are as the READMEs say."""

import os
import re
import subprocess
import sys

import pytest

from builder.puzzle_file.secret import Secret
from tests.helpers import ROOT, run

README = (ROOT / "README.md").read_text(encoding="utf-8")
CURIOUS = (ROOT / "builder" / "README.md").read_text(encoding="utf-8")


def shown(text, output):
    """Whether the output holds the lines of a text, one below the other, whatever stands at the ends of lines."""
    lines = [line.rstrip() for line in output.splitlines()]
    wanted = [line.rstrip() for line in text.strip("\n").splitlines()]
    return any(lines[start : start + len(wanted)] == wanted for start in range(len(lines)))


def test_the_example_puzzle_is_built_and_shows_what_is_printed(tmp_path, call):
    (puzzle,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "valentine.toml").write_text(puzzle, encoding="utf-8")
    for command in re.findall(r"^python -m builder (valentine.*)$", README, re.MULTILINE):
        status, _, error = call(*command.split())
        assert (status, error) == (0, "")
    assert {"valentine", "valentine.zip", "valentine-sheet.png"} <= {
        path.name for path in tmp_path.iterdir()
    }
    (picture,) = re.findall(r"```\n(0214: .*?)```", README, re.DOTALL)
    assert shown(picture, run(tmp_path / "valentine" / "guess.py", "0214").stdout)
    assert Secret.parse(puzzle.encode()).code in picture


def test_the_certificate_that_is_shown_is_the_default_puzzles(call):
    (certificate,) = re.findall(r"```\n(holds  .*?)```", README, re.DOTALL)
    assert shown(certificate, call("--check")[1])


def test_every_file_and_folder_of_the_builder_is_in_the_layout():
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", CURIOUS, re.MULTILINE)
    named = {name for cells in rows for name in re.findall(r"`([\w.]+)/?`", " ".join(cells))}
    here = [path for path in (ROOT / "builder").rglob("*") if "__pycache__" not in path.parts]
    assert {path.name for path in here if path.parent.name == "builder"} - {"README.md"} <= named
    assert {
        path.stem for path in here if path.suffix == ".py" and path.parent.name != "builder"
    } <= named


def test_the_top_level_holds_what_it_should():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {path.split("/")[0] for path in tracked.stdout.split()}
    expected = {"puzzle", "builder", "tests", "README.md", "pyproject.toml"}
    assert {name for name in top if not name.startswith(".")} == expected


def test_nothing_in_the_builder_imports_the_puzzle_and_imports_go_one_way():
    floors = [
        "screens",
        "bundle",
        "attacks",
        "training",
        "proof",
        "network",
        "puzzle_file",
    ]  # from the top; the files beside them are at the bottom
    for path in (ROOT / "builder").rglob("*.py"):
        imported = set(
            re.findall(
                r"^\s*(?:from|import) ([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE
            )
        )
        assert not any(name.split(".")[0] == "puzzle" for name in imported), path
        if path.parent.name in floors:
            above = floors[: floors.index(path.parent.name)]
            assert not any(
                name.startswith(f"builder.{floor}") for name in imported for floor in above
            ), path


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs the memory figures of a POSIX system")
def test_eight_digits_are_certified_in_less_than_a_gibibyte(tmp_path):
    (tmp_path / "eight.toml").write_text(
        'code = "20131704"\npictures = ["""\n' + "#.##..#.#\n" * 9 + '"""]\n'
    )
    command = [sys.executable, ROOT / "builder", "eight.toml"]
    building = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(building.pid, 0)
    building.returncode = os.waitstatus_to_exitcode(status)
    assert building.returncode == 0
    assert usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20) < 1
