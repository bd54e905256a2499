"""Where the project's own files are, and where a bundle's companions belong."""

from pathlib import Path

BUILDER = Path(__file__).resolve().parent
ROOT = BUILDER.parent
GHOST = BUILDER / "ghost.toml"  # the default puzzle
PUZZLE = ROOT / "puzzle"  # its bundle


def beside(folder, ending):
    """The path of what is beside a bundle's folder and has its name, with this ending."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}{ending}")
