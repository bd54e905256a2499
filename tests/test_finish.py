"""The last touch makes pictures exact and answers flat, and leaves what was learned as it is."""

import copy

import pytest
import torch

from builder.model import NeuralNetwork, tokenize
from builder.proof.certify import cell_errors, certify
from builder.proof.circuits import read_circuits
from builder.proof.codes import encode
from builder.proof.rounding import rounding_bound
from builder.proof.search import search
from builder.secret import Secret
from builder.training.finish import flatten, sharpen
from builder.training.start import start
from tests.helpers import changed
from tests.oracle import network_logits


def different(network, other):
    """The parameters in which two networks differ."""
    pairs = zip(network.named_parameters(), other.parameters(), strict=True)
    return {name for (name, mine), theirs in pairs if not torch.equal(mine, theirs)}


@pytest.fixture
def blurred(network):
    """The ghost's network, with pictures that are off by a tenth, and a tenth of the logits."""

    def change(copy):
        for matrix in copy.attention_matrix_list:
            matrix.key_layer.bias += 0.1
        copy.output.weight *= 0.1
        copy.output.bias *= 0.1

    return changed(network, change)


@pytest.mark.parametrize("seed", [0, 1])
def test_sharpened_pictures_are_exact_and_only_the_keys_change(ghost, seed):
    network = start(ghost, seed)
    before = copy.deepcopy(network)
    sharp = sharpen(network, ghost)
    assert cell_errors(network, ghost, tokenize(ghost.code)).max() > 0.5
    assert cell_errors(sharp, ghost, tokenize(ghost.code)).max() < 1e-4
    keys = {f"attention_matrix_list.{head}.key_layer.{part}" for head in range(3) for part in ("weight", "bias")}
    assert different(sharp, network) == keys and not different(network, before)
    assert all(parameter.dtype == torch.float32 for parameter in sharp.parameters())


def test_sharpening_changes_as_little_as_possible(ghost, blurred):
    sharp = sharpen(blurred, ghost)
    for mine, theirs in zip(sharp.attention_matrix_list, blurred.attention_matrix_list, strict=True):
        assert (mine.key_layer.weight - theirs.key_layer.weight).norm() < 0.5
    again = sharpen(sharp, ghost)
    for name, parameter in again.named_parameters():
        torch.testing.assert_close(parameter, sharp.state_dict()[name], atol=1e-4, rtol=1e-4)


def test_weights_stay_small_where_a_network_has_no_room_for_the_pictures():
    torch.manual_seed(0)
    network = NeuralNetwork(2, 1, 5)
    query = network.attention_matrix_list[0].query_layer
    with torch.no_grad():  # all queries look nearly one way, and no picture of higher rank than 1 is possible
        query.weight[1], query.bias[1] = query.weight[0], query.bias[0] * (1 + 1e-5)
    secret = Secret("20131", torch.eye(6)[None], 5)
    sharp = sharpen(network, secret)
    assert cell_errors(sharp, secret, tokenize(secret.code)).max() <= 1.01
    assert max(parameter.abs().max() for parameter in sharp.parameters()) < 100


def test_flat_answers_are_the_logits_scaled_and_moved_and_the_pictures_stay(ghost, network, blurred):
    right = read_circuits(blurred).double().logits(encode(ghost.code, 5)).item()
    gap = right - search(read_circuits(blurred), ghost.code).logits[0].item()
    before = copy.deepcopy(blurred)
    flat = flatten(blurred, ghost, gap)
    assert different(flat, blurred) == {"output.weight", "output.bias"} and not different(blurred, before)

    old, new = network_logits(blurred, 3).double(), network_logits(flat, 3).double()
    scale = ((new[0] - new[1]) / (old[0] - old[1])).item()
    torch.testing.assert_close(new - new[0], scale * (old - old[0]), rtol=1e-3, atol=1e-2)
    assert scale > 1
    assert torch.equal(
        cell_errors(flat, ghost, tokenize(ghost.code)), cell_errors(blurred, ghost, tokenize(ghost.code))
    )


def test_flat_answers_are_certified_with_half_the_gap_on_each_side(ghost, blurred):
    right = read_circuits(blurred).double().logits(encode(ghost.code, 5)).item()
    gap = right - search(read_circuits(blurred), ghost.code).logits[0].item()
    for wished in (gap, 0.8 * gap):  # a gap may be smaller than the true one
        certificate = certify(flatten(sharpen(blurred, ghost), ghost, wished), ghost)
        assert certificate.holds
        assert certificate.logit == pytest.approx(-certificate.hardest_logit, rel=0.2 if wished == gap else 0.6)
    assert 110 <= -certificate.hardest_logit - rounding_bound(flatten(blurred, ghost, gap)) <= 180


@torch.no_grad()
def test_flat_answers_leave_room_for_rounding(ghost, blurred):
    blurred.output.bias += 1e6  # much is lost in the difference of two such numbers
    circuits = read_circuits(blurred).double()
    gap = (circuits.logits(encode(ghost.code, 5)) - search(circuits, ghost.code).logits).item()
    assert 0.02 * gap < rounding_bound(blurred) < 0.4 * gap
    flat = flatten(blurred, ghost, gap)
    circuits, rounding = read_circuits(flat).double(), rounding_bound(flat)
    assert search(circuits, ghost.code).logits.item() + rounding <= -110
    assert circuits.logits(encode(ghost.code, 5)).item() - rounding >= 100
