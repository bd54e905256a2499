"""The search for the hardest wrong codes that suits a network."""

import math

from builder.network.codes import count_codes
from builder.proof.multisets import count_multisets, is_searchable, search_multisets
from builder.proof.search import search

FEWEST_NODES = 2000  # of a search that may be followed by one of multisets
MULTISETS_PER_NODE = 20  # that are bounded in the time that `search` needs for a node


def find_hardest(circuits, code, k=1, limit=-math.inf, budget=1_000_000, watch=None):
    """Finds the k wrong codes with the highest logits above a limit, or all of them if fewer exist.

    Arguments, result and errors are those of `search`. If the network looks at digits alike at all
    places, and `search` takes longer than a search of all multisets would, that follows.
    """
    if not is_searchable(circuits):
        return search(circuits, code, k, limit, budget, watch)
    nodes = max(FEWEST_NODES, count_multisets(circuits.max_digits) // MULTISETS_PER_NODE)
    found = search(circuits, code, k, limit, min(budget, nodes), watch)
    if found.settled == count_codes(circuits.max_digits):
        return found
    return search_multisets(circuits, code, k, limit, found.codes, budget, watch)
