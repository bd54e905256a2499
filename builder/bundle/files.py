"""Writes files so that nothing is lost: whatever stops the process, each file is the old one or the new one."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from builder.errors import Failure, PuzzleError

DRAFTS = ".unfinished-"  # starts the name of the folder that holds files until they are whole; a kill leaves it behind
MADE_HERE = b"made by the builder of Attention Codes"  # stands in every zip and every sheet


def check_writable(folder):
    """Tries to make a file in a folder, or in its nearest parent that exists. Raises PuzzleError where it can't."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise PuzzleError(f"{folder} cannot be written: {error.strerror}") from error


def check_replaceable(path):
    """Raises PuzzleError where a file can't be written, or where it would replace one that no build made."""
    if path.exists() and MADE_HERE not in path.read_bytes():
        raise PuzzleError(
            f"{path} is there already, and no build made it: move it away, or choose another name"
        )
    check_writable(path.parent)


def write_files(folder, contents):
    """Writes files below a folder: drafts of all of them first, then each into its place, in this order.

    contents: {path in the folder: bytes}. Raises Failure, which says whether something was changed.
    """
    is_new, placed = not folder.exists(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_behind in folder.glob(f"{DRAFTS}*"):
            shutil.rmtree(left_behind)
        with tempfile.TemporaryDirectory(prefix=DRAFTS, dir=folder) as drafts:
            for number, content in enumerate(contents.values()):
                with open(Path(drafts, str(number)), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            for number, name in enumerate(contents):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(drafts, str(number)), folder / name)
                placed += 1
    except OSError as error:
        if is_new and not placed:
            with suppress(OSError):
                folder.rmdir()
        result = (
            "some files are new now and others old: build it again"
            if placed
            else "nothing was changed"
        )
        raise Failure(
            f"{folder / name if placed else folder} cannot be written: {error.strerror}; {result}"
        ) from error
