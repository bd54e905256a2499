"""The bytes of a puzzle file, or one sentence on what the author named instead of one."""

import re
from pathlib import Path

from builder.errors import PuzzleError
from builder.words import quote, started_as

# How image files start: PNG, JPEG, GIF, BMP, WebP, TIFF.
IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")


def read_source(path):
    """The content (bytes) of a puzzle file. Raises PuzzleError if it can't be one."""
    path = Path(path)
    if path.name.lower().endswith(".toml.txt"):
        raise PuzzleError(f"{path}: rename it to {path.stem}: a puzzle file's name ends in .toml")
    if not path.is_file():
        raise PuzzleError(_what_is_wrong(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PuzzleError(f"{path}: cannot be read: {error.strerror}") from error
    if content.startswith(IMAGES):
        raise PuzzleError(
            f"{path}: an image is not a puzzle file: make one with --new CODE, "
            f'and name the image in it: pictures = ["{path.name}"]'
        )
    return content


def is_puzzle_file(content):
    """Whether the content (bytes) of a file is that of a puzzle file, finished or not."""
    keys = (b"code", b"pictures")
    return all(re.search(rb"^\s*%b\s*=" % key, content, re.MULTILINE) for key in keys)


def _what_is_wrong(path):
    beside = path.with_name(f"{path.name}.toml")
    if path.name and beside.is_file():
        command = f"{started_as()} {quote([str(beside)])}"
        return f"{path}: not the puzzle file, which is {beside}: {command}"
    text = path.with_name(f"{path.name}.txt")
    if path.name and text.is_file():
        return f"{path}: there is only {text}: rename it to {path.name}"
    if path.is_dir():
        return f"{path}: a folder is not a puzzle file: name a file that ends in .toml"
    if path.exists():
        return f"{path}: not a file that can be read"
    command = f"{started_as()} --new CODE {quote([str(path.with_suffix('.toml'))])}"
    return f"{path}: there is no such file: {command} makes one"
