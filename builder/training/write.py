"""The written half of a network: queries and projection, which depend on the code.

Both are meant for the inputs (token + position) as they are. Here they are turned by the drawn
layers that they work with, so that what is written into one layer says nothing without the other
one.
"""

import torch

from builder.training.parameters import store

PROJECTION_BITS = 24  # as many as float32 has: with decoys, votes can be very large


def write_queries(network, weights, biases):
    """Writes queries that are meant for the inputs as keys.

    weights: (heads, n_hidden, n_hidden). biases: (heads, n_hidden).
    """
    for matrix, weight, bias in zip(network.attention_matrix_list, weights, biases, strict=True):
        key = matrix.key_layer.weight.double()
        store(matrix.query_layer.weight, key @ weight)
        store(matrix.query_layer.bias, key @ bias)


def write_votes(network, votes, threshold):
    """Writes votes (heads, n_hidden): a look at an input y adds votes @ y to the logit.

    threshold: the sum of votes that is to be a logit of 0.
    """
    wrong, right = network.output.weight.double()
    direction = right - wrong
    unit = direction / direction.square().sum()  # moves the logit by 1
    rows = []
    for output, vote in zip(network.attention_output_list, votes, strict=True):
        value = output.value_layer.weight.double()
        rows.append(torch.linalg.solve((value @ value).T, vote))
    store(network.projection.weight, torch.outer(unit, torch.cat(rows)), PROJECTION_BITS)
    store(network.projection.bias, -threshold * unit, PROJECTION_BITS)
