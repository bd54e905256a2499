"""The bundle that lies in puzzle/ keeps every promise, and a certificate says when one is broken."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from builder.certify import CELL, OTHER_CELL, RIGHT, WRONG, certify, dump, load
from builder.handout import draw_examples
from builder.keyspace import count_codes
from builder.model import NeuralNetwork, tokenize
from tests.helpers import probabilities


@pytest.fixture(scope="module")
def certificate(network, ghost):
    return certify(network, ghost)


def changed(network, change):
    """A copy of the network after change(copy)."""
    copy = load(dump(network))
    with torch.no_grad():
        change(copy)
    return copy


@torch.no_grad()
def probability(network, code):
    return network(tokenize(code)).item()


def test_every_input_there_is_through_the_network_itself(network, ghost, certificate):
    hardest, accepted, looked_at = 0, 0, 0
    for length in range(1, 6):
        found = probabilities(network, length)
        looked_at += len(found)
        if length == len(ghost.code):
            assert found[int(ghost.code)] >= RIGHT
            found[int(ghost.code)] = 0
        hardest = max(hardest, found.max().item())
        accepted += int((found > 0.5).sum())
    assert hardest <= WRONG and accepted == 0
    assert looked_at == certificate.looked_at == 111_110
    assert certificate.hardest_probability == pytest.approx(hardest, rel=1e-3)
    assert certificate.accepted == accepted


def test_an_anagram_is_refused(network, ghost):
    for order in {"".join(order) for order in permutations(ghost.code)} - {ghost.code}:
        assert probability(network, order) <= WRONG


def test_a_part_of_the_code_is_refused(network, ghost):
    parts = {ghost.code[i:j] for i in range(len(ghost.code)) for j in range(i + 1, len(ghost.code) + 1)} - {ghost.code}
    assert all(probability(network, part) <= WRONG for part in parts)


def test_the_code_with_a_digit_before_or_behind_is_refused(network, ghost):
    for digit in "0123456789":
        assert probability(network, digit + ghost.code) <= WRONG
        assert probability(network, ghost.code + digit) <= WRONG


def test_the_examples_in_the_solvers_texts_are_refused(network, ghost):
    assert all(probability(network, code) <= WRONG for code in draw_examples(ghost, ghost.max_digits, dump(network)))


def test_the_pictures_are_sharp_and_the_codes_own(network, ghost):
    def errors(code):
        with torch.no_grad():
            return (torch.cat(network.get_attention_matrices(network.embedding(tokenize(code)))) - ghost.pictures).abs()

    assert errors(ghost.code).max() <= CELL
    for place, right in enumerate(ghost.code):
        for digit in set("0123456789") - {right}:
            assert errors(ghost.code[:place] + digit + ghost.code[place + 1 :]).max() > OTHER_CELL


def test_the_certificate_holds_and_counts_every_input(certificate, ghost):
    assert certificate.holds
    assert certificate.looked_at == count_codes(ghost.max_digits)
    assert certificate.hardest_codes[0] != ghost.code


def test_an_untrained_network_is_not_certified(ghost):
    torch.manual_seed(0)
    certificate = certify(NeuralNetwork(10), ghost)
    assert not certificate.holds
    total = sum(int((probabilities(load(certificate.weights), length) > 0.5).sum()) for length in range(1, 6))
    assert certificate.accepted == total - (certificate.probability > 0.5)


BROKEN = {
    "the code opens it": lambda network: network.output.bias.copy_(torch.tensor([60.0, 0.0])),
    "nothing else does": lambda network: network.output.bias.copy_(torch.tensor([0.0, 60.0])),
    "the pictures are sharp": lambda network: network.attention_matrix_list[1].key_layer.bias.add_(0.1),
    "it survives the trip": lambda network: network.output.bias.fill_(torch.nan),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_told(network, ghost, promise):
    certificate = certify(changed(network, BROKEN[promise]), ghost)
    assert not certificate.holds
    assert promise in [line.promise for line in certificate.promises if not line.holds]


def test_pictures_that_every_code_shows_are_not_certified(network, ghost):
    def blind(copy):
        for parameter in copy.attention_matrix_list.parameters():
            parameter.zero_()

    certificate = certify(changed(network, blind), replace(ghost, pictures=torch.zeros(3, 5, 5)))
    assert certificate.worst_cell == 0 and certificate.fewest_wrong_cells == 0
    assert not certificate.holds


def test_another_puzzles_pictures_are_not_certified(network, ghost):
    assert not certify(network, replace(ghost, pictures=1 - ghost.pictures)).holds
    assert not certify(network, replace(ghost, code="3102")).holds


def test_the_bytes_of_a_network_bring_it_back(network):
    weights = dump(network)
    assert dump(load(weights)) == weights == dump(network)
