"""The weights of a network as bytes: writes them, and reads them as solvers do, with torch.load."""

import io
import zipfile

import torch

from builder.errors import PuzzleError
from builder.network.model import NeuralNetwork


def dump(network):
    """The bytes of a network's file: its state dict. With one version of torch, equal weights give equal bytes."""
    state_dict = {
        name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()
    }
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()


def load(content):
    """The frozen network whose state dict is in a file with this content (bytes). Raises PuzzleError where none is.

    torch.load compares no checksums, and of two archives, one behind the other, it reads another one than zipfile.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.testzip() or min(entry.header_offset for entry in archive.infolist()) > 0:
                raise ValueError("a checksum is wrong, or something precedes the archive")
        weights = torch.load(io.BytesIO(content), weights_only=True)
        with torch.random.fork_rng(devices=[]):  # a network is made with random weights first
            return NeuralNetwork.from_state_dict(weights).requires_grad_(False)
    except Exception as error:  # zipfile and torch raise many kinds
        raise PuzzleError("the weights are damaged, or not those of this network") from error
