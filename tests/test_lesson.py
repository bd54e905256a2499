"""What a network learns from, and how an attempt that can't succeed ends."""

import pytest
import torch

from builder.network.circuits import read_circuits
from builder.network.codes import decode, one_digit_off, random_codes
from builder.training import train as training
from builder.training.lesson import GAP, SHARE, Lesson
from builder.training.recipe import Recipe
from builder.training.train import Obstacle, Round, finish, train
from builder.training.write import write_votes


@pytest.fixture
def begun(ghost):
    """A network with its queries, and its lesson."""
    generator = torch.Generator().manual_seed(2)
    recipe = Recipe(ghost)
    with torch.no_grad():
        network = recipe.draw_network(generator)
        yield network, recipe.begin_lesson(network, generator)


def test_negatives_are_close_ones_and_random_ones_of_all_lengths_and_never_the_code(begun, ghost):
    _, lesson = begun
    codes = [decode(code) for code in lesson.negatives]
    close = [decode(code) for code in one_digit_off(ghost.code, ghost.max_digits)]
    assert codes[: len(close)] == close
    assert {len(code) for code in codes} == {1, 2, 3, 4, 5}
    assert ghost.code not in codes


def test_the_gap_is_how_far_the_code_is_above_the_highest_negative(begun):
    _, lesson = begun
    gap = lesson.fit()
    circuits = lesson.circuits()
    highest = circuits.logits(lesson.negatives).max()
    assert gap >= GAP
    assert gap == pytest.approx((circuits.logits(lesson.right_code) - highest).item())
    assert lesson.right_logit().item() == pytest.approx(circuits.logits(lesson.right_code).item())


def test_hard_negatives_are_wrong_codes_that_leave_less_than_the_share_of_the_gap(begun, ghost):
    _, lesson = begun
    gap = lesson.fit()
    before = len(lesson.negatives)
    found, hardest = lesson.find_hard_negatives(gap)
    new = lesson.negatives[before:]
    circuits = lesson.circuits()
    left = circuits.logits(lesson.right_code) - circuits.logits(new)
    assert len(new) == found > 0
    assert left.max() < SHARE * gap
    assert hardest == pytest.approx(left.min().item())
    assert ghost.code not in [decode(code) for code in new]


def test_no_hard_negatives_are_found_once_all_codes_leave_the_gap(begun):
    _, lesson = begun
    for _ in range(Lesson.STEPS):
        gap = lesson.fit()
        found, _ = lesson.find_hard_negatives(gap)
        if not found:
            break
    codes = random_codes(2000, 5, torch.Generator().manual_seed(1))
    codes = codes[(codes != lesson.right_code).any(1)]
    circuits = lesson.circuits()
    left = circuits.logits(lesson.right_code) - circuits.logits(codes)
    assert found == 0
    assert left.min() >= SHARE * gap


def test_written_votes_are_what_looks_add_to_the_networks_logit(begun):
    network, lesson = begun
    lesson.fit()
    write_votes(network, lesson.votes, threshold=3.0)
    expected = lesson.circuits().logits(lesson.negatives) - 3.0
    found = read_circuits(network).logits(lesson.negatives)
    assert torch.allclose(found, expected, atol=1e-4)


# What an attempt that can't succeed ends with.


def test_an_attempt_ends_at_once_if_no_votes_reach_the_gap(ghost, monkeypatch):
    monkeypatch.setattr(Lesson, "fit", lambda lesson: 0.9 * GAP)
    rounds = list(train(ghost, max_attempts=2))
    expected = [Round(seed, 1, 0.9 * GAP, obstacle=Obstacle.VOTES) for seed in (0, 1)]
    assert rounds == expected


def test_an_attempt_ends_if_rounding_can_move_a_logit_by_half_the_gap(ghost, monkeypatch):
    monkeypatch.setattr(training, "rounding_bound", lambda network: 1e6)
    *_, last = train(ghost, max_attempts=1)
    assert last.obstacle == Obstacle.ROUNDING
    assert not last.succeeds


def test_logits_are_never_scaled_by_a_negative_number(begun, monkeypatch):
    network, lesson = begun
    gap = lesson.fit()
    monkeypatch.setattr(training, "rounding_bound", lambda network: gap / 2)
    assert not finish(network, lesson, gap)
    monkeypatch.setattr(training, "rounding_bound", lambda network: 0.49 * gap)
    assert finish(network, lesson, gap)
    assert read_circuits(network).logits(lesson.right_code) > 0
