"""No network that computes in float32 is further from its tables than the rounding bound says."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.model import CLS, NeuralNetwork, tokenize
from builder.proof.circuits import read_circuits
from builder.proof.rounding import gamma, rounding_bound
from builder.proof.weights import load
from builder.secret import Secret
from builder.training.train import train
from tests.oracle import network_logits, shuffled, table_logits, worst_rounding

SEEDS = 200  # of tiny networks


def largest_difference(network):
    """Between float32 logits and the tables', in three orders of summation, the last of them with two threads."""
    max_digits = len(network.embedding.position) - 1
    with torch.no_grad():
        truth = table_logits(read_circuits(copy.deepcopy(network).double()))
    found = [network_logits(network, max_digits), network_logits(shuffled(network, 1), max_digits)]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    found.append(network_logits(shuffled(network, 2), min(4, max_digits)))
    torch.set_num_threads(before)
    return max((logits.double() - truth[: len(logits)]).abs().max().item() for logits in found)


def test_a_shuffled_network_is_the_same_network():
    torch.manual_seed(0)
    network = NeuralNetwork(6, 2, 3).double()
    torch.testing.assert_close(network_logits(shuffled(network, 1), 3), network_logits(network, 3))


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 8), st.integers(1, 2), st.floats(0.1, 2.0))
def test_no_random_network_is_off_by_more_than_the_bound(seed, n_hidden, n_heads, max_digits, size):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= size
    assert largest_difference(network) <= rounding_bound(network)


def tiny_network(seed):
    """A network of 1 or 2 hidden numbers, with weights of all sizes: another step loses most for another seed."""
    dice = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = NeuralNetwork(1 + seed % 2, 1 + seed // 2 % 2, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 2.0 ** (16 * torch.rand((), generator=dice) - 8)
        for matrix in network.attention_matrix_list:  # scores of moderate size
            matrix.query_layer.weight *= 0.1 / (1 + matrix(network.embedding(tokenize("7"))).abs().max())
            matrix.query_layer.bias *= 0.1
    return network


def lossy(step):
    """A network that loses most in one step. The result of that step is 0, and its terms are in the thousands.

    It has two hidden numbers. The first is 1 for every token, the second is -1 for CLS and 1 for digits.
    """
    network = NeuralNetwork(2, 1, 1)
    query, key = network.attention_matrix_list[0].query_layer, network.attention_matrix_list[0].key_layer
    value, large = network.attention_output_list[0].value_layer, 2.0**12
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.weight.copy_(torch.tensor([[1.0, 1.0]] * CLS + [[1.0, -1.0]]))
        value.weight[1, 1] = network.projection.weight[0, 0] = network.projection.weight[1, 1] = 1
        network.output.weight[1] = 1
        if step in ("query", "key", "value"):
            layer = {"query": query, "key": key, "value": value}[step]
            layer.weight.copy_(torch.tensor([[large, 0], [0, 0]]))
            layer.bias[0] = -large
        if step == "query":
            key.weight[0, 1] = 1
        if step == "key":
            query.bias[0] = 1
        if step == "score":
            query.bias.fill_(64)
            key.weight[:, 1] = torch.tensor([64.0, -64.0])
    return network


def test_the_bound_holds_where_every_rounding_goes_the_worst_way():
    for seed in range(SEEDS):
        network = tiny_network(seed)
        assert worst_rounding(network, 1) <= rounding_bound(network) * (1 + 1e-4), seed


@pytest.mark.parametrize("step", ["query", "key", "score", "value"])
def test_the_bound_is_tight_where_one_step_loses_most(step):
    network = lossy(step)
    worst, bound = worst_rounding(network, 1), rounding_bound(network)
    assert worst <= bound * (1 + 1e-4) and bound <= 1.01 * worst


def test_trained_networks_are_within_the_bound_and_it_is_not_far_above_them():
    torch.manual_seed(1)
    *_, last = train(Secret("2517", (torch.rand(2, 5, 5) < 0.5).float(), 4), 1)
    network = load(last.certificate.weights)
    found, bound = largest_difference(network), rounding_bound(network)
    assert found <= bound == last.certificate.rounding
    assert bound <= 1000 * found


def test_the_frozen_network_is_within_its_bound(network):
    found = largest_difference(network)
    assert found <= rounding_bound(network) <= 1000 * found


def test_a_network_that_loses_its_answer_in_rounding_has_a_bound_that_says_so():
    torch.manual_seed(0)
    network = NeuralNetwork(6, 2, 2)
    with torch.no_grad():
        network.output.bias += 2.0**40  # float32 keeps nothing of the difference of two such logits
    assert rounding_bound(network) > 2.0**17
    assert largest_difference(network) <= rounding_bound(network)


def test_gamma_is_highams():
    assert gamma(1) == pytest.approx(2.0**-24, rel=1e-6)
    assert gamma(100) > 100 * 2.0**-24
