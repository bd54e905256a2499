"""Queries that show the pictures for the right code, and noise for every other one, in closed form.

A cell is x . y, for the query x of its row and the input y (token + position) of its column. The
query of CLS gives the scores.

Scores: the digits stand on a line in random order, and d is a digit's place minus the right one's.
A head scores an input with d, plus the picture's cell. A vote of 1 - d would then add exp(d) (1 -
d) to the sum of the votes, which is largest at d = 0. So each right digit can be the best at its
position, even for one head and many digits.

Queries: x = weight @ y + bias, and the weight is an orthogonal matrix times a factor. Turned by the
drawn keys, it is as random as they are, whatever the code.
"""

import torch

from builder.network.model import CLS, tokenize
from builder.training.draw import draw_orthogonal, inputs

SPACING = 0.7  # of the digits on the line
FACTOR = 3.0  # of the orthogonal matrix, for inputs of length 1; larger if pictures need it
LEAST_FACTOR = (
    0.3  # if n_hidden allows only the least; rows that are all alike would need no weight
)
DRAWS = 10  # of a head's query layer: the one is taken whose bias gives least away


def draw_queries(secret, network, generator):
    """Each head's query weight and bias for the inputs as keys.

    Returns (heads, n, n) and (heads, n) in float64, n being n_hidden.
    """
    vectors = inputs(network)
    right = vectors[torch.arange(1 + len(secret.code)), tokenize(secret.code)[0]]  # (1 + digits, n)
    every = vectors[1:, :CLS].flatten(0, 1)  # (10 * max_digits, n): every digit at every position
    line = SPACING * torch.randperm(CLS, generator=generator).double()
    weights, biases = [], []
    for tile in torch.as_tensor(secret.tiles).double():
        score = score_query(secret, right, every, tile[0], line)
        weight, bias = draw_query_layer(right, every, tile, score, generator)
        weights.append(weight)
        biases.append(bias)
    return torch.stack(weights), torch.stack(biases)


def score_query(secret, right, every, cells, line):
    """A head's query at CLS, (n,).

    Its scores are exactly the cells for the right inputs, and near the line for all others.

    right: the right inputs, (1 + digits, n). every: all inputs of digits, (max_digits * 10, n).
    cells: the tile's first row, (1 + digits,). line: the places of the digits, from 0 up, (10,).
    """
    digits = len(secret.code)
    scores = line.repeat(secret.max_digits, 1)
    scores[:digits] += (cells[1:] - line[tokenize(secret.code)[0, 1:]])[:, None]
    scores[digits:] += 1 + SPACING  # behind the code every digit is too far
    exact = torch.linalg.pinv(right) @ cells
    free = complement(right.T)  # adding these changes no score of a right input
    return exact + free @ torch.linalg.pinv(every @ free) @ (scores.flatten() - every @ exact)


def draw_query_layer(right, every, tile, score, generator):
    """A head's query weight (n, n) and bias (n,).

    Of DRAWS layers it is the one whose bias says least about the right inputs.
    """
    layers = [query_layer(right, tile, score, generator) for _ in range(DRAWS)]
    leaks = [leak(right, every, weight, bias) for weight, bias in layers]
    return layers[leaks.index(min(leaks))]


def query_layer(right, tile, score, generator):
    """A head's query weight (n, n) and bias (n,) with which the right inputs show a tile.

    right: the right inputs, (1 + digits, n). tile: its cells, (1 + digits, 1 + digits). score: the
    query at CLS, (n,).

    Let the columns of D be the right inputs minus CLS. Then weight @ D = A + Z. A is in the span of
    the right inputs and decides their cells; Z is outside of it, and free. If Z^T Z = factor^2 D^T
    D - A^T A, the weight can be an orthogonal matrix times the factor. That asks for a large
    factor, and for n > 2 * digits; n = 2 * digits is enough for the least factor that there is.
    """
    digits = len(right) - 1
    basis, triangle = torch.linalg.qr((right[1:] - right[0]).T)  # D = basis @ triangle
    # From here on, A and Z are for the columns of the basis instead of those of D.
    inside = torch.linalg.pinv(right) @ (tile[1:] - tile[0]).T @ triangle.inverse()
    squares, directions = torch.linalg.eigh(inside.T @ inside)  # ascending
    outside = complement(right.T)
    outside = (outside @ draw_orthogonal(outside.shape[1], generator))[:, :digits]
    room = outside.shape[1]
    usual = FACTOR if room == digits else LEAST_FACTOR
    factor = max(squares[-1].clamp(min=0).sqrt().item(), usual / right[0].square().sum().item())
    lengths = (factor**2 - squares[:room]).clamp(min=0).sqrt()
    image = inside + outside * lengths @ directions[:, :room].T  # A + Z
    elsewhere = draw_orthogonal(len(image) - digits, generator) @ complement(basis).T
    weight = image @ basis.T + factor * complement(image) @ elsewhere
    return weight, score - weight @ right[0]


def leak(right, every, weight, bias):
    """How far a query bias tells right inputs from others, a float: 0 if its products don't differ
    in size.

    The products are weight @ y . bias for an input y; the result is the logarithm of the ratio of
    their mean squares.
    """
    right_size = (right[1:] @ weight.T @ bias).square().mean()
    usual_size = (every @ weight.T @ bias).square().mean()
    return (usual_size.log() - right_size.log()).abs().item()


def complement(columns):
    """An orthonormal basis (n, n - k) of what is orthogonal to all columns (n, k)."""
    return torch.linalg.svd(columns).U[:, columns.shape[1] :]
