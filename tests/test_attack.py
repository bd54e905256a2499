"""The attack report says what attacks cost. They ask the network itself, and see what a solver sees."""

import random
from dataclasses import replace

import pytest
import torch

from builder.model import NeuralNetwork
from builder.proof.weights import load
from builder.screens import attack
from builder.screens.attack import duration, report
from builder.secret import Secret
from builder.training.train import train


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(attack, "GUESSES", 3000)
    monkeypatch.setattr(attack, "RUNS", 3)


@pytest.fixture(scope="module")
def with_decoys(ghost):
    *_, last = train(replace(ghost, decoys=True))
    return load(last.certificate.weights)


def costs(network, secret):
    return {found.name: found for found in report(network, secret)}


@pytest.mark.parametrize(("guesses", "found"), [(3_054, True), (3_055, False), (30_001, False)])
def test_an_attack_that_takes_half_the_guesses_of_trying_all_finds_nothing(network, ghost, monkeypatch, guesses, found):
    monkeypatch.setattr(attack, "run", lambda *_: guesses)
    climbed = costs(network, ghost)["climbing the answer"]
    assert climbed.found == found
    assert ("which is about what guessing takes" in climbed.sentence) == (guesses == 3_055)


def test_the_ghost_falls_to_its_pictures_and_its_weights_but_not_to_its_answers(quick, network, ghost):
    found = costs(network, ghost)
    assert found["climbing the pictures"].found and found["reading the weights"].found
    assert not found["climbing the answer"].found
    assert found["climbing the answer"].cost == "not within 3,000 guesses"
    assert "the sharpness of the pictures finds the code in" in found["climbing the pictures"].sentence


def test_digit_by_digit_the_pictures_take_ten_guesses_a_digit(network, ghost):
    assert attack.run(network, ghost, attack.climb_the_pictures, random.Random(0)) <= 10 * len(ghost.code)


def test_decoys_hide_the_code_from_those_who_follow_sharpness(quick, with_decoys, ghost):
    assert not costs(with_decoys, ghost)["climbing the pictures"].found


def test_the_same_seed_reports_the_same_guesses(quick, network, ghost):
    first, second = ([found.cost for found in report(network, ghost, seed=5)][:-1] for _ in range(2))
    assert first == second


def test_a_run_counts_every_number_it_asks_for_and_ends_at_the_code(network, ghost):
    solver = attack._Solver(network, ghost, random.Random(0))
    solver.ask(["11", "22"])
    with pytest.raises(attack._Ended):
        solver.ask(["1111", ghost.code, "2222"])
    assert solver.guesses == 4


def test_a_run_that_tries_too_many_numbers_is_given_up(quick, ghost):
    blind = NeuralNetwork(4)
    with torch.no_grad():
        blind.output.weight.zero_()
    assert attack.run(blind, replace(ghost, code="99999"), attack.climb_the_answer, random.Random(1)) == 3001


def test_a_solver_sees_what_the_network_says(network, ghost):
    with torch.no_grad():
        probabilities, logits, matrices = attack._Solver(network, ghost, random.Random(0)).ask(["471", "117"])
    assert probabilities.tolist() == [0, 0] and logits.max() < -104
    assert matrices.shape == (3, 2, 4, 4)


def test_a_climb_goes_up_until_no_neighbour_is_higher(ghost):
    """Where the height of a number is the sum of its digits, a climb ends at 99999."""
    seen = []

    class Sums(attack._Solver):
        def ask(self, codes):
            seen.extend(codes)
            return torch.tensor([float(sum(map(int, code))) for code in codes])

    attack._climb(Sums(None, ghost, random.Random(3)), lambda sums: sums)
    assert max(seen, key=lambda code: sum(map(int, code))) == "99999"


def test_short_numbers_are_tried_first(network):
    secret = Secret("7", torch.zeros(1, 2, 2), 5)
    assert report_of_guessing(network, secret) == "5 guesses on average"
    assert report_of_guessing(network, replace(secret, code="123")) == "610 guesses on average"


def report_of_guessing(network, secret):
    attack_list, attack.ATTACKS = attack.ATTACKS, []
    try:
        return next(report(network, secret)).cost
    finally:
        attack.ATTACKS = attack_list


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "less than a second"), (1, "1 second"), (90, "2 minutes"), (7200, "2 hours"), (1e12, "31,688 years")],
)
def test_a_duration_is_said_in_words(seconds, told):
    assert duration(seconds) == told
