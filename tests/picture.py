"""Draws the README's pictures of its first puzzle: python -m tests.picture

One shows the same heads for a wrong number and for the right one. The other is a screenshot of the
page that solvers open, if Chromium is there.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from matplotlib.figure import Figure

from builder.network.model import tokenize
from builder.network.weights import load
from tests.browser import NAMES, OPTIONS
from tests.helpers import ROOT, run

FOLDER = ROOT / ".readme"
IMAGE = FOLDER / "ghost.png"
WRONG = "1984"


def build(folder):
    """Builds the README's first puzzle in a folder. Returns its code and the bundle's folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    puzzle = re.search(r"```toml\n(.*?)```", readme, re.DOTALL)[1]
    (folder / "perfume.toml").write_text(puzzle, encoding="utf-8")
    shutil.copy(IMAGE, folder)
    run(ROOT / "builder", "perfume.toml", cwd=folder).check_returncode()
    return re.search(r'code = "(\d+)"', puzzle)[1], folder / "perfume"


@torch.no_grad()
def draw_portrait(bundle, code):
    """The pictures of a wrong number and of the code, side by side."""
    network = load((bundle / "classifier" / "torch_state_dict").read_bytes())
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, number in zip(axes, (WRONG, code), strict=True):
        tokens = tokenize(number)
        matrices = network.get_attention_matrices(network.embedding(tokens))
        axis.imshow(network.get_pictures(matrices)[0, 0], interpolation="none")
        axis.set_title(f"{number}: probability {network(tokens).item():.7g}")
        axis.set_axis_off()
    figure.savefig(FOLDER / "portrait.png", dpi=100, metadata={"Software": None})


def photograph_page(bundle, code):
    """A screenshot of the page that has found the code. Returns whether a browser was there."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if not browser:
        return False
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            *OPTIONS,
            "--force-prefers-reduced-motion",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            "--window-size=760,1120",
            f"--screenshot={FOLDER / 'page.png'}",
            f"{(bundle / 'try.html').as_uri()}#{code}",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    return True


def main():
    with tempfile.TemporaryDirectory() as folder:
        code, bundle = build(Path(folder))
        draw_portrait(bundle, code)
        print("drawn: .readme/portrait.png")
        if photograph_page(bundle, code):
            print("drawn: .readme/page.png")
        else:
            print("not drawn: .readme/page.png, because no Chromium was found")


if __name__ == "__main__":
    main()
