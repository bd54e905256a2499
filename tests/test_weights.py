"""A file of weights is read as solvers read it, and whatever isn't this network is refused."""

import io
import re
import zipfile

import pytest
import torch

from builder.errors import PuzzleError
from builder.network.model import NeuralNetwork
from builder.network.weights import dump, holds_exactly, load


def saved(weights):
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    return buffer.getvalue()


def refusal(content):
    """The sentence with which a file is refused."""
    with pytest.raises(PuzzleError) as refused:
        load(content)
    sentence = str(refused.value)
    assert "\n" not in sentence and refused.value.status == 2
    return sentence


@pytest.fixture
def weights(network):
    return dict(network.state_dict())


def test_weights_that_are_dumped_are_loaded_to_the_last_bit(network):
    content = dump(network)
    loaded = load(content)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert dump(loaded) == content and holds_exactly(content, loaded)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_networks_of_every_size_are_loaded():
    network = NeuralNetwork(7, n_heads=12, max_digits=32)
    network.arrangement.copy_(torch.tensor([2, 3, 2]))
    loaded = load(dump(network))
    assert loaded.arrangement.tolist() == [2, 3, 2] and len(loaded.embedding.position) == 33
    assert len(loaded.attention_matrix_list) == 12


def test_weights_are_loaded_as_float32_whatever_type_torch_is_set_to(network):
    content = dump(network)
    torch.set_default_dtype(torch.float64)
    try:
        assert dump(load(content)) == content
    finally:
        torch.set_default_dtype(torch.float32)


def test_loading_draws_no_random_number(network):
    content = dump(network)
    state = torch.get_rng_state()
    load(content)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16", "complex64", "int64"])
def test_weights_of_another_type_than_float32_are_refused(weights, kind):
    """A solver's torch would compute with them, but something else is proved."""
    name = "attention_matrix_list.0.key_layer.weight"
    weights[name] = weights[name].to(getattr(torch, kind))
    expected = f"the weights' {name} is {kind}, and must be float32: only that is certified"
    assert refusal(saved(weights)) == expected


def test_an_arrangement_of_another_type_is_refused(weights):
    weights["arrangement"] = weights["arrangement"].float()
    assert "arrangement is float32, and must be int64" in refusal(saved(weights))


@pytest.mark.parametrize("name", NeuralNetwork(10).state_dict())
def test_a_weight_that_is_missing_is_named(weights, name):
    del weights[name]
    assert refusal(saved(weights)) == f"the weights lack {name}"


def test_a_weight_too_many_is_named(weights):
    weights["attention_matrix_list.3.key_layer.bias"] = torch.zeros(10)
    expected = "attention_matrix_list.3.key_layer.bias, which this network doesn't have"
    assert refusal(saved(weights)) == f"the weights hold {expected}"


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("output.bias", (3,), "is 3, and must be 2"),
        ("output.bias", (), "is a number, and must be 2"),
        ("embedding.weight", (10, 10), "is 10 x 10, and must be 11 x 10"),
        ("embedding.position", (10,), "must be a matrix, not 10"),
        ("embedding.position", (1, 10), "must have a row for CLS and for digits"),
        ("embedding.position", (6, 9), "is 6 x 9, and must be 6 x 10"),
        ("projection.weight", (10, 0), "n high and n * heads wide, not 10 x 0"),
        ("projection.weight", (0, 10), "n high and n * heads wide, not 0 x 10"),
        ("projection.weight", (10, 31), "n high and n * heads wide, not 10 x 31"),
        ("projection.weight", (300,), "must be a matrix, not 300"),
        ("arrangement", (2,), "is 2, and must be 3"),
    ],
)
def test_a_weight_of_another_shape_is_named(weights, name, shape, told):
    weights[name] = torch.ones(shape, dtype=weights[name].dtype)
    sentence = refusal(saved(weights))
    assert sentence.startswith(f"the weights' {name} ") and told in sentence


@pytest.mark.parametrize("arrangement", [[1, 1, 1], [3, 1, 2], [0, 1, 3], [-3, -1, 1], [4, 1, 1]])
def test_an_arrangement_that_does_not_make_the_heads_is_refused(weights, arrangement):
    weights["arrangement"] = torch.tensor(arrangement)
    expected = "the weights' arrangement of .* pictures, tiles down and tiles across .* 3 heads"
    assert re.fullmatch(expected, refusal(saved(weights)))


DAMAGED = "the weights are damaged, or not those of this network"


@pytest.mark.parametrize(
    "stored",
    [
        [torch.zeros(1)],
        {"projection.weight": 3},
        {"projection.weight": torch.ones(2, 2).to_sparse()},
    ],
)
def test_a_file_of_something_else_is_refused(stored):
    assert refusal(saved(stored)) == DAMAGED


def test_a_file_that_is_damaged_is_refused(network):
    weights = dump(network)
    flipped = bytearray(weights)
    with zipfile.ZipFile(io.BytesIO(weights)) as archive:
        flipped[archive.getinfo("archive/data/1").header_offset + 200] ^= 1
    two_archives = weights + dump(NeuralNetwork(10))  # each of two readers would read another one
    for damaged in (b"", b"not found\n", weights[:-100], bytes(flipped), two_archives):
        assert refusal(damaged) == DAMAGED


def differs(weights, network):
    return not holds_exactly(saved(weights), network)


def test_a_file_holds_exactly_a_network_only_if_every_bit_is_the_same(network, weights):
    assert not differs(weights, network)
    last = weights["output.bias"].clone()
    last[0] = torch.nextafter(last[0], torch.tensor(9e9))
    assert differs(weights | {"output.bias": last}, network)


def test_a_zero_with_a_minus_is_another_weight_and_nan_is_the_same(network, weights):
    weights["output.bias"] = torch.tensor([0.0, torch.nan])
    other = load(saved(weights))
    assert not differs(weights, other)
    weights["output.bias"] = torch.tensor([-0.0, torch.nan])
    assert differs(weights, other)


def test_a_file_in_another_order_type_or_layout_does_not_hold_exactly_a_network(network, weights):
    square = weights["attention_matrix_list.0.key_layer.weight"]
    turned = square.T.contiguous().T
    double = square.double()
    assert differs(dict(reversed(weights.items())), network)
    assert differs(weights | {"attention_matrix_list.0.key_layer.weight": turned}, network)
    assert differs(weights | {"attention_matrix_list.0.key_layer.weight": double}, network)
