"""Queries that show the pictures for the right code, and noise for every other one, in closed form.

Keys are inputs (token + position), turned. So a cell is x . y, for the query x of its row and the input y of its
column. The query of CLS gives the scores.

Scores: the digits stand on a line in random order, and d is a digit's place minus the right one's. A head scores an
input with d, plus the picture's cell. A vote of 1 - d would then add exp(d) (1 - d) to the sum of the votes, which is
largest at d = 0. So each right digit can be the best at its position, even for one head and many digits.

Queries: x = weight @ y + bias, where the weight is orthogonal but for a factor. Turned by the drawn keys, it is as
random as they are, whatever the code.
"""

from functools import partial

import torch

from builder.network.model import CLS, tokenize
from builder.training.draw import draw_orthogonal, inputs

SPACING = 0.7  # of the digits on the line
FACTOR = 3.0  # of the orthogonal matrix, for inputs of length 1; larger where pictures need it
LEAST_FACTOR = (
    0.3  # where n_hidden allows only the least; rows that are all alike would need no weight at all
)
DRAWS = 10  # of a query layer: it takes the one whose bias tells least


def draw_queries(secret, network, generator):
    """For each head a query weight and bias for the inputs as keys, (heads, n, n) and (heads, n) in float64."""
    vectors = inputs(network)
    right = vectors[torch.arange(1 + len(secret.code)), tokenize(secret.code)[0]]  # (1 + digits, n)
    every = vectors[1:, :CLS].flatten(0, 1)  # (10 * max_digits, n): every digit at every position
    line = SPACING * torch.randperm(CLS, generator=generator).double()
    layers = []
    for picture in torch.as_tensor(secret.tiles).double():
        score = score_query(secret, right, every, picture[0], line)
        draws = (query_layer(right, picture, score, generator) for _ in range(DRAWS))
        layers.append(min(draws, key=partial(leak, right, every)))
    return tuple(map(torch.stack, zip(*layers, strict=True)))


def score_query(secret, right, every, cells, line):
    """A head's query at CLS, (n,): its scores are exactly the cells for the right inputs, near the line for all others.

    cells: the picture's first row. line: the places of the digits, from 0 up.
    """
    digits = len(secret.code)
    scores = line.repeat(secret.max_digits, 1)
    scores[:digits] += (cells[1:] - line[tokenize(secret.code)[0, 1:]])[:, None]
    scores[digits:] += 1 + SPACING  # behind the code every digit is too far
    exact = torch.linalg.pinv(right) @ cells
    free = complement(right.T)  # what can be added to it
    return exact + free @ torch.linalg.pinv(every @ free) @ (scores.flatten() - every @ exact)


def query_layer(right, picture, score, generator):
    """A head's query weight (n, n) and bias (n,) for a given query at CLS.

    Let the columns of D be the right inputs minus CLS. Then weight @ D = A + Z, where A is in the span of the right
    inputs and decides their cells, and Z is outside and free. The weight is factor * orthogonal if Z^T Z = factor^2
    D^T D - A^T A. That asks for a large factor and for n > 2 * digits; n = 2 * digits is enough for the least factor.
    """
    digits = len(right) - 1
    basis, triangle = torch.linalg.qr(
        (right[1:] - right[0]).T
    )  # D = basis @ triangle; A and Z are for the basis
    inside = torch.linalg.pinv(right) @ (picture[1:] - picture[0]).T @ triangle.inverse()
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


def leak(right, every, layer):
    """How much larger or smaller weight @ y . bias is for right inputs y than for all, as a logarithm, (1,)."""
    weight, bias = layer
    products = [(vectors @ weight.T @ bias).square().mean() for vectors in (right[1:], every)]
    return torch.stack(products).log().diff().abs()


def complement(columns):
    """An orthonormal basis (n, n - k) of what is orthogonal to all columns (n, k)."""
    return torch.linalg.svd(columns).U[:, columns.shape[1] :]
