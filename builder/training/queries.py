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
from builder.training.draw import gaussian, orthonormal
from builder.training.parameters import inputs

SPACING = 0.7  # of the digits on the line
FACTOR = 3.0  # of the orthogonal matrix, for inputs of length 1; larger if pictures need it
# Of it, if n_hidden allows only the least. Rows that are all alike would need no weight.
LEAST_FACTOR = 0.3
ROUNDED = 1e-9  # what is so much smaller than the rest is 0, but for rounding
DRAWS = 10  # of a head's query layer: the one is taken whose bias gives least away


def draw_queries(secret, network, generator):
    """Each head's query weight and bias for the inputs as keys.

    Returns (heads, n, n) and (heads, n) in float64, n being n_hidden.
    """
    vectors = inputs(network)
    right = vectors[torch.arange(1 + len(secret.code)), tokenize(secret.code)[0]]  # (1 + digits, n)
    every = vectors[1:, :CLS].flatten(0, 1)  # (10 * max_digits, n): every digit at every position
    line = SPACING * torch.randperm(CLS, generator=generator).double()
    weights = []
    biases = []
    for tile in torch.tensor(secret.tiles, dtype=torch.float64):
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
    scores[digits:] += 1 + SPACING  # after the code every digit is too far
    inverse = torch.linalg.pinv(right)
    exact = inverse @ cells
    free = every - every @ inverse @ right  # what of the inputs no right one has a part in
    rest = scores.flatten() - every @ exact
    return exact + torch.linalg.pinv(free, rtol=ROUNDED) @ rest


def draw_query_layer(right, every, tile, score, generator):
    """A head's query weight (n, n) and bias (n,): of DRAWS the one whose bias says least.

    right, every: as above. tile: the head's cells, (1 + digits, 1 + digits). score: the query at
    CLS, (n,).
    """
    weights = query_weights(right, tile, DRAWS, generator)
    biases = score - weights @ right[0]
    best = leak(right, every, weights, biases).argmin()
    return weights[best], biases[best]


def query_weights(right, tile, draws, generator):
    """Query weights with which the right inputs show a tile's rows minus that of CLS.

    right: the right inputs, (1 + digits, n). tile: its cells, (1 + digits, 1 + digits). Returns
    (draws, n, n).

    Let the columns of D be the right inputs minus CLS. Then weight @ D = A + Z. A is in the span of
    the right inputs and decides their cells; Z is outside of it, and free. If Z^T Z = factor^2 D^T
    D - A^T A, the weight can be an orthogonal matrix times the factor. That asks for a large
    factor, and for n > 2 * digits; n = 2 * digits is enough for the least factor that there is.
    """
    digits = len(right) - 1
    differences = (right[1:] - right[0]).T
    basis = orthonormal(differences)  # from here on, A and Z are for its columns, not for D's
    to_basis = torch.linalg.inv(basis.T @ differences)
    inside = torch.linalg.pinv(right) @ (tile[1:] - tile[0]).T @ to_basis  # A
    outside = complement(right.T.expand(draws, -1, -1), generator)

    squares, directions = torch.linalg.eigh(inside.T @ inside)  # ascending
    usual = FACTOR if outside.shape[2] >= digits else LEAST_FACTOR
    factor = max(squares[-1].clamp(min=0).sqrt().item(), usual / right[0].square().sum().item())
    missing = factor**2 - squares  # what Z^T Z has to add
    missing[missing < ROUNDED * factor**2] = 0
    root = directions * missing.sqrt() @ directions.T  # root^T root = Z^T Z

    room = min(outside.shape[2], int((missing > 0).sum()))
    turn = orthonormal(root @ gaussian(draws, digits, room, generator=generator))
    image = inside + outside[:, :, :room] @ turn.mT @ root  # A + Z
    others = complement(basis.expand(draws, -1, -1), generator)
    return image @ basis.T + factor * complement(image, generator) @ others.mT


def leak(right, every, weights, biases):
    """How far query biases tell right inputs from others: 0 if their products don't differ in size.

    weights: (draws, n, n). biases: (draws, n). Returns (draws,). The products are weight @ y . bias
    for an input y; the result is the logarithm of the ratio of their mean squares.
    """
    readers = (biases[:, None] @ weights)[:, 0]  # reader . y = weight @ y . bias, (draws, n)
    right_size = (readers @ right[1:].T).square().mean(1)
    usual_size = (readers @ every.T).square().mean(1)
    return (usual_size.log() - right_size.log()).abs()


def complement(columns, generator):
    """Random orthonormal bases (draws, n, n - k) of what is orthogonal to columns (draws, n, k)."""
    draws, size, count = columns.shape
    free = gaussian(draws, size, size - count, generator=generator)
    free -= columns @ torch.linalg.pinv(columns, rtol=ROUNDED) @ free
    return orthonormal(free)
