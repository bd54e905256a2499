"""Writes files so that nothing is lost: whatever stops it, each file is the old or the new one."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from builder.errors import Failure, PuzzleError

# Starts the name of the folder that holds files until they are whole; a kill leaves it behind.
DRAFTS = ".unfinished-"
MADE_HERE = b"made by the builder of Attention Codes"  # stands in every zip and every sheet


def check_writable(folder):
    """Raises PuzzleError if no file can be made in a folder, or in the nearest one above it."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise PuzzleError(f"{folder} cannot be written: {error.strerror}") from error


def check_replaceable(path):
    """Raises PuzzleError if a file can't be written, or would replace one that no build made."""
    if path.exists() and (path.is_dir() or MADE_HERE not in path.read_bytes()):
        raise PuzzleError(
            f"{path} already exists, and no build made it: move it away, or choose another name"
        )
    check_writable(path.parent)


def write_file(path, content):
    """Writes a file of this content (bytes), as write_files does. Raises Failure."""
    write_files(path.parent, {path.name: content})


def write_files(folder, contents):
    """Writes files below a folder: drafts of all first, then each into its place, in this order.

    contents: {path in the folder: bytes}. Raises Failure, which says whether something was changed.
    """
    is_new = not folder.exists()
    place = folder  # what is being written
    result = "nothing was changed"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_behind in folder.glob(f"{DRAFTS}*"):
            shutil.rmtree(left_behind)
        with tempfile.TemporaryDirectory(prefix=DRAFTS, dir=folder) as drafts:
            for number, content in enumerate(contents.values()):
                _write_draft(Path(drafts, str(number)), content)
            for number, name in enumerate(contents):
                place = folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(drafts, str(number)), place)
                result = "some files are new now and others old: build it again"
    except OSError as error:
        if is_new:
            with suppress(OSError):  # it holds files
                folder.rmdir()
        raise Failure(f"{place} cannot be written: {error.strerror}; {result}") from error


def _write_draft(path, content):
    """Writes a file, and waits until the disk has it."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
