"""The bytes of a TOML file -> its table. Each mistake gets one sentence that says how to fix it."""

import re
import tomllib

from builder.errors import PuzzleError
from builder.puzzle_file.code import UNQUOTED
from builder.puzzle_file.encoding import decode

BACKSLASH = r"write \\ for a backslash, or put the text in single quotes"

# How a message of tomllib starts, and how to fix the mistake.
HINTS = {
    "Unclosed array": "a comma is missing, or the ] after the last picture",
    "Cannot overwrite": "this key stands in the file twice",
    "Unescaped": BACKSLASH,
    "Invalid hex": BACKSLASH,
    "Illegal character": "the quote at the end is missing; "
    'a text of several lines stands in """ and """',
    "Unterminated": "the quotes at its end are missing",
    "Expected '='": "a line reads KEY = VALUE",
    "Expected newline": "nothing follows a value, "
    'and a text that holds quotes stands in """ and """',
    "Invalid statement": 'a text of several lines lacks its """, or a line is not KEY = VALUE',
    "Invalid value": "texts stand in straight quotes, a list ends with ], "
    "and true and false are lower case",
}


def read_table(content):
    """The table (dict) in the content (bytes) of a TOML file. Raises PuzzleError on a mistake."""
    try:
        text = decode(content)
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise PuzzleError(f"line {line}: not UTF-8: save the file as UTF-8") from error
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise PuzzleError(_explain(text, str(error))) from error


def is_whole_number(value):
    """Whether a value of a table is a whole number. To Python, true and false are numbers, too."""
    return isinstance(value, int) and not isinstance(value, bool)


def _explain(text, message):
    if re.search(r"^\s*code\s*=\s*\d", text, re.MULTILINE):  # 0214 is not a number in TOML
        return UNQUOTED
    for start, hint in HINTS.items():
        if message.startswith(start):
            return f"not TOML; {hint}: {message}"
    return f"not TOML: {message}"
