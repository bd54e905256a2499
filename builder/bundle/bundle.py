"""The bundle, which is what solvers get: where it may be written, whether it is whole, its zip."""

from builder.bundle.added import check_added_files, read_added_files
from builder.bundle.checksum import essence, is_untouched
from builder.bundle.files import DRAFTS, check_writable, write_file, write_files
from builder.bundle.names import (
    FILES,
    GUESS,
    HEATMAP,
    MODEL,
    NOTEBOOK,
    PAGE,
    README,
    REQUIREMENTS,
    WEIGHTS,
)
from builder.bundle.page import make_page
from builder.bundle.texts import make_notebook, make_readme
from builder.bundle.zips import zip_bytes
from builder.errors import Failure, PuzzleError
from builder.network.model import tokenize
from builder.network.weights import load
from builder.paths import BUILDER, PUZZLE

TEXTS = (README, NOTEBOOK, PAGE)  # what a build makes of the author's words
# What may lie in an empty folder. Other hidden files make it somebody's, as they do a home.
MADE_BY_BROWSING = (".DS_Store", "Thumbs.db", "desktop.ini", "__pycache__")


def check_folder(folder):
    """Raises PuzzleError unless a bundle can be written into the folder, and nothing is lost by it.

    The folder is new, empty, or holds a bundle, whole or not; other files in it are kept.
    """
    is_bundle = (folder / MODEL).is_file()
    was_killed = any(folder.glob(f"{DRAFTS}*"))
    if not is_bundle and not was_killed:
        for path in sorted(folder.glob("*")):
            if path.name not in MADE_BY_BROWSING:
                raise PuzzleError(
                    f"{folder} holds {path.name} and is not a bundle:"
                    " a bundle needs a folder of its own"
                )
    for name in TEXTS:
        path = folder / name
        if path.is_file() and not is_untouched(path.read_bytes()):
            raise PuzzleError(
                f"{path} was edited by hand, and a build would replace it: give it another name"
            )
    check_writable(folder)


def check_own(folder, secret):
    """Raises PuzzleError if the folder holds the bundle of another puzzle."""
    try:
        network = load((folder / WEIGHTS).read_bytes())
    except (OSError, PuzzleError):  # no bundle, or a damaged one, which a build replaces
        return
    if len(secret.code) < len(network.embedding.position):
        if network(tokenize(secret.code)).item() > 0.5:
            return
    raise PuzzleError(
        f"{folder} holds the bundle of another puzzle, or of another code:"
        " choose another folder, or delete this one"
    )


def write(folder, secret, certificate):
    """Writes a certified bundle into the folder, replacing the one there. Other files are kept.

    Raises PuzzleError if the certificate doesn't hold or check_folder refuses the folder, and
    Failure if the disk fails.
    """
    if not certificate.holds:
        raise PuzzleError("a bundle is written only if its certificate holds")
    check_folder(folder)
    check_added_files(folder, secret)
    write_files(folder, make_files(secret, certificate.weights))
    if (folder / WEIGHTS).read_bytes() != certificate.weights:
        raise Failure(f"{folder / WEIGHTS} is not what was written: the disk may be failing")


def make_files(secret, weights):
    """The files of a bundle in the order in which they are written: {path in the folder: bytes}."""
    network = load(weights)
    contents = {
        **_common_files(),
        README: make_readme(secret, network),
        NOTEBOOK: make_notebook(secret, network),
        PAGE: make_page(secret, network),
        WEIGHTS: weights,
    }
    return {name: contents[name] for name in FILES}


def _common_files():
    """The files that are the same in all bundles."""
    sources = {
        MODEL: BUILDER / "network" / "model.py",
        GUESS: PUZZLE / GUESS,
        HEATMAP: PUZZLE / HEATMAP,
        REQUIREMENTS: PUZZLE / REQUIREMENTS,
    }
    return {name: _unix_lines(path.read_bytes()) for name, path in sources.items()}


def _unix_lines(content):
    """A text (bytes) without the line ends that git gives it on Windows."""
    return content.replace(b"\r\n", b"\n")


def read(folder):
    """The bundle's files, {path in the folder: bytes}, and its network.

    Raises PuzzleError if a file is missing, Failure if one is damaged.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise PuzzleError(f"{folder} is not a whole bundle: {name} is missing, so build it")
    contents = {name: (folder / name).read_bytes() for name in FILES}
    for name, content in _common_files().items():
        if _unix_lines(contents[name]) != content:
            raise Failure(
                f"{folder / name} is not what this builder writes: build the bundle again"
            )
    try:
        return contents, load(contents[WEIGHTS])
    except PuzzleError as error:
        raise Failure(f"{folder / WEIGHTS}: {error}: build it again") from error


def check_texts(folder, secret, contents):
    """Raises Failure if a bundle's texts are not those that a build writes for this secret."""
    expected = make_files(secret, contents[WEIGHTS])
    for name in TEXTS:
        if essence(contents[name]) != essence(expected[name]):
            if is_untouched(contents[name]):
                why = "belongs to another build"
            else:
                why = "was edited by hand: move it away"
            raise Failure(f"{folder / name} {why}; build the bundle again")


def pack(folder, secret, path):
    """Packs the bundle in a folder as a zip with one folder of that name, with the author's files.

    The texts are packed as a build writes them, whatever running a notebook or git made of them.
    Order, times and modes are fixed and nothing is compressed, so one bundle packs to the same
    bytes everywhere. Raises PuzzleError as read does, Failure if the disk fails.
    """
    contents, _ = read(folder)
    packed = make_files(secret, contents[WEIGHTS]) | read_added_files(folder)
    write_file(path, zip_bytes(folder.resolve().name, packed))
