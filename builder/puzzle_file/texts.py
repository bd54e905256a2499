"""Whether something that solvers read holds the code: a text, a file, a name."""

import re
import unicodedata

from builder.errors import PuzzleError

SPELLED_OUT = 3  # digits of a code that no text may hold; a shorter one occurs in any text


def check_text(name, text, code):
    """Raises PuzzleError if a text that solvers read holds the code.

    It is found as it is, and with signs between the digits. A code of fewer than SPELLED_OUT
    digits is not looked for, since it may stand anywhere by chance.
    """
    digits = "".join(str(unicodedata.digit(character, character)) for character in text)
    spelled = re.search(r"[\W_]*".join(code), digits)
    if spelled and len(code) >= SPELLED_OUT:
        line = 1 + text.count("\n", 0, spelled.start())
        raise PuzzleError(f"{name}, line {line}: {spelled[0]!r} is the code, and solvers read it")
