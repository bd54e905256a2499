"""Training ends with a certificate that holds, the same for the same seed."""

from itertools import pairwise

import pytest
import torch

from builder import train as training
from builder.circuits import read_circuits
from builder.secret import Secret
from builder.train import train


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_ghost_is_learned_and_certified(ghost):
    rounds = list(train(ghost, seed=3))
    assert rounds[-1].certificate.holds
    assert [r.certificate for r in rounds[:-1]] == [None] * (len(rounds) - 1)
    assert all(later.step > earlier.step for earlier, later in pairwise(rounds))
    assert rounds[0].worst_cell > 0.25 > 0.01 >= rounds[-1].worst_cell
    assert rounds[-1].accepted == 0 and rounds[-1].met > 100


def test_one_seed_gives_the_same_bytes_whatever_the_number_of_threads(ghost, threads):
    weights = []
    for n in (1, 2, 4):
        threads(n)
        *_, last = train(ghost, seed=1)
        weights.append(last.certificate.weights)
        assert torch.get_num_threads() == n
    assert weights[0] == weights[1] == weights[2]


def test_training_leaves_the_callers_random_numbers_alone(ghost):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    next(train(ghost, seed=1))
    assert torch.equal(torch.rand(3), expected)


def test_an_attempt_that_is_stuck_gives_way_to_the_next_seed(ghost, monkeypatch):
    monkeypatch.setattr(training, "STEP_LIMIT", 20)
    rounds = list(train(ghost, seed=7, max_attempts=3))
    assert [(r.seed, r.step) for r in rounds] == [(seed, step) for seed in (7, 8, 9) for step in (0, 10, 20)]
    certificates = [r.certificate for r in rounds if r.certificate]
    assert len(certificates) == 3 and not any(certificate.holds for certificate in certificates)


def test_scores_that_run_away_end_an_attempt_and_nothing_else(ghost, monkeypatch):
    class Wild(training.NeuralNetwork):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            torch.nn.init.constant_(self.embedding.position, 1e4)

    torch.manual_seed(0)
    with pytest.raises(OverflowError):
        read_circuits(Wild(10, 3, 5)).terms()
    monkeypatch.setattr(training, "NeuralNetwork", Wild)
    monkeypatch.setattr(training, "STEP_LIMIT", 10)
    *_, last = train(ghost, max_attempts=1)
    assert last.step == 10 and not last.certificate.holds


CELLS = {"dark": torch.zeros, "lit": torch.ones}


@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize(("code", "heads", "max_digits"), [("9", 1, 1), ("0", 1, 5), ("00", 8, 3), ("7777", 1, 5)])
def test_the_plainest_pictures_and_codes_are_certified(code, heads, max_digits, cells):
    size = 1 + len(code)
    *_, last = train(Secret(code, CELLS[cells](heads, size, size), max_digits))
    assert last.certificate.holds
    assert last.certificate.fewest_wrong_cells >= 1
