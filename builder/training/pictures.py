"""Queries that show the pictures for the right code, and noise for every other one, in closed form.

Keys are the inputs (token + position), turned. So what a head sees at CLS is one vector s, its score of an input y is
s . y, and a row of its matrix is x . y, for the query x of the row's token.

Scores: the digits have places on a line, in random order, and d is how far a digit is from the right one. A head scores
an input with d + the picture's cell. If it votes 1 - d, it adds exp(d) (1 - d) to the sum of its votes, which is largest
at d = 0. So each right digit can be the best at its position, even for one head and many digits.

Queries: x = weight @ y + bias, where the weight is orthogonal but for a factor. Turned by the drawn keys, it is as random
as they are, whatever the code.
"""

import torch

from builder.model import CLS, tokenize
from builder.training.compose import draw_orthogonal, inputs

SPACING = 0.7  # of the digits on the line
FACTOR = 3.0  # of the orthogonal matrix, for inputs of length 1; larger where pictures need it


def draw_queries(secret, network, generator):
    """For each head a query weight and bias for the inputs as keys, (heads, n, n) and (heads, n) in float64."""
    seen = inputs(network)
    right = seen[torch.arange(1 + len(secret.code)), tokenize(secret.code)[0]]  # (1 + digits, n)
    pictures = torch.as_tensor(secret.pictures).double()
    line = SPACING * torch.randperm(CLS, generator=generator).double()
    scores = [score_vector(secret, seen, right, picture[0], line) for picture in pictures]
    layers = [query_layer(right, *head, generator) for head in zip(pictures, scores, strict=True)]
    return tuple(map(torch.stack, zip(*layers, strict=True)))


def score_vector(secret, seen, right, cells, line):
    """A head's scores at CLS as a vector (n,): exactly the cells for the right inputs, near the line for all others.

    seen: all inputs. right: those of the code. cells: the picture's first row. line: places of the digits, from 0 up.
    """
    digits = len(secret.code)
    scores = line.repeat(secret.max_digits, 1)
    scores[:digits] += (cells[1:] - line[tokenize(secret.code)[0, 1:]])[:, None]
    scores[digits:] += 1 + SPACING  # behind the code every digit is too far
    exact = torch.linalg.pinv(right) @ cells
    free = complement(right.T)
    wrong = seen[1:, :CLS].flatten(0, 1)
    return exact + free @ torch.linalg.pinv(wrong @ free) @ (scores.flatten() - wrong @ exact)


def query_layer(right, picture, score, generator):
    """A head's query weight (n, n) and bias (n,). The query of CLS is the score vector.

    With columns D, the right inputs minus CLS, weight @ D = A + Z. A is in the span of the right inputs and gives the
    cells; Z is outside, and free. The weight is factor * orthogonal if Z^T Z = factor^2 D^T D - A^T A, so the factor
    must be large enough. The span's complement has room for Z where n > 2 * digits. Where n = 2 * digits, the smallest
    factor takes one dimension less.
    """
    digits = len(right) - 1
    basis, triangle = torch.linalg.qr((right[1:] - right[0]).T)  # D = basis @ triangle; A and Z are for the basis
    inside = torch.linalg.pinv(right) @ (picture[1:] - picture[0]).T @ triangle.inverse()
    squares, directions = torch.linalg.eigh(inside.T @ inside)  # ascending
    factor = max(squares[-1].clamp(min=0).sqrt().item(), FACTOR / right[0].square().sum().item())
    outside = complement(right.T)
    outside = (outside @ draw_orthogonal(outside.shape[1], generator))[:, :digits]
    room = outside.shape[1]
    lengths = (factor**2 - squares[:room]).clamp(min=0).sqrt()
    image = inside + outside * lengths @ directions[:, :room].T
    rest = draw_orthogonal(len(image) - digits, generator) @ complement(basis).T
    weight = image @ basis.T + factor * complement(image) @ rest
    return weight, score - weight @ right[0]


def complement(columns):
    """An orthonormal basis (n, n - k) of what is orthogonal to all columns (n, k)."""
    return torch.linalg.svd(columns).U[:, columns.shape[1] :]
