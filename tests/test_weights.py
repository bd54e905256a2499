"""Whatever is done to the weights: the whole file's answer, or one sentence, and nothing is run."""

import io
import pickle
import random
import shutil
import zipfile

import pytest
import torch

from puzzle.guess import Classifier, GuessError
from tests.conftest import PUZZLE, run, sentence

CLASSIFIER = PUZZLE / "classifier"
WEIGHTS = (CLASSIFIER / "torch_state_dict").read_bytes()


class Bomb:
    """A pickle that would create a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def state_dict(**changes):
    return {**torch.load(io.BytesIO(WEIGHTS), weights_only=True), **changes}


def saved(thing, **options):
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def zipped(**entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


HOSTILE = {
    "empty": b"",
    "text": b"hello\n",
    "another zip": zipped(readme=b"hello"),
    "an empty zip": zipped(),
    "the old format": saved(state_dict(), _use_new_zipfile_serialization=False),
    "no dict": saved([1, 2, 3]),
    "an empty dict": saved({}),
    "no tensors": saved({name: 1 for name in state_dict()}),
    "a name missing": saved({name: tensor for name, tensor in state_dict().items() if name != "output.bias"}),
    "a name too many": saved(state_dict(extra=torch.zeros(1))),
    "a wrong shape": saved(state_dict(**{"output.bias": torch.zeros(3)})),
    "another size": saved(state_dict(**{"projection.weight": torch.zeros(11, 33)})),
    "no heads": saved(state_dict(**{"projection.weight": torch.zeros(10, 0)})),
    "no size": saved(state_dict(**{"projection.weight": torch.zeros(0, 0)})),
    "no digits": saved(state_dict(**{"embedding.position": torch.zeros(1, 10)})),
    "whole numbers": saved({name: tensor.int() for name, tensor in state_dict().items()}),
    "double": saved({name: tensor.double() for name, tensor in state_dict().items()}),
    "sparse": saved(state_dict(**{"output.weight": torch.zeros(2, 10).to_sparse()})),
    "nan": saved(state_dict(**{"output.bias": torch.tensor([0.0, torch.nan])})),
    "infinite": saved(state_dict(**{"output.bias": torch.tensor([0.0, torch.inf])})),
    "far larger than its file": saved(state_dict(**{"projection.weight": torch.zeros(1).expand(100_000, 300_000)})),
}


def refuses(folder, weights):
    (folder / "torch_state_dict").write_bytes(weights)
    with pytest.raises(GuessError, match="is damaged, or not this network's weights: unpack the puzzle again"):
        Classifier(folder)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(CLASSIFIER, tmp_path / "classifier")


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_weights_are_refused(folder, case):
    refuses(folder, HOSTILE[case])


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_does_not(folder, tmp_path, legacy):
    target = tmp_path / "boom"
    pickle.loads(pickle.dumps(Bomb(tmp_path / "proof"))).close()
    assert (tmp_path / "proof").exists()  # the bomb is live
    refuses(folder, saved(state_dict(extra=Bomb(target)), _use_new_zipfile_serialization=not legacy))
    refuses(folder, pickle.dumps(Bomb(target)))
    assert not target.exists()


@pytest.mark.parametrize("step", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_weights_cut_short_anywhere_are_refused(folder, step):
    for length in [*range(0, len(WEIGHTS), step), len(WEIGHTS) - 1]:
        refuses(folder, WEIGHTS[:length])


def flipped_weights_are_refused_or_make_no_difference(folder, classifier, times):
    dice = random.Random(times)
    codes = ["90210", "4711", "007", "1"]
    truth = [vars(classifier.answer(code)) for code in codes]
    same = 0
    for _ in range(times):
        damaged = bytearray(WEIGHTS)
        for _ in range(dice.choice([1, 1, 1, 2, 5, 50])):
            damaged[dice.randrange(len(damaged))] ^= dice.randrange(1, 256)
        (folder / "torch_state_dict").write_bytes(damaged)
        try:
            other = Classifier(folder)
        except GuessError:
            continue
        same += 1
        assert [vars(other.answer(code)) for code in codes] == truth
    return same


def test_flipped_weights_are_refused_or_make_no_difference(folder, classifier):
    flipped_weights_are_refused_or_make_no_difference(folder, classifier, 100)


@pytest.mark.slow
def test_a_thousand_flipped_weights_are_refused_or_make_no_difference(folder, classifier):
    same = flipped_weights_are_refused_or_make_no_difference(folder, classifier, 1000)
    assert 0 < same < 1000


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_every_bit_of_the_archives_directory_may_flip(folder, classifier, step):
    """The end of the file, where zip keeps its names and places: no flip there may lead to another answer."""
    truth = vars(classifier.answer("4711"))
    with zipfile.ZipFile(io.BytesIO(WEIGHTS)) as archive:
        directory = archive.start_dir
    for place in range(directory, len(WEIGHTS), step):
        for bit in range(8):
            damaged = bytearray(WEIGHTS)
            damaged[place] ^= 1 << bit
            (folder / "torch_state_dict").write_bytes(damaged)
            try:
                assert vars(Classifier(folder).answer("4711")) == truth
            except GuessError as error:
                assert "is damaged" in str(error)


def test_an_entry_that_says_it_is_a_folder_is_read_all_the_same(folder, classifier):
    """torch.load would believe it, read nothing, and hand out whatever lies in memory."""
    damaged = bytearray(WEIGHTS)
    with zipfile.ZipFile(io.BytesIO(WEIGHTS)) as archive:
        place = archive.start_dir
        for _ in archive.infolist():
            place = damaged.index(b"PK\x01\x02", place)
            damaged[place + 38] |= 0x10  # the attribute of a folder, in the entry of the directory
            place += 46
    with zipfile.ZipFile(io.BytesIO(damaged)) as archive:
        assert all(entry.external_attr == 0x10 for entry in archive.infolist())
    (folder / "torch_state_dict").write_bytes(damaged)
    assert vars(Classifier(folder).answer("4711")) == vars(classifier.answer("4711"))


def test_a_broken_bundle_is_one_sentence_in_a_process_too(tmp_path):
    here = shutil.copytree(PUZZLE, tmp_path / "a puzzle")
    (here / "classifier" / "torch_state_dict").write_bytes(WEIGHTS[:5000])
    assert "is damaged" in sentence(run("-W", "error", here / "guess.py", "4711"))
    (here / "classifier" / "torch_state_dict").unlink()
    with pytest.raises(GuessError, match=r"torch_state_dict cannot be read .*: unpack the puzzle again"):
        Classifier(here / "classifier")
