"""The bundle, which is what solvers get: written whole or not at all, read as they do, packed to hand out."""

import io
import os
import tempfile
import zipfile
from pathlib import Path

from builder.secret import PuzzleError
from puzzle.guess import Classifier, GuessError

BUILDER = Path(__file__).resolve().parent
PUZZLE = BUILDER.parent / "puzzle"
MODEL, WEIGHTS = "classifier/model.py", "classifier/torch_state_dict"
TEXTS = ("guess.py", "README.md", "requirements.txt")
FILES = (*TEXTS, MODEL, WEIGHTS)  # puzzles differ in the weights alone
STRAY = {"__pycache__", ".DS_Store"}  # what comes by itself; it does no harm, and is never packed
EXAMPLES = ("90210", "4711", "007")  # numbers to try, in the texts for solvers


def check_folder(folder):
    """Raises PuzzleError unless a bundle may be written into the folder: it is new, empty, or holds a bundle."""
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise PuzzleError(f"{folder} is a file: a bundle needs a folder of its own")
        return
    expected = {folder / name for name in FILES} | {folder / "classifier"}
    for path in sorted(folder.rglob("*")):
        if path not in expected and not STRAY & set(path.relative_to(folder).parts):
            raise PuzzleError(f"{folder} holds {path.relative_to(folder)}: a bundle needs a folder of its own")


def write(folder, secret, certificate):
    """Writes a certified bundle into the folder, replacing the one that lies there.

    At any moment the folder holds the old bundle or the new one: a new folder appears whole; in an old one the weights,
    the file that a puzzle differs in, are put in place in one step. Raises PuzzleError where the certificate does not
    hold or the folder is not a bundle's, OSError where the disk fails; neither changes the folder.
    """
    if not certificate.holds:
        raise PuzzleError("a bundle is written only when its certificate holds")
    folder = folder.resolve()
    check_folder(folder)
    contents = {name: _without(secret.code, (PUZZLE / name).read_bytes()) for name in TEXTS}
    contents[MODEL] = (BUILDER / "model.py").read_bytes()
    contents[WEIGHTS] = certificate.weights

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as workshop:
        draft = Path(workshop) / "bundle"
        (draft / "classifier").mkdir(parents=True)
        for name, content in contents.items():
            (draft / name).write_bytes(content)
            if (draft / name).read_bytes() != content:
                raise OSError(f"{name} cannot be read back as it was written")
        _install(draft, folder)


def _install(draft, folder):
    if not folder.exists() or not any(folder.iterdir()):
        try:
            draft.rename(folder)
            return
        except OSError:
            pass  # another build was faster, or a rename replaces no folder here, not even an empty one
    (folder / "classifier").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if not (folder / name).exists() or (folder / name).read_bytes() != (draft / name).read_bytes():
            os.replace(draft / name, folder / name)


def _without(code, content):
    """A solver's text in which no example is the code: where one would be, it is turned round."""
    turned = code[::-1]
    return content.replace(code.encode(), turned.encode()) if {code, turned} & set(EXAMPLES) else content


def read(folder):
    """The network of the bundle in a folder, loaded as guess.py loads it. Raises PuzzleError where it isn't one."""
    for name in FILES:
        if not (folder / name).is_file():
            raise PuzzleError(f"{folder} is not a bundle: {name} is missing")
    if (folder / MODEL).read_bytes() != (BUILDER / "model.py").read_bytes():
        raise PuzzleError(f"{folder / MODEL} is not this builder's model code: build the puzzle again")
    try:
        return Classifier(folder / "classifier").network
    except GuessError as error:
        raise PuzzleError(str(error)) from error


def pack(folder, path):
    """Packs the bundle in a folder as a zip with the folder puzzle/ at its root.

    Order, times and modes are fixed and nothing is compressed, so one bundle packs to the same bytes everywhere.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in FILES:
            entry = zipfile.ZipInfo(f"puzzle/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, so that the mode means the same wherever it is packed
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (folder / name).read_bytes())
    write_whole(path, packed.getvalue())


def write_whole(path, content):
    """Writes a file's content (bytes) so that the path holds the old file or the new one. Raises OSError."""
    path = path.resolve()
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as workshop:
        draft = Path(workshop) / path.name
        draft.write_bytes(content)
        os.replace(draft, path)
