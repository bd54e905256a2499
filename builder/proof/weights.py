"""The weights of a network as bytes: writes them, and reads them as guess.py does.

An author may check a folder that somebody else made. So an archive is refused here that no network's weights need, and
that could take all memory or call what it likes.
"""

import io
import pickletools
import zipfile

import torch

from builder.model import NeuralNetwork
from puzzle.guess import LARGEST_FILE, GuessError, read_network

PLAIN = {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict"}
ENTRIES = 100  # more than 8 heads have
PICKLE = 20_000  # bytes; a longer pickle is cut off, and so refused


def dump(network):
    """The bytes of a network's file: its state dict. With one version of torch, equal weights give equal bytes."""
    state_dict = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()


@torch.random.fork_rng(devices=[])  # a network is made with random weights first
def load(weights):
    """The network whose state dict has these bytes, read as guess.py reads it. Raises GuessError where it is none."""
    if not _is_plain(weights):
        raise GuessError("the weights are damaged, or not those of this network")
    return read_network(NeuralNetwork, weights)


def _is_plain(content):
    """Whether bytes are an archive of plain tensors, no larger than they look. guess.py refuses what is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if not len(set(archive.namelist())) == len(entries) <= ENTRIES or len(content) > LARGEST_FILE:
                return False
            if sum(entry.file_size for entry in entries) > len(content):  # they overlap
                return False
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                return False
            pickles = [archive.read(entry) for entry in entries if entry.filename.lower().endswith(".pkl")]
        named = [opcode for data in pickles for opcode in pickletools.genops(data[:PICKLE])]
    except Exception:  # zipfile and pickletools raise many kinds
        return False
    return {name for opcode, name, _ in named if opcode.name == "GLOBAL"} <= PLAIN
