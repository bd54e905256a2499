"""What an author added to a bundle: which files solvers get, which stay, which tell the code."""

import hashlib
from fnmatch import fnmatch
from pathlib import Path

from builder.bundle.files import DRAFTS, MADE_HERE
from builder.bundle.names import FILES
from builder.errors import PuzzleError
from builder.puzzle_file.source import is_puzzle_file
from builder.puzzle_file.texts import check_bytes, check_name

# What guess.py and try.html write into what they save. The page itself spells \0 as two signs.
SAVED_ANSWERS = (b"saved by guess.py", b"\0saved by try.html")
MOVE = "move it out of the bundle"

# Files and folders that systems, editors, sync programs and tools leave behind. They aren't packed.
# Capital letters don't matter.
MADE_BY_PROGRAMS = (
    ".*",  # hidden: .git, .DS_Store, .ipynb_checkpoints, .venv
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__macosx",
    "@eadir",
    "$recycle.bin",
    "__pycache__",
    "*.pyc",
    "*.egg-info",
    "node_modules",
    "venv",
    "env",
    "*~",  # copies that editors keep
    "#*#",
    "*.bak",
    "*.orig",
    "*.swp",
    "*.swo",
    "*.tmp",
    "~*",  # an open document's lock: ~$letter.docx, ~lock.letter.odt#
    "*.part",
    "*.crdownload",
    "*.sync-conflict-*",
    "*conflicted copy*",
    "*.gdoc",  # a pointer to the author's own document
    "*.gsheet",
    "*.gslides",
)
ENVIRONMENT = "pyvenv.cfg"  # stands in every virtual environment, whatever its folder is called


def added_files(folder):
    """The author's own files in a bundle's folder, which are handed out with it: sorted paths."""
    return _survey(folder, folder)[0]


def read_added_files(folder):
    """The contents of the author's own files in a bundle's folder: {path in the folder: bytes}."""
    contents = {}
    for path in added_files(folder):
        contents[path.relative_to(folder).as_posix()] = path.read_bytes()
    return contents


def left_out(folder):
    """What lies in a bundle's folder and is not handed out, because programs made it: sorted paths.

    Of a folder that is left out, the folder alone is named. So are links.
    """
    return _survey(folder, folder)[1]


def check_added_files(folder, secret):
    """Raises PuzzleError if a file of the author's in the folder tells the secret."""
    for path in added_files(folder):
        check_name(Path(folder.resolve().name) / path.relative_to(folder), secret.code)
        content = path.read_bytes()
        if is_puzzle_file(content):
            raise PuzzleError(f"{path} is a puzzle file, and solvers would get it: {MOVE}")
        if any(mark in content for mark in (MADE_HERE, *SAVED_ANSWERS)):
            raise PuzzleError(
                f"{path} is a sheet, a zip or a saved answer, and solvers would get it: {MOVE}"
            )
        if hashlib.sha256(content).hexdigest() in secret.image_digests:
            raise PuzzleError(f"{path} is one of the puzzle's images: {MOVE}")
        check_bytes(path, content, secret.code)


def _survey(folder, bundle):
    """The files in a folder of the bundle that are handed out, and what is left out: two lists."""
    handed_out = []
    stays = []
    for path in sorted(folder.glob("*")):
        if path.relative_to(bundle).as_posix() in FILES or path.name.startswith(DRAFTS):
            continue
        if _is_made_by_programs(path):
            stays.append(path)
        elif path.is_dir():
            deeper = _survey(path, bundle)
            handed_out += deeper[0]
            stays += deeper[1]
        else:
            handed_out.append(path)
    return handed_out, stays


def _is_made_by_programs(path):
    if path.is_symlink() or (path / ENVIRONMENT).is_file():
        return True
    return any(fnmatch(path.name.lower(), pattern) for pattern in MADE_BY_PROGRAMS)
