"""The secret of a puzzle, read from its TOML file, with every mistake named in one sentence. Needs no torch."""

import codecs
import itertools
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from builder.errors import PuzzleError
from builder.words import counted

DIGITS = "0123456789"  # ASCII alone: str.isdigit would let other scripts' digits through
MAX_DIGITS = 16
MAX_PICTURES = 8
DEFAULT_MAX_DIGITS = 5
MAX_TITLE = 80  # characters
CELLS = {".": 0, "#": 1}
UNQUOTED = "the code must be a string in quotes, since leading zeros count"
KEYS = ("code", "pictures", "max_digits", "title", "story", "difficulty", "decoys")
DIGITS_OF_ONE_PICTURE = 7  # with decoys, at most; with 8 float32 is too coarse for most pictures
SPELLED_OUT = 3  # a code of at least so many digits must not stand in a text; a shorter one occurs in any text

# What tomllib says of a mistake, and what mends it.
TOML_HINTS = {
    "Unclosed array": "a comma is missing, or the ] after the last picture",
    "Cannot overwrite": "this key stands in the file twice",
    "Unescaped": r"write \\ for a backslash, or put the text in single quotes",
    "Invalid hex": r"write \\ for a backslash, or put the text in single quotes",
    "Illegal character": 'the quote at the end is missing; a text of several lines stands in """ and """',
    "Unterminated": "the quotes at its end are missing",
    "Expected '='": "a line reads KEY = VALUE",
    "Expected newline": 'nothing follows a value, and a text that holds quotes stands in """ and """',
    "Invalid statement": 'a text of several lines lacks its """, or a line is not KEY = VALUE',
    "Invalid value": "texts stand in straight quotes, a list ends with ], and true and false are lower case",
}

TITLE = "A number in a network"
STORY = """\
Somebody taught a small network one number and then froze its weights. It reads any number, digit by digit, and it still
knows the one that it was taught. Nobody else does."""


@dataclass(frozen=True)
class Secret:
    """What the network is to know, and what solvers are told about it.

    code: the right number, a string of 1 to 16 digits, for leading zeros count.
    pictures: what is to be seen for it, nested tuples (pictures, rows, columns) of cells from 0.0 to
        1.0 in tenths. Rows and columns are whole numbers of tiles, which are 1 + digits cells square.
    max_digits: the longest code that the network can take, from the code's own length to 16.
    title, story, difficulty: the author's words in the solvers' README; difficulty is empty if there is none.
    hints: what solvers may open one by one.
    decoys: whether wrong numbers show pictures too, which mean nothing.
    summits: whether climbing the logit ends on false summits.
    """

    code: str
    pictures: tuple[tuple[tuple[int, ...], ...], ...]
    max_digits: int
    title: str = TITLE
    story: str = STORY
    difficulty: str = ""
    hints: tuple[str, ...] = ()
    decoys: bool = False
    summits: bool = False

    @property
    def arrangement(self):
        """How many pictures there are, and how many tiles each is high and wide."""
        size = 1 + len(self.code)
        picture = self.pictures[0]
        return len(self.pictures), len(picture) // size, len(picture[0]) // size

    @property
    def tiles(self):
        """What each head's matrix is to show, nested tuples (heads, 1 + digits, 1 + digits).

        Heads run through a picture's tiles row by row, and through the pictures one after the other.
        """
        size = 1 + len(self.code)
        return tuple(
            tuple(row[left : left + size] for row in picture[top : top + size])
            for picture in self.pictures
            for top in range(0, len(picture), size)
            for left in range(0, len(picture[0]), size)
        )

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
        table = _table(content)
        unknown = sorted(set(table) - set(KEYS))
        if unknown:
            raise PuzzleError(f"unknown key {unknown[0]!r}: the keys are {', '.join(KEYS)}")
        for key in ("code", "pictures"):
            if key not in table:
                raise PuzzleError(f"the key {key!r} is missing")
        code = check_code(table["code"])
        max_digits = table.get("max_digits", max(DEFAULT_MAX_DIGITS, len(code)))
        if type(max_digits) is not int or not len(code) <= max_digits <= MAX_DIGITS:
            raise PuzzleError(
                f"max_digits must be a whole number from {len(code)}, the length of the code, to {MAX_DIGITS}"
            )
        pictures = _pictures(table["pictures"], len(code))
        decoys = table.get("decoys", False)
        if not isinstance(decoys, bool):
            raise PuzzleError("decoys must be true or false, without quotes")
        if decoys:
            check_decoys(code, pictures)
        texts = {
            key: _text(key, table[key], code)
            for key in ("title", "story", "difficulty")
            if key in table
        }
        return cls(code, pictures, max_digits, decoys=decoys, **texts)


def decode(content):
    """The text in a file's bytes: UTF-8, or UTF-16, which Windows PowerShell writes where output is redirected."""
    return content.decode(
        "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    )


def _table(content):
    try:
        text = decode(content)
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise PuzzleError(f"line {line}: not UTF-8: save the file as UTF-8") from error
    except ValueError as error:
        if re.search(r"^\s*code\s*=\s*\d", text, re.MULTILINE):  # 0214 is no number in TOML
            raise PuzzleError(UNQUOTED) from error
        hints = [hint for start, hint in TOML_HINTS.items() if str(error).startswith(start)]
        raise PuzzleError(f"{'; '.join(['not TOML', *hints])}: {error}") from error


def check_code(code):
    """The code, where it can be one. Raises PuzzleError otherwise."""
    if not isinstance(code, str):
        raise PuzzleError(UNQUOTED)
    for place, character in enumerate(code, 1):
        if character not in DIGITS:
            raise PuzzleError(
                f"the code must hold digits 0 to 9 only: its character {place} is {character!r}"
            )
    if not 1 <= len(code) <= MAX_DIGITS:
        raise PuzzleError(f"the code must have 1 to {MAX_DIGITS} digits: this one has {len(code)}")
    return code


def _text(key, text, code):
    """One of the author's texts, without the empty space around it."""
    if not isinstance(text, str):
        raise PuzzleError(f"{key} must be a string in quotes")
    if not text.strip():
        raise PuzzleError(f"{key} is empty: write something, or leave the key out")
    if key != "story" and (len(text) > MAX_TITLE or len(text.splitlines()) > 1):
        raise PuzzleError(f"{key} must be one line of at most {MAX_TITLE} characters")
    check_text(key, text, code)
    return text.strip("\n").rstrip() if key == "story" else text.strip()


def check_text(name, text, code):
    """Raises PuzzleError where a text that solvers read holds the code: as it is, or with signs between digits.

    A code of fewer than SPELLED_OUT digits is not looked for, since it may stand anywhere by chance.
    """
    digits = "".join(str(unicodedata.digit(character, character)) for character in text)
    spelled = re.search(r"[\W_]*".join(code), digits)
    if spelled and len(code) >= SPELLED_OUT:
        line = 1 + text.count("\n", 0, spelled.start())
        raise PuzzleError(f"{name}, line {line}: {spelled[0]!r} is the code, and solvers read it")


def _pictures(pictures, digits):
    if not isinstance(pictures, list):
        raise PuzzleError('pictures must be a list of multi-line strings: [ """...""", """...""" ]')
    cells = tuple(
        _picture(f"picture {number}", picture, 1 + digits)
        for number, picture in enumerate(pictures, 1)
    )
    if not 1 <= len(pictures) <= MAX_PICTURES:
        raise PuzzleError(
            f"there must be 1 to {MAX_PICTURES} pictures, one per head: this file has {len(pictures)}"
        )
    return cells


def _picture(name, picture, size):
    """A picture's cells. It is a multi-line string, or a list of strings, one for each row."""
    lines = picture.strip().splitlines() if isinstance(picture, str) else picture
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise PuzzleError(
            f"{name} must be a multi-line string, or a list of strings, one for each row"
        )
    rows = [line.strip() for line in lines]
    for number, row in enumerate(rows, 1):
        for column, character in enumerate(row, 1):
            if character not in CELLS:
                raise PuzzleError(
                    f"{name}, row {number}, column {column}: {character!r} is neither '#' (lit) nor '.' (dark)"
                )
    need = f"must have {size}: one for CLS and for each of the code's {counted(size - 1, 'digit')}"
    if len(rows) != size:
        hint = (
            "; rows that are strings of their own stand in brackets, picture by picture"
            if len(rows) == 1
            else ""
        )
        raise PuzzleError(f"{name} has {counted(len(rows), 'row')}, but {need}{hint}")
    for number, row in enumerate(rows, 1):
        if len(row) != size:
            raise PuzzleError(f"{name}, row {number} has {counted(len(row), 'cell')}, but {need}")
    return tuple(tuple(CELLS[character] for character in row) for row in rows)


def check_decoys(code, pictures):
    """Raises PuzzleError where a code and its pictures can't have decoys.

    With them a cell depends on its two digits alone, and a digit with the same cells as another could replace it.
    """
    if len(set(code)) < len(code):
        raise PuzzleError("decoys need a code whose digits all differ")
    if len(pictures) == 1 and len(code) > DIGITS_OF_ONE_PICTURE:
        raise PuzzleError(
            f"decoys need a second picture where the code has over {DIGITS_OF_ONE_PICTURE} digits"
        )
    for place, double in itertools.combinations(range(1, 1 + len(code)), 2):
        order = [double if index == place else index for index in range(1 + len(code))]
        if all(
            picture == tuple(tuple(picture[row][i] for i in order) for row in order)
            for picture in pictures
        ):
            both = f"{code[place - 1]} and {code[double - 1]} have the same row and the same column in every picture"
            raise PuzzleError(
                f"decoys need digits that look different: {both}; change a cell of one of them"
            )


def blank_puzzle(code):
    """The text of a puzzle file for a code, with an empty picture to draw on. Raises PuzzleError if it is no code."""
    tokens = ["C", *check_code(code)]
    rows = [f'        "{"." * len(tokens)}",  # {token.replace("C", "CLS")}' for token in tokens]
    pictures = "; needs a second picture" if len(code) > DIGITS_OF_ONE_PICTURE else ""
    decoys = f"# decoys = true  # wrong numbers show crisp pictures, too{pictures}"
    if len(set(code)) < len(code):
        decoys = "# Decoys are not possible: a digit stands in the code twice."
    return f'''\
# A puzzle. Keep this file to yourself: it holds the code. In a picture, # is a lit cell and . a dark one.
# Rows are the tokens that look, columns those looked at: CLS (here C), and then the digits of the code.
# Copy the picture for a second head; there can be {MAX_PICTURES}.
code = "{code}"
pictures = [
    [
        #{"".join(tokens)}
{chr(10).join(rows)}
    ],
]

# What solvers read. Take the # away from the lines that you want.
# title = "{TITLE}"
# difficulty = "an evening"  # solvers read: How hard it is: an evening
# story = "A sentence or more; a long text stands in three double quotes."

# max_digits = {max(DEFAULT_MAX_DIGITS, len(code))}  # the longest number that solvers can type, at most {MAX_DIGITS}
{decoys}
'''
