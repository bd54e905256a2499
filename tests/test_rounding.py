"""No network that computes in float32 is further from its tables than the rounding bound says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.model import CLS, NeuralNetwork
from builder.proof.circuits import read_circuits
from builder.proof.rounding import rounding_bound
from builder.proof.weights import load
from tests.helpers import changed
from tests.oracle import network_logits, shuffled, table_logits, worst_rounding


def largest_difference(network):
    """Between float32 logits and the tables', over all codes of up to 4 digits and two orders of summation."""
    digits = min(4, len(network.embedding.position) - 1)
    found = torch.stack([network_logits(order, digits) for order in (network, shuffled(network, 1))])
    return (found - table_logits(read_circuits(network), digits)).abs().max().item()


def share_of_bound(network):
    """How much of the bound is used up; 0 where there is none, because a layer could overflow."""
    bound = rounding_bound(network)
    return largest_difference(network) / bound if bound < math.inf else 0.0


def tiny_network(seed):
    """A network of 1 to 3 hidden numbers, with weights of all sizes: another step loses most for another seed."""
    torch.manual_seed(seed)
    network = NeuralNetwork(1 + seed % 3, 1 + seed // 3 % 2, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 2.0 ** (16 * torch.rand(()) - 8)
        for matrix in network.attention_matrix_list:  # scores of moderate size
            matrix.query_layer.weight *= 0.1 / (1 + matrix(network.embedding(torch.tensor([[CLS, 7]]))).abs().max())
            matrix.query_layer.bias *= 0.1
    return network


@torch.no_grad()
def climb(network, steps, generator):
    """The share of the bound after changing one weight at a time, and keeping what uses up more of it."""
    parameters, best = list(network.parameters()), share_of_bound(network)
    for _ in range(steps):
        drawn = parameters[torch.randint(len(parameters), (), generator=generator)].view(-1)
        place = torch.randint(len(drawn), (), generator=generator)
        before, (one, two, three) = drawn[place].clone(), torch.randn(3, generator=generator)
        drawn[place] = one * 2.0 ** (12 * two) if three > 1 else before * (1 + one * 2.0 ** (-8 * two.abs()))
        share = share_of_bound(network)
        assert share <= 1
        best = max(best, share)
        if share < best:
            drawn[place] = before
    return best


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


@pytest.mark.parametrize(("networks", "steps"), [(12, 60), pytest.param(100, 1000, marks=pytest.mark.slow)])
def test_no_network_that_is_changed_to_lose_most_is_off_by_more_than_the_bound(networks, steps):
    generator = torch.Generator().manual_seed(0)
    found = [climb(tiny_network(seed), steps, generator) for seed in range(networks)]
    print(f"at most {max(found):.3f} of the bound")
    assert 0.05 < max(found) <= 1


def test_numbers_that_float32_counts_as_0_are_in_the_bound():
    """2^-128 is below its smallest normal number, and the next layers make 1 of it."""
    network = NeuralNetwork(1, 1, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.weight.fill_(1.0)
        network.attention_output_list[0].value_layer.weight.fill_(2.0**-64)
        network.projection.weight.fill_(2.0**100)
        network.output.weight[1] = 2.0**28
    torch.set_flush_denormal(True)
    found = largest_difference(network)
    torch.set_flush_denormal(False)
    assert found == pytest.approx(1) and 1 <= rounding_bound(network) < 100


def test_a_network_that_could_overflow_has_no_bound():
    torch.manual_seed(0)
    network = NeuralNetwork(4, 2, 2)
    assert rounding_bound(network) < 1e-3
    for name in ("projection.weight", "output.bias", "attention_matrix_list.1.key_layer.weight", "embedding.position"):
        for value in (1e38, math.nan):

            def change(copy, name=name, value=value):
                copy.get_parameter(name).view(-1)[-1] = value

            assert rounding_bound(changed(network, change)) == math.inf


def lossy(step):
    """A network that loses most in one step. The result of that step is 0, and its terms are in the thousands.

    It has two hidden numbers. The first is 1 for every token, the second is -1 for CLS and 1 for digits.
    """
    network, large = NeuralNetwork(2, 1, 1), 2.0**12
    query, key = network.attention_matrix_list[0].query_layer, network.attention_matrix_list[0].key_layer
    value = network.attention_output_list[0].value_layer
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
    for seed in range(100):
        network = tiny_network(seed)
        assert worst_rounding(network, 1) <= rounding_bound(network) * (1 + 1e-4), seed


@pytest.mark.parametrize("step", ["query", "key", "score", "value"])
def test_the_bound_is_tight_where_one_step_loses_most(step):
    network = lossy(step)
    worst, bound = worst_rounding(network, 1), rounding_bound(network)
    assert worst <= bound * (1 + 1e-4) and bound <= 1.01 * worst


def test_a_trained_network_is_within_its_bound_in_float32_and_float64_and_it_is_not_far_above(rounds):
    network = load(rounds[-1].certificate.weights)
    found, bound = largest_difference(network), rounding_bound(network)
    print(f"{found:.4f} of {bound:.4f}")
    assert found <= bound <= 1000 * found
    truth = table_logits(read_circuits(network), 3)
    assert (network_logits(network.double(), 3) - truth).abs().max() <= 1e-6 * bound


def test_a_network_that_loses_its_answer_in_rounding_has_a_bound_that_says_so():
    torch.manual_seed(0)
    network = NeuralNetwork(6, 2, 2)
    with torch.no_grad():
        network.output.bias += 2.0**40  # float32 keeps nothing of the difference of two such logits
    assert rounding_bound(network) > 2.0**17
    assert largest_difference(network) <= rounding_bound(network)
