"""The weights of a network as bytes: writes them, and reads them as solvers do, with torch.load."""

import io
import math
import zipfile

import torch

from builder.errors import PuzzleError
from builder.network.model import NeuralNetwork
from builder.words import counted, listed

DAMAGED = "the weights are damaged, or not those of this network"


def dump(network):
    """The bytes of a network's file, which holds its state dict.

    One version of torch writes equal weights as equal bytes.
    """
    state_dict = {}
    for name, tensor in network.state_dict().items():
        state_dict[name] = tensor.detach().cpu().clone()
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()


def load(content):
    """The frozen network whose state dict is in a file with this content (bytes).

    Raises PuzzleError if there is none: the file is damaged, a weight is missing or is none of this
    network's, or it has another shape or type.
    """
    weights = _read(content)
    n_hidden, heads, max_digits = _sizes(weights)
    with torch.random.fork_rng(devices=[]):  # a network is made with random weights first
        network = NeuralNetwork(n_hidden, heads, max_digits).float()
    _check(weights, network)
    network.load_state_dict(weights)
    return network.requires_grad_(False)


def holds_exactly(content, network):
    """Whether torch.load makes of a file's content (bytes) exactly the weights of a network.

    Order, types, shapes, layouts and every bit are compared.
    """
    stored = torch.load(io.BytesIO(content), weights_only=True)
    expected = network.state_dict()
    if list(stored) != list(expected):
        return False
    return all(_is_same(stored[name], tensor) for name, tensor in expected.items())


def _is_same(one, other):
    if (one.dtype, one.shape, one.stride()) != (other.dtype, other.shape, other.stride()):
        return False
    # Bytes, because NaN doesn't equal itself, and -0 equals 0.
    return torch.equal(one.detach().view(torch.uint8), other.detach().view(torch.uint8))


def _read(content):
    """The state dict in a file with this content (bytes). Raises PuzzleError if there is none."""
    # torch.load compares no checksums. Of two archives, one after the other, it reads the first,
    # and zipfile the second.
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            is_whole = archive.testzip() is None
            start = min(entry.header_offset for entry in archive.infolist())
        weights = torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:  # zipfile and torch raise many kinds
        raise PuzzleError(DAMAGED) from error
    if not is_whole or start > 0 or not isinstance(weights, dict):
        raise PuzzleError(DAMAGED)
    for tensor in weights.values():
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
            raise PuzzleError(DAMAGED)
    return weights


def _sizes(weights):
    """The sizes of the network with this state dict: n_hidden, heads, and the most digits."""
    for name in ("embedding.position", "projection.weight"):
        if name not in weights:
            raise PuzzleError(f"the weights lack {name}")
        if weights[name].dim() != 2:
            raise PuzzleError(f"the weights' {name} must be a matrix, not {_shape(weights[name])}")
    n_hidden, all_heads = weights["projection.weight"].shape
    if n_hidden == 0 or all_heads == 0 or all_heads % n_hidden:
        raise PuzzleError(
            "the weights' projection.weight must be n high and n * heads wide, not "
            + _shape(weights["projection.weight"])
        )
    max_digits = len(weights["embedding.position"]) - 1
    if max_digits < 1:
        raise PuzzleError("the weights' embedding.position must have a row for CLS and for digits")
    return n_hidden, all_heads // n_hidden, max_digits


def _check(weights, network):
    """Raises PuzzleError unless a state dict has the names, shapes and types of this network's."""
    expected = network.state_dict()
    for name in expected:
        if name not in weights:
            raise PuzzleError(f"the weights lack {name}")
    for name, tensor in weights.items():
        if name not in expected:
            raise PuzzleError(f"the weights hold {name}, which this network doesn't have")
        if tensor.dtype != expected[name].dtype:
            raise PuzzleError(
                f"the weights' {name} is {_type(tensor)}, and must be {_type(expected[name])}: "
                "only that is certified"
            )
        if tensor.shape != expected[name].shape:
            raise PuzzleError(
                f"the weights' {name} is {_shape(tensor)}, and must be {_shape(expected[name])}"
            )
    arrangement = weights["arrangement"].tolist()
    heads = len(network.attention_matrix_list)
    if min(arrangement) < 1 or math.prod(arrangement) != heads:
        raise PuzzleError(
            f"the weights' arrangement of {listed(arrangement)} pictures, tiles down and tiles "
            f"across doesn't make {counted(heads, 'head')}"
        )


def _type(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def _shape(tensor):
    return " x ".join(map(str, tensor.shape)) or "a number"
