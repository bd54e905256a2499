"""The secret of a puzzle, read from its TOML file, with every mistake named in one sentence."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import torch

DIGITS = "0123456789"  # ASCII alone: str.isdigit would let other scripts' digits through
MAX_DIGITS = 16
MAX_PICTURES = 8
DEFAULT_MAX_DIGITS = 5
CELLS = {".": 0.0, "#": 1.0}
UNQUOTED = "the code must be a string in quotes, since leading zeros count"


class PuzzleError(Exception):
    """Something the author can mend, told in one sentence."""


@dataclass(frozen=True, eq=False)
class Secret:
    """What the network is to know.

    code: the right number, a string of 1 to 8 digits, for leading zeros count.
    pictures: what the heads' matrices are to show for it, (heads, 1 + digits, 1 + digits), cells 0.0 or 1.0.
    max_digits: the longest code that the network can take, from the code's own length to 8.
    """

    code: str
    pictures: torch.Tensor
    max_digits: int

    @classmethod
    def read(cls, path):
        """The secret in a puzzle file. Raises PuzzleError, which names the file and the first mistake in it."""
        try:
            return cls.parse(Path(path).read_bytes())
        except OSError as error:
            raise PuzzleError(f"{path}: cannot be read: {error.strerror}") from error
        except PuzzleError as error:
            raise PuzzleError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, content):
        """The secret in the content (bytes) of a puzzle file. Raises PuzzleError on the first mistake."""
        try:
            text = content.decode("utf-8-sig")
            table = tomllib.loads(text)
        except UnicodeDecodeError as error:
            raise PuzzleError(f"not UTF-8: byte {error.start + 1} fits no character") from error
        except (ValueError, RecursionError) as error:
            if re.search(r"^\s*code\s*=\s*\d", text, re.MULTILINE):  # 0214 is no number in TOML
                raise PuzzleError(UNQUOTED) from error
            raise PuzzleError(f"not TOML: {error}") from error

        unknown = sorted(set(table) - {"code", "pictures", "max_digits"})
        if unknown:
            raise PuzzleError(f"unknown key {unknown[0]!r}: the keys are code, pictures and, if wanted, max_digits")
        for key in ("code", "pictures"):
            if key not in table:
                raise PuzzleError(f"the key {key!r} is missing")

        code = _code(table["code"])
        max_digits = table.get("max_digits", max(DEFAULT_MAX_DIGITS, len(code)))
        if type(max_digits) is not int or not len(code) <= max_digits <= MAX_DIGITS:
            raise PuzzleError(
                f"max_digits must be a whole number from {len(code)}, the length of the code, to {MAX_DIGITS}"
            )
        return cls(code, _pictures(table["pictures"], len(code)), max_digits)


def _code(code):
    if not isinstance(code, str):
        raise PuzzleError(UNQUOTED)
    for place, character in enumerate(code, 1):
        if character not in DIGITS:
            raise PuzzleError(f"the code must hold digits 0 to 9 only: its character {place} is {character!r}")
    if not 1 <= len(code) <= MAX_DIGITS:
        raise PuzzleError(f"the code must have 1 to {MAX_DIGITS} digits: this one has {len(code)}")
    return code


def _pictures(pictures, digits):
    if not isinstance(pictures, list) or not all(isinstance(picture, str) for picture in pictures):
        raise PuzzleError('pictures must be a list of multi-line strings: [ """...""", """...""" ]')
    if not 1 <= len(pictures) <= MAX_PICTURES:
        raise PuzzleError(f"there must be 1 to {MAX_PICTURES} pictures, one per head: here are {len(pictures)}")
    return torch.stack([_picture(f"picture {i}", text, 1 + digits) for i, text in enumerate(pictures, 1)])


def _picture(name, text, size):
    rows = [row.strip() for row in text.strip().splitlines()]
    for r, row in enumerate(rows, 1):
        for c, character in enumerate(row, 1):
            if character not in CELLS:
                raise PuzzleError(f"{name}, row {r}, column {c}: {character!r} is neither '#' nor '.'")
    for r, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise PuzzleError(f"{name}, row {r}: {len(row)} cells, where row 1 has {len(rows[0])}")
    height, width = len(rows), len(rows[0]) if rows else 0
    if (height, width) != (size, size):
        raise PuzzleError(
            f"{name} has {height} rows of {width} cells, but must have {size} rows of {size}: "
            f"one row and one column for CLS and for each of the code's {size - 1} digits"
        )
    return torch.tensor([[CELLS[character] for character in row] for row in rows])
