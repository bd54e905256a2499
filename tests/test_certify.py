"""A trained network keeps every promise, and a certificate fails wherever one is broken."""

import copy
import io
import math
import zipfile
from dataclasses import replace
from itertools import product

import pytest
import torch

from builder.errors import PuzzleError
from builder.network.circuits import answer, read_circuits
from builder.network.codes import count_codes, one_digit_off, tokens_by_length
from builder.network.model import NeuralNetwork, tokenize
from builder.network.weights import dump, load
from builder.proof import certify as certifying
from builder.proof.certify import cell_errors, certify, crisp_share
from builder.proof.rounding import rounding_bound
from builder.proof.search import precision
from builder.puzzle_file.secret import Secret
from tests.helpers import changed, probability
from tests.oracle import all_tokens, hardest, table_logits

OPENS, NOTHING_ELSE, SHARP, OWN, SURVIVES, DECOYS = (
    "the code opens it",
    "nothing else moves it",
    "the pictures are sharp",
    "the pictures are the code's own",
    "solvers load these weights",
    "wrong numbers look as sharp",
)


@pytest.fixture(scope="module")
def certificate(network, ghost):
    seen = []
    certificate = certify(network, ghost, lambda nodes, share: seen.append((nodes, share)))
    assert seen[-1] == (certificate.nodes, 1), "the search can be watched"
    return certificate


def broken(certificate):
    """The names of the promises that are not kept."""
    return [promise.promise for promise in certificate.promises if not promise.holds]


# What the certificate says of a trained network, asked of the network itself.


@pytest.mark.parametrize("mode", ["float32", "float64", "flushed, medium precision, two threads"])
def test_all_111_109_wrong_inputs_answer_exactly_0_however_they_are_asked(network, ghost, mode):
    network, nonzero = copy.deepcopy(network), []
    if mode == "float64":
        network.double()
    if mode.startswith("flushed"):
        torch.set_flush_denormal(True)
        torch.set_float32_matmul_precision("medium")
        torch.set_num_threads(2)
    try:
        for tokens in all_tokens(ghost.max_digits):
            found, logits = answer(network, tokens)
            difference = (logits[:, 1] - logits[:, 0]).sigmoid()
            answers = torch.stack([found, difference, logits.log_softmax(-1)[:, 1].exp()], dim=1)
            nonzero += [
                (tokens[row, 1:].tolist(), answers[row]) for row in answers.any(1).nonzero()[:, 0]
            ]
    finally:
        torch.set_flush_denormal(False)
        torch.set_float32_matmul_precision("highest")
        torch.set_num_threads(1)
    ((code, answers),) = nonzero
    assert code == [int(digit) for digit in ghost.code] and (answers >= 0.999999).all()


def test_the_certificate_holds_and_says_what_was_found(network, ghost, certificate):
    assert certificate.holds and certificate.complete and len(certificate.promises) == 5
    assert certificate.inputs == count_codes(ghost.max_digits) and certificate.nodes > 0
    assert certificate.weights == dump(network)
    circuits = read_circuits(network)
    truth = hardest(table_logits(circuits), 5, ghost.code, 16)
    assert certificate.hardest_codes == tuple(code for code, _ in truth)
    assert certificate.hardest_logit == pytest.approx(truth[0][1])
    assert (
        certificate.rounding
        == rounding_bound(network) + precision(circuits)
        > rounding_bound(network)
    )
    assert certificate.worst_cell == cell_errors(network, ghost, tokenize(ghost.code)).max()
    (tokens,) = tokens_by_length(one_digit_off(ghost.code, 5))
    wrong = (cell_errors(network, ghost, tokens) > 0.25).sum((0, 2, 3))
    assert certificate.fewest_wrong_cells == wrong.min() < wrong.max()
    highest = f"{truth[0][0]} comes closest, with a logit of at most {truth[0][1] + certificate.rounding:.1f}"
    assert (
        certificate.promises[1].found == highest
        and "in float32 and float64" in certificate.promises[1].meaning
    )


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
    "cells of close codes": (OWN, {"fewest_wrong_cells": 1}, {"fewest_wrong_cells": 0}),
    "the weights": (SURVIVES, {"survives": True}, {"survives": False}),
    "crisp cells": (DECOYS, {"crisp": 1.0}, {"crisp": 0.9999}),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_certificate_holds_up_to_each_limit_and_not_beyond(certificate, limit):
    promise, inside, outside = LIMITS[limit]
    assert replace(certificate, **inside).holds
    beyond = replace(certificate, **outside)
    assert broken(beyond) == [promise] and not beyond.holds
    assert len(broken(beyond)) == 1


@pytest.mark.parametrize(
    "field",
    [
        "probability",
        "logit",
        "hardest_logit",
        "hardest_probability",
        "rounding",
        "worst_cell",
        "crisp",
    ],
)
def test_a_certificate_with_nan_does_not_hold(certificate, field):
    assert not replace(certificate, **{field: math.nan}).holds


@torch.no_grad()
def test_the_share_of_crisp_cells_is_that_of_the_cells_of_all_codes(ghost):
    torch.manual_seed(1)
    network = NeuralNetwork(3, 8, 2)
    cells = {}  # by the (position, token) of each of the two tokens that make it
    for tokens in all_tokens(2):
        matrices = torch.stack(
            network.get_attention_matrices(network.embedding(tokens))
        )  # (heads, batch, rows, rows)
        for row, code in enumerate(tokens.tolist()):
            for one, other in product(enumerate(code), repeat=2):
                cells[one, other] = matrices[:, row, one[0], other[0]]
    found = torch.stack(list(cells.values()))
    crisp = torch.minimum(found.abs(), (found - 1).abs()) <= 0.01
    assert crisp_share(network) == pytest.approx(crisp.double().mean().item(), rel=1e-9)
    assert {-1, 0, 1, 2} <= set(found[(found - found.round()).abs() <= 0.01].round().tolist())
    assert (
        broken(certify(network, Secret("05", torch.zeros(8, 3, 3), 2, decoys=True)))[-1] == DECOYS
    )


# Networks that break one promise, and the promise they break.


@pytest.mark.parametrize("place", range(4))
def test_a_digit_that_passes_for_the_codes_own_is_not_certified(network, ghost, place):
    def change(copy):  # 7 looks like the code's digit
        copy.embedding.weight[7] = copy.embedding.weight[int(ghost.code[place])]

    certificate = certify(changed(network, change), ghost)
    assert broken(certificate) == [NOTHING_ELSE, OWN]
    assert certificate.fewest_wrong_cells == 0 and certificate.hardest_probability > 0.99
    assert certificate.hardest_codes[0] == "2013"[:place] + "7" + "2013"[place + 1 :]


def test_a_close_code_needs_a_cell_that_is_a_quarter_off(network, ghost):
    def worst(share):
        nearly = changed(
            network, lambda copy: copy.embedding.weight[7].lerp_(copy.embedding.weight[3], share)
        )
        return nearly, cell_errors(nearly, ghost, tokenize("2017")).max()

    found = [worst(1 - step / 1000) for step in range(100)]
    below, above = (next(nearly for nearly, off in found if off > least) for least in (0.24, 0.25))
    assert OWN in broken(certify(below, ghost)) and OWN not in broken(certify(above, ghost))


BROKEN = {
    "the answer no": (
        OPENS,
        lambda network: network.output.bias.copy_(torch.tensor([2000.0, 0.0])),
    ),
    "the answer yes": (
        NOTHING_ELSE,
        lambda network: network.output.bias.copy_(torch.tensor([0.0, 2000.0])),
    ),
    "a cell a hundredth off": (
        SHARP,
        lambda network: network.attention_matrix_list[1].key_layer.bias.add_(0.01),
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_promise_is_named(network, ghost, fault):
    promise, change = BROKEN[fault]
    assert broken(certify(changed(network, change), ghost)) == [promise]


def test_pictures_and_codes_of_another_puzzle_are_not_certified(network, ghost):
    pictures = torch.as_tensor(ghost.pictures)
    assert broken(certify(network, replace(ghost, pictures=1 - pictures))) == [SHARP]
    assert {OPENS, NOTHING_ELSE, SHARP} <= set(
        broken(certify(network, replace(ghost, code="3102")))
    )


# Each step of the proof, broken on purpose: tables, search, rounding, weights.


def test_tables_of_another_network_do_not_hide_what_the_network_itself_answers(
    network, ghost, monkeypatch
):
    tables = read_circuits(network)
    monkeypatch.setattr(certifying, "read_circuits", lambda network: tables)
    certificate = certify(
        changed(network, lambda copy: copy.output.bias.copy_(torch.tensor([0.0, 2000.0]))), ghost
    )
    assert certificate.hardest_logit < -750 and certificate.hardest_probability == 1
    assert broken(certificate) == [NOTHING_ELSE]


def test_a_search_that_runs_out_of_nodes_is_no_proof(network, ghost, monkeypatch):
    monkeypatch.setattr(certifying, "BUDGET", 100)
    certificate = certify(network, ghost)
    assert broken(certificate) == [NOTHING_ELSE] and certificate.hardest_logit <= -750
    assert certificate.promises[1].found.endswith(", of those settled")


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38])
def test_weights_of_which_nothing_can_be_known_are_not_certified(network, ghost, value):
    certificate = certify(changed(network, lambda copy: copy.projection.bias.fill_(value)), ghost)
    assert NOTHING_ELSE in broken(certificate)


def test_scores_that_are_too_large_to_be_searched_are_not_certified(network, ghost):
    def change(copy):
        copy.attention_matrix_list[0].query_layer.weight *= 1000

    certificate = certify(changed(network, change), ghost)
    assert len(broken(certificate)) == 4 and certificate.survives and certificate.inputs == 111_110
    assert certificate.weights == dump(changed(network, change))
    assert (
        certificate.promises[1].found
        == "nothing: its scores and votes are too large to be searched"
    )


# What is certified is what solvers load.


def test_what_is_certified_is_what_solvers_load_and_not_what_was_given(network, ghost, monkeypatch):
    given = copy.deepcopy(network)
    given.output.register_forward_hook(lambda layer, inputs, output: -output)
    assert probability(given, ghost.code) == 0 and certify(given, ghost).holds
    other = changed(network, lambda copy: copy.projection.bias.mul_(1 + 2**-20))
    monkeypatch.setattr(certifying, "load", lambda weights: other)
    assert broken(certify(network, ghost)) == [SURVIVES]


def test_damaged_weights_are_refused_in_one_sentence(network):
    weights, another = dump(network), io.BytesIO()
    torch.save({"another": torch.zeros(1)}, another)
    flipped = bytearray(weights)
    with zipfile.ZipFile(io.BytesIO(weights)) as archive:
        flipped[archive.getinfo("archive/data/0").header_offset + 200] ^= 1
    two_archives = weights + dump(
        NeuralNetwork(10)
    )  # zipfile reads the second one, torch.load the first
    for damaged in (
        b"",
        b"not found\n",
        weights[:-100],
        bytes(flipped),
        two_archives,
        another.getvalue(),
    ):
        with pytest.raises(
            PuzzleError, match="^the weights are damaged, or not those of this network$"
        ):
            load(damaged)
