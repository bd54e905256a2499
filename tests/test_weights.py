"""The weights and the code of a network are loaded whole, or refused in one sentence."""

import io
import os
import random
import shutil
import sys
import time
import zipfile

import pytest
import torch

from builder.model import NeuralNetwork
from puzzle.guess import Classifier, GuessError, read_network
from tests.helpers import PUZZLE, content, run, sentence

CLASSIFIER = PUZZLE / "classifier"
WEIGHTS = (CLASSIFIER / "torch_state_dict").read_bytes()


def refuses(folder, weights=WEIGHTS, told="the weights are damaged, or not those of this network"):
    (folder / "torch_state_dict").write_bytes(weights)
    with pytest.raises(GuessError) as error:
        Classifier(folder)
    assert told in str(error.value) and str(folder) in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).endswith(": unpack the puzzle again")


def saved(thing, **options):
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def replies(classifier):
    """A classifier's answers to some numbers, to the last bit."""
    answers = [classifier.answer(code) for code in ("90210", "4711", "007", "1")]
    return [(answer.probability, answer.matrices) for answer in answers]


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(CLASSIFIER, tmp_path / "classifier")


def test_the_weights_are_those_that_torch_loads():
    theirs = torch.load(io.BytesIO(WEIGHTS), weights_only=True)
    mine = read_network(NeuralNetwork, WEIGHTS).state_dict()
    assert list(mine) == list(theirs) and all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_a_network_is_of_the_class_given_and_frozen():
    class Mine(NeuralNetwork):
        pass

    network = read_network(Mine, WEIGHTS)
    assert type(network) is Mine and not any(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize(("heads", "max_digits"), [(1, 1), (8, 1), (1, 16), (8, 16), (3, 5)])
def test_networks_of_all_sizes_are_loaded_and_answer(folder, heads, max_digits):
    network = NeuralNetwork(max(10, max_digits + 4), heads, max_digits)
    (folder / "torch_state_dict").write_bytes(saved(network.state_dict()))
    classifier = Classifier(folder)
    answer = classifier.answer("0123456789012345"[:max_digits])
    assert classifier.max_digits == max_digits
    assert torch.tensor(answer.matrices).shape == (heads, 1 + max_digits, 1 + max_digits)
    with pytest.raises(GuessError, match=f"this network takes at most {max_digits}$"):
        classifier.answer("0" * (max_digits + 1))


@pytest.mark.parametrize(("heads", "max_digits"), [(9, 5), (0, 5), (3, 17), (3, 0)])
def test_networks_of_other_sizes_are_refused(folder, heads, max_digits):
    weights = NeuralNetwork(10, max(heads, 1), max_digits).state_dict()
    if not heads:
        weights["projection.weight"] = torch.zeros(10, 9)
    refuses(folder, saved(weights))


@pytest.mark.parametrize("step", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_weights_cut_short_anywhere_are_refused(folder, step):
    for length in [*range(0, len(WEIGHTS), step), len(WEIGHTS) - 1]:
        refuses(folder, WEIGHTS[:length])


def flipped_weights_are_refused_or_make_no_difference(folder, classifier, times):
    dice = random.Random(times)
    truth = replies(classifier)
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
        assert replies(other) == truth
    return same


def test_flipped_weights_are_refused_or_make_no_difference(folder, classifier):
    flipped_weights_are_refused_or_make_no_difference(folder, classifier, 100)


@pytest.mark.slow
def test_a_thousand_flipped_weights_are_refused_or_make_no_difference(folder, classifier):
    same = flipped_weights_are_refused_or_make_no_difference(folder, classifier, 1000)
    assert 0 < same < 1000


@pytest.mark.parametrize("step", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_no_flipped_bit_of_the_archives_directory_changes_an_answer(folder, classifier, step):
    """The directory is the end of the file, where zip keeps names and places."""
    truth = replies(classifier)
    with zipfile.ZipFile(io.BytesIO(WEIGHTS)) as archive:
        directory = archive.start_dir
    for place in range(directory, len(WEIGHTS), step):
        for bit in range(8):
            damaged = bytearray(WEIGHTS)
            damaged[place] ^= 1 << bit
            (folder / "torch_state_dict").write_bytes(damaged)
            try:
                assert replies(Classifier(folder)) == truth
            except GuessError as error:
                assert "are damaged" in str(error)


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
    assert replies(Classifier(folder)) == replies(classifier)


def test_weights_are_loaded_when_the_clock_says_1970(folder, classifier, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the zip format has no dates before 1980
    assert replies(Classifier(folder)) == replies(classifier)


def test_a_missing_file_is_named(folder):
    for name in ("torch_state_dict", "model.py"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(GuessError, match=rf"No such file .*{name}.*: unpack the puzzle again"):
            Classifier(folder)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        "garbage(",
        "",
        "import torch\nNeuralNetwork = tokenize = None",
        "NeuralNetwork = object",
        "raise ValueError('two\\nlines')",
        "\0",
        "import no_such_module",
    ],
)
def test_damaged_code_gets_one_sentence(folder, damage):
    (folder / "model.py").write_text(damage)
    with pytest.raises(GuessError, match=r"cannot be used \(.*\): unpack the puzzle again") as error:
        Classifier(folder)
    assert "\n" not in str(error.value)


def test_code_cut_short_after_any_line_gets_one_sentence_or_makes_no_difference(folder, classifier):
    whole = (folder / "model.py").read_text().splitlines(keepends=True)
    truth, same = replies(classifier), 0
    for length in range(len(whole)):
        (folder / "model.py").write_text("".join(whole[:length]))
        try:
            other = Classifier(folder)
        except GuessError as error:
            assert "\n" not in str(error)
        else:
            same += 1
            assert replies(other) == truth
    assert same < 3


def test_compiled_code_beside_the_model_does_not_run(folder):
    model = folder / "model.py"
    honest, stamp = model.read_bytes(), model.stat()
    model.write_bytes(b"raise SystemExit('compiled')".ljust(len(honest)))
    os.utime(model, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    imports = f"import sys; sys.dont_write_bytecode = False; sys.path.insert(0, {str(folder)!r}); import model"
    assert "compiled" in sentence(run("-c", imports), 1)  # which leaves the compiled code behind
    model.write_bytes(honest)
    os.utime(model, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert "compiled" in sentence(run("-c", imports), 1)  # it works: it fits the honest text's time and size
    assert Classifier(folder).answer("1").probability < 1


def test_two_puzzles_in_one_process_keep_their_own_code(folder, tmp_path, classifier):
    other = shutil.copytree(folder, tmp_path / "other")
    code = (other / "model.py").read_text()
    (other / "model.py").write_text(code.replace("logits.softmax(-1)[:, 1]", "logits.softmax(-1)[:, 0]"))
    before = set(sys.modules), list(sys.path)
    first, second, third = (Classifier(place) for place in (folder, other, folder))
    assert (set(sys.modules), sys.path) == before
    assert first.answer("1").probability == third.answer("1").probability == classifier.answer("1").probability
    assert second.answer("1").probability == pytest.approx(1 - first.answer("1").probability)
    assert len({type(one.network) for one in (first, second, third)}) == 3


@pytest.mark.slow
def test_a_broken_bundle_gets_one_sentence_in_a_process_too(tmp_path):
    here = shutil.copytree(PUZZLE, tmp_path / "a puzzle")
    (here / "classifier" / "torch_state_dict").write_bytes(saved(NeuralNetwork(10, 9).state_dict()))
    before = content(here)
    assert "are damaged" in sentence(run("-W", "error", here / "guess.py", "4711"))
    assert content(here) == before
