"""The bundle in puzzle/ keeps every promise, and a certificate fails wherever one is broken."""

import copy
import math
from dataclasses import replace
from itertools import permutations, product

import pytest
import torch
from torch.nn.functional import pad

from builder.bundle.readme import draw_examples
from builder.model import NeuralNetwork, tokenize
from builder.proof import certify as certifying
from builder.proof.certify import cell_errors, certify, crisp_share
from builder.proof.codes import count_codes, decode, one_digit_off, tokens_by_length
from builder.proof.rounding import rounding_bound
from builder.proof.weights import dump, load
from builder.secret import Secret
from builder.training.decoys import draw
from tests.helpers import changed, probability
from tests.oracle import all_codes, all_tokens, hardest, probabilities, table_logits

OPENS, NOTHING_ELSE, SHARP, OWN, SURVIVES = (
    "the code opens it",
    "nothing else moves it",
    "the pictures are sharp",
    "the pictures are the code's own",
    "it survives the trip",
)


@pytest.fixture(scope="module")
def certificate(network, ghost):
    return certify(network, ghost)


def broken(certificate):
    """The names of the promises that are not kept."""
    return [promise.promise for promise in certificate.promises if not promise.holds]


# The bundle in puzzle/.


def test_all_111_110_inputs_answer_exactly_0_but_for_the_code(network, ghost):
    found = probabilities(network, ghost.max_digits)
    (right,) = found.nonzero()
    assert len(found) == 111_110 and decode(all_codes(5)[right.item()]) == ghost.code
    assert found[right] >= 0.999999


def test_an_anagram_is_refused(network, ghost):
    for order in {"".join(order) for order in permutations(ghost.code)} - {ghost.code}:
        assert probability(network, order) == 0


def test_a_part_of_the_code_is_refused(network, ghost):
    parts = {ghost.code[i:j] for i in range(len(ghost.code)) for j in range(i + 1, len(ghost.code) + 1)} - {ghost.code}
    assert all(probability(network, part) == 0 for part in parts)


def test_the_code_with_a_digit_before_or_after_it_is_refused(network, ghost):
    for digit in "0123456789":
        assert probability(network, digit + ghost.code) == probability(network, ghost.code + digit) == 0


def test_the_examples_in_the_solvers_texts_are_refused(network, ghost):
    assert all(probability(network, code) == 0 for code in draw_examples(ghost, ghost.max_digits, dump(network)))


def test_the_pictures_are_sharp_and_the_codes_own(network, ghost):
    assert cell_errors(network, ghost, tokenize(ghost.code)).max() <= 0.01
    for code in map(decode, one_digit_off(ghost.code, ghost.max_digits)):
        assert cell_errors(network, ghost, tokenize(code)).max() > 0.25


def test_the_certificate_holds_and_says_what_was_found(network, ghost, certificate):
    assert certificate.holds and certificate.complete and certificate.rank == 5
    assert certificate.inputs == count_codes(ghost.max_digits) and certificate.nodes > 0
    assert certificate.weights == dump(network)
    truth = hardest(table_logits(certifying.read_circuits(network)), 5, ghost.code, 16)
    assert certificate.hardest_codes == tuple(code for code, _ in truth)
    assert certificate.hardest_logit == pytest.approx(truth[0][1], rel=1e-6)
    assert certificate.rounding == rounding_bound(network) > 0
    assert certificate.worst_cell == cell_errors(network, ghost, tokenize(ghost.code)).max()
    (tokens,) = tokens_by_length(one_digit_off(ghost.code, 5))
    wrong = (cell_errors(network, ghost, tokens) > 0.25).sum((0, 2, 3))
    assert certificate.fewest_wrong_cells == wrong.min() < wrong.max()


def test_the_search_can_be_watched(network, ghost):
    seen = []
    certify(network, ghost, lambda nodes, settled: seen.append(settled))
    assert seen and seen[-1] == pytest.approx(1)


def test_the_bytes_of_a_network_bring_it_back(network):
    weights = dump(network)
    assert dump(load(weights)) == weights == dump(network)


def test_certifying_leaves_the_callers_random_numbers_alone(network, ghost):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    certify(network, ghost)
    assert torch.equal(torch.rand(3), expected)


# A certificate just inside each limit and just outside of it.

LIMITS = {
    "the code's answer": (OPENS, {"probability": 0.999999}, {"probability": 0.9999989}),
    "the code's logit": (OPENS, {"logit": 14.82, "rounding": 1.0}, {"logit": 14.81, "rounding": 1.0}),
    "other inputs": (
        NOTHING_ELSE,
        {"hardest_logit": -111.0, "rounding": 1.0},
        {"hardest_logit": -111.0, "rounding": 1.01},
    ),
    "other answers": (NOTHING_ELSE, {"hardest_probability": 0.0}, {"hardest_probability": 1e-45}),
    "the search": (NOTHING_ELSE, {"complete": True}, {"complete": False}),
    "the worst cell": (SHARP, {"worst_cell": 0.01}, {"worst_cell": 0.01001}),
    "cells of other codes": (OWN, {"fewest_wrong_cells": 1}, {"fewest_wrong_cells": 0}),
    "the weights": (SURVIVES, {"survives": True}, {"survives": False}),
    "crisp cells": ("wrong numbers look as sharp", {"crisp": 1.0}, {"crisp": 0.9999}),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_certificate_holds_up_to_each_limit_and_not_beyond(certificate, limit):
    promise, inside, outside = LIMITS[limit]
    assert replace(certificate, **inside).holds
    beyond = replace(certificate, **outside)
    assert broken(beyond) == [promise] and not beyond.holds
    assert beyond.rank == len(beyond.promises) - 1


@pytest.mark.parametrize(
    "field", ["probability", "logit", "hardest_logit", "hardest_probability", "rounding", "worst_cell", "crisp"]
)
def test_a_certificate_with_nan_does_not_hold(certificate, field):
    assert not replace(certificate, **{field: math.nan}).holds


def test_decoys_are_promised_only_where_they_are_wished_for(network, ghost, certificate):
    assert certificate.crisp is None and len(certificate.promises) == 5
    wished = certify(network, replace(ghost, decoys=True))
    assert broken(wished) == ["wrong numbers look as sharp"] and wished.crisp < 0.9


@torch.no_grad()
def test_the_share_of_crisp_cells_is_that_of_the_cells_of_all_codes():
    network = draw(Secret("05", torch.eye(3).repeat(2, 1, 1), 2, decoys=True), seed=0)
    assert crisp_share(network) == 1
    network.embedding.weight[7] += 0.01
    cells = {}  # by the (position, token) of each of the two tokens that make it
    for tokens in all_tokens(2):
        matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))  # (heads, batch, rows, rows)
        for row, code in enumerate(tokens.tolist()):
            for one, other in product(enumerate(code), repeat=2):
                cells[one, other] = matrices[:, row, one[0], other[0]]
    found = torch.stack(list(cells.values()))
    near = (found - found.round()).abs() <= 0.01
    assert crisp_share(network) == pytest.approx(near.double().mean().item()) and near.any() and not near.all()


# Networks that break one promise, and the promise they break.


def same_digit(place, other):
    """A change to the ghost's network: another digit looks like the code's digit at a place."""

    def change(network):
        network.embedding.weight[int(other)] = network.embedding.weight[int("2013"[place])]

    return change


@pytest.mark.parametrize("place", range(4))
def test_a_digit_that_passes_for_the_codes_own_is_not_certified(network, ghost, place):
    certificate = certify(changed(network, same_digit(place, "7")), ghost)
    assert broken(certificate) == [NOTHING_ELSE, OWN]
    assert certificate.fewest_wrong_cells == 0 and certificate.hardest_probability > 0.99
    assert certificate.hardest_codes[0] == "2013"[:place] + "7" + "2013"[place + 1 :]


def test_a_close_code_whose_worst_cell_is_less_than_a_quarter_off_is_not_certified(network, ghost):
    def nearly_same(share):
        return changed(network, lambda copy: copy.embedding.weight[7].lerp_(copy.embedding.weight[3], share))

    def off(share):
        return cell_errors(nearly_same(share), ghost, tokenize("2017")).max()

    share = next(1 - i / 500 for i in range(500) if off(1 - i / 500) > 0.15)
    assert off(share) < 0.25
    assert OWN in broken(certify(nearly_same(share), ghost))
    share = next(1 - i / 500 for i in range(500) if off(1 - i / 500) > 0.25)
    assert OWN not in broken(certify(nearly_same(share), ghost))


def scaled(factor):
    def change(network):
        network.output.weight.mul_(factor)
        network.output.bias.mul_(factor)

    return change


def test_logits_above_the_limit_are_not_certified_though_the_network_answers_0(network, ghost):
    certificate = certify(changed(network, scaled(0.95)), ghost)
    assert broken(certificate) == [NOTHING_ELSE]
    assert certificate.hardest_probability == 0 and -108 < certificate.hardest_logit < -105


BROKEN = {
    "the answer no": (OPENS, lambda network: network.output.bias.copy_(torch.tensor([300.0, 0.0]))),
    "the answer yes": (NOTHING_ELSE, lambda network: network.output.bias.copy_(torch.tensor([0.0, 300.0]))),
    "a cell a hundredth off": (SHARP, lambda network: network.attention_matrix_list[1].key_layer.bias.add_(0.01)),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_promise_is_named(network, ghost, fault):
    promise, change = BROKEN[fault]
    assert broken(certify(changed(network, change), ghost)) == [promise]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2e5])
def test_weights_that_solvers_could_not_load_are_not_certified(network, ghost, value):
    with torch.no_grad():
        network = copy.deepcopy(network)
        network.attention_matrix_list[2].query_layer.weight[3, 3] = value
    certificate = certify(network, ghost)
    assert SURVIVES in broken(certificate) and certificate.rank == 0


def test_pictures_that_every_code_shows_are_not_certified(network, ghost):
    def blind(copy):
        for parameter in copy.attention_matrix_list.parameters():
            parameter.zero_()

    certificate = certify(changed(network, blind), replace(ghost, pictures=torch.zeros(3, 5, 5)))
    assert certificate.worst_cell == 0 and OWN in broken(certificate)


def test_an_untrained_network_is_not_certified(ghost):
    torch.manual_seed(0)
    assert {OPENS, NOTHING_ELSE, SHARP} <= set(broken(certify(NeuralNetwork(10), ghost)))


def test_another_puzzles_pictures_and_another_code_are_not_certified(network, ghost):
    assert broken(certify(network, replace(ghost, pictures=1 - ghost.pictures))) == [SHARP]
    assert {OPENS, NOTHING_ELSE, SHARP} <= set(broken(certify(network, replace(ghost, code="3102"))))


# Weights made by somebody who wants a wrong number to open a certified bundle.


def with_a_loud_head(network, ghost, score):
    """The ghost's network with a fourth head, which is silent for 2013 and outvotes the others wherever a 5 stands."""
    tokens, positions = network.embedding.weight, network.embedding.position
    silent = network.embedding(tokenize(ghost.code))[0]
    rows = torch.cat([silent, tokens[5] + positions[1:]]).double()
    wanted = torch.tensor([0.0] * len(silent) + [score] * 5, dtype=torch.float64)
    listen = torch.linalg.lstsq(pad(rows, (0, 1), value=1.0), wanted[:, None], driver="gelsd").solution[:, 0].float()

    loud = NeuralNetwork(10, n_heads=4)
    with torch.no_grad():
        for name, parameter in loud.named_parameters():
            old = network.state_dict().get(name, torch.zeros_like(parameter))
            parameter.copy_(pad(old, (0, 10)) if name == "projection.weight" else old)
        loud.attention_matrix_list[3].query_layer.bias[0] = 1
        value, direction = loud.attention_output_list[3].value_layer, loud.output.weight[1] - loud.output.weight[0]
        for layer in (loud.attention_matrix_list[3].key_layer, value):
            layer.weight[0], layer.bias[0] = listen[:-1], listen[-1]
        value.weight[1, 0] = 1  # it is applied twice: in the end, number 1 is what number 0 was
        loud.projection.weight[:, 31] = 1e4 / score * direction / direction.square().sum()
    return loud, replace(ghost, pictures=torch.cat([ghost.pictures, torch.zeros(1, 5, 5)]))


@pytest.mark.parametrize("score", [50.0, 600.0, 709.0, 709.5, 710.0, 2000.0])
def test_a_head_that_drowns_all_others_is_not_certified(network, ghost, score):
    loud, secret = with_a_loud_head(network, ghost, score)
    assert probability(loud, "2013") > 0.999999 and probability(loud, "5") == probability(loud, "20135") == 1
    certificate = certify(loud, secret)
    assert NOTHING_ELSE in broken(certificate)
    if score < 600:
        assert broken(certificate) == [NOTHING_ELSE]  # no other promise is broken


def with_a_common_part(network):
    """The network with one huge number in both output logits, beside which float32 loses their difference."""

    def change(network):
        output, projection = network.output, network.projection
        direction = output.weight[1] - output.weight[0]
        mirror = direction - torch.eye(10)[1] * direction.norm()
        turn = torch.eye(10) - 2 * torch.outer(mirror, mirror) / mirror.square().sum()  # turns direction into an axis
        projection.weight.copy_(turn @ projection.weight)
        projection.bias.copy_(turn @ projection.bias)
        output.weight.copy_(output.weight @ turn)
        output.weight[:, 0] = projection.bias[0] = 1e5

    return changed(network, change)


def test_an_answer_that_float32_loses_is_not_certified(network, ghost):
    common = with_a_common_part(network)
    assert probability(common, "201") == probability(common, ghost.code) == 0.5
    certificate = certify(common, ghost)
    assert certificate.logit > 100 and certificate.hardest_logit < -100  # the tables don't see it
    assert broken(certificate) == [OPENS, NOTHING_ELSE]


def test_what_the_network_itself_answers_counts_whatever_the_tables_and_their_rounding_say(network, ghost, monkeypatch):
    monkeypatch.setattr(certifying, "rounding_bound", lambda network: 0.0)
    certificate = certify(with_a_common_part(network), ghost)
    assert certificate.hardest_probability == 0.5 and broken(certificate) == [OPENS, NOTHING_ELSE]


# How a network is certified.


def test_a_search_that_runs_out_of_nodes_is_no_proof(network, ghost, monkeypatch):
    monkeypatch.setattr(certifying, "BUDGET", 100)
    certificate = certify(network, ghost)
    assert broken(certificate) == [NOTHING_ELSE] and not certificate.complete
    assert certificate.hardest_logit <= -110  # the codes found so far are no reason to fail


def test_what_is_certified_is_what_solvers_will_load_and_not_what_was_given(network, ghost):
    given = copy.deepcopy(network)
    given.output.register_forward_hook(lambda layer, inputs, output: -output)
    assert probability(given, ghost.code) == 0
    assert certify(given, ghost).holds


def test_weights_that_change_on_the_way_are_noticed(network, ghost, monkeypatch):
    def change(copy):
        copy.output.bias[0] *= 1 + 2**-20

    other = changed(network, change)
    monkeypatch.setattr(certifying, "load", lambda weights: other)
    assert broken(certify(network, ghost)) == [SURVIVES]
