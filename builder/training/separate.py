"""Logistic regression: the smallest weights that tell one class from another by a margin.

Several problems of one size are solved at once. What is written (batch, n) below is
(problems, batch, n), and so on.
"""

import torch

DECAYS = [0.1 / 4**i for i in range(20)]
ITERATIONS = 50  # of Newton's method, at most for one weight decay
CONVERGED = 1e-10  # the slope along a step after which one more step reaches the limits of float64
HALVINGS = 20  # of a step, at most
UNIT = 2.0**-10  # weights are multiples of it


def separate(contrast, target, margin, decays=DECAYS):
    """Weights (n,) near a target for which contrast @ weights is at least the margin in each row.

    contrast: rows of right minus wrong, (batch, n). target: (n,). If no weights reach the margin,
    those of the smallest weight decay are returned.

    Minimizes log(sum(exp(-contrast @ weights))) + decay / 2 * |weights - target|^2, with less and
    less weight decay until the margin is reached. There is only one minimum, and it is rounded. So
    the weights are the same on every machine, although float64 is not.
    """
    # The minimum lies in the target plus the span of the rows. If there are fewer rows than
    # weights, its coordinates in an orthonormal basis of the span are the unknowns.
    few = contrast.shape[1] < contrast.shape[2]
    basis, rows = None, contrast
    if few:
        basis, triangle = torch.linalg.qr(contrast.mT)
        rows = triangle.mT
    offset = product(contrast, target)
    change = rows.new_zeros(rows.shape[0], rows.shape[2])
    for decay in decays:
        change = minimize(rows, offset, decay, change)
        weights = target + (product(basis, change) if few else change)
        weights = (weights / UNIT).round() * UNIT
        if product(contrast, weights).min() >= margin:
            break
    return weights


def minimize(rows, offset, decay, change):
    """The change (n,) of the smallest loss for one weight decay, by Newton's method.

    rows: (batch, n). offset: (batch,). change: where to start.
    The loss is log(sum(exp(-(offset + rows @ change)))) + decay / 2 * |change|^2.
    """

    def loss(margins, change):
        return torch.logsumexp(-margins, 1) + decay / 2 * change.square().sum(1)

    for _ in range(ITERATIONS):
        margins = offset + product(rows, change)
        shares = torch.softmax(-margins, 1)
        mean = product(rows.mT, shares)
        gradient = decay * change - mean
        hessian = (rows * shares[:, :, None]).mT @ rows - mean[:, :, None] * mean[:, None]
        hessian.diagonal(dim1=1, dim2=2).add_(decay)
        step = torch.linalg.solve(hessian, gradient)
        slope = (gradient * step).sum(1)
        if (slope < CONVERGED).all():
            return change - step
        lost = product(rows, step)  # by a whole step
        size = torch.ones_like(slope)[:, None]
        for _ in range(HALVINGS):
            here = loss(margins, change)
            there = loss(margins - size * lost, change - size * step)
            too_far = (there > here - 0.1 * size[:, 0] * slope) & (slope >= CONVERGED)
            if not too_far.any():
                break
            size[too_far] /= 2
        change = change - size * step
    return change


def product(matrix, vector):
    """matrix @ vector for each problem."""
    return (matrix @ vector[:, :, None])[:, :, 0]
