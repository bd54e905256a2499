"""Small weights that tell one class from another by a margin.

The loss is log(sum(exp(-margins))) + decay / 2 * |weights - target|^2. The margins are contrast @
weights, and the rows of contrast are right minus wrong. The first term is a smooth maximum of the
negative margins, so the smallest margins count most. Binary cross-entropy would be a sum over codes
of log(1 + exp(-distance)), with each code's distance from a threshold. Here there is no threshold,
because each margin compares two codes, and the least margin counts however large all of them are.

The loss has one minimum, which Newton's method finds, and the minimum is rounded. So the weights
are the same on every machine, although float64 is not.

Several problems of one size are solved at once. What is written (batch, n) below is
(problems, batch, n), and so on.
"""

import torch

DECAYS = [0.1 / 4**i for i in range(20)]
RAISED = 4.0  # the factor by which the decay grows while weights approach a target
ITERATIONS = 100  # of Newton's method, at most for one weight decay
CONVERGED = 1e-10  # the slope along a step after which one more step reaches the limits of float64
HALVINGS = 20  # of a step, at most
UNIT = 2.0**-10  # weights are multiples of it


def separate(contrast, margin, decays=DECAYS):
    """Small weights (n,) for which contrast @ weights is at least the margin in each row.

    contrast: (batch, n). decays: less and less weight decay, until the margin is reached. Returns
    the weights and their decay. If none reaches the margin, they are those of the last decay.
    """
    nothing = torch.zeros_like(contrast[:, 0])
    regression = Regression(contrast, nothing, nothing)
    for decay in decays:
        weights = regression.minimize(decay)
        if product(contrast, weights).min() >= margin:
            break
    return weights, decay


def approach(contrast, target, start, margin, decay):
    """Weights (n,) as near a target as the margin allows.

    contrast: (batch, n). start: weights that reach the margin, with this decay.
    """
    regression = Regression(contrast, target, start)
    weights = start
    for _ in DECAYS:
        nearer = regression.minimize(decay)
        if product(contrast, nearer).min() < margin:
            break
        weights = nearer
        decay = RAISED * decay
    return weights


class Regression:
    """A regression whose weights move from a start towards a target, both (n,).

    The minimum lies in the target plus the span of the rows. If there are fewer rows than weights,
    its coordinates in an orthonormal basis of the span are the unknowns; otherwise its distances
    from the target are.
    """

    def __init__(self, contrast, target, start):
        self.target = target
        self.offset = product(contrast, target)
        self.basis = None
        self.rows = contrast
        self.change = start - target
        if contrast.shape[1] < contrast.shape[2]:
            self.basis, triangle = torch.linalg.qr(contrast.mT)
            self.rows = triangle.mT
            self.change = product(self.basis.mT, self.change)

    def minimize(self, decay):
        """The weights (n,) of the smallest loss for one weight decay, rounded."""
        self.change = minimize(self.rows, self.offset, decay, self.change)
        change = self.change
        if self.basis is not None:
            change = product(self.basis, change)
        return ((self.target + change) / UNIT).round() * UNIT


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
        lost = product(rows, step)  # margin, by a whole step
        size = torch.ones_like(slope)[:, None]
        here = loss(margins, change)
        for _ in range(HALVINGS):
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
