"""Logistic regression: the smallest weights that tell one class from another by a margin."""

import torch

DECAYS = [0.1 / 4**i for i in range(20)]
ITERATIONS = 50  # of Newton's method, at most for one weight decay
CONVERGED = 1e-4  # the smallest slope along a step that is taken
TINY = 1e-6  # the smallest share of a step that is tried


def separate(contrast, target, margin):
    """Weights (n,) near a target for which contrast @ weights is at least the margin in each row,
    if possible.

    contrast: rows of right minus wrong, (batch, n). target: (n,).

    Minimizes log(sum(exp(-contrast @ weights))) + decay / 2 * |weights - target|^2 by Newton's
    method, with less and less weight decay until the margin is reached.
    """
    weights = target
    for decay in DECAYS:
        weights = minimize(contrast, target, decay, weights)
        if (contrast @ weights).min() >= margin:
            break
    return weights


def minimize(contrast, target, decay, weights):
    """The weights (n,) of the smallest loss for one weight decay, by Newton's method from the
    weights given.
    """

    def loss(weights):
        size = (weights - target).square().sum()
        return torch.logsumexp(-contrast @ weights, 0) + decay / 2 * size

    for _ in range(ITERATIONS):
        shares = torch.softmax(-contrast @ weights, 0)
        mean = shares @ contrast
        gradient = decay * (weights - target) - mean
        hessian = (contrast * shares[:, None]).T @ contrast - torch.outer(mean, mean)
        hessian.diagonal().add_(decay)
        step = torch.linalg.solve(hessian, gradient)
        slope = gradient @ step
        size = 1.0
        while size > TINY and loss(weights - size * step) > loss(weights) - 0.1 * size * slope:
            size /= 2
        if size <= TINY or slope < CONVERGED:
            break
        weights = weights - size * step
    return weights
