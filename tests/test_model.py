"""The network is what solvers are told it is."""

import ast
import copy
import pickle
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
    layers = ["projection", "output"]
    for head in range(3):
        layers.append(f"attention_matrix_list.{head}.query_layer")
        layers.append(f"attention_matrix_list.{head}.key_layer")
        layers.append(f"attention_output_list.{head}.value_layer")
    expected = {"embedding.weight", "embedding.position", "arrangement"}
    for layer in layers:
        expected |= {f"{layer}.weight", f"{layer}.bias"}
    assert set(NeuralNetwork(10).state_dict()) == expected
    state_dict = torch.load(WEIGHTS, weights_only=True)
    assert type(state_dict) is dict and set(state_dict) == expected
    for tensor in state_dict.values():
        assert tensor.device.type == "cpu" and not tensor.requires_grad


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
def test_a_token_out_of_range_is_refused_as_every_embedding_refuses_it(token):
    with pytest.raises(IndexError, match="index out of range"):
        NeuralNetwork(10)(torch.tensor([[CLS, token]]))


def test_the_pictures_are_the_matrices_side_by_side_row_by_row_and_picture_by_picture():
    network = NeuralNetwork(4, n_heads=12)
    network.arrangement.copy_(torch.tensor([2, 3, 2]))
    matrices = [torch.full((5, 3, 3), float(head)) for head in range(12)]
    pictures = network.get_pictures(matrices)
    assert pictures.shape == (5, 2, 9, 6)
    heads = torch.tensor([[[0.0, 1], [2, 3], [4, 5]], [[6.0, 7], [8, 9], [10, 11]]])
    tiles = heads.repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)
    assert torch.equal(pictures, tiles.expand(5, -1, -1, -1))


def test_a_picture_shows_its_tiles_upright():
    network = NeuralNetwork(10)
    matrices = network.get_attention_matrices(network.embedding(tokenize("123")))
    assert torch.equal(network.get_pictures(matrices), torch.stack(matrices, dim=1))


def test_the_arrangement_comes_with_the_state_dict():
    network = NeuralNetwork(4, n_heads=6)
    network.arrangement.copy_(torch.tensor([1, 2, 3]))
    loaded = NeuralNetwork.from_state_dict(network.state_dict())
    assert loaded.arrangement.tolist() == [1, 2, 3]
    assert NeuralNetwork(4, n_heads=6).arrangement.tolist() == [6, 1, 1]


BATCH = torch.tensor([[CLS, 1, 2, 3], [CLS, 4, 5, 6]])


def test_vmap_works_on_the_network():
    network = NeuralNetwork(10)
    answers = torch.vmap(lambda tokens: network(tokens[None])[0])(BATCH)
    torch.testing.assert_close(answers, network(BATCH))


def test_functional_call_and_jacrev_work_on_the_network():
    network = NeuralNetwork(10)
    parameters = dict(network.named_parameters())

    def answer(parameters):
        return torch.func.functional_call(network, parameters, (BATCH,))

    jacobian = torch.func.jacrev(answer)(parameters)
    network(BATCH)[0].backward()
    torch.testing.assert_close(jacobian["output.weight"][0], network.output.weight.grad)
    assert jacobian["embedding.position"].shape == (2, 6, 10)


def test_the_network_can_be_exported_for_batches_of_any_size():
    network = NeuralNetwork(10)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", min=1, max=6)}
    exported = torch.export.export(network, (BATCH,), dynamic_shapes=(sizes,)).module()
    for tokens in (BATCH, tokenize("1"), tokenize("54321")):
        torch.testing.assert_close(exported(tokens), network(tokens))


def test_the_network_compiles_into_one_graph():
    network = NeuralNetwork(10)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(BATCH), network(BATCH))


def test_the_network_can_be_copied_pickled_and_moved_to_another_type():
    network = NeuralNetwork(10)
    answers = network(BATCH)
    assert torch.equal(copy.deepcopy(network)(BATCH), answers)
    assert torch.equal(pickle.loads(pickle.dumps(network))(BATCH), answers)
    double = copy.deepcopy(network).double()
    torch.testing.assert_close(double(BATCH), answers.double())
    assert double.arrangement.dtype == torch.int64  # it holds counts


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
