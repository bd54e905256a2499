"""The verdict: the few facts of the attack report that say how hard a puzzle is."""

from operator import attrgetter
from typing import NamedTuple

from builder.attacks.brute_force import mean_guesses
from builder.attacks.report import (
    ANNEALING,
    BRUTE_FORCE,
    BY_PLACE,
    EQUAL_DIGITS,
    EXCHANGES,
    GRADIENT,
    LEAST_SQUARES,
    PAIRS,
    SMOOTHNESS,
    Finding,
    find,
    find_by_brute_force,
    find_by_eye,
)
from builder.attacks.target import Target
from builder.errors import PuzzleError
from builder.puzzle_file.decoys import check_decoys
from builder.puzzle_file.secret import Secret

SHORT = 100  # guesses that somebody types without a program
CLIMBS = (BY_PLACE, GRADIENT)
MORE_CLIMBS = (PAIRS, ANNEALING)  # that are asked about if false summits stop the others
# What programs do that understand nothing of attention. Least squares and the circuits are no such
# ways. Equal digits is not asked about with decoys, and without them nobody needs a program.
SIMPLE = (SMOOTHNESS, *CLIMBS, *MORE_CLIMBS, EXCHANGES, BRUTE_FORCE)


class Verdict(NamedTuple):
    """How hard a puzzle is.

    secret: the puzzle's. findings: those of the attacks that decide and find the code, by name.
    """

    secret: Secret
    findings: dict[str, Finding]

    @property
    def mean_guesses(self):
        """How many guesses trying all numbers takes on average."""
        return mean_guesses(self.secret)

    @property
    def is_short(self):
        return self.mean_guesses <= SHORT

    @property
    def candidates(self):
        """How many numbers of all lengths may be the code."""
        lengths = range(1, 1 + self.secret.max_digits)
        return sum(self.secret.count_candidates(length) for length in lengths)

    @property
    def decoys_possible(self):
        """Whether the code could have decoys with these pictures, and has none."""
        try:
            check_decoys(self.secret.code, self.secret.tiles)
        except PuzzleError:
            return False
        return not self.secret.decoys

    @property
    def climb(self):
        """The cheapest Finding of CLIMBS; None if none of them finds the code."""
        findings = [self.findings[name] for name in CLIMBS if name in self.findings]
        return min(findings, key=attrgetter("guesses"), default=None)

    @property
    def has_simple_way(self):
        """Whether a program finds the code without any understanding of attention."""
        return any(name in self.findings for name in SIMPLE)

    @property
    def seconds_for_all(self):
        """How long it takes to try all numbers that may be the code."""
        brute_force = self.findings[BRUTE_FORCE]
        return brute_force.seconds * self.candidates / brute_force.guesses


def verdict(network, secret):
    """Runs the attacks that decide how hard a puzzle is, and returns its Verdict."""
    findings = []
    if mean_guesses(secret) > SHORT:
        target = Target(network)
        findings = [find_by_eye(secret)]
        findings += [find(target, secret, name) for name in deciding_attacks(secret)]
        if secret.decoys:
            findings.append(find_by_brute_force(network, secret))
    return Verdict(secret, {finding.name: finding for finding in findings if finding.succeeds})


def deciding_attacks(secret):
    """The names of the attacks that decide. Without decoys, equal digits open every puzzle."""
    if not secret.decoys:
        return [EQUAL_DIGITS]
    names = [*CLIMBS, EXCHANGES, LEAST_SQUARES]
    if secret.summits:
        names += MORE_CLIMBS
    if secret.is_tiled:
        names.append(SMOOTHNESS)
    return names
