"""The bundle is whole or absent, whatever happens; it holds what it must and nothing else."""

import pickle
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from getpass import getuser
from pathlib import Path

import pytest
import torch

from builder import bundle
from builder.certify import certify
from builder.secret import PuzzleError
from builder.train import train
from tests.conftest import GUESS, PUZZLE, ROOT, content, run, sentence


@pytest.fixture(scope="module")
def certificates(ghost):
    """Two certificates for the ghost, from two seeds."""
    return [list(train(ghost, seed))[-1].certificate for seed in (0, 1)]


def test_a_new_folder_holds_the_five_files(ghost, certificates, tmp_path):
    bundle.write(tmp_path / "deep" / "er", ghost, certificates[0])
    written = content(tmp_path / "deep" / "er")
    assert set(written) == set(bundle.FILES)
    assert written["classifier/torch_state_dict"] == certificates[0].weights
    assert written["guess.py"] == GUESS.read_bytes()
    assert certify(bundle.read(tmp_path / "deep" / "er"), ghost).holds


def test_a_bundle_replaces_a_bundle_and_leaves_no_litter(ghost, certificates, tmp_path):
    (tmp_path / "party").mkdir()
    for certificate in (*certificates, certificates[0]):
        bundle.write(tmp_path / "party", ghost, certificate)
        assert content(tmp_path / "party")["classifier/torch_state_dict"] == certificate.weights
    assert [path.name for path in tmp_path.iterdir()] == ["party"]


@pytest.mark.parametrize("stray", [".DS_Store", "classifier/__pycache__/model.pyc"])
def test_what_comes_by_itself_does_not_keep_a_bundle_from_being_replaced(ghost, certificates, tmp_path, stray):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    (tmp_path / "party" / stray).parent.mkdir(exist_ok=True)
    (tmp_path / "party" / stray).write_text("mine")
    bundle.write(tmp_path / "party", ghost, certificates[1])
    assert content(tmp_path / "party")["classifier/torch_state_dict"] == certificates[1].weights


def test_nothing_is_written_without_a_certificate_that_holds(ghost, certificates, tmp_path):
    with pytest.raises(PuzzleError, match="certificate"):
        bundle.write(tmp_path / "party", ghost, replace(certificates[0], worst_cell=0.02))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["diary.txt", "classifier/notes.md", "photos/cat.png"])
def test_a_folder_with_other_things_in_it_is_left_alone(ghost, certificates, tmp_path, name):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    (tmp_path / "party" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "party" / name).write_text("mine")
    before = content(tmp_path)
    with pytest.raises(PuzzleError, match=r"holds .* a folder of its own"):
        bundle.write(tmp_path / "party", ghost, certificates[1])
    assert content(tmp_path) == before


def test_what_was_packed_unpacks_and_answers(ghost, certificates, tmp_path):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    bundle.pack(tmp_path / "party", tmp_path / "party.zip")
    with zipfile.ZipFile(tmp_path / "party.zip") as archive:
        assert archive.namelist() == [f"puzzle/{name}" for name in bundle.FILES]
        archive.extractall(tmp_path / "ein Ordner für Gäste")
    guessed = run("-W", "error", "guess.py", "4711", cwd=tmp_path / "ein Ordner für Gäste" / "puzzle")
    assert guessed.returncode == 0 and "4711" in guessed.stdout, guessed.stderr


def test_one_bundle_packs_to_the_same_bytes(ghost, certificates, tmp_path):
    for name in ("one", "two"):
        bundle.write(tmp_path / name, ghost, certificates[0])
        time.sleep(0.05)
        (tmp_path / name / "classifier" / "__pycache__").mkdir()
        (tmp_path / name / "classifier" / "__pycache__" / f"{name}.pyc").write_text(name)
        bundle.pack(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert b"pyc" not in (tmp_path / "one.zip").read_bytes()


def test_nothing_leaks(ghost, tmp_path):
    """Every byte of the bundle, of its zip, and of what the state dict's archive holds."""
    bundle.pack(PUZZLE, tmp_path / "hand-out.zip")
    texts = {name: (PUZZLE / name).read_bytes() for name in bundle.FILES if name != bundle.WEIGHTS}
    weights = (PUZZLE / bundle.WEIGHTS).read_bytes()
    with zipfile.ZipFile(PUZZLE / bundle.WEIGHTS) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "hand-out.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {f"puzzle/{name}" for name in bundle.FILES} == set(archive.namelist())

    described = [
        *texts.values(),
        *(data for name, data in entries.items() if not re.search(r"/(data/\d+|\.data/.*)$", name)),
    ]
    pictures = [
        "".join(".#"[int(cell)] for cell in cells)
        for picture in ghost.pictures
        for cells in (*picture.tolist(), picture.flatten().tolist())
    ]
    spellings = {
        spelling for picture in pictures for spelling in (picture, picture.replace(".", "0").replace("#", "1"))
    }
    for spelling in {ghost.code, " ".join(ghost.code), ", ".join(ghost.code), *spellings}:
        assert not any(spelling.encode() in data for data in described), spelling

    for path in {str(ROOT), str(Path.home()), sys.prefix, "/tmp", "/home/", "C:\\Users"}:
        assert not any(path.encode() in data for data in (weights, *texts.values())), path
    for name in filter(lambda name: len(name) > 3, {getuser(), socket.gethostname()}):
        assert name.encode() not in weights, name
    words = b"\n".join(texts.values()).lower()
    assert not re.search(rb"\bbuilder\b|\bpictures? of\b|minister|female|prime", words)
    state_dict = torch.load(PUZZLE / bundle.WEIGHTS, weights_only=True)
    assert sum(tensor.numel() * 4 for tensor in state_dict.values()) == sum(
        len(data) for name, data in entries.items() if re.search(r"/data/\d+$", name)
    )


def test_the_bundle_holds_no_other_file():
    tracked = subprocess.run(["git", "ls-files", "puzzle"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:
        assert set(tracked.stdout.split()) <= {f"puzzle/{name}" for name in bundle.FILES}
    assert set(content(PUZZLE)) == set(bundle.FILES)


@pytest.mark.parametrize("code", bundle.EXAMPLES)
def test_an_example_that_is_the_code_is_turned_round(ghost, certificates, tmp_path, code):
    bundle.write(tmp_path / "party", replace(ghost, code=code), certificates[0])
    written = content(tmp_path / "party")
    assert not any(code.encode() in written[name] for name in ("guess.py", "README.md"))
    assert code[::-1].encode() in written["guess.py"]
    assert run("guess.py", "--help", cwd=tmp_path / "party").returncode == 0


def test_every_example_is_known_to_the_builder():
    texts = GUESS.read_text(encoding="utf-8") + (PUZZLE / "README.md").read_text(encoding="utf-8")
    examples = set(re.findall(r'guess\.py ([\d ]+\d)|tokenize\("(\d+)"\)|such as (\d+)', texts))
    assert {code for found in examples for codes in found for code in codes.split()} == set(bundle.EXAMPLES)


# A build that writes over and over again, each time a new folder and the same old one, until it is killed.
WRITER = """
import pickle, sys
from itertools import count
from pathlib import Path
from builder import bundle
secret, certificates, folder = pickle.load(sys.stdin.buffer)
bundle.write(folder / "old", secret, certificates[0])
print("ready", flush=True)
for i in count():
    bundle.write(folder / "old", secret, certificates[i % len(certificates)])
    bundle.write(folder / f"new{i}", secret, certificates[0])
"""


def start_writer(ghost, certificates, folder):
    writer = subprocess.Popen([sys.executable, "-c", WRITER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pickle.dump((ghost, certificates, folder), writer.stdin)
    writer.stdin.close()
    return writer


def killed_builds_leave_whole_bundles(ghost, certificates, folder, times):
    dice = random.Random(times)
    whole = [certificate.weights for certificate in certificates]
    seen = set()
    for i in range(times):
        here = folder / str(i)
        here.mkdir()
        writer = start_writer(ghost, certificates, here)
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(dice.uniform(0, 0.05))
        writer.kill()
        writer.wait()
        writer.stdout.close()
        for path in here.iterdir():
            if not path.name.startswith("."):
                assert set(content(path)) == set(bundle.FILES)
                assert bundle.read(path)
                seen.add(whole.index((path / bundle.WEIGHTS).read_bytes()))
        assert certify(bundle.read(here / "old"), ghost).holds
        bundle.write(here / "old", ghost, certificates[0])
        shutil.rmtree(here)
    return seen


def test_a_killed_build_leaves_the_old_bundle_or_the_new_one(ghost, certificates, tmp_path):
    killed_builds_leave_whole_bundles(ghost, certificates, tmp_path, 2)


@pytest.mark.slow
def test_a_hundred_killed_builds_leave_the_old_bundle_or_the_new_one(ghost, certificates, tmp_path):
    assert killed_builds_leave_whole_bundles(ghost, certificates, tmp_path, 100) == {0, 1}


def test_two_builds_into_one_folder_end_with_one_of_the_two(ghost, certificates, tmp_path):
    writers = [start_writer(ghost, [certificate], tmp_path) for certificate in certificates]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    for _ in range(40):
        time.sleep(0.01)
        assert set(content(tmp_path / "old")) == set(bundle.FILES)
        assert bundle.read(tmp_path / "old")
    for writer in writers:
        assert writer.poll() is None  # neither has tripped over the other
        writer.kill()
        writer.wait()
        writer.stdout.close()
    for path in tmp_path.iterdir():
        if not path.name.startswith("."):
            assert (path / bundle.WEIGHTS).read_bytes() in [certificate.weights for certificate in certificates]
            assert certify(bundle.read(path), ghost).holds


def test_a_damaged_or_foreign_bundle_is_not_read(ghost, certificates, tmp_path):
    for name in bundle.FILES:
        bundle.write(tmp_path / name.replace("/", "-"), ghost, certificates[0])
        (tmp_path / name.replace("/", "-") / name).unlink()
        with pytest.raises(PuzzleError, match=f"{name} is missing"):
            bundle.read(tmp_path / name.replace("/", "-"))
    bundle.write(tmp_path / "party", ghost, certificates[0])
    (tmp_path / "party" / bundle.WEIGHTS).write_bytes(certificates[0].weights[:-1])
    with pytest.raises(PuzzleError, match="damaged"):
        bundle.read(tmp_path / "party")
    with (tmp_path / "party" / bundle.MODEL).open("a") as model:
        model.write("# mine\n")
    with pytest.raises(PuzzleError, match="not this builder's model code"):
        bundle.read(tmp_path / "party")


def test_a_folder_without_classifier_is_named(tmp_path):
    shutil.copy(GUESS, tmp_path)
    assert "unpack the puzzle again" in sentence(run("guess.py", "4711", cwd=tmp_path))
