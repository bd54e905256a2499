"""The network is what solvers are told it is."""

import ast
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.network.model import CLS, NeuralNetwork, tokenize
from tests.helpers import ROOT

WEIGHTS = ROOT / "puzzle" / "classifier" / "torch_state_dict"


def test_the_frozen_weights_load_as_written():
    NeuralNetwork(10).load_state_dict(torch.load(WEIGHTS, weights_only=True))


def test_the_state_dict_keeps_its_names():
    heads = [
        f"attention_{part}"
        for h in range(3)
        for part in (f"matrix_list.{h}.query_layer", f"matrix_list.{h}.key_layer")
    ]
    values = [f"attention_output_list.{h}.value_layer" for h in range(3)]
    layers = [*heads, *values, "projection", "output"]
    expected = {"embedding.weight", "embedding.position"} | {
        f"{x}.{p}" for x in layers for p in ("weight", "bias")
    }
    assert set(NeuralNetwork(10).state_dict()) == expected
    state_dict = torch.load(WEIGHTS, weights_only=True)
    assert type(state_dict) is dict and set(state_dict) == expected
    assert all(
        tensor.device.type == "cpu" and not tensor.requires_grad for tensor in state_dict.values()
    )


def test_the_shapes_are_those_of_the_readme():
    network = NeuralNetwork(10)
    tokens = torch.tensor([[CLS, 1, 2, 3], [CLS, 4, 5, 6]])
    embedding = network.embedding(tokens)
    matrices = network.get_attention_matrices(embedding)
    assert embedding.shape == (2, 4, 10)
    assert [matrix.shape for matrix in matrices] == [(2, 4, 4)] * 3
    assert network.attention_output_list[0](embedding, matrices[0]).shape == (2, 4, 10)
    assert network(tokens).shape == (2,)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1492


def test_the_answer_is_what_the_formulas_give_token_by_token():
    torch.manual_seed(1)
    network = NeuralNetwork(6, n_heads=2, max_digits=3).double()
    code = [CLS, 7, 0, 7]
    with torch.no_grad():
        e = [
            network.embedding.weight[t] + network.embedding.position[p] for p, t in enumerate(code)
        ]
        heads = []
        for matrix, output in zip(
            network.attention_matrix_list, network.attention_output_list, strict=True
        ):
            look = torch.stack(
                [matrix.query_layer(e[0]) @ matrix.key_layer(other) for other in e]
            ).exp()
            values = torch.stack([output.value_layer(other) for other in e])
            heads.append(output.value_layer((look / look.sum()) @ values))
        wrong, right = network.output(network.projection(torch.cat(heads))).exp()
        torch.testing.assert_close(network(torch.tensor([code]))[0], right / (wrong + right))


def test_the_order_of_the_digits_matters():
    torch.manual_seed(2)
    network = NeuralNetwork(10)
    tokens = torch.tensor([[CLS, *order] for order in permutations([1, 2, 3])])
    assert len(set(network(tokens).tolist())) == 6


@pytest.mark.parametrize(
    "tokens", [tokenize("123456"), torch.tensor([CLS, 1, 2]), torch.empty(1, 0, dtype=torch.long)]
)
def test_a_code_too_long_or_of_another_shape_is_named(tokens):
    with pytest.raises(ValueError, match="at most 5 digits"):
        NeuralNetwork(10)(tokens)


@pytest.mark.parametrize("token", [-1, 11, 10**12])
def test_a_token_out_of_range_is_named(token):
    with pytest.raises(ValueError, match="0 to 9, the digits, or 10"):
        NeuralNetwork(10)(torch.tensor([[CLS, token]]))


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 8), st.integers(1, 8))
def test_a_network_is_rebuilt_from_its_shapes(n_hidden, n_heads, max_digits):
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    copy = NeuralNetwork.from_state_dict(network.state_dict())
    tokens = tokenize("1" * max_digits)
    assert torch.equal(copy(tokens), network(tokens))
    assert len(copy.attention_matrix_list) == n_heads


def test_the_model_code_is_handed_out_byte_for_byte_and_needs_torch_alone():
    code = (ROOT / "builder" / "network" / "model.py").read_bytes()
    assert (ROOT / "puzzle" / "classifier" / "model.py").read_bytes() == code
    imports = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert {ast.unparse(node) for node in imports} == {"import torch", "from torch import nn"}
