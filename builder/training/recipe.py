"""The steps of training that depend on the kind of puzzle."""

import torch

from builder.network.model import CLS
from builder.training import pictures
from builder.training.draw import ORIGINAL, count_directions, draw, least_n_hidden
from builder.training.lesson import Lesson
from builder.training.write import write_queries


class Recipe:
    """The recipe of a plain puzzle: the code alone shows the pictures, and all other numbers show
    noise.

    Another kind of puzzle overrides what it does differently.
    """

    def __init__(self, secret):
        self.secret = secret

    def draw_network(self, generator):
        """The network with its drawn half. Nothing here may depend on the code."""
        n_hidden = ORIGINAL
        if self.secret.max_digits > 5:
            directions = count_directions(self.secret.max_digits)
            n_hidden = max(directions, least_n_hidden(self.secret.max_digits))
        return draw(self.secret, n_hidden, generator)

    def begin_lesson(self, network, generator):
        """Writes the queries into the network, and returns the Lesson that finds its votes."""
        write_queries(network, *pictures.draw_queries(self.secret, network, generator))
        lesson = Lesson(self.secret, network, generator)
        torch.randn(
            len(lesson.votes),
            CLS + 2 + self.secret.max_digits,
            generator=generator,
            dtype=torch.float64,
        )
        return lesson
