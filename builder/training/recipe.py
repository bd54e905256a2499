"""The steps of training that depend on the kind of puzzle."""

from builder.training import queries
from builder.training.draw import ORIGINAL_DIGITS, count_directions, draw_dense, draw_one_hot
from builder.training.lesson import Lesson
from builder.training.write import write_queries


class Recipe:
    """The recipe of a plain puzzle: the code shows the pictures, and all other numbers show noise.

    Another kind of puzzle overrides what it does differently.
    """

    def __init__(self, secret):
        self.secret = secret

    def draw_network(self, generator):
        """The network with its drawn half. Nothing here may depend on the code."""
        max_digits = self.secret.max_digits
        if max_digits <= ORIGINAL_DIGITS:
            return draw_dense(self.secret, generator)
        n_hidden = max(count_directions(max_digits), 2 * max_digits + 1)  # as pictures need it
        return draw_one_hot(self.secret, n_hidden, [n_hidden], generator)

    def begin_lesson(self, network, generator):
        """Writes the queries into the network, and returns the Lesson that finds its votes."""
        write_queries(network, *queries.draw_queries(self.secret, network, generator))
        return Lesson(self.secret, network, generator)
