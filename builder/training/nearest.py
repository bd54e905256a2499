"""The nearest vector for which inequalities hold, or are violated at a price: a quadratic program.

Solved by Mehrotra's predictor-corrector method ("On the Implementation of a Primal-Dual Interior
Point Method", 1992; see also Nocedal and Wright, "Numerical Optimization", chapter 16.6).
"""

from typing import NamedTuple

import torch
from torch import Tensor

ITERATIONS = 100  # at most; 30 to 50 are usual
TOLERANCE = 1e-6  # of what the equations leave over, relative to the sizes in them
COMPLEMENTARITY = 1e-7  # of the mean product of two unknowns that belong together, in the same way
BACK = 0.99  # of the longest step that keeps all unknowns positive
DAMPING = 1e-11  # added to a diagonal that gets too small for float64


class Point(NamedTuple):
    """The unknowns of the equations in `nearest`, or changes of them.

    vector: (n,). Of each row, (batch,): its multiplier, by how much it is above its margin
    (surplus), and by how much it may be below (violation).
    """

    vector: Tensor
    multiplier: Tensor
    surplus: Tensor
    violation: Tensor

    def moved(self, step, size):
        """The point that a step of this size leads to."""
        return Point(*(old + size * change for old, change in zip(self, step, strict=True)))


def nearest(rows, margins, prices, target):
    """The vector v (n,) that minimizes |v - target|^2 / 2 + sum(prices * violations).

    rows: (batch, n), not 0. margins: (batch,). The violation of a row is how far v is on the wrong
    side of the plane rows @ v = margins. prices: (batch,), of a violation of 1; one that is large
    enough forbids it. target: (n,).

    Let rows have length 1, m be the margins and p the prices. The vector is the solution if there
    are multipliers a, surpluses s and violations x, none of them negative, nor p - a, with

        v = target + rows' a,    rows v + x - s = m,    a s = 0,    (p - a) x = 0.

    Newton's method solves the equations with ever smaller positive products instead of 0.
    """
    length = rows.norm(dim=1)
    program = _Program(rows / length[:, None], margins / length, prices, target)
    point = program.start()
    for _ in range(ITERATIONS):
        if program.is_solved(point):
            break
        following = program.improve(point)
        if not following.vector.isfinite().all():
            break
        point = following
    return point.vector


class _Program:
    """A quadratic program with rows of length 1; `nearest` has its equations."""

    def __init__(self, rows, margins, prices, target):
        self.rows = rows
        self.margins = margins
        self.prices = prices
        self.target = target
        self.scale = margins.abs().max()

    def start(self):
        """A point with room on all sides, at which the equations need not hold."""
        multiplier = torch.minimum(self.scale.expand_as(self.prices), self.prices / 2)
        surplus = (self.rows @ self.target - self.margins).clamp(min=self.scale)
        violation = self.scale.expand_as(self.prices)
        return Point(self.target, multiplier, surplus, violation)

    def products(self, point):
        """Two products for each row, which are to become 0, (2, batch)."""
        slack = self.prices - point.multiplier
        return torch.stack([point.multiplier * point.surplus, slack * point.violation])

    def residuals(self, point):
        """By how much a point misses the two linear equations, (n,) and (batch,)."""
        of_vector = self.rows.T @ point.multiplier + self.target - point.vector
        of_rows = self.margins + point.surplus - point.violation - self.rows @ point.vector
        return of_vector, of_rows

    def is_solved(self, point):
        of_vector, of_rows = self.residuals(point)
        moved = (point.vector - self.target).square().sum() / len(self.rows)
        return (
            self.products(point).mean() < COMPLEMENTARITY * moved
            and of_rows.abs().max() < TOLERANCE * self.scale
            and of_vector.abs().max() < TOLERANCE * point.vector.abs().max()
        )

    def improve(self, point):
        """The next point: a step straight to the solution says how small the next products can be
        (Mehrotra's rule), and by how much such a step misses them.
        """
        newton = _Newton(self, point)
        products = self.products(point)
        straight = newton.step(-products)
        size = self.longest(point, straight)
        mean = products.mean()
        aim = mean * (self.products(point.moved(straight, size)).mean() / mean) ** 3
        missed = torch.stack(
            [
                straight.multiplier * straight.surplus,
                -straight.multiplier * straight.violation,
            ]
        )
        step = newton.step(aim - products - missed)
        return point.moved(step, min(1.0, BACK * self.longest(point, step)))

    def longest(self, point, step):
        """The largest part of a step, at most 1, that leaves no unknown negative."""
        unknowns = torch.cat([*point[1:], self.prices - point.multiplier])
        changes = torch.cat([*step[1:], -step.multiplier])
        falling = changes < 0
        parts = unknowns[falling] / -changes[falling]
        return parts.min().clamp(max=1).item() if falling.any() else 1.0


class _Newton:
    """Newton's equations at a point, solved for steps that change the products as wanted."""

    def __init__(self, program, point):
        self.program = program
        self.point = point
        self.slack = program.prices - point.multiplier
        self.diagonal = point.violation / self.slack + point.surplus / point.multiplier + DAMPING
        matrix = (program.rows.T / self.diagonal) @ program.rows
        matrix.diagonal().add_(1)
        self.factor, failed = torch.linalg.cholesky_ex(matrix)
        if failed:
            matrix.diagonal().add_(DAMPING * matrix.diagonal().max())
            self.factor, _ = torch.linalg.cholesky_ex(matrix)

    def step(self, changes):
        """The step (a Point) that meets the linear equations and changes the products so.

        changes: (2, batch).
        """
        rows, point = self.program.rows, self.point
        of_surplus, of_violation = changes
        of_vector, of_rows = self.program.residuals(point)
        wanted = of_rows - of_violation / self.slack + of_surplus / point.multiplier
        right_side = of_vector + rows.T @ (wanted / self.diagonal)
        vector = torch.cholesky_solve(right_side[:, None], self.factor)[:, 0]
        multiplier = (wanted - rows @ vector) / self.diagonal
        surplus = (of_surplus - point.surplus * multiplier) / point.multiplier
        violation = (of_violation + point.violation * multiplier) / self.slack
        return Point(vector, multiplier, surplus, violation)
