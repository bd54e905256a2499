"""Queries that show the pictures for the right code, and noise for every other one.

Keys are the inputs, but for a drawn rotation. So a head's scores at CLS are y . s, for an input y (token + position) and
one vector s; the row of another token is y . x, for its query x. Both are found in closed form.

The scores: all digits have a place on a line, in random order, and d is how far a digit is from the right one. The head
scores an input with d, plus the picture's cell. A vote of 1 - d would then add exp(d) (1 - d) to the head's sum, which is
largest at d = 0: each right digit is the best one at its position, even with one head and many digits.

The queries: x = sigma O y + bias with an orthogonal O. The query layer is O turned by the drawn key layer, and so as
random as that one, whatever the code.
"""

import torch

from builder.model import CLS
from builder.training.draw import draw_orthogonal


SPACING = 0.7  # of the digits on the line, in score
DRAWS = 200  # lines that are tried, where n_hidden is too small for a line to fit exactly
QUIET = 3.0  # sigma is at least this for inputs of length 1, so it is the same for most puzzles


def draw_queries(secret, inputs, generator):
    """For each head a query weight and bias for keys that are the inputs: (heads, n, n) and (heads, n) in float64.

    inputs: token + position, (1 + max_digits, 11, n_hidden).
    """
    tokens = torch.tensor([CLS, *map(int, secret.code)])
    right = inputs[torch.arange(len(tokens)), tokens]  # (1 + digits, n_hidden)
    pictures = torch.as_tensor(secret.pictures).double()
    places = SPACING * torch.rand(DRAWS, 1, CLS, generator=generator).argsort(2).double()
    scores = [draw_scores(secret, inputs, right, picture[0], places) for picture in pictures]
    layers = [compose(right, picture, score, generator) for picture, score in zip(pictures, scores, strict=True)]
    return tuple(map(torch.stack, zip(*layers, strict=True)))


def draw_scores(secret, inputs, right, cells, places):
    """The vector whose dot products with the inputs are a head's scores at CLS, (n_hidden,).

    right: the inputs of the code. cells: the picture's first row, the scores that they get exactly. All others come as
    close to the line as n_hidden allows; of DRAWS lines it takes the one that tells wrong digits best.
    """
    digits, wrong = len(secret.code), inputs[1:, :CLS]  # (max_digits, 10, n_hidden)
    code = torch.tensor(list(map(int, secret.code)))
    distance = torch.cat(
        [places - places[:, 0, code, None], (places + 1 + SPACING).expand(-1, secret.max_digits - digits, -1)], dim=1
    )  # (DRAWS, max_digits, 10): behind the code, every digit is too far
    cell = torch.cat([cells[1:], torch.zeros(secret.max_digits - digits)])
    exact = torch.linalg.pinv(right) @ cells
    free = complement(right.T)  # (n_hidden, n_hidden - digits - 1): what leaves the scores of the code alone
    missing = distance + cell[:, None] - wrong @ exact
    scores = exact + missing.flatten(1) @ torch.linalg.pinv((wrong @ free).flatten(0, 1)).T @ free.T

    distance = torch.einsum("dn,ptn->dpt", scores, wrong) - cell[:, None]
    loss = distance.exp() * (distance - 1)  # how much a digit takes from the sum of N
    loss[:, :digits] = (1 + loss[:, :digits]) * cells[1:, None].exp()
    loss[:, torch.arange(digits), code] = torch.inf
    return scores[loss.amin((1, 2)).mul(1e6).round().argmax()]


def compose(right, picture, score, generator):
    """A head's query weight (n, n), an orthogonal matrix times sigma, and its bias (n,).

    The queries x of the right inputs must give x . y = the picture's cells for the right y, and CLS's is the score. So
    with differences D from CLS, sigma O D = A + Z: cells determine A, in the span of the right y, and Z is free outside.
    O is orthogonal if Z^T Z = sigma^2 D^T D - A^T A; sigma is large enough for that.
    """
    n_hidden, digits = right.shape[1], len(right) - 1
    basis, triangle = torch.linalg.qr((right[1:] - right[0]).T)  # D = basis @ triangle
    change = torch.linalg.pinv(right) @ (picture[1:] - picture[0]).T @ triangle.inverse()  # A, for the basis
    squares, directions = torch.linalg.eigh(change.T @ change)  # ascending
    sigma_squared = max(squares[-1].item(), (QUIET / right[0].square().sum().item()) ** 2)
    outside = complement(right.T)
    outside = outside @ draw_orthogonal(outside.shape[1], generator)
    rank = min(digits, outside.shape[1])  # one less than the digits where n_hidden is twice the digits
    lengths = (sigma_squared - squares[:rank]).clamp(min=0).sqrt()
    change = change + outside[:, :rank] * lengths @ directions[:, :rank].T
    rest = draw_orthogonal(n_hidden - digits, generator) @ complement(basis).T
    weight = change @ basis.T + sigma_squared**0.5 * complement(change) @ rest
    return weight, score - weight @ right[0]


def complement(columns):
    """An orthonormal basis of all that is orthogonal to the columns (n, k): (n, n - k)."""
    return torch.linalg.svd(columns).U[:, columns.shape[1] :]
