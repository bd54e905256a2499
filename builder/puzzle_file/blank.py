"""A puzzle file to begin with: an empty picture to draw on, and every key."""

from builder.puzzle_file.code import DIGITS, MAX_DIGITS, check_code
from builder.puzzle_file.decoys import DIGITS_OF_ONE_HEAD, FEWEST_DIGITS_OF_SUMMITS
from builder.puzzle_file.parse import default_max_digits
from builder.puzzle_file.secret import TITLE
from builder.puzzle_file.sizes import MAX_PICTURES, default_side, largest_square, tile_size


def blank_puzzle(code):
    """The text of a puzzle file for a code. Raises PuzzleError if it is not a code."""
    check_code(code)
    digits = len(code)
    return "\n".join(
        [
            "# A puzzle. Keep this file to yourself: it holds the code.",
            f'code = "{code}"',
            "",
            "# In a picture, . is a dark cell, # a lit one, and 1 to 9 are tenths of grey.",
            "# Rows are the tokens that look, columns those looked at: CLS (here C), then digits.",
            *_sizes(digits),
            f"# Copy it for a second picture; there can be {MAX_PICTURES}, all of one size.",
            "# The name of an image file beside this file does as well as a drawing:",
            '# pictures = ["skull.png"]',
            "pictures = [",
            *_empty_picture(code),
            "]",
            "",
            "# Delete the # before the lines that you want. Solvers read these:",
            f'# title = "{TITLE}"',
            '# difficulty = "an evening"  # solvers read: How hard it is: an evening',
            '# story = "A sentence or more; a long text stands in three double quotes."',
            '# hints = ["Solvers open this first.", "And then this."]',
            "",
            f"# cells = {default_side(1, digits)}  # of a photo's longer side",
            f"# max_digits = {default_max_digits(digits, decoys=False)}"
            f"  # the longest number that solvers can type, at most {MAX_DIGITS}",
            *_decoys(code),
            "",
        ]
    )


def _sizes(digits):
    size = tile_size(digits)
    largest = largest_square(1, digits)
    if largest == size:
        return [f"# A picture has {size} rows and {size} columns."]
    return [
        f"# A picture is {size} cells high and wide, or any multiple of that, "
        f"such as {largest} x {largest}."
    ]


def _empty_picture(code):
    row = "." * tile_size(len(code))
    lines = ["    [", f"        #C{code}"]
    for token in ("CLS", *code):
        lines.append(f'        "{row}",  # {token}')
    return [*lines, "    ],"]


def _decoys(code):
    """The keys that make a puzzle harder, or why they are not possible."""
    if len(code) > len(DIGITS):
        return [f"# Decoys are not possible: the code has over {len(DIGITS)} digits."]
    decoys = "# decoys = true  # wrong numbers show crisp pictures, too"
    if len(code) > DIGITS_OF_ONE_HEAD:
        decoys += "; needs a second picture"
    lines = [decoys]
    if len(set(code)) < len(code):
        lines.append("# (A digit that stands in the code twice needs equal rows and columns then.)")
    if len(code) >= FEWEST_DIGITS_OF_SUMMITS and len(set(code)) < len(DIGITS):
        lines.append(
            "# summits = true  # following the probability leads astray; "
            "needs decoys and three pictures"
        )
    return lines
