"""No network that computes in float32 is further from its tables than the rounding bound says."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.network.circuits import read_circuits
from builder.network.model import CLS, NeuralNetwork, tokenize
from builder.proof import rounding
from builder.proof.rounding import rounding_bound
from tests import oracle
from tests.helpers import changed
from tests.oracle import network_logits, table_logits


def largest_difference(network):
    """Between float32 logits and the tables', over all codes."""
    truth = table_logits(read_circuits(network))
    return (network_logits(network, len(network.embedding.position) - 1) - truth).abs().max().item()


def tiny_network(seed):
    """A network of 1 to 3 hidden numbers, with weights of all sizes: another step loses most for another seed."""
    torch.manual_seed(seed)
    network = NeuralNetwork(1 + seed % 3, 1 + seed // 3 % 2, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 2.0 ** (16 * torch.rand(()) - 8)
        for matrix in network.attention_matrix_list:  # scores of moderate size
            matrix.query_layer.weight *= 0.1 / (
                1 + matrix(network.embedding(torch.tensor([[CLS, 7]]))).abs().max()
            )
            matrix.query_layer.bias *= 0.1
    return network


@torch.no_grad()
def climb(network, steps, generator):
    """The largest share of the bound that is used up while one weight after another changes towards more of it."""
    parameters, best = list(network.parameters()), 0.0
    for _ in range(steps):
        weights = parameters[torch.randint(len(parameters), (), generator=generator)].view(-1)
        place = torch.randint(len(weights), (), generator=generator)
        before, (one, two, three) = weights[place].clone(), torch.randn(3, generator=generator)
        weights[place] = (
            one * 2.0 ** (12 * two) if three > 1 else before * (1 + one * 2.0 ** (-8 * two.abs()))
        )
        bound = rounding_bound(network)
        share = (
            largest_difference(network) / bound if bound < math.inf else 0.0
        )  # a layer could overflow
        if share < best:
            weights[place] = before
        best = max(best, share)
    return best


@pytest.mark.parametrize(
    ("networks", "steps"), [(12, 60), pytest.param(100, 1000, marks=pytest.mark.slow)]
)
def test_no_network_that_is_changed_to_lose_most_is_off_by_more_than_the_bound(networks, steps):
    generator = torch.Generator().manual_seed(0)
    assert 0.05 < max(climb(tiny_network(seed), steps, generator) for seed in range(networks)) <= 1


@settings(max_examples=12)
@given(
    st.integers(0, 10**6),
    st.integers(1, 20),
    st.integers(1, 8),
    st.integers(1, 2),
    st.floats(0.1, 2.0),
)
def test_no_random_network_is_off_by_more_than_the_bound(seed, n_hidden, n_heads, max_digits, size):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= size
    assert largest_difference(network) <= rounding_bound(network)


def test_numbers_that_float32_counts_as_0_are_in_the_bound():
    """2^-128 is below its smallest normal number, and the next layers make 1 of it."""
    assert rounding.SMALLEST == torch.finfo(torch.float32).tiny
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
    for name in (
        "projection.weight",
        "output.bias",
        "attention_matrix_list.1.key_layer.weight",
        "embedding.position",
    ):
        for value in (1e38, math.nan):

            def change(copy, name=name, value=value):
                copy.get_parameter(name).view(-1)[-1] = value

            assert rounding_bound(changed(network, change)) == math.inf
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.projection.bias[0] = 2.0**120
        assert rounding_bound(network) < math.inf
        network.projection.bias[0] = 2.0**120 * (1 + 2.0**-23)
    assert rounding_bound(network) == math.inf


@torch.no_grad()
def lossy(step, large):
    """A network that loses most in one step. The result of that step is 0, and its terms are large.

    It has two hidden numbers. The first is 1 for every token, the second is -1 for CLS and 1 for digits.
    """
    network = NeuralNetwork(2, 1, 16 if step == "weights" else 1)
    query, key = (
        network.attention_matrix_list[0].query_layer,
        network.attention_matrix_list[0].key_layer,
    )
    value, projection, output = (
        network.attention_output_list[0].value_layer,
        network.projection,
        network.output,
    )
    for parameter in network.parameters():
        parameter.zero_()
    network.embedding.weight.copy_(torch.tensor([[1.0, -99.0]] * CLS + [[1.0, -1.0]]))
    network.embedding.position[1:, 1] = 100  # CLS is never there
    value.weight[1, 1] = projection.weight[0, 0] = projection.weight[1, 1] = 1
    output.weight[1] = 1
    if step in ("query", "key", "value"):
        layer = {"query": query, "key": key, "value": value}[step]
        layer.weight[0, 0], layer.bias[0] = large, -large
    if step == "query":
        key.weight[0, 1] = 1
        network.embedding.weight[CLS, 0], query.bias[0] = 2, -2 * large
    if step in ("key", "softmax"):
        query.bias[0] = 1
    if step == "softmax":  # subtracts the largest of two scores, -1 and 1
        key.weight[0, 1] = 1
    if step == "score":
        query.bias.fill_(64)
        key.weight[:, 1] = torch.tensor([64.0, -64.0])
    if step == "query and key":  # each is 0 and off, and so their product is off
        network.embedding.weight[CLS, 0], query.weight[0, 0], query.bias[0] = (
            2,
            32 * large,
            -64 * large,
        )
        key.weight[0], key.bias[0] = 32 * torch.tensor([2 * large, large]), -96 * large
    if step == "weights":  # all the same, and half of the digits have the opposite vote
        network.embedding.weight[:5, 1] = -101
    if step == "values":  # 0 and off, and both logits get them alike
        network.embedding.weight.copy_(torch.tensor([[1.0, -1.0]] * (CLS + 1)))
        network.embedding.position.zero_()
        value.weight.copy_(torch.tensor([[large, large], [0, 0]]))
        output.weight.copy_(torch.tensor([[large, 0], [large, 0]]))
    if step == "projection":
        value.weight[0, 0], value.weight[1, 1], projection.weight[0, 0], projection.bias[0] = (
            1,
            0,
            large,
            -large,
        )
    if step == "output":
        value.weight[0, 0], value.weight[1, 1], output.weight[1, 0], output.bias[1] = (
            1,
            0,
            large,
            -large,
        )
    return network


FLOAT32, COARSE, SMALL_NUMBERS_LOST = {}, {"U": 2**-8}, {"U": 2**-50, "SMALLEST": 2**-30}


def use(arithmetic, monkeypatch):
    """The bound and the oracle are then for an arithmetic with another unit roundoff and smallest number."""
    for name, value in arithmetic.items():
        monkeypatch.setattr(rounding, name, value)
        monkeypatch.setattr(oracle, name, value)


@pytest.mark.parametrize("arithmetic", [FLOAT32, COARSE, {"U": 2**-30, "SMALLEST": 2**-10}])
def test_the_bound_holds_where_every_rounding_goes_the_worst_way(monkeypatch, arithmetic):
    """In float32, and in coarse arithmetics, where errors of errors count, or numbers that are lost."""
    use(arithmetic, monkeypatch)
    for seed in range(100):
        network = tiny_network(seed)
        assert oracle.worst_rounding(network, *oracle.all_tokens(1)) <= rounding_bound(network), (
            seed
        )


FACTORS = {"query": 1, "key": 1, "score": 1, "value": 1, "values": 1}
FACTORS |= {"query and key": 1.2086, "weights": 1.8929, "projection": 2.2778, "output": 1.8095}
COARSE_FACTORS = {
    "query": 1.265,
    "key": 1.202,
    "softmax": 2.137,
    "value": 1.132,
    "values": 1.1015,
    "weights": 2.061,
}


@pytest.mark.parametrize(
    ("step", "arithmetic", "factor"),
    [(step, FLOAT32, factor) for step, factor in FACTORS.items()]
    + [(step, COARSE, factor) for step, factor in COARSE_FACTORS.items()]
    + [("weights", SMALL_NUMBERS_LOST, 1.9932), ("value", SMALL_NUMBERS_LOST, 2.1997)],
)
def test_the_bound_is_tight_where_one_step_loses_most(monkeypatch, step, arithmetic, factor):
    """The factor is above 1 because the bound adds up sizes, and counts each exp twice: in a sum and by itself."""
    use(arithmetic, monkeypatch)
    network = lossy(step, 16.0 if arithmetic is COARSE else 2.0**12)
    tokens = tokenize("0123456789567890" if step == "weights" else "7").repeat(
        500, 1
    )  # each tries other signs
    worst, bound = oracle.worst_rounding(network, tokens), rounding_bound(network)
    assert worst <= bound == pytest.approx(factor * worst, rel=0.001)


def test_a_trained_network_is_within_its_bound_in_float32_and_float64_and_it_is_not_far_above(
    network,
):
    found, bound = largest_difference(network), rounding_bound(network)
    assert found <= bound <= 1000 * found
    assert largest_difference(copy.deepcopy(network).double()) <= 1e-6 * bound
