"""The attack report: what each way in costs on a network."""

from typing import NamedTuple

from builder.attacks.annealing import by_annealing
from builder.attacks.brute_force import mean_guesses, rate
from builder.attacks.by_eye import count_guesses_by_eye
from builder.attacks.by_place import by_place
from builder.attacks.circuits import by_circuits
from builder.attacks.equal_digits import by_equal_digits
from builder.attacks.exchanges import by_exchanges
from builder.attacks.gradient import by_gradient
from builder.attacks.least_squares import by_least_squares
from builder.attacks.pairs import by_pairs
from builder.attacks.single_matrices import by_single_matrices
from builder.attacks.smoothness import by_smoothness
from builder.attacks.target import Target, count_guesses
from builder.words import UNITS

BY_EYE = "by eye"
SMOOTHNESS = "the pictures' smoothness"
EQUAL_DIGITS = "equal digits"
SINGLE_MATRICES = "the embedding and single matrices"
BY_PLACE = "the logit, place by place"
PAIRS = "the logit, pairs of places"
ANNEALING = "the logit, annealing"
GRADIENT = "the gradient"
EXCHANGES = "exchanges of different digits"
LEAST_SQUARES = "least squares"
CIRCUITS = "the circuits"
BRUTE_FORCE = "brute force"

# The attacks that ask the network, in the order of what a solver has to know.
ATTACKS = {
    SMOOTHNESS: by_smoothness,
    EQUAL_DIGITS: by_equal_digits,
    SINGLE_MATRICES: by_single_matrices,
    BY_PLACE: by_place,
    PAIRS: by_pairs,
    ANNEALING: by_annealing,
    GRADIENT: by_gradient,
    EXCHANGES: by_exchanges,
    LEAST_SQUARES: by_least_squares,
    CIRCUITS: by_circuits,
}


class Finding(NamedTuple):
    """What an attack costs.

    name: one of the names above.
    guesses: how many numbers it asks, up to the right one; None if it does not find that.
    mean_guesses: how many brute force asks on average.
    seconds: how long brute force takes on average; None for every other attack.
    """

    name: str
    guesses: int | None
    mean_guesses: int
    seconds: float | None = None

    @property
    def succeeds(self):
        """Whether the attack finds the code: brute force within a day, all others not by luck."""
        if self.seconds is not None:
            return self.seconds < UNITS["day"]
        return self.guesses is not None and not self.is_luck

    @property
    def is_luck(self):
        """Whether the code was asked, but hardly sooner than by trying all numbers."""
        if self.seconds is not None or self.guesses is None:
            return False
        return self.guesses >= self.mean_guesses / 2


def report(network, secret):
    """Attacks the network of a secret in every way there is, and yields a Finding for each."""
    yield find_by_eye(secret)
    target = Target(network)
    for name in ATTACKS:
        yield find(target, secret, name)
    yield find_by_brute_force(network, secret)


def find_by_eye(secret):
    return Finding(BY_EYE, count_guesses_by_eye(secret), mean_guesses(secret))


def find(target, secret, name):
    """The Finding of one of ATTACKS."""
    guesses = count_guesses(target.network, secret, ATTACKS[name](target))
    return Finding(name, guesses, mean_guesses(secret))


def find_by_brute_force(network, secret):
    guesses = mean_guesses(secret)
    return Finding(BRUTE_FORCE, guesses, guesses, seconds=guesses / rate(network))
