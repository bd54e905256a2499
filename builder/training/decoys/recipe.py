"""Decoys: every number shows crisp cells, so that sharpness gives nothing away.

A cell depends on its two tokens alone. Each head has a table of cells, 11 x 11: the digits of the
code and CLS show the head's tile, and all other cells are drawn at random (`tables`). The votes
must tell the digits of the code apart, which takes scores that differ a little (`nudges`), and they
must not show which digits the code uses (`lesson`).

A digit that stands in the code twice must have equal rows and columns. If its cells differed,
they would have to depend on the position, and a wrong number would show a part of the true picture.
"""

from builder.network.model import CLS
from builder.training.decoys import queries
from builder.training.decoys.lesson import DecoyLesson
from builder.training.draw import draw_one_hot
from builder.training.recipe import Recipe
from builder.training.write import write_queries


class DecoyRecipe(Recipe):
    """The recipe of a puzzle with decoys: all numbers show crisp cells."""

    def draw_network(self, generator):
        # Scores depend on tokens alone. So tokens and positions are turned apart, which rounds
        # less: a score sums 11 products, however many positions there are.
        blocks = [CLS + 1, 1 + self.secret.max_digits]
        return draw_one_hot(self.secret, sum(blocks), blocks, generator)

    def begin_lesson(self, network, generator):
        write_queries(network, *queries.draw_queries(self.secret, network, generator))
        return DecoyLesson(self.secret, network, generator)
