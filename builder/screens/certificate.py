"""A certificate as the author reads it: its promises, their limits, and what was found."""

from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from builder.proof import certify, climbs
from builder.words import counted

WIDE = 90  # columns; if there are fewer, what was found stands below its promise, not beside it


class Line(NamedTuple):
    """What a screen says of a promise: what it means to solvers, the limit, and what was found."""

    meaning: str
    limit: str
    found: str


class CertificateView:
    """Draws a certificate on a rich console."""

    def __init__(self, certificate):
        self.certificate = certificate

    def __rich_console__(self, console, options):
        yield Text(f"Certificate: {counted(self.certificate.inputs, 'number')}", "bold")
        lines = describe(self.certificate)
        table = Table.grid(padding=(0, 2, 0, 0))
        for promise in self.certificate.promises:
            line = lines[promise.name]
            verdict = Text("holds", "green") if promise.holds else Text("fails", "bold red")
            name = Text(promise.name, "bold")
            meaning = Text(line.meaning, "dim")
            found = Text(line.found)
            limit = Text(f"(limit: {line.limit})", "dim")
            if options.max_width >= WIDE:
                left = Text("\n").join([name, meaning])
                right = Text("\n").join([found, limit])
                table.add_row(verdict, left, right)
            else:
                last = Text(" ").join([found, limit])
                table.add_row(verdict, Text("\n").join([name, meaning, last]))
        yield table


def describe(certificate):
    """The Line of each promise, by the promise's name."""
    return {
        certify.OPENS: Line(
            "the network accepts the code",
            f"at least {certify.RIGHT}",
            f"a probability of {certificate.probability:.7g}",
        ),
        certify.NOTHING_ELSE: Line(
            "every other number answers exactly 0, in float32 and float64",
            f"at most -{certify.FLAT:.0f}",
            _closest(certificate),
        ),
        certify.SHARP: Line(
            "with the code, the heads show the pictures as drawn",
            f"at most {certify.CELL}",
            f"no cell can be off by more than {certificate.worst_cell:.5f}",
        ),
        certify.OWN: Line(
            "every other number of the code's length shows a wrong cell",
            f"a cell off by more than {certify.OTHER_CELL}",
            _lookalike(certificate.lookalike),
        ),
        certify.SURVIVES: Line(
            "the file that solvers load holds what was certified",
            "every bit alike",
            _survival(certificate.survives),
        ),
        certify.CRISP_TOO: Line(
            "every number shows crisp pictures, so sharpness gives nothing away",
            "all of them",
            _crisp(certificate.crisp),
        ),
        certify.ASTRAY: Line(
            "whoever takes the best digit, place by place, ends at a wrong number",
            f"at most {certify.CLIMBS:.0%}",
            _climbs(certificate.climbs),
        ),
    }


def _closest(certificate):
    if not certificate.hardest_codes:
        return "nothing: its scores and votes are too large to be searched"
    sentence = (
        f"{certificate.hardest_codes[0]} comes closest, with a logit of at most "
        f"{certificate.highest_wrong_logit:.1f}"
    )
    if not certificate.complete:
        sentence += ", of those settled"
    return sentence


def _lookalike(lookalike):
    if lookalike.number:
        return f"{lookalike.number} shows the pictures, too"
    if not lookalike.decided:
        return "not decided: too many numbers show parts of the pictures"
    return "all of them show one"


def _survival(survives):
    if survives:
        return "no weight differs"
    return "weights differ, or their order"


def _crisp(share):
    if share is None:
        return "not looked at: the puzzle has no decoys"
    return f"{share:.2%} of all cells are within {certify.CRISP} of a tenth"


def _climbs(share):
    if share is None:
        return "not looked at: the puzzle has no false summits"
    return f"measured: {share:.1%} of {climbs.CLIMBS:,} random climbs end at the code"
