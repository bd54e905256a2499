"""The table of a puzzle file -> the fields of a Secret. The first mistake gets one sentence."""

from builder.errors import PuzzleError
from builder.puzzle_file.code import MAX_DIGITS, check_code
from builder.puzzle_file.pictures import read_pictures
from builder.puzzle_file.texts import check_text
from builder.puzzle_file.toml_file import is_whole_number

DEFAULT_MAX_DIGITS = 5
MAX_TITLE = 80  # characters
KEYS = (
    "code",
    "pictures",
    "cells",
    "max_digits",
    "title",
    "story",
    "difficulty",
    "hints",
    "decoys",
    "summits",
)


def parse_table(table, folder):
    """The fields (dict) of the Secret in a puzzle file's table. Raises PuzzleError on a mistake.

    folder: of the puzzle file; image files are looked for in it.
    """
    _check_keys(table)
    code = table["code"]
    check_code(code)
    decoys = _parse_switch("decoys", table)
    pictures, images = read_pictures(table["pictures"], folder, len(code), table.get("cells"))
    fields = {
        "code": code,
        "pictures": pictures,
        "max_digits": _parse_max_digits(table, len(code), decoys),
        "hints": _parse_hints(table.get("hints", []), code),
        "decoys": decoys,
        "summits": _parse_switch("summits", table),
        "image_digests": tuple(image.digest for image in images),
    }
    for key in ("title", "story", "difficulty"):
        if key in table:
            fields[key] = _parse_text(key, table[key], code)
    return fields


def _check_keys(table):
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise PuzzleError(f"unknown key {unknown[0]!r}: the keys are {', '.join(KEYS)}")
    for key in ("code", "pictures"):
        if key not in table:
            raise PuzzleError(f"the key {key!r} is missing")


def default_max_digits(digits, decoys):
    """The longest number that solvers can type, if the author names none.

    With decoys there is room after the code: its length would tell too much otherwise.
    """
    if decoys:
        return min(max(DEFAULT_MAX_DIGITS, digits + 1), MAX_DIGITS)
    return max(DEFAULT_MAX_DIGITS, digits)


def _parse_max_digits(table, digits, decoys):
    max_digits = table.get("max_digits", default_max_digits(digits, decoys))
    if not is_whole_number(max_digits) or not digits <= max_digits <= MAX_DIGITS:
        raise PuzzleError(
            f"max_digits must be a whole number from {digits}, the length of the code, "
            f"to {MAX_DIGITS}"
        )
    return max_digits


def _parse_switch(key, table):
    switch = table.get(key, False)
    if not isinstance(switch, bool):
        raise PuzzleError(f"{key} must be true or false, without quotes")
    return switch


def _parse_hints(hints, code):
    if not isinstance(hints, list):
        raise PuzzleError('hints must be a list of strings: [ "...", "..." ]')
    parsed = []
    for number, hint in enumerate(hints, 1):
        name = f"hint {number}"
        _check_written(name, hint, "write something, or leave it out")
        check_text(name, hint, code)
        parsed.append(hint.strip("\n").rstrip())
    return tuple(parsed)


def _parse_text(key, text, code):
    """One of the author's texts, without the empty space around it."""
    _check_written(key, text, "write something, or leave the key out")
    if key != "story" and (len(text) > MAX_TITLE or len(text.splitlines()) > 1):
        raise PuzzleError(f"{key} must be one line of at most {MAX_TITLE} characters")
    check_text(key, text, code)
    if key == "story":
        return text.strip("\n").rstrip()
    return text.strip()


def _check_written(name, text, remedy):
    if not isinstance(text, str):
        raise PuzzleError(f"{name} must be a string in quotes")
    if not text.strip():
        raise PuzzleError(f"{name} is empty: {remedy}")
