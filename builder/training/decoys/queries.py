"""Queries that show each pair of tokens its cell of a table, whatever the positions."""

import torch

from builder.network.model import CLS
from builder.training.decoys.tables import draw_tables


def draw_queries(secret, network, generator):
    """Each head's query weight and bias for the inputs as keys.

    Returns (heads, n, n) and (heads, n) in float64, n being n_hidden.

    With the dual vectors of the tokens, dual[t] . (token + position) is 1 for the token t and 0 for
    all others. Positions are not seen: their directions are not those of tokens.
    """
    dual = torch.linalg.pinv(directions(network))[:, : CLS + 1]  # (n, 11)
    weights = dual @ draw_tables(secret, generator).mT @ dual.T
    return weights, torch.zeros_like(weights[:, 0])


def directions(network):
    """The vectors of all tokens and positions, (12 + max_digits, n_hidden) in float64."""
    return torch.cat([network.embedding.weight, network.embedding.position]).double()
