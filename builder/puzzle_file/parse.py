"""The table of a puzzle file -> the fields of a Secret. The first mistake gets one sentence."""

from builder.errors import PuzzleError
from builder.puzzle_file.code import MAX_DIGITS, check_code
from builder.puzzle_file.drawing import read_drawing
from builder.puzzle_file.sizes import MAX_PICTURES, check_heads
from builder.puzzle_file.texts import check_text

DEFAULT_MAX_DIGITS = 5
MAX_TITLE = 80  # characters
KEYS = ("code", "pictures", "max_digits", "title", "story", "difficulty", "decoys")


def parse_table(table):
    """The fields (dict) of the Secret in a puzzle file's table. Raises PuzzleError on a mistake."""
    _check_keys(table)
    code = table["code"]
    check_code(code)
    fields = {
        "code": code,
        "pictures": _parse_pictures(table["pictures"], len(code)),
        "max_digits": _parse_max_digits(table, len(code)),
        "decoys": _parse_switch("decoys", table),
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


def _parse_max_digits(table, digits):
    max_digits = table.get("max_digits", max(DEFAULT_MAX_DIGITS, digits))
    is_whole = isinstance(max_digits, int) and not isinstance(max_digits, bool)
    if not is_whole or not digits <= max_digits <= MAX_DIGITS:
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


def _parse_text(key, text, code):
    """One of the author's texts, without the empty space around it."""
    if not isinstance(text, str):
        raise PuzzleError(f"{key} must be a string in quotes")
    if not text.strip():
        raise PuzzleError(f"{key} is empty: write something, or leave the key out")
    if key != "story" and (len(text) > MAX_TITLE or len(text.splitlines()) > 1):
        raise PuzzleError(f"{key} must be one line of at most {MAX_TITLE} characters")
    check_text(key, text, code)
    if key == "story":
        return text.strip("\n").rstrip()
    return text.strip()


def _parse_pictures(pictures, digits):
    if not isinstance(pictures, list):
        raise PuzzleError('pictures must be a list of multi-line strings: [ """...""", """...""" ]')
    if not 1 <= len(pictures) <= MAX_PICTURES:
        raise PuzzleError(
            f"there must be 1 to {MAX_PICTURES} pictures: this file has {len(pictures)}"
        )
    parsed = []
    for number, picture in enumerate(pictures, 1):
        parsed.append(read_drawing(f"picture {number}", picture, digits))
    _check_same_size(parsed)
    check_heads(len(parsed), len(parsed[0]), len(parsed[0][0]), digits)
    return tuple(parsed)


def _check_same_size(pictures):
    rows, columns = len(pictures[0]), len(pictures[0][0])
    for number, picture in enumerate(pictures, 1):
        if (len(picture), len(picture[0])) != (rows, columns):
            raise PuzzleError(
                f"picture {number} has {len(picture)} x {len(picture[0])} cells and picture 1 "
                f"has {rows} x {columns}: all pictures of a puzzle need the same size"
            )
