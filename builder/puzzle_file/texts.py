"""Whether something that solvers read holds the code: a text, a file, a name.

What the builder itself writes is not looked through: its numbers have nothing to do with the code.
"""

import html
import re
import unicodedata
from pathlib import PurePath

from builder.errors import PuzzleError
from builder.puzzle_file.encoding import readings

SPELLED_OUT = 3  # digits of a code that no text may hold; a shorter one occurs in any text
# What a reader doesn't see: tags of HTML, and commands of LaTeX and RTF.
MARKUP = re.compile(r"</?[A-Za-z!?][^<>]*>|\\[A-Za-z]+")
# An image that stands in a text, as in notebooks, is a long word of letters and digits (base64).
IMAGE = re.compile(r"[A-Za-z0-9+/=]{100,}")
# A count in the words of a bundle's README, which authors quote, is not meant as a code.
COUNT = re.compile(r"\b[1-9][0-9]{0,2}(?:,[0-9]{3})+ (?=(?:parameters|inputs)\b)")
NEW_NAME = "my-puzzle"


def check_text(name, text, code):
    """Raises PuzzleError if a text of the author's, which solvers read, holds the code.

    It is found as it is, in the digits of any script, and with signs or markup between the digits.
    In a tag of HTML it is found if it stands alone there, since drawings are full of numbers.
    A code of fewer than SPELLED_OUT digits is found only if the text is nothing else, since it may
    stand anywhere by chance.
    name: what the message calls the text.
    """
    digits = IMAGE.sub(_numbers, COUNT.sub(" ", _ascii_digits(text)))
    seen = html.unescape(MARKUP.sub(_line_ends, digits))
    source = seen
    spelled = _find(seen, code)
    if not spelled and len(code) >= SPELLED_OUT:
        source = digits
        spelled = re.search(rf"(?<![0-9.,]){code}(?![0-9.,])", digits)
    if spelled:
        line = 1 + source.count("\n", 0, spelled.start())
        raise PuzzleError(f"{name}, line {line}: {spelled[0]!r} is the code, and solvers read it")


def check_bytes(name, content, code):
    """As check_text, of a file's content (bytes) in any encoding. Files that are not texts pass."""
    for text in readings(content):
        check_text(name, text, code)


def check_name(path, code):
    """Raises PuzzleError if the name of a file or folder that solvers see holds the code.

    path: as they see it, so that it begins with the bundle's folder or is the zip's name alone.
    """
    path = PurePath(path)
    text = _ascii_digits(path.as_posix())
    names_alone = [_ascii_digits(part).split(".")[0] for part in path.parts]
    if _find(text, code) or any(_find(name, code) for name in names_alone):
        raise PuzzleError(
            f"the name {path} tells the code, and solvers see it: "
            f"choose another one, such as {_suggest(path, code)}"
        )


def _ascii_digits(text):
    """A text with each digit, in whatever script, as an ASCII digit."""
    if text.isascii():
        return text
    normal = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(character, character)) for character in normal)


def _find(text, code):
    """The match of a code in a text with ASCII digits, or None."""
    spelled = r"[\W_]*".join(code)
    if len(code) < SPELLED_OUT:
        return re.fullmatch(rf"[\W_]*{spelled}[\W_]*", text)
    return re.search(spelled, text)


def _numbers(long_word):
    """A long word if it is a number, else nothing of it."""
    if long_word[0].isdigit():
        return long_word[0]
    return " "


def _line_ends(markup):
    """What is left of a tag, so that lines keep their numbers."""
    return "\n" * markup[0].count("\n")


def _suggest(path, code):
    """A path like this one, without the code in it."""
    parts = list(path.parts)
    for index, part in enumerate(parts):
        parts[index] = _rename(part, code)
    if parts == list(path.parts):  # the code is spread over several names
        parts[-1] = f"{NEW_NAME}{path.suffix}"
    return "/".join(parts)


def _rename(name, code):
    ending = PurePath(name).suffix
    if any(character.isdigit() for character in ending):
        ending = ""
    stem = _ascii_digits(name.removesuffix(ending))
    if not _find(stem, code):
        return name
    while found := _find(stem, code):
        stem = stem[: found.start()] + stem[found.end() :]
    stem = stem.strip(" .,-_+")
    return f"{stem or NEW_NAME}{ending}"
