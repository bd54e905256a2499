"""The bundle, which is what solvers get: where it may be written, whether it is whole, and how it is packed."""

import io
import os
import zipfile
from pathlib import Path

from builder.bundle import files
from builder.bundle.readme import is_made_for, is_untouched, make_readme
from builder.errors import Failure, PuzzleError
from builder.paths import BUILDER, PUZZLE
from builder.proof.weights import load
from builder.secret import find_code
from builder.words import listed

GUESS, README, REQUIREMENTS = "guess.py", "README.md", "requirements.txt"
MODEL, WEIGHTS = "classifier/model.py", "classifier/torch_state_dict"
FILES = (GUESS, README, REQUIREMENTS, MODEL, WEIGHTS)  # in the order they are written: the weights are the last
CODE = {".py", ".pyc", ".pyd", ".so"}
COMPILED = "classifier/__pycache__"
SYSTEM = {"__pycache__", "Thumbs.db", "desktop.ini", "lost+found", "System Volume Information", "$RECYCLE.BIN"}
EDITED = "put its text into the story of the puzzle file and delete it, or give it another name"


def check_folder(folder):
    """Raises PuzzleError unless a bundle can be written into the folder, and nothing of the author's is lost by it.

    The folder is new, empty, or holds a bundle or what an interrupted build left; other files in it are kept.
    """
    folder = files.real(folder)
    if folder.exists() and not folder.is_dir():
        raise PuzzleError(f"{folder} is a file: a bundle needs a folder of its own")
    is_bundle = (folder / GUESS).is_file() and (folder / WEIGHTS).is_file()
    if folder.exists() and not is_bundle and not os.path.lexists(folder / files.LOCK):
        for path in sorted(folder.iterdir()):
            if not _comes_by_itself(path.name):
                raise PuzzleError(f"{folder} holds {path.name} and is no bundle: a bundle needs a folder of its own")

    classifier = (folder / MODEL).parent
    if os.path.lexists(classifier) and (classifier.is_symlink() or not classifier.is_dir()):
        raise PuzzleError(f"{classifier} is not a folder of the bundle's own: move it away")
    for name in (*FILES, files.LOCK):
        path = folder / name
        if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
            raise PuzzleError(f"{path} is not a file of the bundle's own: move it away")
    for name in strangers(folder):
        raise PuzzleError(f"{folder / name} could run or be read instead of the bundle's own files: move it away")
    _check_readme(folder)
    files.check_writable(folder)
    if classifier.is_dir():
        files.check_writable(classifier)


def _check_readme(folder):
    readme = folder / README
    if readme.is_file() and not is_untouched(readme.read_bytes()):
        raise PuzzleError(f"{readme} was edited by hand, and a build would replace it: {EDITED}")


def others(folder):
    """What else lies in a folder, as paths in it: (what is handed out with the bundle, what is left out).

    Left out are links and what systems and programs make by themselves, such as hidden files.
    """
    added, left_out = [], []
    for parent, folders, names in os.walk(folder):
        for name in sorted(folders + names):
            path = Path(parent, name)
            within = path.relative_to(folder).as_posix()
            if _comes_by_itself(name) or path.is_symlink():
                left_out.append(within)
            elif path.is_file() and within not in FILES:
                added.append(within)
        folders[:] = [name for name in folders if not _comes_by_itself(name)]
    ours = (files.LOCK, files.DRAFT)
    return added, [name for name in left_out if not Path(name).name.startswith(ours)]


def _comes_by_itself(name):
    return name in SYSTEM or name.startswith(".")


def strangers(folder):
    """Files that may not be handed out: others in classifier/, and code that Python might run instead of a package."""
    return [name for name in others(folder)[0] if name.startswith("classifier/") or Path(name).suffix in CODE]


def with_the_code(folder, names, code):
    """Which of these files in a folder are texts that hold the code."""

    def holds(name):
        try:
            return find_code((folder / name).read_text(encoding="utf-8"), code) is not None
        except ValueError:  # it is no text
            return False

    return [name for name in names if holds(name)]


def write(folder, secret, certificate):
    """Writes a certified bundle into the folder, replacing the one that lies there. Files beside it are kept.

    A build that is killed leaves the old bundle, the new one, or a mixture that read and the next build notice.
    Raises PuzzleError where the certificate does not hold or check_folder says no, Failure where the disk fails.
    """
    if not certificate.holds:
        raise PuzzleError("a bundle is written only when its certificate holds")
    check_folder(folder)
    folder = files.real(folder)
    contents = {
        **_same_in_every_bundle(),
        README: make_readme(secret, load(certificate.weights), certificate.weights),
        WEIGHTS: certificate.weights,
    }
    files.write_together(folder, {name: contents[name] for name in FILES}, lambda: _check_readme(folder))
    for path in compiled(folder):
        path.unlink(missing_ok=True)  # Python might run it instead of model.py


def _same_in_every_bundle():
    texts = {name: (PUZZLE / name).read_bytes() for name in (GUESS, REQUIREMENTS)}
    return {**texts, MODEL: (BUILDER / "model.py").read_bytes()}


def compiled(folder):
    """Compiled code that Python might run instead of the bundle's model.py."""
    return [] if (folder / COMPILED).is_symlink() else sorted((folder / COMPILED).glob("model*.pyc"))


def read(folder):
    """The network of the bundle in a folder. Raises PuzzleError unless every file is as a build writes it."""
    contents = _contents(folder)
    try:
        return load(contents[WEIGHTS])
    except PuzzleError as error:
        raise Failure(f"{folder / WEIGHTS} is damaged: build it again") from error


def _contents(folder):
    """The bundle's files, {path in the folder: bytes}. Raises PuzzleError unless each is as a build writes it."""
    if not folder.is_dir():
        raise PuzzleError(f"{folder} is not a folder, and a bundle is one")
    interrupted = files.was_interrupted(folder)
    for name in FILES:
        if not (folder / name).is_file():
            why = "an earlier build into it was interrupted: build it again" if interrupted else f"{name} is missing"
            raise PuzzleError(f"{folder} is not a bundle: {why}")
    contents = {name: (folder / name).read_bytes() for name in FILES}

    found = []
    expected = _same_in_every_bundle()
    changed = [name for name in expected if contents[name] != expected[name]]
    if changed:
        found.append(f"{listed(changed)} must be written anew (build it again)")
    if not is_untouched(contents[README]):
        found.append(f"{README} was edited by hand ({EDITED}, and build it again)")
    elif not is_made_for(contents[README], contents[WEIGHTS]):
        why = "an earlier build was interrupted" if interrupted else "they are from two builds"
        found.append(f"{README} and the weights do not belong together, because {why} (build it again)")
    surplus = [*strangers(folder), *(path.relative_to(folder).as_posix() for path in compiled(folder))]
    if surplus:
        found.append(f"{listed(surplus)} must not be there (delete it)")
    if found:
        raise Failure(f"{folder} is not as a build leaves it: {'; '.join(found)}")
    return contents


def readme_matches(folder, secret):
    """Whether the README of a bundle is the one that a build would write for this secret."""
    contents = _contents(folder)
    return contents[README] == make_readme(secret, load(contents[WEIGHTS]), contents[WEIGHTS])


def pack(folder, path):
    """Packs the bundle in a folder as a zip with the folder puzzle/ at its root, with what the author added to it.

    Order, times and modes are fixed and nothing is compressed, so one bundle packs to the same bytes everywhere.
    Raises PuzzleError as read does, Failure where the disk fails.
    """
    contents = _contents(folder)
    contents |= {name: (folder / name).read_bytes() for name in others(folder)[0]}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(f"puzzle/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, so that the mode means the same wherever it is packed
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    files.write_whole(path, packed.getvalue())
