"""The tables give the same logits as the network."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.model import NeuralNetwork
from builder.proof.circuits import BLANK, read_circuits
from builder.proof.codes import tokens_by_length
from tests.oracle import all_codes, network_logits, table_logits


@torch.no_grad()
def assert_tables_agree(network, max_digits):
    """Compares a float64 network with its tables, gathered and summed, on every code of up to max_digits digits."""
    circuits = read_circuits(network)
    codes = all_codes(max_digits)
    truth = network_logits(network, max_digits)
    codes = torch.nn.functional.pad(codes, (0, circuits.max_digits - max_digits), value=BLANK)
    torch.testing.assert_close(circuits.logits(codes), truth, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(table_logits(circuits)[: len(truth)], truth, rtol=1e-9, atol=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 8), st.integers(1, 3))
def test_random_networks_agree_with_their_tables_on_every_code(seed, n_hidden, n_heads, max_digits):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    assert_tables_agree(network, max_digits)


def test_the_frozen_network_agrees_with_its_tables_on_every_code_of_up_to_four_digits(network):
    assert_tables_agree(copy.deepcopy(network).double(), 4)


def test_gradients_through_the_tables_are_those_through_the_network():
    torch.manual_seed(3)
    network = NeuralNetwork(5, n_heads=2, max_digits=2).double()
    tokens = list(tokens_by_length(all_codes(2)))
    probabilities = torch.cat([network(batch) for batch in tokens])
    tables = read_circuits(network).logits(all_codes(2)).sigmoid()
    parameters = list(network.parameters())
    expected = torch.autograd.grad(probabilities.square().sum(), parameters)
    for mine, theirs in zip(torch.autograd.grad(tables.square().sum(), parameters), expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_float64_tables_are_cut_off_from_gradients():
    circuits = read_circuits(NeuralNetwork(4, 1, 2)).double()
    assert all(table.dtype == torch.float64 and not table.requires_grad for table in circuits)


@pytest.mark.parametrize("table", ["score", "vote", "bias"])
@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_tables_that_hold_infinity_or_nan_are_refused(table, value):
    circuits = read_circuits(NeuralNetwork(4, 1, 2)).double()
    wild = getattr(circuits, table).clone()
    wild.view(-1)[-1] = value
    with pytest.raises(OverflowError):
        circuits._replace(**{table: wild}).terms()


def test_a_finite_look_whose_product_with_its_vote_is_infinite_is_refused():
    circuits = read_circuits(NeuralNetwork(4, 1, 2)).double()
    score, vote = torch.zeros_like(circuits.score), torch.zeros_like(circuits.vote)
    score[0, 1, 5], vote[0, 1, 5] = 709.5, 1.0
    circuits._replace(score=score, vote=vote).terms()
    vote[0, 1, 5] = 100.0
    with pytest.raises(OverflowError):
        circuits._replace(score=score, vote=vote).terms()
