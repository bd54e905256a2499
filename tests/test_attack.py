"""The attack report and the verdict say what attacks cost that see what a solver sees, and ask the network itself."""

from dataclasses import replace

import pytest
import torch

from builder.attacks import attack
from builder.attacks.attack import (
    by_eye,
    by_place,
    count_guesses,
    duration,
    report,
    table_logits,
    verdict,
)
from builder.network.model import NeuralNetwork
from builder.network.weights import load
from builder.puzzle_file.secret import Secret
from builder.training.train import train
from tests.helpers import changed

LONG = Secret("13572468", torch.zeros(3, 9, 9), 8)


def build(secret):
    *_, last = train(secret)
    return load(last.certificate.weights)


@pytest.fixture(scope="module")
def with_decoys(ghost):
    return build(replace(ghost, decoys=True))


@pytest.fixture(scope="module")
def blind(network):
    """A network that answers every number alike."""
    return changed(network, lambda copy: (copy.output.weight.zero_(), copy.output.bias.zero_()))


def found(network, secret):
    return {found.name for found in report(network, secret) if found.found}


def test_the_report_tells_of_every_attack_in_the_order_of_what_it_takes(network, ghost):
    assert [found.name for found in report(network, ghost)] == [
        "by eye",
        "the embedding and single matrices",
        "the logit, place by place",
        "the gradient",
        "the circuits",
        "brute force",
    ]


def test_by_eye_takes_ten_guesses_a_digit(network, ghost):
    first, *_ = report(network, ghost)
    assert (
        first.found and first.cost == "34 guesses"
    )  # 2013: ten each for 2, 0 and 1, and 0 to 3 for the last
    assert first.sentence == "by eye, with guess.py alone: 34 guesses"


def test_decoys_close_the_way_by_eye_but_not_the_circuits(with_decoys, ghost):
    ways = found(with_decoys, ghost)
    assert (
        "by eye" not in ways
        and {"the logit, place by place", "the circuits", "brute force"} <= ways
    )


def test_a_network_that_says_nothing_falls_to_brute_force_alone(blind, ghost):
    reported = list(report(blind, ghost))
    assert [found.name for found in reported if found.found] == ["brute force"]
    assert {found.cost for found in reported[:-1]} == {"not found"}


def test_what_finds_the_code_has_asked_the_network_for_it(network, ghost):
    asked = []
    hook = network.register_forward_pre_hook(lambda layer, inputs: asked.append(inputs[0]))
    for attacked in report(network, ghost):
        if attacked.found and attacked.name != "brute force":
            assert (asked[-1] == torch.tensor([10, 2, 0, 1, 3])).all(1).any(), attacked.name
        asked.clear()
    hook.remove()


def test_guesses_count_up_to_the_right_number_and_no_further(network):
    wrong, right = (
        torch.tensor([[1, 1, 1, 1], [2, 2, 2, 2]]),
        torch.tensor([[9, 9, 9, 9], [2, 0, 1, 3], [5, 5, 5, 5]]),
    )
    assert count_guesses(network, [(wrong, 1), (right, 1), (wrong, 1)]) == 4
    assert count_guesses(network, [(wrong[:1], 70), (right[1:2], 30)]) == 100
    assert count_guesses(network, [(wrong, 1)]) == float("inf")


def test_more_guesses_than_the_limit_find_nothing(network, monkeypatch):
    monkeypatch.setattr(attack, "GUESSES", 33)
    assert count_guesses(network, by_eye(network)) == float("inf")
    monkeypatch.setattr(attack, "GUESSES", 34)
    assert count_guesses(network, by_eye(network)) == 34


def test_a_find_that_takes_as_many_guesses_as_guessing_is_luck():
    secret = Secret("7", torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), 5)
    network = build(secret)
    eye, *_ = report(network, secret)
    assert (
        not eye.found
        and eye.sentence == "by eye, with guess.py alone: 8 guesses, and guessing takes about 5"
    )
    assert verdict(network, secret) == "Short enough to guess: 5 guesses on average"


@pytest.mark.parametrize("which", ["network", "with_decoys"])
def test_the_tables_lead_where_the_networks_own_logits_lead(which, request):
    network = request.getfixturevalue(which)
    by_network, by_tables = by_place(network), by_place(network, table_logits(network))
    assert count_guesses(network, by_network) == count_guesses(network, by_tables) < 3000


def test_the_verdict_on_the_ghost_advises_decoys(network, ghost):
    assert (
        verdict(network, ghost) == "Solvable by eye in about 34 guesses; decoys would prevent that"
    )


def test_the_verdict_does_not_advise_decoys_that_are_impossible(ghost):
    secret = replace(ghost, code="2002")
    told = verdict(build(secret), secret)
    assert told.startswith("Solvable by eye in about 33 guesses; ")
    assert told.endswith(
        "decoys would prevent that, but decoys need a code whose digits all differ"
    )


def test_the_verdict_on_decoys_names_the_programs(with_decoys, ghost):
    told = verdict(with_decoys, replace(ghost, decoys=True))
    assert told.startswith("Not by eye; a program that follows the logit needs about ")
    assert told.endswith(" guesses, and one that tries all 111,110 numbers takes seconds")


def test_the_verdict_on_a_network_that_says_nothing(blind, ghost):
    assert (
        verdict(blind, ghost)
        == "Not by eye; a program that tries all 111,110 numbers takes seconds"
    )
    longer = NeuralNetwork(12, max_digits=8)
    longer.load_state_dict(
        {name: torch.zeros_like(tensor) for name, tensor in longer.state_dict().items()}
    )
    assert verdict(longer, LONG) == "Neither by eye nor by a simple program"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "less than a second"),
        (1, "1 second"),
        (90, "2 minutes"),
        (7200, "2 hours"),
        (1e12, "31,688 years"),
    ],
)
def test_a_duration_is_said_in_words(seconds, told):
    assert duration(seconds) == told
