"""No network that computes in float32 is further from its tables than the rounding bound says."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.certify import load
from builder.circuits import read_circuits
from builder.model import NeuralNetwork
from builder.rounding import gamma, rounding_bound
from builder.secret import Secret
from builder.train import train
from tests.oracle import network_logits, table_logits


def shuffled(network, seed):
    """The same network with its hidden numbers in another order, so that every sum is taken in another order."""
    network = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    n = network.embedding.position.shape[1]
    with torch.no_grad():
        order = torch.randperm(n, generator=generator)
        for table in (network.embedding.weight, network.embedding.position):
            table.copy_(table[:, order])
        blocks = []
        for matrix, output in zip(network.attention_matrix_list, network.attention_output_list, strict=True):
            inside = torch.randperm(n, generator=generator)
            for layer in (matrix.query_layer, matrix.key_layer):
                layer.weight.copy_(layer.weight[inside][:, order])
                layer.bias.copy_(layer.bias[inside])
            # The value layer is applied to its own result: its rows and columns keep one order.
            output.value_layer.weight.copy_(output.value_layer.weight[order][:, order])
            output.value_layer.bias.copy_(output.value_layer.bias[order])
            blocks.append(order + len(blocks) * n)
        last = torch.randperm(n, generator=generator)
        network.projection.weight.copy_(network.projection.weight[last][:, torch.cat(blocks)])
        network.projection.bias.copy_(network.projection.bias[last])
        network.output.weight.copy_(network.output.weight[:, last])
    return network


def largest_difference(network):
    """Between float32 and the tables, over all codes, several orders of summation, one thread and two."""
    max_digits = len(network.embedding.position) - 1
    with torch.no_grad():
        truth = table_logits(read_circuits(copy.deepcopy(network).double()))
    before, found = torch.get_num_threads(), 0.0
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for other in (network, *(shuffled(network, seed) for seed in range(2))):
            found = max(found, (network_logits(other, max_digits).double() - truth).abs().max().item())
    torch.set_num_threads(before)
    return found


def test_a_shuffled_network_is_the_same_network():
    torch.manual_seed(0)
    network = NeuralNetwork(6, 2, 3).double()
    torch.testing.assert_close(network_logits(shuffled(network, 1), 3), network_logits(network, 3))


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 8), st.integers(1, 2), st.floats(0.1, 2.0))
def test_no_random_network_is_off_by_more_than_the_bound(seed, n_hidden, n_heads, max_digits, size):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= size
    assert largest_difference(network) <= rounding_bound(network)


@pytest.mark.parametrize("seed", [0, 1])
def test_trained_networks_are_within_the_bound_and_it_is_not_far_above_them(seed):
    torch.manual_seed(seed)
    *_, last = train(Secret("2517", (torch.rand(2, 5, 5) < 0.5).float(), 4), seed)
    network = load(last.certificate.weights)
    found, bound = largest_difference(network), rounding_bound(network)
    assert found <= bound == last.certificate.rounding
    assert bound <= 1000 * found


def test_the_frozen_network_is_within_its_bound(network):
    assert largest_difference(network) <= rounding_bound(network) <= 1000 * largest_difference(network)


def test_a_network_that_loses_its_answer_in_rounding_has_a_bound_that_says_so(network):
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.output.bias += 2.0**40  # float32 keeps nothing of the difference of two such logits
    assert rounding_bound(network) > 2.0**17
    assert largest_difference(network) <= rounding_bound(network)


def test_gamma_is_highams():
    assert gamma(1) == pytest.approx(2.0**-24, rel=1e-6)
    assert gamma(100) > 100 * 2.0**-24
