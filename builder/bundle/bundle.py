"""The bundle, which is what solvers get: where it may be written, whether it is whole, and how it is packed."""

import io
import re
import zipfile
from contextlib import suppress
from pathlib import Path

from builder.bundle.files import DRAFTS, MADE_HERE, check_writable, write_files
from builder.bundle.texts import is_untouched, make_notebook, make_readme
from builder.errors import Failure, PuzzleError
from builder.network.weights import load
from builder.puzzle_file.texts import check_text
from builder.puzzle_file.toml_file import decode

BUILDER = Path(__file__).resolve().parents[1]
PUZZLE = BUILDER.parent / "puzzle"
GUESS, REQUIREMENTS, README, NOTEBOOK = "guess.py", "requirements.txt", "README.md", "start.ipynb"
MODEL, WEIGHTS = "classifier/model.py", "classifier/torch_state_dict"
# In the order they are written: the weights last, so the old network answers until then.
FILES = (MODEL, GUESS, REQUIREMENTS, README, NOTEBOOK, WEIGHTS)
SAVED_ANSWER = b"saved by guess.py"  # stands in every sheet that guess.py saves
MADE_BY_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini", "__pycache__"}


def check_folder(folder):
    """Raises PuzzleError unless a bundle can be written into the folder, and nothing of the author's is lost by it.

    The folder is new, empty, or holds a bundle, whole or not; other files in it are kept.
    """
    if not (folder / MODEL).is_file() and not any(
        folder.glob(f"{DRAFTS}*")
    ):  # neither a bundle nor a killed build
        for path in sorted(folder.glob("*")):
            if path.name not in MADE_BY_SYSTEMS:
                raise PuzzleError(
                    f"{folder} holds {path.name} and is no bundle: a bundle needs a folder of its own"
                )
    for path in (folder / README, folder / NOTEBOOK):
        if path.is_file() and not is_untouched(path.read_bytes()):
            raise PuzzleError(
                f"{path} was edited by hand, and a build would replace it: give it another name"
            )
    check_writable(folder)


def check_added_files(folder, secret):
    """Raises PuzzleError where a file of the author's in the folder tells the secret."""
    for path in added_files(folder):
        content = path.read_bytes()
        is_puzzle_file = all(
            re.search(rb"^\s*%b\s*=" % key, content, re.MULTILINE) for key in (b"code", b"pictures")
        )
        if is_puzzle_file or MADE_HERE in content or SAVED_ANSWER in content:
            what = "puzzle file" if is_puzzle_file else "sheet, a zip or a saved answer"
            raise PuzzleError(
                f"{path} is a {what}, and solvers would get it: move it out of the bundle"
            )
        check_text(
            f"the name {path.relative_to(folder)}", path.relative_to(folder).as_posix(), secret.code
        )
        with suppress(UnicodeDecodeError):  # it is no text
            check_text(path, decode(content), secret.code)


def added_files(folder):
    """The author's own files in a bundle's folder, which are handed out with it. Hidden files and links are not."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and path.relative_to(folder).as_posix() not in FILES
        and not any(
            part.startswith(".") or part in MADE_BY_SYSTEMS
            for part in path.relative_to(folder).parts
        )
    ]


def write(folder, secret, certificate):
    """Writes a certified bundle into the folder, replacing the one that lies there. Files beside it are kept.

    Raises PuzzleError where the certificate does not hold or check_folder says no, Failure where the disk fails.
    """
    if not certificate.holds:
        raise PuzzleError("a bundle is written only when its certificate holds")
    check_folder(folder)
    check_added_files(folder, secret)
    contents = {
        **_common_files(),
        **_puzzle_texts(secret, certificate.weights),
        WEIGHTS: certificate.weights,
    }
    write_files(folder, {name: contents[name] for name in FILES})


def _common_files():
    copied = {name: (PUZZLE / name).read_bytes() for name in (GUESS, REQUIREMENTS)}
    return {**copied, MODEL: (BUILDER / "network" / "model.py").read_bytes()}


def _puzzle_texts(secret, weights):
    network = load(weights)
    return {
        README: make_readme(secret, network, weights),
        NOTEBOOK: make_notebook(secret, network, weights),
    }


def read(folder):
    """The bundle's files, {path in the folder: bytes}, and its network. Raises PuzzleError unless it is whole."""
    for name in FILES:
        if not (folder / name).is_file():
            raise PuzzleError(f"{folder} is not a whole bundle: {name} is missing, so build it")
    contents = {name: (folder / name).read_bytes() for name in FILES}
    changed = [name for name, content in _common_files().items() if contents[name] != content]
    if changed:
        raise Failure(
            f"{folder / changed[0]} is not what this builder writes: build the bundle again"
        )
    try:
        return contents, load(contents[WEIGHTS])
    except PuzzleError as error:
        raise Failure(f"{folder / WEIGHTS}: {error}: build it again") from error


def check_texts(folder, secret, contents):
    """Raises Failure where a bundle's texts are not the ones that a build writes for this secret and these weights."""
    expected = _puzzle_texts(secret, contents[WEIGHTS])
    changed = [name for name, content in expected.items() if contents[name] != content]
    if changed:
        why = (
            "belongs to another build"
            if is_untouched(contents[changed[0]])
            else "was edited by hand: move it away"
        )
        raise Failure(f"{folder / changed[0]} {why}; build the bundle again")


def pack(folder, path):
    """Packs the bundle in a folder as a zip with one folder of that name, with what the author added to it.

    Order, times and modes are fixed and nothing is compressed, so one bundle packs to the same bytes everywhere.
    Raises PuzzleError as read does, Failure where the disk fails.
    """
    contents, _ = read(folder)
    contents |= {
        added.relative_to(folder).as_posix(): added.read_bytes() for added in added_files(folder)
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.comment = MADE_HERE
        for name, content in contents.items():
            entry = zipfile.ZipInfo(
                f"{folder.resolve().name}/{name}", date_time=(1980, 1, 1, 0, 0, 0)
            )
            entry.create_system = 3  # Unix, so that the mode means the same wherever it is packed
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    write_files(path.parent, {path.name: packed.getvalue()})
