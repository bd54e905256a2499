"""Draws the README's picture of what a solver sees: python -m tests.picture"""

import io
import re

from rich.console import Console

from builder.network.model import tokenize
from builder.network.weights import load
from builder.puzzle_file.secret import Secret
from puzzle.guess import ask
from puzzle.heatmap import show
from tests.helpers import GHOST, PUZZLE, ROOT

PICTURE = ROOT / ".readme" / "solver.svg"


def main():
    code = Secret.read(GHOST).code
    wrong = code[:2] + code[:1:-1]
    network = load((PUZZLE / "classifier" / "torch_state_dict").read_bytes())
    console = Console(
        record=True,
        highlight=False,
        width=78,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    for number in (wrong, code):
        console.print(f"$ python puzzle/guess.py {number}", style="dim", highlight=False)
        show(console, ask(network, tokenize, number))
    drawing = console.export_svg(title="what a solver sees", unique_id="solver")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(
        re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL), encoding="utf-8"
    )  # no web fonts
    print(f"picture: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
