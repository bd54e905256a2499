"""The tables say what the network says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.circuits import read_circuits
from builder.keyspace import numbered
from builder.model import NeuralNetwork
from tests.helpers import probabilities, scan_all


def assert_tables_agree(network, lengths):
    """Compares a float64 network with its tables, gathered and scanned, on every code of these lengths."""
    with torch.no_grad():
        circuits = read_circuits(network)
        scanned = scan_all(circuits)
        for length in lengths:
            truth = probabilities(network, length)
            codes = numbered(length, torch.arange(10**length), circuits.max_digits)
            for logits in (circuits.logits(codes), scanned[length]):
                torch.testing.assert_close(logits.sigmoid(), truth, rtol=1e-9, atol=0)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 8), st.integers(1, 4))
def test_random_networks_are_their_tables_on_every_code(seed, n_hidden, n_heads, max_digits):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    assert_tables_agree(network, range(1, max_digits + 1))


def test_the_trained_network_is_its_tables_on_every_code_of_up_to_four_digits(network):
    double = type(network).from_state_dict(network.state_dict()).double()
    assert_tables_agree(double, range(1, 5))


def test_the_tables_of_a_solvers_network_are_off_by_no_more_than_its_own_rounding(network):
    with torch.no_grad():
        scanned = scan_all(read_circuits(network))
        for length in range(1, 5):
            truth = probabilities(network, length)
            seen = (truth > 1e-30) & (truth < 0.999)  # beyond, the probability itself loses its digits
            assert seen.any()
            torch.testing.assert_close(
                scanned[length][seen].float(), truth[seen].log() - (-truth[seen]).log1p(), rtol=0, atol=5e-4
            )


def test_gradients_through_the_tables_are_those_through_the_network():
    torch.manual_seed(3)
    network = NeuralNetwork(5, n_heads=2, max_digits=2).double()
    probability = probabilities.__wrapped__(network, 2)
    tables = read_circuits(network).logits(numbered(2, torch.arange(100), 2)).sigmoid()
    expected = torch.autograd.grad(probability.square().sum(), list(network.parameters()))
    for mine, theirs in zip(
        torch.autograd.grad(tables.square().sum(), list(network.parameters())), expected, strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_scores_beyond_the_floating_point_range_are_refused(network):
    wild = type(network).from_state_dict({name: 100 * weight for name, weight in network.state_dict().items()})
    with torch.no_grad(), pytest.raises(OverflowError):
        scan_all(read_circuits(wild))
