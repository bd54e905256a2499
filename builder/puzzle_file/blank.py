"""A puzzle file to begin with: an empty picture to draw on, and every key."""

from builder.puzzle_file.code import MAX_DIGITS, check_code
from builder.puzzle_file.decoys import DIGITS_OF_ONE_HEAD
from builder.puzzle_file.parse import DEFAULT_MAX_DIGITS
from builder.puzzle_file.secret import TITLE
from builder.puzzle_file.sizes import MAX_PICTURES, MAX_SIDE, tile_size


def blank_puzzle(code):
    """The text of a puzzle file for a code. Raises PuzzleError if it is no code."""
    check_code(code)
    size = tile_size(len(code))
    tokens = ["CLS", *code]
    rows = [f'        "{"." * size}",  # {token}' for token in tokens]
    lines = "\n".join(rows)
    return f'''\
# A puzzle. Keep this file to yourself: it holds the code.
# In a picture, . is a dark cell, # a lit one, and 1 to 9 are tenths of grey. Rows are the tokens
# that look, columns those looked at: CLS (here C), and then the digits of the code.
# A picture may be any multiple of {size} cells high and wide, up to {MAX_SIDE}. Copy it for a second one;
# there can be {MAX_PICTURES}, all of one size.
code = "{code}"
pictures = [
    [
        #C{code}
{lines}
    ],
]

# What solvers read. Delete the # before the lines that you want.
# title = "{TITLE}"
# difficulty = "an evening"  # solvers read: How hard it is: an evening
# story = "A sentence or more; a long text stands in three double quotes."

# max_digits = {max(DEFAULT_MAX_DIGITS, len(code))}  # the longest number that solvers can type, at most {MAX_DIGITS}
{_decoys(code)}
'''


def _decoys(code):
    if len(set(code)) < len(code):
        return "# Decoys are not possible: a digit stands in the code twice."
    line = "# decoys = true  # wrong numbers show crisp pictures, too"
    if len(code) > DIGITS_OF_ONE_HEAD:
        line += "; needs a second picture"
    return line
