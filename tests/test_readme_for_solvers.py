"""The solvers' README and notebook are true for their own bundle, whatever the puzzle, and give nothing away."""

import json
import os
import re
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from builder.bundle import bundle
from builder.bundle.texts import draw_examples, is_untouched, make_notebook, make_readme
from builder.network.model import NeuralNetwork
from builder.network.weights import dump
from builder.puzzle_file.code import MAX_DIGITS
from builder.puzzle_file.secret import Secret
from tests.helpers import PUZZLE, run

SHAPES = {  # code, heads, max_digits, n_hidden
    "one digit": ("7", 1, 1, 10),
    "the ghost's": ("2013", 3, 5, 10),
    "a short code in a long network": ("42", 2, 16, 12),
    "sixteen digits": ("3141592653589793", 8, 16, 18),
}


def puzzle(code="2013", heads=3, max_digits=5, n_hidden=10, **texts):
    """A secret, an untrained network for it, and its weights. The texts tell only the sizes of the network."""
    pictures = tuple(((head % 2,),) for head in range(heads))
    torch.manual_seed(len(code))
    network = NeuralNetwork(n_hidden, heads, max_digits)
    return Secret(code, pictures, max_digits, **texts), network, dump(network)


def readme(**texts):
    return make_readme(*puzzle(**texts)).decode()


def lay_out(folder, secret, network, weights):
    """Writes a bundle into a folder, without a certificate."""
    shutil.copytree(PUZZLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / bundle.WEIGHTS).write_bytes(weights)
    (folder / bundle.README).write_bytes(make_readme(secret, network, weights))
    (folder / bundle.NOTEBOOK).write_bytes(make_notebook(secret, network, weights))


# Runs all that the README of the bundle here tells solvers to type, and the cells of the notebook, in one process.
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
    secret, network, weights = puzzle(*SHAPES[shape])
    text = make_readme(secret, network, weights).decode()
    facts = dict(re.findall(r"^\| (.*?) \| (.*?) \|$", text, re.MULTILINE))
    parameters = sum(tensor.numel() for tensor in network.state_dict().values())
    sizes = f"{len(secret.pictures)} heads, {len(network.projection.bias)} hidden numbers per token, {parameters:,}"
    longest = f"{secret.max_digits} digit" + "s" * (secret.max_digits > 1)
    assert facts["sizes"].replace("head,", "heads,").startswith(sizes)
    assert (
        facts["inputs there are"] == f"{int('1' * secret.max_digits + '0'):,}, of at most {longest}"
    )
    assert f"A number has {'1 to ' * (secret.max_digits > 1)}{longest}, and" in text


def test_the_ghosts_readme_fits_a_screen_and_the_bundles_texts_are_those_of_its_weights(
    ghost, network
):
    weights = (PUZZLE / bundle.WEIGHTS).read_bytes()
    committed = (PUZZLE / bundle.README).read_bytes()
    assert committed == make_readme(ghost, network, weights)
    assert (PUZZLE / bundle.NOTEBOOK).read_bytes() == make_notebook(ghost, network, weights)
    assert len(committed.splitlines()) <= 52 and max(map(len, committed.splitlines())) <= 120


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
    for edited in (
        made.replace(b"cold", b"warm"),
        b"x" + made,
        made + b"\n",
        made[:-1],
        b"",
        b"# Mine\n",
    ):
        assert edited != made and not is_untouched(edited)


codes = st.text("0123456789", min_size=1, max_size=MAX_DIGITS)


@given(codes, st.integers(1, MAX_DIGITS), st.binary(max_size=8))
@example("7", 1, b"")
@example("012", 3, b"")
def test_examples_are_wrong_codes_that_the_network_takes(code, max_digits, weights):
    max_digits = max(len(code), max_digits)
    secret = Secret(code, ((0,),), max_digits)
    examples = draw_examples(secret, max_digits, weights)
    lengths = [len(drawn) for drawn in examples]
    assert lengths == [
        len(drawn) for drawn in draw_examples(replace(secret, code="9"), max_digits, b"")
    ]
    assert len(set(examples)) == 5 and lengths[0] == lengths[3] == lengths[4] == max_digits
    for drawn in examples:
        assert 1 <= len(drawn) <= max_digits and drawn.isdecimal()
        assert drawn not in code and sorted(drawn) != sorted(code)
        assert len(code) < 3 or code not in drawn


def test_examples_cannot_be_drawn_again_without_the_pictures():
    secret, _, weights = puzzle()
    other = replace(secret, pictures=secret.pictures[::-1] + secret.pictures)
    assert draw_examples(secret, 5, weights) != draw_examples(other, 5, weights)
    assert draw_examples(secret, 5, weights) != draw_examples(secret, 5, weights + b"x")
    assert draw_examples(secret, 5, weights) == draw_examples(
        replace(secret, title="x"), 5, weights
    )
