"""The solvers' README and notebook are true, whatever the puzzle, and give nothing away."""

import json
import os
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from builder.bundle import bundle
from builder.bundle.checksum import is_untouched
from builder.bundle.texts import draw_examples, make_notebook, make_readme
from builder.network.model import NeuralNetwork
from builder.network.weights import dump
from builder.puzzle_file.code import MAX_DIGITS
from builder.puzzle_file.secret import Secret
from builder.words import counted
from tests.helpers import PUZZLE, run

SHAPES = {  # code, heads, max_digits, n_hidden
    "one digit": ("7", 1, 1, 10),
    "the ghost's": ("2013", 3, 5, 10),
    "a short code in a long network": ("42", 2, 16, 12),
    "sixteen digits": ("3141592653589793", 8, 16, 18),
}


def puzzle(code="2013", heads=3, max_digits=5, n_hidden=10, **texts):
    """A secret, and an untrained network for it; the texts depend on the network's sizes alone."""
    size = 1 + len(code)
    pictures = tuple(((head % 2 * 1.0,) * size,) * size for head in range(heads))
    torch.manual_seed(len(code))
    return Secret(code, pictures, max_digits, **texts), NeuralNetwork(n_hidden, heads, max_digits)


def readme(**texts):
    return make_readme(*puzzle(**texts)).decode()


def lay_out(folder, secret, network):
    """Writes a bundle into a folder, without a certificate."""
    for name, data in bundle.make_files(secret, dump(network)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


# Runs what the README of the bundle here tells solvers to type, and the notebook, in one process.
SOLVER = """
import json, re, runpy, shlex, sys
from pathlib import Path

text = Path("README.md").read_text(encoding="utf-8")
commands = re.findall(r"`python (guess[.]py[^`]*)`", text)
for command in commands:
    sys.argv = shlex.split(command)
    try:
        runpy.run_path("guess.py", run_name="__main__")
    except SystemExit as end:
        assert not end.code, command
(snippet,) = re.findall(r"```python\\n(.*?)```", text, re.DOTALL)
exec(snippet, {})
names = {}
notebook = json.loads(Path("start.ipynb").read_text(encoding="utf-8"))
cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
for cell in cells:
    exec("".join(cell["source"]), names)
assert names["network"](names["batch"]).shape == (3,)
assert len(names["figure"].axes) == 2 * len(names["matrices"])  # each with its colour bar
print(len(commands), "commands and", len(cells), "cells")
"""


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["one digit", "sixteen digits"])
def test_all_that_solvers_are_told_to_type_works_and_so_does_the_notebook(tmp_path, shape):
    lay_out(tmp_path / "bundle", *puzzle(*SHAPES[shape]))
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(tmp_path / "bundle")}
    ran = run("-c", SOLVER, cwd=tmp_path / "bundle", env=environment)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert ran.stdout.endswith("5 commands and 5 cells\n")
    assert re.search(r"^tensor\(\[[\d.e-]+\]\)$", ran.stdout, re.MULTILINE)  # without a grad_fn
    assert (tmp_path / "bundle" / "try.png").read_bytes().startswith(b"\x89PNG")


def test_the_notebook_is_valid_and_fresh():
    """Against nbformat 4.5: https://nbformat.readthedocs.io/en/latest/format_description.html"""
    notebook = json.loads(make_notebook(*puzzle(title='A "quoted" $title \\ ★')))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert set(notebook["metadata"]["kernelspec"]) == {"name", "display_name", "language"}
    cells = notebook["cells"]
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids) and all(
        re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids
    )
    for cell in cells:
        of_code = {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | of_code
        assert cell["cell_type"] in ("code", "markdown") and all(
            type(line) is str for line in cell["source"]
        )
        assert not of_code or (cell["outputs"], cell["execution_count"]) == ([], None)
    assert cells[0]["source"][0] == '# A "quoted" $title \\ ★\n' and cells[-1]["source"] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_the_facts_are_those_of_the_network(shape):
    secret, network = puzzle(*SHAPES[shape])
    text = make_readme(secret, network).decode()
    facts = dict(re.findall(r"^\| (.*?) \| (.*?) \|$", text, re.MULTILINE))
    parameters = sum(tensor.numel() for tensor in network.parameters())
    heads = counted(len(secret.pictures), "head")
    hidden = len(network.projection.bias)
    sizes = f"{heads}, {hidden} hidden numbers per token, {parameters:,} parameters"
    assert facts["sizes"] == sizes
    longest = counted(secret.max_digits, "digit")
    inputs = int("1" * secret.max_digits + "0")
    assert facts["inputs there are"] == f"{inputs:,}, of at most {longest}"
    if secret.max_digits == 1:
        assert "A number has 1 digit, and" in text
    else:
        assert f"A number has 1 to {longest}, and" in text


def test_the_committed_readme_and_notebook_are_what_a_build_writes_and_the_readme_is_short(
    ghost, network
):
    committed = (PUZZLE / bundle.README).read_bytes()
    assert committed == make_readme(ghost, network)
    assert (PUZZLE / bundle.NOTEBOOK).read_bytes() == make_notebook(ghost, network)
    assert len(committed.splitlines()) <= 75
    assert max(map(len, committed.splitlines())) <= 120


@pytest.mark.parametrize("make", [make_readme, make_notebook])
def test_nothing_tells_how_long_the_code_is(make):
    """Two codes of different lengths: only the examples and the check sum differ."""
    texts = [make(*puzzle(code=code)).decode() for code in ("7", "20131")]
    assert texts[0] != texts[1]
    short, long = (re.sub(r"\d", "0", re.sub("0x[0-9a-f]{8}", "", text)) for text in texts)
    assert short == long


def test_a_solver_is_told_what_wrong_numbers_look_like():
    assert "Wrong numbers show a jumble, or" in readme() and "just as clear" not in readme()
    assert "just as clear" in readme(decoys=True) and "jumble" not in readme(decoys=True)


def test_an_authors_words_come_out_unharmed():
    story = "$title ${story} $$ $ {first} %s\n\n| a | b |\n| --- | --- |\n\n## Set up"
    assert readme(title="A $title {of} `mine`", story=story, difficulty="★ $story").startswith(
        f"# A $title {{of}} `mine`\n\n{story}\n\nHow hard it is: ★ $story\n\n## Guess\n"
    )
    assert "How hard" not in readme()


@pytest.mark.parametrize("make", [make_readme, make_notebook])
def test_an_edit_by_hand_is_noticed(make):
    made = make(*puzzle(title="cold"))
    assert is_untouched(made)
    for edited in (made.replace(b"cold", b"warm"), b"x" + made, made[:-9], b"", b"# Mine\n"):
        assert edited != made
        assert not is_untouched(edited)


@pytest.mark.parametrize("make", [make_readme, make_notebook])
def test_line_ends_of_windows_are_no_edit(make):
    assert is_untouched(make(*puzzle()).replace(b"\n", b"\r\n"))


def test_a_notebook_that_was_run_and_saved_is_no_edit_and_a_changed_cell_is_one():
    notebook = json.loads(make_notebook(*puzzle()))
    cells = notebook["cells"]
    for cell in cells:
        cell["id"] = cell["id"][::-1]
        cell["source"] = "".join(cell["source"])  # as some programs save it
        cell["metadata"] = {"collapsed": False}
        if cell["cell_type"] == "code":
            cell["execution_count"] = 7
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["7\n"]}]
    notebook["metadata"] = {"kernelspec": {"name": "venv", "display_name": "venv"}, "colab": {}}
    cells.append({"cell_type": "code", "id": "new", "metadata": {}, "source": "", "outputs": []})
    assert is_untouched(json.dumps(notebook).encode())
    cells[-1]["source"] = "print(7)"
    assert not is_untouched(json.dumps(notebook).encode())


codes = st.text("0123456789", min_size=1, max_size=MAX_DIGITS)


def with_code(code, max_digits):
    """A secret whose one picture is all dark."""
    size = 1 + len(code)
    return Secret(code, (((0.0,) * size,) * size,), max_digits)


@given(codes, st.integers(1, MAX_DIGITS))
@example("7", 1)
@example("012", 3)
def test_examples_are_wrong_codes_that_the_network_takes(code, max_digits):
    max_digits = max(len(code), max_digits)
    examples = draw_examples(with_code(code, max_digits))
    lengths = [len(drawn) for drawn in examples]
    assert lengths == [len(drawn) for drawn in draw_examples(with_code("9", max_digits))]
    assert lengths[0] == lengths[3] == lengths[4] == max_digits
    assert len(set(examples)) == 5
    for drawn in examples:
        assert 1 <= len(drawn) <= max_digits
        assert drawn.isdecimal()
        assert drawn not in code
        assert sorted(drawn) != sorted(code)
        assert len(code) < 3 or code not in drawn


def test_examples_depend_on_the_code_and_the_pictures_and_on_nothing_else():
    secret, _ = puzzle()
    examples = draw_examples(secret)
    assert draw_examples(replace(secret, pictures=secret.pictures[::-1][1:])) != examples
    assert draw_examples(replace(secret, code="2014")) != examples
    assert draw_examples(replace(secret, title="x", story="y", difficulty="z")) == examples
