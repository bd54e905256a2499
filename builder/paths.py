"""Where the project keeps its things."""

from pathlib import Path

BUILDER = Path(__file__).resolve().parent
ROOT = BUILDER.parent
GHOST = BUILDER / "ghost.toml"
PUZZLE = ROOT / "puzzle"
PROOF = ROOT / "build" / "proof.png"
