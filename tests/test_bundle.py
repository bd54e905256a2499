"""The bundle is whole, or the builder says that it isn't and mends it. It holds what it must and nothing else."""

import os
import pickle
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from functools import partial
from getpass import getuser
from pathlib import Path

import pytest
import torch

from builder.bundle import bundle, files
from builder.bundle.readme import is_made_for, make_readme
from builder.errors import PuzzleError
from builder.proof.certify import certify
from builder.proof.weights import load
from builder.training.train import train
from tests.helpers import GUESS, PUZZLE, ROOT, content, run, sentence

# Where a build is killed: whether an old bundle is there, and how many files are in place by then.
CUTS = [(True, 0), (False, 0), (False, 1), (False, 2), (False, 3), (False, 4)]


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


@pytest.mark.parametrize("name", ["letter.pdf", "photos/cat.png", ".DS_Store", "__pycache__/guess.pyc"])
def test_other_files_in_a_bundle_are_kept_by_every_build(ghost, certificates, tmp_path, name):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    (tmp_path / "party" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "party" / name).write_text("mine")
    bundle.write(tmp_path / "party", ghost, certificates[1])
    written = content(tmp_path / "party")
    assert written["classifier/torch_state_dict"] == certificates[1].weights
    assert set(written) == {*bundle.FILES, name} and written[name] == b"mine"


def test_what_the_author_added_is_packed_and_what_comes_by_itself_is_not(ghost, certificates, tmp_path):
    folder = tmp_path / "party"
    bundle.write(folder, ghost, certificates[0])
    system = [".DS_Store", "Thumbs.db", "photos/desktop.ini", "__pycache__/a.txt", ".git/config"]
    mine = ["lettre à toi.pdf", "photos/cat.png"]
    for name in system + mine:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "elsewhere.txt").symlink_to(tmp_path / "secrets.txt")
    added, left_out = bundle.others(folder)
    assert added == mine
    assert set(left_out) == {".DS_Store", "Thumbs.db", "photos/desktop.ini", "__pycache__", ".git", "elsewhere.txt"}
    bundle.pack(folder, tmp_path / "party.zip")
    with zipfile.ZipFile(tmp_path / "party.zip") as archive:
        assert archive.namelist() == [f"puzzle/{name}" for name in (*bundle.FILES, *mine)]
        assert archive.read("puzzle/lettre à toi.pdf").decode() == "lettre à toi.pdf"


def test_nothing_is_written_without_a_certificate_that_holds(ghost, certificates, tmp_path):
    with pytest.raises(PuzzleError, match="certificate"):
        bundle.write(tmp_path / "party", ghost, replace(certificates[0], worst_cell=0.02))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["diary.txt", "README.md", "guess.py", "classifier/notes.md", "photos/cat.png"])
def test_a_folder_that_is_no_bundle_is_left_alone(ghost, certificates, tmp_path, name):
    (tmp_path / "party" / name).parent.mkdir(parents=True)
    (tmp_path / "party" / name).write_text("mine")
    before = content(tmp_path)
    with pytest.raises(PuzzleError, match=rf"holds {name.split('/')[0]} and is no bundle"):
        bundle.write(tmp_path / "party", ghost, certificates[1])
    assert content(tmp_path) == before


def test_a_readme_that_was_edited_by_hand_is_not_replaced(ghost, certificates, tmp_path):
    readme = tmp_path / "party" / "README.md"
    bundle.write(tmp_path / "party", ghost, certificates[0])
    with readme.open("a", encoding="utf-8") as file:
        file.write("My own words.\n")
    before = content(tmp_path)
    with pytest.raises(PuzzleError, match=r"README.md was edited by hand.*into the story of the puzzle file"):
        bundle.write(tmp_path / "party", ghost, certificates[1])
    with pytest.raises(PuzzleError, match="README.md was edited by hand"):
        bundle.read(tmp_path / "party")
    assert content(tmp_path) == before
    readme.rename(tmp_path / "party" / "LIESMICH.md")
    bundle.write(tmp_path / "party", ghost, certificates[1])
    assert "My own words" in (tmp_path / "party" / "LIESMICH.md").read_text(encoding="utf-8")
    assert bundle.read(tmp_path / "party")


def test_a_readme_that_is_edited_while_a_build_waits_is_not_replaced(ghost, certificates, tmp_path, monkeypatch):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    check_folder = bundle.check_folder

    def edit_after_the_check(folder):
        check_folder(folder)
        (folder / "README.md").write_text("My own words.\n")

    monkeypatch.setattr(bundle, "check_folder", edit_after_the_check)
    with pytest.raises(PuzzleError, match="README.md was edited by hand"):
        bundle.write(tmp_path / "party", ghost, certificates[1])
    assert (tmp_path / "party" / "README.md").read_text() == "My own words.\n"
    assert (tmp_path / "party" / bundle.WEIGHTS).read_bytes() == certificates[0].weights


def test_a_readme_and_weights_of_two_builds_are_noticed(ghost, certificates, tmp_path):
    for name, certificate in zip(("one", "two"), certificates, strict=True):
        bundle.write(tmp_path / name, ghost, certificate)
    shutil.copy(tmp_path / "one" / "README.md", tmp_path / "two" / "README.md")
    for look in (bundle.read, partial(bundle.pack, path=tmp_path / "two.zip")):
        with pytest.raises(PuzzleError, match="README.md and the weights do not belong together.* from two builds"):
            look(tmp_path / "two")
    assert not (tmp_path / "two.zip").exists()
    bundle.write(tmp_path / "two", ghost, certificates[1])
    assert bundle.read(tmp_path / "two")


def test_a_readme_that_a_changed_puzzle_file_would_not_give_is_noticed(ghost, certificates, tmp_path):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    assert bundle.readme_matches(tmp_path / "party", ghost)
    for changed in ({"story": "Another story."}, {"title": "Another"}, {"difficulty": "hard"}):
        assert not bundle.readme_matches(tmp_path / "party", replace(ghost, **changed))


def test_what_was_packed_unpacks_and_answers(ghost, certificates, tmp_path):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    bundle.pack(tmp_path / "party", tmp_path / "party.zip")
    with zipfile.ZipFile(tmp_path / "party.zip") as archive:
        assert archive.namelist() == [f"puzzle/{name}" for name in bundle.FILES]
        assert {(entry.create_system, entry.external_attr >> 16) for entry in archive.infolist()} == {(3, 0o644)}
        archive.extractall(tmp_path / "ein Ordner für Gäste")
    guessed = run("-W", "error", "guess.py", "4711", cwd=tmp_path / "ein Ordner für Gäste" / "puzzle")
    assert guessed.returncode == 0 and "4711" in guessed.stdout, guessed.stderr


def test_one_bundle_packs_to_the_same_bytes_whatever_the_clock(ghost, certificates, tmp_path, monkeypatch):
    for name in ("one", "two"):
        bundle.write(tmp_path / name, ghost, certificates[0])
        time.sleep(0.05)
        (tmp_path / name / "classifier" / "__pycache__").mkdir()
        (tmp_path / name / "classifier" / "__pycache__" / f"{name}.pyc").write_text(name)
        monkeypatch.setattr(time, "time", lambda: 0.0)  # a clock that was never set: a zip knows no year before 1980
        bundle.pack(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert b"pyc" not in (tmp_path / "one.zip").read_bytes()


def test_texts_that_hold_the_code_are_found_but_for_codes_that_are_short(tmp_path):
    for name, data in {"letter": b"room 4711", "poem": b"room 4 7 1", "photo": b"\xff4711", "7": b"7"}.items():
        (tmp_path / name).write_bytes(data)
    names = ["letter", "poem", "photo", "7"]
    assert bundle.with_the_code(tmp_path, names, "4711") == ["letter"]
    assert bundle.with_the_code(tmp_path, names, "711") == ["letter"]
    assert bundle.with_the_code(tmp_path, names, "7") == bundle.with_the_code(tmp_path, names, "11") == []


def test_the_bundle_gives_away_neither_the_secret_nor_the_authors_machine(ghost, tmp_path):
    """Looks at every file of the bundle, at what the archive of its weights holds, and at the entries of its zip."""
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


def test_puzzle_holds_the_five_files_alone():
    tracked = subprocess.run(["git", "ls-files", "puzzle"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:
        assert set(tracked.stdout.split()) <= {f"puzzle/{name}" for name in bundle.FILES}
    assert set(content(PUZZLE)) == set(bundle.FILES)


# A build that writes until it is killed: again and again, into the same old folder and into a new one.
WRITER = """
import pickle, sys
from itertools import count
from builder.bundle import bundle
secret, certificates, folder = pickle.load(sys.stdin.buffer)
bundle.write(folder / "old", secret, certificates[0])
print("ready", flush=True)
for i in count(1):
    bundle.write(folder / "old", secret, certificates[i % len(certificates)])
    bundle.write(folder / f"new{i}", secret, certificates[0])
"""

# A build that is killed just before a file is put in its place.
CUT_SHORT = """
import os, pickle, signal, sys
from builder.bundle import bundle
secret, certificate, folder, last = pickle.load(sys.stdin.buffer)
replace, replaced = os.replace, []
def cut_short(*paths):
    if len(replaced) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    replaced.append(paths)
    replace(*paths)
os.replace = cut_short
bundle.write(folder, secret, certificate)
"""

# A build that writes one bundle into one folder whenever it is told to.
WRITE_WHEN_TOLD = """
import pickle, sys
from builder.bundle import bundle
secret, certificate, folder = pickle.load(sys.stdin.buffer)
print("ready", flush=True)
for line in sys.stdin:
    bundle.write(folder, secret, certificate)
    print("done", flush=True)
"""


def start(program, *things):
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pickle.dump(things, process.stdin)
    process.stdin.flush()
    return process


def end(process):
    process.kill()
    process.communicate()


def is_whole_or_reported(folder):
    """Whether the bundle is whole. If it isn't, asserts that the builder says why, or that there is no file yet."""
    if not content(folder):
        return False
    try:
        bundle.read(folder)
    except PuzzleError as error:
        assert "an earlier build" in str(error) and "was interrupted" in str(error)
        assert "build it again" in str(error)
        return False
    assert is_made_for((folder / "README.md").read_bytes(), (folder / bundle.WEIGHTS).read_bytes())
    return True


def assert_a_build_mends(folder, secret, certificate):
    bundle.write(folder, secret, certificate)
    assert bundle.read(folder) and bundle.readme_matches(folder, secret)
    assert set(content(folder)) == set(bundle.FILES)  # no litter


def killed_builds_are_whole_or_reported(ghost, certificates, folder, times):
    """Kills builds at random moments. Returns how many folders held a whole bundle then, and how many did not."""
    dice = random.Random(times)
    found = {True: 0, False: 0}
    for i in range(times):
        here = folder / str(i)
        here.mkdir()
        writer = start(WRITER, ghost, certificates, here)
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(dice.uniform(0, 0.05))
        end(writer)
        for path in here.iterdir():
            found[is_whole_or_reported(path)] += 1
            assert_a_build_mends(path, ghost, certificates[0])
        shutil.rmtree(here)
    return found


def test_a_killed_build_leaves_a_whole_bundle_or_is_reported(ghost, certificates, tmp_path):
    assert killed_builds_are_whole_or_reported(ghost, certificates, tmp_path, 1)[True]


@pytest.mark.slow
def test_a_hundred_killed_builds_leave_a_whole_bundle_or_are_reported(ghost, certificates, tmp_path):
    assert killed_builds_are_whole_or_reported(ghost, certificates, tmp_path, 100)[True] >= 100


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize(("old", "last"), [(True, 1), *(pytest.param(*at, marks=pytest.mark.slow) for at in CUTS)])
def test_a_build_that_is_killed_between_two_files_is_reported_and_mended(ghost, certificates, tmp_path, old, last):
    folder = tmp_path / "party"
    if old:
        bundle.write(folder, ghost, certificates[0])
        before = content(folder)
    cut = start(CUT_SHORT, replace(ghost, title="Another"), certificates[1], folder, last)
    cut.communicate()
    assert cut.returncode == -signal.SIGKILL
    whole = is_whole_or_reported(folder)
    assert whole == (old and last == 0)
    assert not old or (folder / bundle.WEIGHTS).read_bytes() == certificates[0].weights  # weights change last
    if whole:
        assert {name: found for name, found in content(folder).items() if name in bundle.FILES} == before
    assert files.was_interrupted(folder)
    assert_a_build_mends(folder, ghost, certificates[0])
    assert not files.was_interrupted(folder)


def builds_at_the_same_time_end_with_one_of_the_two(ghost, certificates, folder, times):
    """Returns how often each of the two bundles was the one that stayed."""
    secrets = [replace(ghost, title="One"), replace(ghost, title="Two")]
    pairs = list(zip(secrets, certificates, strict=True))
    alone = []
    for i, pair in enumerate(pairs):
        bundle.write(folder / f"alone{i}", *pair)
        alone.append(content(folder / f"alone{i}"))
    writers = [start(WRITE_WHEN_TOLD, *pair, folder / "party") for pair in pairs]
    assert [writer.stdout.readline() for writer in writers] == [b"ready\n"] * 2
    stayed = [0, 0]
    for _ in range(times):
        for writer in writers:
            writer.stdin.write(b"\n")
            writer.stdin.flush()
        assert [writer.stdout.readline() for writer in writers] == [b"done\n"] * 2
        stayed[alone.index(content(folder / "party"))] += 1
    for writer in writers:
        end(writer)
    return stayed


def test_two_builds_into_one_folder_end_with_one_of_the_two(ghost, certificates, tmp_path):
    assert sum(builds_at_the_same_time_end_with_one_of_the_two(ghost, certificates, tmp_path, 10)) == 10


@pytest.mark.slow
def test_two_builds_into_one_folder_end_with_one_of_the_two_in_200_rounds(ghost, certificates, tmp_path):
    assert min(builds_at_the_same_time_end_with_one_of_the_two(ghost, certificates, tmp_path, 200)) > 0


def test_a_build_waits_for_the_one_at_work(ghost, certificates, tmp_path):
    """While one build holds the lock, another writes nothing."""
    folder = tmp_path / "party"
    bundle.write(folder, ghost, certificates[0])
    before = content(folder)
    other = start(WRITE_WHEN_TOLD, ghost, certificates[1], folder)
    assert other.stdout.readline() == b"ready\n"
    with files._alone(folder):
        other.stdin.write(b"\n")
        other.stdin.flush()
        time.sleep(0.3)
        assert content(folder) == {**before, files.LOCK: b""}
        assert other.poll() is None
    assert other.stdout.readline() == b"done\n"
    end(other)
    assert (folder / bundle.WEIGHTS).read_bytes() == certificates[1].weights


def test_a_bundle_with_a_file_missing_is_not_read(ghost, certificates, tmp_path):
    for name in bundle.FILES:
        bundle.write(tmp_path / name.replace("/", "-"), ghost, certificates[0])
        (tmp_path / name.replace("/", "-") / name).unlink()
        with pytest.raises(PuzzleError, match=f"is not a bundle: {name} is missing"):
            bundle.read(tmp_path / name.replace("/", "-"))


@pytest.mark.parametrize("name", [bundle.GUESS, bundle.REQUIREMENTS, bundle.MODEL])
def test_a_garbled_file_is_named_and_the_next_build_mends_it(ghost, certificates, tmp_path, name):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    (tmp_path / "party" / name).write_text("garbage(")
    for look in (bundle.read, partial(bundle.pack, path=tmp_path / "party.zip")):
        with pytest.raises(
            PuzzleError, match=rf"not as a build leaves it: {name} must be written anew \(build it again\)"
        ):
            look(tmp_path / "party")
    assert_a_build_mends(tmp_path / "party", ghost, certificates[0])


def test_damaged_weights_are_named_and_the_next_build_mends_them(ghost, certificates, tmp_path):
    bundle.write(tmp_path / "party", ghost, certificates[0])
    damaged = certificates[0].weights[:-1]
    (tmp_path / "party" / bundle.WEIGHTS).write_bytes(damaged)
    (tmp_path / "party" / "README.md").write_bytes(make_readme(ghost, load(certificates[0].weights), damaged))
    with pytest.raises(PuzzleError, match="torch_state_dict is damaged: build it again"):
        bundle.read(tmp_path / "party")
    assert_a_build_mends(tmp_path / "party", ghost, certificates[0])


def test_every_fault_of_a_bundle_is_named_at_once(ghost, certificates, tmp_path):
    folder = tmp_path / "party"
    bundle.write(folder, ghost, certificates[0])
    for name in (bundle.GUESS, bundle.MODEL, "README.md", "classifier/notes.md"):
        (folder / name).write_text("garbage(")
    with pytest.raises(PuzzleError) as error:
        bundle.read(folder)
    assert re.fullmatch(
        r".*is not as a build leaves it: guess.py and classifier/model.py must be written anew \(build it again\); "
        r"README.md was edited by hand \(.*\); classifier/notes.md must not be there \(delete it\)",
        str(error.value),
    )


@pytest.mark.slow
def test_a_folder_without_classifier_is_named(tmp_path):
    shutil.copy(GUESS, tmp_path)
    assert "unpack the puzzle again" in sentence(run("guess.py", "4711", cwd=tmp_path))
