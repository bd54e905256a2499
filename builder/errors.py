"""Errors that end the builder with one sentence. They stand alone, so that the command line needs no torch."""


class PuzzleError(Exception):
    """Something the author can mend. status: the exit status that the builder ends with."""

    status = 2


class Failure(PuzzleError):
    """What was asked for was right and was not reached: a promise is not kept, or the disk fails."""

    status = 1
