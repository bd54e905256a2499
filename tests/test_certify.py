"""A trained network keeps every promise, and a certificate fails if one is broken."""

import copy
import io
import math
from dataclasses import replace

import pytest
import torch

from builder.errors import PuzzleError
from builder.network.circuits import read_circuits
from builder.network.codes import count_codes
from builder.network.model import NeuralNetwork, tokenize
from builder.network.weights import dump
from builder.proof import certify as certifying
from builder.proof.cells import Lookalike, worst_cell
from builder.proof.certify import (
    ASTRAY,
    CRISP_TOO,
    NOTHING_ELSE,
    OPENS,
    OWN,
    SHARP,
    SURVIVES,
    cell_errors,
    certify,
    certify_file,
)
from builder.proof.rounding import rounding_bound
from builder.proof.search import precision
from tests.helpers import changed, probability
from tests.oracle import all_tokens, answer, hardest, table_logits


@pytest.fixture(scope="module")
def certificate(network, ghost):
    seen = []
    certificate = certify(network, ghost, lambda nodes, share: seen.append((nodes, share)))
    assert seen[-1] == (certificate.nodes, 1), "the search can be watched"
    return certificate


def broken(certificate):
    """The names of the promises that are not kept."""
    return [promise.name for promise in certificate.promises if not promise.holds]


# What the certificate says of a trained network, asked of the network itself.


def nonzero_answers(network, max_digits):
    """The codes whose answer isn't exactly 0, by the network or by a function of its logits."""
    found = {}
    for tokens in all_tokens(max_digits):
        probabilities, logits = answer(network, tokens)
        by_sigmoid = (logits[:, 1] - logits[:, 0]).sigmoid()
        by_log_softmax = logits.log_softmax(-1)[:, 1].exp()
        answers = torch.stack([probabilities, by_sigmoid, by_log_softmax], dim=1)
        for row in answers.any(1).nonzero()[:, 0].tolist():
            code = "".join(map(str, tokens[row, 1:].tolist()))
            found[code] = answers[row]
    return found


@pytest.mark.parametrize(
    "mode",
    [
        "float32",
        pytest.param("float64", marks=pytest.mark.slow),
        pytest.param("flushed, medium precision, two threads", marks=pytest.mark.slow),
    ],
)
def test_all_111_109_wrong_inputs_answer_exactly_0_however_they_are_asked(network, ghost, mode):
    network = copy.deepcopy(network)
    if mode == "float64":
        network.double()
    if mode.startswith("flushed"):
        torch.set_flush_denormal(True)
        torch.set_float32_matmul_precision("medium")
        torch.set_num_threads(2)
    try:
        found = nonzero_answers(network, ghost.max_digits)
    finally:
        torch.set_flush_denormal(False)
        torch.set_float32_matmul_precision("highest")
        torch.set_num_threads(1)
    assert list(found) == [ghost.code] and (found[ghost.code] >= 0.999999).all()


def test_the_certificate_holds_and_says_what_was_found(network, ghost, certificate):
    assert certificate.holds and certificate.complete and len(certificate.promises) == 5
    assert certificate.inputs == count_codes(ghost.max_digits) and certificate.nodes > 0
    assert certificate.weights == dump(network)
    circuits = read_circuits(network)
    truth = hardest(table_logits(circuits), 5, ghost.code, 16)
    assert certificate.hardest_codes == tuple(code for code, _ in truth)
    assert certificate.hardest_logit == pytest.approx(truth[0][1])
    assert certificate.rounding == rounding_bound(network) + precision(circuits)
    assert certificate.rounding > rounding_bound(network)
    assert certificate.worst_cell == worst_cell(network, ghost)
    shown = cell_errors(network, ghost, tokenize(ghost.code)).max()
    assert 0 < shown == certificate.shown_cell < certificate.worst_cell
    assert certificate.lookalike == Lookalike("", decided=True)
    assert certificate.crisp is None


# A certificate just inside each limit and just outside of it.

LIMITS = {
    "the code's answer": (OPENS, {"probability": 0.999999}, {"probability": 0.9999989}),
    "the code's logit": (
        OPENS,
        {"logit": 14.82, "rounding": 1.0},
        {"logit": 14.81, "rounding": 1.0},
    ),
    "wrong codes": (
        NOTHING_ELSE,
        {"hardest_logit": -751, "rounding": 1},
        {"hardest_logit": -751, "rounding": 1.01},
    ),
    "wrong answers": (NOTHING_ELSE, {"hardest_probability": 0.0}, {"hardest_probability": 1e-45}),
    "the search": (NOTHING_ELSE, {"complete": True}, {"complete": False}),
    "the worst cell": (SHARP, {"worst_cell": 0.01}, {"worst_cell": 0.01001}),
    "the cell that is shown": (SHARP, {"shown_cell": 0.01}, {"shown_cell": 0.01001}),
    "another number's pictures": (
        OWN,
        {"lookalike": Lookalike("", decided=True)},
        {"lookalike": Lookalike("2014", decided=True)},
    ),
    "too many numbers to look at": (
        OWN,
        {"lookalike": Lookalike("", decided=True)},
        {"lookalike": Lookalike("", decided=False)},
    ),
    "the weights": (SURVIVES, {"survives": True}, {"survives": False}),
    "crisp cells": (CRISP_TOO, {"crisp": 1.0}, {"crisp": 0.9999}),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_certificate_holds_up_to_each_limit_and_not_beyond(certificate, limit):
    promise, inside, outside = LIMITS[limit]
    assert replace(certificate, **inside).holds
    beyond = replace(certificate, **outside)
    assert broken(beyond) == [promise] and not beyond.holds


@pytest.mark.parametrize(
    "field",
    [
        "probability",
        "logit",
        "hardest_logit",
        "hardest_probability",
        "rounding",
        "worst_cell",
        "shown_cell",
        "crisp",
    ],
)
def test_a_certificate_with_nan_does_not_hold(certificate, field):
    assert not replace(certificate, **{field: math.nan}).holds


# Networks that break one promise, and the promise they break.


@pytest.mark.parametrize("place", range(4))
def test_a_digit_that_passes_for_the_codes_own_is_not_certified(network, ghost, place):
    def change(copy):  # 7 looks like the code's digit
        copy.embedding.weight[7] = copy.embedding.weight[int(ghost.code[place])]

    certificate = certify(changed(network, change), ghost)
    other = "2013"[:place] + "7" + "2013"[place + 1 :]
    assert broken(certificate) == [NOTHING_ELSE, OWN]
    assert certificate.hardest_codes[0] == other and certificate.hardest_probability > 0.99
    assert certificate.lookalike == Lookalike(other, decided=True)


@torch.no_grad()
def change_to(parameter, value):
    """A change that sets a parameter."""

    def change(network):
        network.get_parameter(parameter).copy_(torch.tensor(value))

    return change


BROKEN = {
    "the answer no": (OPENS, change_to("output.bias", [2000.0, 0.0])),
    "the answer yes": (NOTHING_ELSE, change_to("output.bias", [0.0, 2000.0])),
    "a cell a hundredth off": (
        SHARP,
        lambda network: network.attention_matrix_list[1].key_layer.bias.add_(0.01),
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_promise_is_named(network, ghost, fault):
    promise, change = BROKEN[fault]
    assert broken(certify(changed(network, change), ghost)) == [promise]


def negative(picture):
    return tuple(tuple(1.0 - cell for cell in row) for row in picture)


def test_pictures_and_codes_of_another_puzzle_are_not_certified(network, ghost):
    pictures = tuple(negative(picture) for picture in ghost.pictures)
    assert broken(certify(network, replace(ghost, pictures=pictures))) == [SHARP]
    other = certify(network, replace(ghost, code="3102"))
    assert {OPENS, NOTHING_ELSE, SHARP} <= set(broken(other))


def test_networks_of_other_sizes_than_the_puzzles_are_refused(network, ghost):
    with pytest.raises(PuzzleError, match="^the weights have other sizes"):
        certify(network, replace(ghost, max_digits=6))
    with pytest.raises(PuzzleError, match="^the weights have other sizes"):
        certify(network, replace(ghost, pictures=ghost.pictures[:2]))
    wide = changed(network, lambda copy: copy.arrangement.copy_(torch.tensor([1, 1, 3])))
    with pytest.raises(PuzzleError, match="^the weights have other sizes"):
        certify(wide, ghost)


# Each step of the proof, broken on purpose: tables, search, rounding, weights.


def test_tables_of_another_network_do_not_hide_what_the_network_itself_answers(
    network, ghost, monkeypatch
):
    tables = read_circuits(network)
    monkeypatch.setattr(certifying, "read_circuits", lambda network: tables)
    other = changed(network, change_to("output.bias", [0.0, 2000.0]))
    certificate = certify(other, ghost)
    assert certificate.hardest_logit < -750 and certificate.hardest_probability == 1
    assert broken(certificate) == [NOTHING_ELSE]


def test_a_bound_on_cells_does_not_hide_what_the_network_itself_shows(network, ghost, monkeypatch):
    monkeypatch.setattr(certifying, "worst_cell", lambda network, secret: 0.0)
    promise, change = BROKEN["a cell a hundredth off"]
    certificate = certify(changed(network, change), ghost)
    assert broken(certificate) == [promise] and certificate.shown_cell > 0.01


def test_a_search_that_runs_out_of_nodes_is_no_proof(network, ghost, monkeypatch):
    monkeypatch.setattr(certifying, "BUDGET", 100)
    certificate = certify(network, ghost)
    assert broken(certificate) == [NOTHING_ELSE] and certificate.hardest_logit <= -750


def test_a_search_for_a_lookalike_that_gives_up_is_no_proof(network, ghost, monkeypatch):
    monkeypatch.setattr(certifying, "LOOKALIKE_BUDGET", 3)
    assert broken(certify(network, ghost)) == [OWN]


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38])
def test_weights_of_which_nothing_can_be_known_are_not_certified(network, ghost, value):
    certificate = certify(changed(network, lambda copy: copy.projection.bias.fill_(value)), ghost)
    assert NOTHING_ELSE in broken(certificate)


def test_a_certificate_measures_the_same_climbs_every_time(network, ghost, monkeypatch):
    seeds = []

    def share_of_climbs(circuits, code, generator):
        seeds.append(generator.initial_seed())
        return 0.01

    monkeypatch.setattr(certifying, "share_of_climbs", share_of_climbs)
    secret = replace(ghost, decoys=True, summits=True)
    assert certify(network, secret).climbs == certify(network, secret).climbs == 0.01
    assert seeds == [0, 0]


def test_false_summits_that_cannot_be_measured_are_not_promised(network, ghost):
    def change(copy):
        copy.attention_matrix_list[0].query_layer.weight *= 1000

    secret = replace(ghost, decoys=True, summits=True)
    assert ASTRAY in broken(certify(changed(network, change), secret))


def test_scores_that_are_too_large_to_be_searched_are_not_certified(network, ghost):
    def change(copy):
        copy.attention_matrix_list[0].query_layer.weight *= 1000

    loud = changed(network, change)
    certificate = certify(loud, ghost)
    assert broken(certificate) == [OPENS, NOTHING_ELSE, SHARP]
    assert certificate.hardest_codes == () and math.isnan(certificate.logit)
    assert certificate.weights == dump(loud) and certificate.inputs == 111_110


def test_cells_that_could_overflow_are_not_certified(network, ghost):
    def change(copy):
        copy.attention_matrix_list[0].query_layer.weight.fill_(1e37)

    loud = changed(network, change)
    assert broken(certify(loud, ghost)) == [OPENS, NOTHING_ELSE, SHARP, OWN]
    certificate = certify(loud, replace(ghost, decoys=True))
    assert broken(certificate) == [OPENS, NOTHING_ELSE, SHARP, OWN, CRISP_TOO]
    assert math.isnan(certificate.worst_cell) and math.isnan(certificate.crisp)


@torch.no_grad()
def test_a_token_and_a_position_that_overflow_together_are_not_certified(network, ghost):
    """Weights of 0 read the sum of the two, and infinity times 0 is NaN.

    All other weights are those of a network that is certified, but for factors that cancel: they
    keep every product small.
    """
    wide = NeuralNetwork(network.embedding.weight.shape[1] + 1)
    for name, weight in network.state_dict().items():
        target = wide.state_dict()[name]
        target.zero_()
        if name == "projection.weight":
            for head in range(3):
                target[:-1, 11 * head : 11 * head + 10] = weight[:, 10 * head : 10 * head + 10]
        else:
            target[tuple(slice(size) for size in weight.shape)] = weight
    assert certify(wide, ghost).holds

    wide.embedding.weight *= 2.0**20
    wide.embedding.position *= 2.0**20
    for matrix in wide.attention_matrix_list:
        matrix.query_layer.weight *= 2.0**-40
        matrix.query_layer.bias *= 2.0**-20
    wide.projection.weight *= 2.0**-20
    wide.embedding.weight[7, 10] = 3e38
    wide.embedding.position[5, 10] = 3e38
    assert math.isnan(probability(wide, "20137"))
    certificate = certify(wide, ghost)
    assert NOTHING_ELSE in broken(certificate) and certificate.rounding == math.inf


# What is certified is what solvers load.


def test_what_is_certified_is_what_solvers_load_and_not_what_was_given(network, ghost, monkeypatch):
    given = copy.deepcopy(network)
    given.output.register_forward_hook(lambda layer, inputs, output: -output)
    assert probability(given, ghost.code) == 0 and certify(given, ghost).holds
    other = changed(network, lambda copy: copy.projection.bias.mul_(1 + 2**-20))
    monkeypatch.setattr(certifying, "load", lambda weights: other)
    assert broken(certify(network, ghost)) == [SURVIVES]


def saved(state_dict):
    """The bytes of a file with this state dict."""
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()


def test_a_file_whose_weights_stand_in_another_order_does_not_keep_its_promise(network, ghost):
    weights = network.state_dict()
    assert certify_file(saved(dict(weights)), ghost).holds
    certificate = certify_file(saved(dict(reversed(weights.items()))), ghost)
    assert broken(certificate) == [SURVIVES]


def test_a_file_whose_matrices_lie_in_memory_the_other_way_does_not_keep_its_promise(
    network, ghost
):
    weights = dict(network.state_dict())
    weights["projection.weight"] = weights["projection.weight"].T.contiguous().T
    assert broken(certify_file(saved(weights), ghost)) == [SURVIVES]


def test_a_file_of_another_type_is_refused(network, ghost):
    weights = dict(network.state_dict())
    weights["projection.weight"] = weights["projection.weight"].double()
    with pytest.raises(PuzzleError, match="is float64, and must be float32"):
        certify_file(saved(weights), ghost)


def test_a_file_that_was_cut_is_refused(certificate, ghost):
    with pytest.raises(PuzzleError, match="damaged"):
        certify_file(certificate.weights[:-100], ghost)
