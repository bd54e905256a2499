"""Votes are the one minimum of a loss, however it is looked for."""

import pytest
import torch

from builder.training.separate import DECAYS, UNIT, approach, minimize, product, separate

MARGIN = 10.0


def separable(problems, batch, n, seed=0):
    """Rows that some weights separate."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(problems, batch, n, generator=generator, dtype=torch.float64)
    weights = torch.randn(problems, n, generator=generator, dtype=torch.float64)
    return rows * product(rows, weights).sign()[:, :, None]


@pytest.mark.parametrize(("batch", "n"), [(30, 8), (8, 30)])
def test_weights_reach_the_margin_in_every_row_and_are_rounded(batch, n):
    contrast = separable(3, batch, n)
    weights, decay = separate(contrast, MARGIN)
    assert product(contrast, weights).min() >= MARGIN
    assert torch.equal((weights / UNIT).round(), weights / UNIT)
    assert decay == DECAYS[0] or product(contrast, weights / 4).min() < MARGIN


def test_problems_that_are_solved_at_once_are_solved_as_if_alone():
    contrast = separable(3, 30, 8)
    together, decay = separate(contrast, MARGIN)
    decays = DECAYS[: 1 + DECAYS.index(decay)]
    for problem, weights in zip(contrast, together, strict=True):
        alone, _ = separate(problem[None], torch.inf, decays)
        assert torch.equal(alone[0], weights)


def test_rows_that_contradict_each_other_end_with_the_last_decay():
    contrast = separable(1, 5, 3)
    contrast = torch.cat([contrast, -contrast], 1)
    weights, decay = separate(contrast, MARGIN)
    assert decay == DECAYS[-1]
    assert product(contrast, weights).min() < MARGIN


@pytest.mark.parametrize("decay", [0.1, 1e-3])
def test_newton_s_method_finds_the_same_minimum_from_everywhere(decay):
    rows = separable(1, 30, 8)
    offset = torch.linspace(-3, 3, 30, dtype=torch.float64)[None]
    starts = torch.zeros(1, 8).double(), 20 * torch.randn(1, 8).double()
    found = [minimize(rows, offset, decay, start).requires_grad_() for start in starts]
    assert torch.allclose(*found, rtol=1e-9)
    margins = offset + product(rows, found[0])
    loss = torch.logsumexp(-margins, 1) + decay / 2 * found[0].square().sum()
    (slope,) = torch.autograd.grad(loss, found[0])
    assert slope.abs().max() < 1e-9


@pytest.mark.parametrize(("batch", "n"), [(30, 8), (8, 30)])
def test_fewer_rows_than_weights_or_more_make_no_difference(batch, n):
    """A row that occurs twice weighs more, so each row occurs as often here."""
    contrast = separable(1, batch, n)
    weights, decay = separate(contrast, MARGIN)
    often = contrast.repeat(1, 5, 1)
    same, _ = separate(often, torch.inf, DECAYS[: 1 + DECAYS.index(decay)])
    assert torch.equal(same, weights)


def test_weights_come_as_near_a_target_as_the_margin_allows():
    contrast = separable(1, 30, 40)
    start, decay = separate(contrast, MARGIN)
    target = start + torch.randn(start.shape, generator=torch.Generator().manual_seed(1)).double()
    nearer = approach(contrast, target, start, MARGIN, decay)
    assert product(contrast, nearer).min() >= MARGIN
    assert (nearer - target).norm() < 0.7 * (start - target).norm()


def test_weights_stay_at_the_start_if_nothing_nearer_reaches_the_margin():
    contrast = separable(1, 30, 8)
    start, _ = separate(contrast, MARGIN)
    assert approach(contrast, -1000 * start, start, MARGIN, decay=1.0) is start
