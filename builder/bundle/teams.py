"""The teams of an event: their names, and the author's table of their codes."""

import csv
import io
import math
import re
import unicodedata
from typing import NamedTuple

from builder.errors import PuzzleError
from builder.puzzle_file.code import DIGITS, check_code
from builder.puzzle_file.encoding import decode
from builder.words import counted

HEADINGS = ("team", "code", "zip")
LONGEST_NAME = 60  # characters of a team's name that a file is named after
# Characters that a file's name cannot hold on some system, and empty space.
NOT_IN_FILE_NAMES = re.compile(r"[\x00-\x1f\x7f<>:\"/\\|?*\s]+")


class Edition(NamedTuple):
    """A team's name, its code, and the name of its zip."""

    team: str
    code: str
    zip_name: str


def read_teams(path):
    """The names in a file of teams, one in each line that is not empty. Raises PuzzleError."""
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise PuzzleError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PuzzleError(f"{path}: not UTF-8: save the file as UTF-8") from error
    teams = []
    lines = {}
    for number, line in enumerate(text.splitlines(), 1):
        team = " ".join(line.split())
        if not team:
            continue
        name = file_name(team)
        if not name:
            raise PuzzleError(
                f"{path}, line {number}: no file can be named after {team!r}: use letters or digits"
            )
        if name.casefold() in lines:
            raise PuzzleError(
                f"{path}: lines {lines[name.casefold()]} and {number} name the same team, {team!r}"
            )
        lines[name.casefold()] = number
        teams.append(team)
    if not teams:
        raise PuzzleError(f"{path} names no team: write one name in each line")
    return teams


def file_name(team):
    """What a team's files are named after: its name without what some systems do not allow."""
    name = unicodedata.normalize("NFC", team)
    name = NOT_IN_FILE_NAMES.sub("-", name)[:LONGEST_NAME]
    return name.strip("-. ")


def read_table(path):
    """The editions in the author's table, {team: Edition}. Raises PuzzleError if it isn't one."""
    if not path.exists():
        return {}
    try:
        rows = list(csv.reader(io.StringIO(decode(path.read_bytes()))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PuzzleError(f"{path} cannot be read as a table of teams: {error}") from error
    editions = {}
    for number, row in enumerate(rows, 1):
        if number == 1 and tuple(row) == HEADINGS:
            continue
        try:
            team, code, zip_name = row
            check_code(code)
            editions[team] = Edition(team, code, zip_name)
        except (ValueError, PuzzleError) as error:
            raise PuzzleError(
                f"{path}, line {number}: this is not a team, a code and a zip: {error}"
            ) from error
    return editions


def table_bytes(editions):
    """The author's table of editions: bytes that spreadsheets read, with letters of any script."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADINGS)
    writer.writerows(editions)
    return text.getvalue().encode("utf-8-sig")


def draw_codes(number, secret, taken, allows, dice):
    """Draws codes for teams, all different, as long as the secret's: a list of strings.

    taken: codes that no team gets, a set. allows: a function that says whether a code can be a
    team's. dice: a random.Random. With decoys, two digits of a code differ if they differ in the
    secret's. Raises PuzzleError if there are too few codes.
    """
    digits = len(secret.code)
    own_digits = list(dict.fromkeys(secret.code))
    possible = secret.count_candidates(digits)
    if secret.decoys:
        possible = math.perm(len(DIGITS), len(own_digits))
    if number + len(taken) > possible:
        raise PuzzleError(
            f"{counted(number + len(taken) - 1, 'team')} cannot have codes of their own: there are"
            f" only {possible - 1:,} others of {counted(digits, 'digit')}: choose a longer code"
        )
    codes = []
    taken = set(taken)
    refused = set()
    while len(codes) < number:
        if secret.decoys:
            new_digits = dict(zip(own_digits, dice.sample(DIGITS, len(own_digits)), strict=True))
            code = "".join(new_digits[digit] for digit in secret.code)
        else:
            code = "".join(dice.choices(DIGITS, k=digits))
        if code in taken or code in refused:
            continue
        if not allows(code):
            refused.add(code)
            if len(refused) + len(taken) + number > possible:
                raise PuzzleError("the texts and names hold so many codes that too few are left")
            continue
        taken.add(code)
        codes.append(code)
    return codes
