"""Errors that end the builder with one sentence. The command line needs them without torch."""


class PuzzleError(Exception):
    """Something the author can fix. status: the exit status that the builder ends with."""

    status = 2


class Failure(PuzzleError):
    """The request was valid but failed: a promise is not kept, or a file can't be written."""

    status = 1
