"""The solvers' README and notebook are true, whatever the puzzle, and give nothing away."""

import io
import json
import os
import re
import shutil
import sys
import zipfile
from dataclasses import replace

import matplotlib
import nbformat
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib import pyplot

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


# Runs what the README of the bundle here tells solvers to type, in one process.
SOLVER = """
import re, runpy, shlex, sys
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
print(len(commands), "commands")
"""


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["one digit", "sixteen digits"])
def test_all_that_solvers_are_told_to_type_works(tmp_path, shape):
    lay_out(tmp_path / "bundle", *puzzle(*SHAPES[shape]))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "bundle")}
    ran = run("-c", SOLVER, cwd=tmp_path / "bundle", env=environment)
    assert (ran.returncode, ran.stderr) == (0, "saved: try.png\n"), ran.stderr
    assert ran.stdout.endswith("5 commands\n")
    assert re.search(r"^tensor\(\[[\d.e-]+\]\)$", ran.stdout, re.MULTILINE)  # without a grad_fn
    assert (tmp_path / "bundle" / "try.png").read_bytes().startswith(b"\x89PNG")


# The notebook.


@pytest.fixture
def run_notebook(monkeypatch):
    """Runs the cells of a notebook in a folder, as a fresh kernel would: returns its names."""
    matplotlib.use("agg")

    def run_notebook(notebook, folder, cells=None):
        for name in [name for name in sys.modules if name.split(".")[0] == "classifier"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "path", sys.path[:])
        monkeypatch.chdir(folder)
        names = {}
        sources = ["".join(cell["source"]) for cell in notebook["cells"] if "outputs" in cell]
        for source in sources[:cells]:
            exec(source, names)
        return names

    yield run_notebook
    for name in [name for name in sys.modules if name.split(".")[0] == "classifier"]:
        del sys.modules[name]


@pytest.mark.parametrize("tiles", [(3, 1, 1), (1, 2, 3)])
def test_the_notebook_runs_and_shows_the_pictures_put_together(tmp_path, run_notebook, tiles):
    pictures, down, across = tiles
    secret, network = puzzle(heads=pictures * down * across)
    network.arrangement.copy_(torch.tensor(tiles))
    lay_out(tmp_path / "bundle", secret, network)
    notebook = json.loads((tmp_path / "bundle" / "start.ipynb").read_bytes())
    names = run_notebook(notebook, tmp_path / "bundle")
    matrices = network.get_attention_matrices(network.embedding(names["tokens"]))
    axes = [axis for axis in names["axes"].flat]
    shown = [axis.images[0].get_array() for axis in axes]
    for drawn, picture in zip(shown, network.get_pictures(matrices)[0], strict=True):
        torch.testing.assert_close(torch.tensor(drawn), picture.detach())
    labels = [label.get_text() for label in axes[0].get_xticklabels()]
    is_one_head = down * across == 1
    assert (labels == ["CLS", *names["number"]]) == is_one_head
    assert names["network"](names["batch"]).shape == (3,)
    pyplot.close(names["figure"])


def test_the_notebooks_letters_are_checked_against_the_network(tmp_path, run_notebook):
    lay_out(tmp_path / "bundle", *puzzle())
    notebook = json.loads((tmp_path / "bundle" / "start.ipynb").read_bytes())
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == "circuits"]
    right = cell["source"]
    for line, wrong in (
        ("W_O = W_V @ projection\n", "W_O = projection\n"),
        ("b_O = (b_V @ projection).sum(0) +", "b_O ="),
        ("looks = scores.softmax(-1)\n", "looks = (scores / 10**0.5).softmax(-1)\n"),
        (" + b_K).transpose", ").transpose"),
    ):
        assert line in "".join(right)
        cell["source"] = "".join(right).replace(line, wrong)
        with pytest.raises(AssertionError, match="not close"):
            run_notebook(notebook, tmp_path / "bundle")
    pyplot.close("all")


def test_the_notebook_finds_its_puzzle_beside_it_below_it_and_in_a_zip(tmp_path, run_notebook):
    secret, network = puzzle()
    bundled = tmp_path / "made" / "party"
    lay_out(bundled, secret, network)
    notebook = json.loads((bundled / "start.ipynb").read_bytes())
    bundle.pack(bundled, secret, tmp_path / "made" / "party.zip")
    for name in ("above", "unpacked", "zipped"):
        (tmp_path / name).mkdir()
    (tmp_path / "above" / "zips").mkdir()
    shutil.copytree(bundled, tmp_path / "above" / "zips" / "party")
    shutil.copytree(bundled, tmp_path / "unpacked" / "party")
    shutil.copy(tmp_path / "made" / "party.zip", tmp_path / "zipped" / "party (1).zip")
    (tmp_path / "zipped" / "a.zip").write_bytes(zip_of({"photo.jpg": b""}))
    for folder in (bundled, *(tmp_path / name for name in ("above", "unpacked", "zipped"))):
        for _ in range(2):  # the cell may be run again
            names = run_notebook(notebook, folder, cells=2)
            torch.testing.assert_close(names["weights"], dict(network.state_dict()))
    assert sorted(os.listdir(tmp_path / "zipped")) == ["a.zip", "party", "party (1).zip"]


def test_the_notebook_says_what_to_do_if_the_puzzle_is_not_there(tmp_path, run_notebook):
    notebook = json.loads(make_notebook(*puzzle()))
    (tmp_path / "photos.zip").write_bytes(zip_of({"photo.jpg": b""}))
    with pytest.raises(FileNotFoundError, match="Upload its zip there .* and run this cell again"):
        run_notebook(notebook, tmp_path)
    assert os.listdir(tmp_path) == ["photos.zip"]


def zip_of(contents):
    """The bytes of a zip with these files, {name: bytes}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_the_notebook_is_valid_and_fresh():
    title = 'A "quoted" $title \\ ★'
    notebook = nbformat.reads(make_notebook(*puzzle(title=title)).decode(), as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert notebook.cells[0].source.startswith(f"# {title}\n")
    assert notebook.cells[-1].source == ""


@pytest.mark.parametrize("shape", SHAPES)
def test_the_facts_are_those_of_the_network(shape):
    secret, network = puzzle(*SHAPES[shape])
    text = make_readme(secret, network).decode()
    facts = dict(re.findall(r"^\| (.*?) \| (.*?) \|$", text, re.MULTILINE))
    parameters = sum(tensor.numel() for tensor in network.parameters())
    heads = counted(len(secret.pictures), "head")
    hidden = len(network.projection.bias)
    sizes = f"{heads}, hidden size {hidden}, {parameters:,} parameters"
    assert facts["sizes"] == sizes
    longest = counted(secret.max_digits, "digit")
    inputs = int("1" * secret.max_digits + "0")
    assert facts["possible inputs"] == f"{inputs:,}, of at most {longest}"
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
    plain = readme()
    assert "Wrong numbers show a jumble, or" in plain
    assert "just as clear" not in plain
    decoys = readme(decoys=True)
    assert "just as clear" in decoys
    assert "jumble" not in decoys


def test_an_authors_words_come_out_unharmed():
    story = "$title ${story} $$ $ {first} %s\n\n| a | b |\n| --- | --- |\n\n## Set up"
    text = readme(title="A $title {of} `mine`", story=story, difficulty="★ $story")
    beginning = f"# A $title {{of}} `mine`\n\n{story}\n\nHow hard it is: ★ $story\n\n## Guess\n"
    assert text.startswith(beginning)
    assert "How hard" not in readme()


def test_hints_are_closed_and_in_order_and_one_screen_apart_in_an_editor():
    hints = ("Look at *CLS*.", "$first {second}\n\nIn two paragraphs.", "Compose.")
    text = readme(hints=hints)
    assert "Stuck? At the end of this page: 3 hints.\n\n## Guess\n" in text
    closed = re.findall(r"<details>\n<summary>(.*?)</summary>\n\n(.*?)\n\n</details>\n", text, re.S)
    assert [title for title, _ in closed] == ["Hint 1", "Hint 2", "Hint 3"]
    assert tuple(hint.strip("\n") for _, hint in closed) == hints
    for hint in hints:
        above = text[: text.index(hint)].splitlines()
        assert above[-40:] == [""] * 40
    assert "Hint" not in readme()
    assert "<details>" not in readme()


def test_the_readme_and_the_notebook_say_how_heads_make_a_picture():
    secret, network = puzzle(heads=12)
    facts = {}
    for tiles in ((12, 1, 1), (1, 3, 4), (2, 3, 2)):
        network.arrangement.copy_(torch.tensor(tiles))
        text = make_readme(secret, network).decode()
        (facts[tiles],) = re.findall(r"^\| pictures \| (.*) \|$", text, re.MULTILINE)
        assert ("a picture for each head" in text) == (tiles == (12, 1, 1))
        assert ("put together, side by side" in text) == (tiles != (12, 1, 1))
    order = "heads (rows x columns), row by row"
    assert facts == {
        (12, 1, 1): "12, each the matrix of one head",
        (1, 3, 4): f"1, made of 3 x 4 {order}",
        (2, 3, 2): f"2, made of 3 x 2 {order}, one picture after the other",
    }
    notebook = make_notebook(secret, network).decode()
    assert f"A picture is made of 3 x 2 {order}, one picture after the other." in notebook


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


def test_no_example_is_an_anagram_of_a_short_code():
    """Of 100 codes with five examples each, some draw an anagram of the code."""
    for number in range(100):
        code = f"{number:02}"
        for drawn in draw_examples(with_code(code, 2)):
            assert drawn not in (code, code[::-1])


def test_examples_depend_on_the_code_and_the_pictures_and_on_nothing_else():
    secret, _ = puzzle()
    examples = draw_examples(secret)
    assert draw_examples(replace(secret, pictures=secret.pictures[::-1][1:])) != examples
    assert draw_examples(replace(secret, code="2014")) != examples
    assert draw_examples(replace(secret, title="x", story="y", difficulty="z")) == examples
