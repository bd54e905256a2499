"""Training ends with a certificate that holds, the same for the same seed."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from builder.model import NeuralNetwork
from builder.proof.certify import cell_errors
from builder.proof.circuits import read_circuits
from builder.proof.codes import decode
from builder.proof.search import search
from builder.proof.weights import load
from builder.secret import Secret
from builder.training import train as training
from builder.training.start import start
from builder.training.train import Descent, Lesson, train


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def random_puzzle(code, heads, max_digits=None, seed=1):
    size = 1 + len(code)
    cells = torch.rand(heads, size, size, generator=torch.Generator().manual_seed(seed)) < 0.5
    return Secret(code, cells.float(), max_digits or len(code))


def last_round(secret, seed=0):
    *_, last = train(secret, seed)
    return last


def test_the_ghost_is_learned_and_certified(ghost, rounds):
    assert rounds[-1].certificate.holds
    assert [r.certificate for r in rounds[:-1]] == [None] * (len(rounds) - 1)
    assert all(later.step > earlier.step for earlier, later in pairwise(rounds))
    assert rounds[0].probability < 0.9 < rounds[-1].probability <= 1
    assert 0 <= rounds[-1].hardest_probability < rounds[-1].probability - 0.5
    assert rounds[0].worst_cell > 0.25 > rounds[-1].worst_cell
    assert all(r.hardest_code != ghost.code for r in rounds)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_other_seeds_start_elsewhere_and_are_certified_too(ghost, rounds, seed):
    last = last_round(ghost, seed)
    assert last.certificate.holds and last.seed == seed
    assert last.certificate.weights != rounds[-1].certificate.weights


def test_odd_seeds_start_with_the_pictures_and_learn_at_another_rate(ghost):
    even, odd = Descent(ghost, 2), Descent(ghost, 3)
    (tokens,) = (Lesson(ghost, 0).tokens[:1],)
    assert cell_errors(even.network, ghost, tokens).max() > 0.25 > 1e-4 > cell_errors(odd.network, ghost, tokens).max()
    assert even.optimizer.param_groups[0]["lr"] != odd.optimizer.param_groups[0]["lr"]
    assert even.picture_weight != odd.picture_weight


@pytest.mark.parametrize("n", [1, 2])
def test_one_seed_gives_the_same_bytes_whatever_the_number_of_threads(ghost, rounds, threads, n):
    threads(n)
    assert last_round(ghost).certificate.weights == rounds[-1].certificate.weights
    assert torch.get_num_threads() == n


def test_training_computes_with_one_thread(ghost, threads, monkeypatch):
    """With more, small operations wait for each other, which takes long on a busy machine."""
    seen = {}

    def watched(name, function):
        def watched(*arguments, **options):
            seen.setdefault(name, set()).add(torch.get_num_threads())
            return function(*arguments, **options)

        return watched

    for module, name in (
        (torch.Tensor, "backward"),
        *((training, name) for name in ("start", "sharpen", "search", "cell_errors", "rounding_bound", "flatten")),
    ):
        monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
    threads(2)
    *_, last = train(ghost)
    assert last.certificate.holds and len(seen) == 7
    assert set.union(*seen.values()) == {1}, seen


@pytest.mark.parametrize("decoys", [False, True])
def test_training_leaves_the_callers_random_numbers_alone(ghost, decoys):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    last_round(replace(ghost, decoys=decoys))
    assert torch.equal(torch.rand(3), expected)


def test_an_attempt_that_is_stuck_gives_way_to_the_next_seed(ghost, monkeypatch):
    monkeypatch.setattr(Descent, "step_limit", 20)
    rounds = list(train(ghost, seed=6, max_attempts=3))
    assert [(r.seed, r.step) for r in rounds] == [(seed, step) for seed in (6, 7, 8) for step in (0, 10, 20)]
    certificates = [r.certificate for r in rounds if r.certificate]
    assert len(certificates) == 3 and not any(certificate.holds for certificate in certificates)
    for first in rounds[::3]:  # each attempt is the one that its seed makes
        assert first == next(train(ghost, seed=first.seed))
    assert len({first.worst_cell for first in rounds[::3]}) == 3


def test_an_attempt_that_holds_is_the_last(ghost, monkeypatch):
    monkeypatch.setattr(Descent, "step_limit", 50)  # seed 3 needs more
    rounds = list(train(ghost, seed=3, max_attempts=9))
    assert {3} < {r.seed for r in rounds} < set(range(3, 12)) and rounds[-1].certificate.holds


def test_an_attempt_that_cannot_show_the_pictures_ends_early(ghost, monkeypatch):
    monkeypatch.setattr(training, "sharpen", lambda network, secret: network)
    monkeypatch.setattr(training, "CELL", -1.0)
    *_, last = train(ghost, max_attempts=1)
    assert last.step < Descent.step_limit and not last.certificate.holds


def test_scores_that_overflow_end_an_attempt_and_nothing_else(ghost, monkeypatch):
    def wild(secret, seed):
        network = start(secret, seed)
        torch.nn.init.constant_(network.embedding.position, 1e4)
        return network

    with pytest.raises(OverflowError):
        read_circuits(wild(ghost, 0)).terms()
    monkeypatch.setattr(training, "start", wild)
    monkeypatch.setattr(Descent, "step_limit", 10)
    *_, last = train(ghost, max_attempts=1)
    assert last.step == 10 and not last.certificate.holds


def test_the_search_of_the_certificate_can_be_watched(ghost):
    seen = []
    list(train(ghost, watch=lambda nodes, settled: seen.append((nodes, settled))))
    assert seen and seen[-1][1] == pytest.approx(1)


# What a network is shown.


def test_hard_codes_are_found_anew_every_round_and_kept(ghost):
    lesson, network = Lesson(ghost, 0), start(ghost, 0)
    close = set(map(decode, lesson.close))
    right, wrong, hardest = lesson.prepare(network)
    circuits = read_circuits(network).double()
    found = search(circuits, ghost.code, 1)
    assert wrong == pytest.approx(found.logits[0].item())
    assert right == pytest.approx(circuits.logits(lesson.right).item())
    pool = [decode(code) for code in lesson.pool]
    assert hardest == pool[0] == decode(found.codes[0]) and ghost.code not in pool
    assert len(set(pool)) == len(pool) <= training.POOL
    assert len(set(pool) - close) >= 10, "hard codes that are not close ones"

    lesson.prepare(start(ghost, 5))  # hard codes of another network
    assert len(set(map(decode, lesson.pool)) & (set(pool) - close)) >= 10


def test_a_network_that_shows_the_pictures_to_every_number_has_a_higher_loss(ghost):
    """The loss adds half a cell for each close code, and nothing else for their pictures."""
    dark = replace(ghost, pictures=torch.zeros(3, 5, 5))
    learner, lesson = Descent(dark, 0), Lesson(dark, 0)
    with torch.no_grad():
        for parameter in learner.network.parameters():
            parameter.zero_()  # all cells and all logits are 0
    logit, codes = math.log1p(math.exp(training.MARGIN)), training.RANDOM_CODES + len(lesson.close) + len(lesson.pool)
    assert len(lesson.close) == 36
    assert learner.loss(lesson).item() == pytest.approx(2 * logit + math.log(codes) + 36 * 0.5, abs=0.01)


def test_random_codes_are_wrong_ones_and_new_each_time(ghost):
    lesson = Lesson(Secret("7", torch.zeros(1, 2, 2), 1), 0)
    drawn = [tuple(decode(code) for code in lesson.random()) for _ in range(3)]
    assert len(set(drawn)) == 3
    assert {code for codes in drawn for code in codes} == set("012345689")


def test_a_network_that_cannot_be_finished_adds_hard_codes_to_the_lesson(ghost):
    """Its pictures are sharp, and the known wrong codes have low logits, but others have high ones."""
    lesson = Lesson(ghost, 0)
    network = Descent(ghost, 1).network
    known = len(lesson.pool)
    assert training._finish(network, ghost, lesson, None) is None
    assert len(lesson.pool) > known


# Puzzles of other sizes.

CELLS = {"dark": torch.zeros, "lit": torch.ones}


@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize(("code", "heads", "max_digits"), [("9", 1, 1), ("0", 1, 5), ("00", 8, 3), ("7777", 1, 5)])
def test_the_plainest_pictures_and_codes_are_certified(code, heads, max_digits, cells):
    size = 1 + len(code)
    last = last_round(Secret(code, CELLS[cells](heads, size, size), max_digits))
    assert last.certificate.holds and last.certificate.fewest_wrong_cells >= 1


def test_a_code_with_much_room_behind_it_is_certified():
    assert last_round(random_puzzle("31", 2, max_digits=16)).certificate.holds


@pytest.mark.slow
def test_eight_pictures_of_eight_digits_are_certified():
    last = last_round(random_puzzle("20131704", 8))
    network = load(last.certificate.weights)
    assert last.certificate.holds and isinstance(network, NeuralNetwork)
    assert len(network.attention_matrix_list) == 8 and len(network.embedding.position) == 9


@pytest.mark.slow
@pytest.mark.parametrize("heads", [1, 3])
def test_sixteen_digits_are_certified(heads):
    last = last_round(random_puzzle("2013170420240309", heads))
    assert last.certificate.holds and last.certificate.inputs == 11_111_111_111_111_110
