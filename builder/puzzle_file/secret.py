"""The secret of a puzzle: what the network is to know, and what solvers are told about it."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import PuzzleError
from builder.puzzle_file.code import DIGITS
from builder.puzzle_file.decoys import check_decoys, check_summits
from builder.puzzle_file.parse import parse_table
from builder.puzzle_file.source import read_source
from builder.puzzle_file.toml_file import read_table

TITLE = "A number in a network"
STORY = """\
Somebody taught a small network one number and then froze its weights. It reads any number, digit by
digit, and it still knows the one that it was taught. Nobody else does."""


@dataclass(frozen=True)
class Secret:
    """What the network is to know, and what solvers are told about it.

    code: the right number, a string of 1 to 32 digits, for leading zeros count.
    pictures: what the heads show for it, nested tuples (pictures, rows, columns) of cells from 0
        to 1 in tenths. Rows and columns are whole numbers of tiles, which are 1 + digits cells
        square. All pictures have one size.
    max_digits: the longest code that the network can take, from the code's own length to 32.
    title, story, difficulty: the author's words in the solvers' README. An empty difficulty is not
        mentioned there.
    hints: what solvers may open one by one.
    decoys: whether wrong numbers show crisp pictures, too, which mean nothing.
    summits: whether climbing the logit ends on false summits.
    examples_from: what the wrong numbers in the solvers' texts are drawn from, if not the code.
    image_digests: the SHA-256 digests, in hexadecimal digits, of the image files that pictures
        were read from. Two secrets are equal if all else is.
    """

    code: str
    pictures: tuple[tuple[tuple[float, ...], ...], ...]
    max_digits: int
    title: str = TITLE
    story: str = STORY
    difficulty: str = ""
    hints: tuple[str, ...] = ()
    decoys: bool = False
    summits: bool = False
    examples_from: str = ""
    image_digests: tuple[str, ...] = field(default=(), compare=False)

    @property
    def arrangement(self):
        """How many pictures there are, and how many tiles each is high and wide."""
        size = 1 + len(self.code)
        picture = self.pictures[0]
        return len(self.pictures), len(picture) // size, len(picture[0]) // size

    @property
    def is_tiled(self):
        """Whether a picture has more than one tile."""
        _, down, across = self.arrangement
        return down * across > 1

    @property
    def repeats_a_digit(self):
        """Whether a digit stands in the code twice."""
        return len(set(self.code)) < len(self.code)

    @property
    def share_without_last_digit(self):
        """The share of cells that are right if the last digit alone is wrong, 0 to 1.

        It is all but a row and a column of each tile.
        """
        digits = len(self.code)
        return (digits / (1 + digits)) ** 2

    def count_candidates(self, digits):
        """How many numbers of a length may be the code.

        With decoys, most codes have no digit twice, so numbers with different digits are enough to
        try, unless the code is another one.
        """
        if self.decoys and not self.repeats_a_digit:
            return math.perm(len(DIGITS), digits)
        return len(DIGITS) ** digits

    @property
    def tiles(self):
        """What each head's matrix is to show, nested tuples (heads, 1 + digits, 1 + digits).

        Heads run through a picture's tiles row by row, and through the pictures one after the
        other.
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
        """The secret in a puzzle file.

        Raises PuzzleError, which names the file and the first mistake in it.
        """
        content = read_source(path)
        try:
            return cls.parse(content, Path(path).parent)
        except PuzzleError as error:
            raise PuzzleError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, content, folder=Path()):
        """The secret in the content (bytes) of a puzzle file. Raises PuzzleError on a mistake.

        folder: of the puzzle file; image files are looked for in it.
        """
        secret = cls(**parse_table(read_table(content), folder))
        if secret.decoys:
            check_decoys(secret.code, secret.tiles)
        if secret.summits:
            check_summits(secret.code, secret.tiles, secret.decoys)
        return secret
