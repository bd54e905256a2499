"""What a code is: a string of 1 to 32 digits, in which leading zeros count."""

from builder.errors import PuzzleError

DIGITS = "0123456789"  # ASCII alone: str.isdigit would let other scripts' digits through
MAX_DIGITS = 32
UNQUOTED = "the code must be a string in quotes, since leading zeros count"


def check_code(code):
    """Raises PuzzleError unless a value is a code."""
    if not isinstance(code, str):
        raise PuzzleError(UNQUOTED)
    for place, character in enumerate(code, 1):
        if character not in DIGITS:
            raise PuzzleError(
                f"the code must hold digits 0 to 9 only: its character {place} is {character!r}"
            )
    if not 1 <= len(code) <= MAX_DIGITS:
        raise PuzzleError(f"the code must have 1 to {MAX_DIGITS} digits: this one has {len(code)}")
