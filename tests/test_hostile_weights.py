"""Weights made to do harm are refused: nothing in them runs, and reading them takes little memory and time."""

import io
import os
import pickle
import random
import re
import shutil
import struct
import warnings
import zipfile
import zlib

import pytest
import torch

from builder.model import NeuralNetwork
from builder.proof.weights import load
from puzzle.guess import LARGEST_FILE, Classifier, GuessError
from tests.helpers import run
from tests.test_weights import CLASSIFIER, WEIGHTS, saved

MEBIBYTES = 64  # the most that reading a hostile file may take; the largest file allowed takes less


class Call:
    """A pickle that calls something when it is read."""

    def __init__(self, called, *arguments):
        self.called = called, arguments

    def __reduce__(self):
        return self.called


def state_dict(**changes):
    return {**torch.load(io.BytesIO(WEIGHTS), weights_only=True), **changes}


def entries():
    with zipfile.ZipFile(io.BytesIO(WEIGHTS)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files, compression=zipfile.ZIP_STORED, again=()):
    """An archive of these files; its directory names some of them again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.filelist += [archive.getinfo(name) for name in again]
    return buffer.getvalue()


def nested(entries, size):
    """An archive in which every entry holds all that follow it, so that together they far exceed the archive."""
    content, headers = bytes(size), []
    for number in range(entries):
        file = b"archive/data/%d" % number
        sizes = struct.pack("<LLL", zlib.crc32(content), len(content), len(content)) + struct.pack("<HH", len(file), 0)
        headers.append((sizes, file, len(content)))
        content = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 0, 0, 33) + sizes + file + content
    directory = b""
    for sizes, file, follow in headers:
        place = len(content) - follow - 30 - len(file)
        directory += b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 0, 0, 33) + sizes + bytes(10)
        directory += struct.pack("<L", place) + file
    end = struct.pack("<HHHHLLH", 0, 0, entries, entries, len(directory), len(content), 0)
    return content + directory + b"PK\5\6" + end


def pickled(code):
    """The weights with another pickle; the checksums are right."""
    return zipped({**entries(), "archive/data.pkl": code})


def shaped(**tensors):
    """The weights with other tensors: output_bias names output.bias."""
    return saved(state_dict(**{name.replace("_", ".", 1): tensor for name, tensor in tensors.items()}))


HOSTILE = {
    "empty": b"",
    "text": b"hello\n",
    "another zip": zipped({"readme": b"hello"}),
    "an empty zip": zipped({}),
    "the old format": saved(state_dict(), _use_new_zipfile_serialization=False),
    "no dict": saved([1, 2, 3]),
    "an empty dict": saved({}),
    "no tensors": saved({name: 1 for name in state_dict()}),
    "a name missing": saved({name: tensor for name, tensor in state_dict().items() if name != "output.bias"}),
    "a name too many": saved(state_dict(extra=torch.zeros(1))),
    "a name that is no string": saved(state_dict() | {7: torch.zeros(1)}),
    "a wrong shape": shaped(output_bias=torch.zeros(3)),
    "another size": shaped(projection_weight=torch.zeros(11, 33)),
    "no heads": shaped(projection_weight=torch.zeros(10, 0)),
    "no size": shaped(projection_weight=torch.zeros(0, 0)),
    "no digits": shaped(embedding_position=torch.zeros(1, 10)),
    "a single number": shaped(projection_weight=torch.tensor(1.0)),
    "whole numbers": saved({name: tensor.int() for name, tensor in state_dict().items()}),
    "float64": saved({name: tensor.double() for name, tensor in state_dict().items()}),
    "one tensor of float16": shaped(output_bias=torch.zeros(2).half()),
    "sparse": shaped(output_weight=torch.zeros(2, 10).to_sparse()),
    "transposed": shaped(output_weight=torch.zeros(10, 2).t()),
    "meta": shaped(output_bias=torch.zeros(2, device="meta")),
    "nan": shaped(output_bias=torch.tensor([0.0, torch.nan])),
    "infinite": shaped(output_bias=torch.tensor([0.0, torch.inf])),
    "giant": shaped(output_bias=torch.tensor([0.0, 3e38])),
    "just above the largest weight": shaped(output_bias=torch.tensor([0.0, -100_001.0])),
    "a name twice": zipped(entries(), again=["archive/version"]),
    "compressed": zipped(entries(), zipfile.ZIP_DEFLATED),
    "tiny files": zipped({**entries(), **{f"archive/{number}": b"" for number in range(100)}}),
}
MEMORY = {
    "10^8 rows of nothing": shaped(projection_weight=torch.zeros(10**8, 0)),
    "nothing in 10^8 columns": shaped(projection_weight=torch.zeros(0, 10**8)),
    "as many heads as it has numbers": shaped(projection_weight=torch.zeros(1, 900_000)),
    "as many digits as it has numbers": shaped(embedding_position=torch.zeros(900_000, 1)),
    "one number in 10^5 rows of 3 * 10^5": shaped(projection_weight=torch.zeros(1).expand(100_000, 300_000)),
    "3,000 entries in one place": zipped({"a": bytes(1_700_000)}, again=["a"] * 3_000),
    "70,000 entries in one place": zipped({"a": b""}, again=["a"] * 70_000),
    "90 entries in one another": nested(90, 3_900_000),
    "300 MB of zeros, compressed": zipped({"archive/data/0": bytes(300_000_000)}, zipfile.ZIP_DEFLATED),
    "10^9 bytes from a call that torch allows": pickled(pickle.dumps(Call(bytearray, 10**9), 2)),
    "a list of four million lists": pickled(b"\x80\x02(" + b"]" * 3_900_000 + b"l."),
    "tuples in tuples as a name": pickled(b"\x80\x02})" + b"\x85" * 3_000_000 + b"Ns."),
    "storage that is not there": pickled(entries()["archive/data.pkl"].replace(b"Kn", b"J\x00\x00\x00\x20")),
    "more bytes than guess.py reads": saved(NeuralNetwork(520, 1, 16).state_dict()),
}


def test_zipfile_reads_entries_in_one_another():
    """Otherwise the archive that the other tests refuse would not be the one that they mean."""
    with zipfile.ZipFile(io.BytesIO(nested(3, 10))) as archive:
        assert archive.namelist() == ["archive/data/0", "archive/data/1", "archive/data/2"]
        assert archive.read("archive/data/0") == bytes(10)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_weights_are_refused(case):
    with warnings.catch_warnings(), pytest.raises(GuessError, match="^the weights are damaged, or not those of this"):
        warnings.simplefilter("ignore")  # pytest makes them errors; guess.py does not
        load(HOSTILE[case])


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_does_not(tmp_path, legacy):
    target, bomb = tmp_path / "boom", Call(open, str(tmp_path / "boom"), "w")
    pickle.loads(pickle.dumps(bomb)).close()
    target.unlink()  # it was there: the bomb works
    for weights in (
        saved(state_dict(extra=bomb), _use_new_zipfile_serialization=not legacy),
        pickle.dumps(bomb),
        pickled(pickle.dumps(bomb, 2)),
        zipped({**entries(), "archive/DATA.PKL": pickle.dumps(bomb, 2)}),
    ):
        with pytest.raises(GuessError):
            load(weights)
    assert not target.exists()


READ = """
import resource, sys, time
from pathlib import Path
from builder.proof.weights import load
from puzzle.guess import GuessError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (20 if sys.platform == "darwin" else 10)

honest, *files = map(Path, sys.argv[1:])
load(honest.read_bytes())
for file in files:
    content, before, start = file.read_bytes(), peak(), time.process_time()
    try:
        load(content)
    except GuessError as error:
        print(f"{peak() - before:.0f} MiB {time.process_time() - start:.1f} s {error}")
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a measure of memory")
def test_small_files_take_little_memory_and_time(tmp_path):
    """One process reads them all. A file that takes much memory raises its peak."""
    files = [tmp_path / str(number) for number in range(1 + len(MEMORY))]
    for file, weights in zip(files, [WEIGHTS, *MEMORY.values()], strict=True):
        file.write_bytes(weights)
    told = run("-c", READ, *files).stdout.splitlines()
    for case, line in zip(MEMORY, told, strict=True):
        mebibytes, seconds = map(float, re.match(r"(\S+) MiB (\S+) s the weights ", line).groups())
        assert mebibytes <= MEBIBYTES and seconds <= 2, f"{case}: {line}"


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a file without an end")
def test_a_file_without_an_end_is_refused(tmp_path):
    folder = shutil.copytree(CLASSIFIER, tmp_path / "classifier")
    (folder / "torch_state_dict").unlink()
    (folder / "torch_state_dict").symlink_to("/dev/zero")
    with pytest.raises(GuessError, match="the weights are damaged.*: unpack the puzzle again"):
        Classifier(folder)


def test_the_largest_weights_that_are_read_give_finite_answers(tmp_path):
    """The bound on a weight keeps NaN out of all answers, even of the largest networks with the largest weights."""
    folder = shutil.copytree(CLASSIFIER, tmp_path / "classifier")
    for n_hidden, heads in ((490, 1), (175, 8)):
        network = NeuralNetwork(n_hidden, heads, 16).requires_grad_(False)
        for weight in network.parameters():
            weight.fill_(1e5)
        network.output.weight[0] = -1e5
        weights = saved(network.state_dict())
        assert 0.9 * LARGEST_FILE < len(weights) <= LARGEST_FILE
        (folder / "torch_state_dict").write_bytes(weights)
        answer = Classifier(folder).answer("9" * 16)
        assert answer.probability == 1 and torch.tensor(answer.matrices).isfinite().all()


def altered_pickles_are_refused_or_keep_the_shapes(times):
    """Reads pickles altered at random, with right checksums. Returns how many were not refused."""
    dice, files = random.Random(times), entries()
    honest, read = files["archive/data.pkl"], 0
    for _ in range(times):
        code = bytearray(honest)
        for _ in range(dice.choice([1, 1, 2, 5])):
            place = dice.randrange(len(code))
            code[place : place + dice.choice([0, 1, 1, 1, 4])] = dice.randbytes(dice.choice([0, 1, 1, 1, 4]))
        try:
            network = load(pickled(bytes(code)))
        except GuessError:
            continue
        read += 1
        assert {name: w.shape for name, w in network.state_dict().items()} == {
            name: w.shape for name, w in state_dict().items()
        }
    return read


def test_altered_pickles_are_refused_or_keep_the_shapes():
    altered_pickles_are_refused_or_keep_the_shapes(100)


@pytest.mark.slow
def test_a_thousand_altered_pickles_are_refused_or_keep_the_shapes():
    assert 0 < altered_pickles_are_refused_or_keep_the_shapes(1000) < 1000
