"""The walkthrough, for after the event: an executed notebook that finds the code of a bundle.

Its text stands in the folder walkthrough/, as Markdown: a block of Python is a code cell, and what
stands between two blocks is a text cell. Plain puzzles and those with decoys differ in one part.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from string import Template

from builder.bundle.files import MADE_HERE
from builder.bundle.texts import draw_examples
from builder.errors import Failure

HERE = Path(__file__).parent
TEXTS = HERE / "walkthrough"
CODE_BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def make_walkthrough(secret, folder):
    """The executed walkthrough (bytes, nbformat 4.5) of the certified bundle in a folder.

    Raises Failure if a cell fails, or if the notebook does not find the code.
    """
    cells = read_cells(walkthrough_text(secret))
    sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    outputs = iter(run_cells(sources, folder))
    count = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            count += 1
            cell.update(execution_count=count, outputs=next(outputs))
    if f"{secret.code}: the network says 1\n" not in printed(cells):
        raise Failure(f"the walkthrough does not find the code of {folder}, so it is not written")
    return notebook(cells)


def walkthrough_text(secret):
    """The walkthrough as one Markdown text."""
    method = "decoys" if secret.decoys else "plain"
    parts = [
        (TEXTS / f"{name}.md").read_text(encoding="utf-8") for name in ("beginning", method, "end")
    ]
    example = draw_examples(secret)[0]
    return Template("\n".join(parts)).safe_substitute(title=secret.title, first=example)


def read_cells(text):
    """The cells (dicts of nbformat 4.5) of a Markdown text, without outputs."""
    cells = []
    for number, part in enumerate(CODE_BLOCK.split(text)):
        source = part.strip("\n")
        if not source:
            continue
        cell = {"id": f"cell-{len(cells) + 1}", "metadata": {}, "source": source}
        if number % 2:
            cells.append({**cell, "cell_type": "code", "execution_count": None, "outputs": []})
        else:
            cells.append({**cell, "cell_type": "markdown"})
    return cells


def run_cells(sources, folder):
    """The outputs of code cells that run one after the other in a folder. Raises Failure."""
    process = subprocess.run(
        [sys.executable, HERE / "run_cells.py"],
        input=json.dumps(sources),
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # small operations: more threads only wait
        capture_output=True,
        encoding="utf-8",
    )
    if process.returncode:
        *_, reason = process.stderr.strip().splitlines() or ["it was stopped"]
        raise Failure(f"the walkthrough of {folder} cannot be run: {reason}")
    return json.loads(process.stdout)


def printed(cells):
    """All that the cells print."""
    texts = []
    for cell in cells:
        for output in cell.get("outputs", []):
            texts += output.get("text", [])
    return "".join(texts)


def notebook(cells):
    """A notebook of these cells: bytes."""
    for cell in cells:
        cell["source"] = cell["source"].splitlines(keepends=True)
    content = {
        "cells": cells,
        "metadata": {
            "about": MADE_HERE.decode(),  # a copy of it in a bundle is known by this
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
