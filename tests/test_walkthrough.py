"""The walkthrough finds the code from the files of the bundle alone, and runs again unchanged."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from builder.bundle import bundle, walkthrough
from builder.bundle.added import added_files, check_added_files
from builder.bundle.walkthrough import make_walkthrough, printed, run_cells
from builder.errors import Failure
from builder.puzzle_file.secret import Secret
from builder.training.train import train


def tiles():
    """A code of three digits whose picture is 2 x 2 tiles with a grey slope."""
    slope = tuple(tuple((row + column) % 8 / 10 for column in range(8)) for row in range(8))
    return Secret("471", (slope,), 4)


def built(secret, folder):
    *_, last = train(secret)
    bundle.write(folder, secret, last.certificate)
    return folder


SLOW = [
    pytest.param("decoys", marks=pytest.mark.slow),
    pytest.param("tiles", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=["plain", *SLOW])
def walked(request, ghost, tmp_path_factory):
    """A secret, the folder of its bundle, and its walkthrough (bytes)."""
    secrets = {"plain": ghost, "decoys": replace(ghost, decoys=True), "tiles": tiles()}
    secret = secrets[request.param]
    folder = built(secret, tmp_path_factory.mktemp("walk") / "bundle")
    return secret, folder, make_walkthrough(secret, folder)


def sources(notebook):
    return ["".join(cell["source"]) for cell in json.loads(notebook)["cells"]]


def test_it_finds_the_code_which_its_source_does_not_hold(walked):
    secret, _, notebook = walked
    assert f"{secret.code}: the network says 1\n" in printed(json.loads(notebook)["cells"])
    assert secret.code not in "\n".join(sources(notebook))


def test_its_tables_agree_with_the_network(walked):
    _, _, notebook = walked
    text = printed(json.loads(notebook)["cells"])
    (line,) = [line for line in text.splitlines() if "the tables differ" in line]
    assert float(line.split()[-1]) < 0.1, "beside logits of at least 750"


def test_it_shows_pictures_and_leaves_nothing_in_the_bundle(walked):
    secret, folder, notebook = walked
    outputs = [o for cell in json.loads(notebook)["cells"] for o in cell.get("outputs", [])]
    drawings = [o for o in outputs if o["output_type"] == "display_data"]
    assert len(drawings) == 4 and all("image/png" in drawing["data"] for drawing in drawings)
    assert added_files(folder) == []
    assert not list(folder.rglob("__pycache__"))


def test_it_is_a_valid_notebook(walked):
    nbformat = pytest.importorskip("nbformat")
    _, _, notebook = walked
    nbformat.validate(nbformat.reads(notebook.decode(), as_version=4))


def test_a_walkthrough_that_ends_at_another_number_is_not_written(walked, monkeypatch):
    secret, folder, notebook = walked
    cells = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    outputs = [cell["outputs"] for cell in cells]
    monkeypatch.setattr(walkthrough, "run_cells", lambda sources, folder: outputs)
    with pytest.raises(Failure, match="^the walkthrough does not find the code of "):
        make_walkthrough(replace(secret, code="9" * len(secret.code)), folder)


def test_a_cell_that_fails_is_named_in_one_sentence(tmp_path):
    with pytest.raises(Failure, match="cannot be run: ZeroDivisionError: division by zero$"):
        run_cells(["one = 1", "one / 0"], tmp_path)


def test_a_copy_in_the_bundle_is_refused(walked):
    secret, folder, notebook = walked
    copy = folder / "letter.ipynb"
    copy.write_bytes(notebook)
    try:
        with pytest.raises(Exception, match="letter.ipynb"):
            check_added_files(folder, secret)
    finally:
        copy.unlink()


@pytest.mark.slow
def test_it_runs_again_unchanged_in_a_fresh_kernel(walked, tmp_path):
    """A plain process stands for the kernel: it runs the cells one after the other."""
    _, folder, notebook = walked
    code = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    script = tmp_path / "cells.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in code), encoding="utf-8")
    command = f"import sys; sys.path.insert(0, '.'); exec(open({str(script)!r}).read())"
    options = {"cwd": folder, "capture_output": True, "text": True}
    process = subprocess.run([sys.executable, "-Bc", command], **options)
    assert process.returncode == 0 and "the network says 1\n" in process.stdout
