"""What the READMEs show is what happens, and the rooms of the project are as the READMEs say."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.helpers import ROOT, run

README = (ROOT / "README.md").read_text(encoding="utf-8")
CURIOUS = (ROOT / "builder" / "README.md").read_text(encoding="utf-8")


WIDE = {**os.environ, "COLUMNS": "80"}


def shown(text, output):
    """Whether the output holds the lines of a text, one below the other, but for space at ends."""
    lines = [line.rstrip() for line in output.splitlines()]
    wanted = [line.rstrip() for line in text.strip("\n").splitlines()]
    return any(lines[start : start + len(wanted)] == wanted for start in range(len(lines)))


def build_example(name, folder, call):
    """Builds the README's puzzle file of this name as the README says. Returns the bundle."""
    puzzles = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    puzzle = puzzles[("perfume", "valentine").index(name)]
    (folder / f"{name}.toml").write_text(puzzle, encoding="utf-8")
    shutil.copy(ROOT / ".readme" / "ghost.png", folder)
    status, _, error = call(f"{name}.toml")
    assert (status, error) == (0, "")
    return folder / name


@pytest.mark.slow
def test_the_first_example_is_built_by_the_commands_that_stand_there(tmp_path, call):
    build_example("perfume", tmp_path, call)
    (tmp_path / "teams.txt").write_text("Red\n", encoding="utf-8")
    commands = re.findall(r"python -m builder (perfume.toml[^`\n]*)", README)
    assert len(commands) >= 5
    for command in commands:
        status, _, error = call(*command.split())
        assert (status, error) == (0, ""), command
    made = {path.name for path in tmp_path.iterdir()}
    for name in re.findall(r"`(perfume[\w.-]*)/?`", README):
        assert name in made, name


def test_the_second_example_shows_what_is_printed(tmp_path, call):
    bundle = build_example("valentine", tmp_path, call)
    (picture,) = re.findall(r"```\n(0214: .*?)```", README, re.DOTALL)
    assert shown(picture, run(bundle / "guess.py", "0214", env=WIDE).stdout)


def test_the_certificate_that_is_shown_is_the_default_puzzles(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (certificate,) = re.findall(r"```\n(holds  .*?)```", CURIOUS, re.DOTALL)
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


FLOORS = [  # from the top; the files beside them, but for errors and words, stand above
    "screens",
    "bundle",
    "attacks",
    "training",
    "proof",
    "network",
    "puzzle_file",
]


def imports(path):
    """The modules that a file imports."""
    text = path.read_text(encoding="utf-8")
    return set(re.findall(r"^\s*(?:from|import) ([\w.]+)", text, re.MULTILINE))


def test_nothing_in_the_builder_imports_the_puzzle():
    for path in (ROOT / "builder").rglob("*.py"):
        assert not any(name.split(".")[0] == "puzzle" for name in imports(path)), path


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_one_way(floor):
    above = FLOORS[: FLOORS.index(floor)]
    forbidden = {f"builder.{name}" for name in [*above, "cli", "commands", "event"]}
    for path in (ROOT / "builder" / floor).rglob("*.py"):
        for name in imports(path):
            assert ".".join(name.split(".")[:2]) not in forbidden, (path, name)


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
