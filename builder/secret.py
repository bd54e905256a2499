"""The secret of a puzzle, read from its TOML file, with every mistake named in one sentence."""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import torch

from builder.errors import PuzzleError
from builder.words import counted

DIGITS = "0123456789"  # ASCII alone: str.isdigit would let other scripts' digits through
MAX_DIGITS = 16
MAX_PICTURES = 8
DEFAULT_MAX_DIGITS = 5
MAX_BYTES = 1_000_000  # of a puzzle file
CELLS = {".": 0.0, "#": 1.0}
UNQUOTED = "the code must be a string in quotes, since leading zeros count"
KEYS = ("code", "pictures", "max_digits", "title", "story", "difficulty", "decoys")
MAX_CHARACTERS = {"title": 80, "story": 10_000, "difficulty": 80}
MAX_DECOY_DIGITS_OF_ONE_PICTURE = 7  # of a code with one picture: from 8 on, no seed of many learnt the decoys
SPELLED_OUT = 3  # digits from which on a text must not hold the code: shorter ones occur in any text

TITLE = "A number in a network"
STORY = """\
Somebody taught a small network one number and then froze its weights. It reads any number, digit by digit, and it still
knows the one that it was taught. Nobody else does."""


@dataclass(frozen=True, eq=False)
class Secret:
    """What the network is to know, and what solvers are told about it.

    code: the right number, a string of 1 to 16 digits, for leading zeros count.
    pictures: what the heads' matrices are to show for it, (heads, 1 + digits, 1 + digits), cells 0.0 or 1.0.
    max_digits: the longest code that the network can take, from the code's own length to 16.
    title, story, difficulty: the author's words in the solvers' README; difficulty is empty if there is none.
    decoys: whether wrong numbers show pictures too, which mean nothing.
    """

    code: str
    pictures: torch.Tensor
    max_digits: int
    title: str = TITLE
    story: str = STORY
    difficulty: str = ""
    decoys: bool = False

    @classmethod
    def read(cls, path):
        """The secret in a puzzle file. Raises PuzzleError, which names the file and the first mistake in it."""
        try:
            with Path(path).open("rb") as file:
                return cls.parse(file.read(MAX_BYTES + 1))
        except OSError as error:
            raise PuzzleError(f"{path}: cannot be read: {error.strerror}") from error
        except PuzzleError as error:
            raise PuzzleError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, content):
        """The secret in the content (bytes) of a puzzle file. Raises PuzzleError on the first mistake."""
        table = _table(content)
        unknown = sorted(set(table) - set(KEYS))
        if unknown:
            raise PuzzleError(
                f"unknown key {unknown[0]!r}: the keys are code and pictures and, if wanted, {', '.join(KEYS[2:])}"
            )
        for key in ("code", "pictures"):
            if key not in table:
                raise PuzzleError(f"the key {key!r} is missing")

        code = _code(table["code"])
        max_digits = table.get("max_digits", max(DEFAULT_MAX_DIGITS, len(code)))
        if type(max_digits) is not int or not len(code) <= max_digits <= MAX_DIGITS:
            raise PuzzleError(
                f"max_digits must be a whole number from {len(code)}, the length of the code, to {MAX_DIGITS}"
            )
        decoys = table.get("decoys", False)
        if not isinstance(decoys, bool):
            raise PuzzleError("decoys must be true or false, without quotes")
        if decoys and len(set(code)) < len(code):
            raise PuzzleError(
                "decoys need a code whose digits all differ, so of 10 digits at most: choose such a code, or leave "
                "decoys out"
            )
        pictures = _pictures(table["pictures"], len(code))
        if decoys and len(pictures) == 1 and len(code) > MAX_DECOY_DIGITS_OF_ONE_PICTURE:
            raise PuzzleError(
                f"decoys need two pictures or more where the code has over {MAX_DECOY_DIGITS_OF_ONE_PICTURE} digits"
            )
        if decoys:
            _check_places_differ(pictures)
        texts = {key: _text(key, table[key], code) for key in MAX_CHARACTERS if key in table}
        return cls(code, pictures, max_digits, decoys=decoys, **texts)


def _table(content):
    if len(content) > MAX_BYTES:
        raise PuzzleError(f"a puzzle file has at most {MAX_BYTES:,} bytes, and this one has more")
    try:
        text = content.decode("utf-8-sig")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PuzzleError(f"not UTF-8: byte {error.start + 1} fits no character") from error
    except (ValueError, RecursionError) as error:
        if re.search(r"^\s*code\s*=\s*\d", text, re.MULTILINE):  # 0214 is no number in TOML
            raise PuzzleError(UNQUOTED) from error
        raise PuzzleError(
            f"not TOML: {error}; texts stand in straight quotes, lists in brackets, and true and false are lower case"
        ) from error


def _code(code):
    if not isinstance(code, str):
        raise PuzzleError(UNQUOTED)
    for place, character in enumerate(code, 1):
        if character not in DIGITS:
            raise PuzzleError(f"the code must hold digits 0 to 9 only: its character {place} is {character!r}")
    if not 1 <= len(code) <= MAX_DIGITS:
        raise PuzzleError(f"the code must have 1 to {MAX_DIGITS} digits: this one has {len(code)}")
    return code


def _text(key, text, code):
    """One of the author's texts, without the empty space around it."""
    if not isinstance(text, str):
        raise PuzzleError(f"{key} must be a string in quotes")
    if not text.strip():
        raise PuzzleError(f"{key} is empty: write something, or leave the key out")
    if len(text) > MAX_CHARACTERS[key]:
        raise PuzzleError(
            f"{key} must have at most {counted(MAX_CHARACTERS[key], 'character')}: this one has {len(text):,}"
        )
    allowed = "\n\t" if key == "story" else ""
    for place, character in enumerate(text):
        if unicodedata.category(character) in ("Cc", "Zl", "Zp") and character not in allowed:
            what = "a line break" if character == "\n" else f"the control character {character!r}"
            raise PuzzleError(f"{key}, line {_line(text, place)}: it holds {what}, which is not possible here")
    found = find_code(text, code)
    if found is not None:
        raise PuzzleError(f"{key}, line {_line(text, found)}: it holds the code, and solvers read it")
    return text.strip("\n").rstrip() if key == "story" else text.strip()


def find_code(text, code):
    """Where a text holds the code, written as one number or with signs between its digits, or None.

    A code of fewer than SPELLED_OUT digits is not looked for, since it may stand anywhere by chance.
    """
    if len(code) < SPELLED_OUT:
        return None
    digits = "".join(str(unicodedata.digit(character, character)) for character in text)
    spelled = re.search(r"[\W_]*".join(code), digits)
    return spelled.start() if spelled else None


def _line(text, place):
    return 1 + text.count("\n", 0, place)


def _pictures(pictures, digits):
    if not isinstance(pictures, list) or not all(isinstance(picture, str) for picture in pictures):
        raise PuzzleError('pictures must be a list of multi-line strings: [ """...""", """...""" ]')
    if not 1 <= len(pictures) <= MAX_PICTURES:
        raise PuzzleError(f"there must be 1 to {MAX_PICTURES} pictures, one per head: this file has {len(pictures)}")
    return torch.stack([_picture(f"picture {i}", text, 1 + digits) for i, text in enumerate(pictures, 1)])


def _picture(name, text, size):
    rows = [row.strip() for row in text.strip().splitlines()]
    for r, row in enumerate(rows, 1):
        for c, character in enumerate(row, 1):
            if character not in CELLS:
                raise PuzzleError(
                    f"{name}, row {r}, column {c}: {character!r} is neither '#' nor '.', which is a dark cell"
                )
    for r, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise PuzzleError(f"{name}, row {r}: {counted(len(row), 'cell')}, where row 1 has {len(rows[0])}")
    height, width = len(rows), len(rows[0]) if rows else 0
    if (height, width) != (size, size):
        raise PuzzleError(
            f"{name} has {counted(height, 'row')} of {counted(width, 'cell')}, but must have {size} rows of {size}: "
            f"one row and one column for CLS and for each of the code's {counted(size - 1, 'digit')}"
        )
    return torch.tensor([[CELLS[character] for character in row] for row in rows])


def _check_places_differ(pictures):
    """With decoys, a cell depends on its two digits alone. A digit whose cells are another's could stand for it."""
    size = pictures.shape[1]
    for place in range(1, size):
        for other in range(1, size):
            swapped = list(range(size))
            swapped[place] = other
            if place != other and torch.equal(pictures[:, swapped][:, :, swapped], pictures):
                raise PuzzleError(
                    f"decoys need places that differ: rows {place + 1} and {other + 1} are alike in every picture, and "
                    "so are their columns; change a cell in one of them"
                )
