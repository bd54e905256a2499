"""Numbers, lists, paths and commands as people write them."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

UNITS = {  # of time, in seconds
    "year": 31_557_600,
    "day": 86_400,
    "hour": 3600,
    "minute": 60,
    "second": 1,
}
ENDLESS = 1e9 * UNITS["year"]


def counted(number, noun, plural=None):
    """A number with its noun: "1 cell", "2 cells", "1,492 parameters".

    plural: given if it is not the noun with an s.
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {plural or noun + 's'}"


def listed(words, conjunction="and"):
    """Words as a list in a sentence: "1", "1 and 2", "1, 2 and 3"."""
    *most, last = map(str, words)
    if not most:
        return last
    return f"{', '.join(most)} {conjunction} {last}"


def started_as():
    """How the builder was started, for the commands that it prints."""
    if Path(sys.argv[0]).name == "__main__.py":
        return "python -m builder"
    return f"python {quote([sys.argv[0]])}"


def quote(words):
    """Words as one types them in a shell."""
    if os.name == "nt":
        return subprocess.list2cmdline(words)
    return shlex.join(words)


def short_path(path):
    """A path as text, relative if it lies in the current folder."""
    path = path.absolute()
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def duration(seconds):
    """A time in words: "less than a second", "2 minutes", "5,663 years"."""
    if seconds >= ENDLESS:
        return "over a billion years"
    for unit, size in UNITS.items():
        if seconds >= size:
            return counted(round(seconds / size), unit)
    return "less than a second"
