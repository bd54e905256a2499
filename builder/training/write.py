"""The written half of a network: queries and projection, which depend on the code.

Both are meant for the inputs (token + position) as they are. Here they are turned by the drawn
layers that they work with, so that what is written into one layer says nothing without the other
one.
"""

import torch

NOISE = 0.1  # of the projection, in directions that the logit doesn't see


def write_queries(network, weights, biases):
    """Writes queries that are meant for the inputs as keys.

    weights: (heads, n_hidden, n_hidden). biases: (heads, n_hidden).
    """
    for matrix, weight, bias in zip(network.attention_matrix_list, weights, biases, strict=True):
        key = matrix.key_layer.weight.double()
        matrix.query_layer.weight.copy_(key @ weight)
        matrix.query_layer.bias.copy_(key @ bias)


def write_votes(network, votes, threshold, generator):
    """Writes votes (heads, n_hidden): a look at an input y adds votes @ y to the logit.

    threshold: the sum of votes that is to be a logit of 0.
    """
    wrong, right = network.output.weight
    direction = (right - wrong).double()
    unit = direction / direction.square().sum()  # moves the logit by 1
    rows = []
    for output, vote in zip(network.attention_output_list, votes, strict=True):
        value = output.value_layer.weight.double()
        rows.append(torch.linalg.solve((value @ value).T, vote))
    rows = torch.cat(rows)  # what direction @ projection has to be, (heads * n_hidden,)
    noise = torch.randn(len(unit), len(rows), generator=generator).double()
    noise = NOISE * rows.std() * unit.norm() * noise
    # The logit sees the projection through `direction` alone, and there the noise is taken out.
    network.projection.weight.copy_(noise + torch.outer(unit, rows - direction @ noise))
    network.projection.bias.copy_(-threshold * unit)
