"""The bundle: nothing of the author's is lost, what is packed is whole, and it tells no secret."""

import errno
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
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

from builder.bundle import added, bundle, files
from builder.errors import Failure, PuzzleError
from builder.network.weights import load
from tests.helpers import PUZZLE, ROOT, content, probability, run

OLD = {"a": b"old a", "deep/b": b"old b", "c": b"old c"}
NEW = {"a": b"new a", "deep/b": b"new b", "c": b"new c"}
LAST = len(bundle.FILES) - 1
CUTS = [
    (cut, is_new)
    for cut in range(1 + LAST)
    for is_new in (True, False)
    if (cut, is_new) != (LAST, False)
]


@pytest.fixture
def party(ghost, certificates, tmp_path):
    """A folder with a bundle of the default puzzle."""
    bundle.write(tmp_path / "party", ghost, certificates[0])
    return tmp_path / "party"


def check(folder, secret):
    """What --check says of a bundle's files. Raises PuzzleError."""
    contents, _ = bundle.read(folder)
    bundle.check_texts(folder, secret, contents)


# Files are written whole, in an order that loses nothing.


def test_all_files_are_on_the_disk_before_the_first_is_replaced_and_the_order_is_kept(
    tmp_path, monkeypatch
):
    files.write_files(tmp_path / "new" / "folder", OLD)
    seen = []
    replace_file = os.replace
    fsync = os.fsync

    def watched_fsync(number):
        fsync(number)
        seen.append("written")

    def watched_replace(draft, target):
        replace_file(draft, target)
        seen.append(target.name)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    files.write_files(tmp_path / "new" / "folder", NEW)
    assert seen == ["written"] * 3 + ["a", "b", "c"]
    assert content(tmp_path / "new" / "folder") == NEW


def test_a_full_disk_changes_nothing_and_leaves_nothing_behind(tmp_path, monkeypatch):
    files.write_files(tmp_path / "old", OLD)

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for name in ("old", "new"):
        told = f"{name} cannot be written: No space left on device; nothing was changed"
        with pytest.raises(Failure, match=told):
            files.write_files(tmp_path / name, NEW)
    assert os.listdir(tmp_path) == ["old"]
    assert content(tmp_path / "old") == OLD


def test_a_failure_between_two_files_says_that_some_are_new(tmp_path, monkeypatch):
    files.write_files(tmp_path, OLD)
    replace_file = os.replace

    def busy(draft, target):
        if target.name == "b":
            # as on Windows, while a program has the file open
            raise PermissionError(errno.EACCES, "Permission denied")
        replace_file(draft, target)

    monkeypatch.setattr(os, "replace", busy)
    told = "b cannot be written: Permission denied; some files are new now and others old"
    with pytest.raises(Failure, match=told):
        files.write_files(tmp_path, NEW)
    assert content(tmp_path) == {**OLD, "a": b"new a"}


# A build that is killed just before a file is put in its place.
CUT_SHORT = """
import os, pickle, signal, sys
from builder.bundle import bundle
secret, certificate, folder, last = pickle.load(sys.stdin.buffer)
replace = os.replace
replaced = []
def cut_short(*paths):
    if len(replaced) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    replaced.append(paths)
    replace(*paths)
os.replace = cut_short
bundle.write(folder, secret, certificate)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("cut", "is_new"), [(LAST, False), *(pytest.param(*at, marks=pytest.mark.slow) for at in CUTS)]
)
def test_a_build_that_is_killed_between_two_files_is_noticed_and_the_next_one_fixes_it(
    ghost, certificates, party, cut, is_new
):
    folder = party.with_name("new") if is_new else party
    secret = replace(ghost, title="Another")
    killed = subprocess.run(
        [sys.executable, "-c", CUT_SHORT],
        cwd=ROOT,
        input=pickle.dumps((secret, certificates[1], folder, cut)),
    )
    assert killed.returncode == -signal.SIGKILL
    if is_new:
        with pytest.raises(PuzzleError, match="is not a whole bundle: .* is missing, so build it"):
            bundle.read(folder)
    else:
        old_network = load((folder / bundle.WEIGHTS).read_bytes())  # it answers to the end
        assert probability(old_network, ghost.code) == 1
        if bundle.FILES[cut] == bundle.WEIGHTS:  # which are the last: all texts are new
            with pytest.raises(Failure, match="README.md belongs to another build"):
                check(folder, ghost)
    bundle.write(folder, secret, certificates[1])
    check(folder, secret)
    assert set(content(folder)) == set(bundle.FILES)  # nothing is left behind


# What belongs to the author, and what a build refuses before it trains.


@pytest.mark.parametrize("name", ["README.md", "guess.py", ".bashrc", "requirements.txt"])
def test_a_folder_that_holds_something_and_is_not_a_bundle_is_refused(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(
        PuzzleError, match=f"holds {name} and is not a bundle: a bundle needs a folder of its own"
    ):
        bundle.check_folder(tmp_path)


def test_a_new_an_empty_and_a_browsed_folder_are_fine(tmp_path):
    bundle.check_folder(tmp_path / "new")
    bundle.check_folder(tmp_path)
    (tmp_path / ".DS_Store").write_text("made by the system")
    bundle.check_folder(tmp_path)


@pytest.mark.parametrize("name", bundle.TEXTS)
def test_a_text_that_was_edited_by_hand_is_not_replaced(ghost, certificates, party, name):
    edited = (party / name).read_bytes().replace(b"network", b"spirit")
    (party / name).write_bytes(edited)
    with pytest.raises(
        PuzzleError, match=f"{name} was edited by hand, and a build would replace it"
    ):
        bundle.write(party, ghost, certificates[1])
    assert (party / name).read_bytes() == edited
    assert (party / bundle.WEIGHTS).read_bytes() == certificates[0].weights
    with pytest.raises(Failure, match=f"{name} was edited by hand"):
        check(party, ghost)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (
            "letter.txt",
            b"Dear solver,\nit was in 2 0 1 3.",
            "letter.txt, line 2: '2 0 1 3' is the code",
        ),
        (
            "letter16.txt",
            "Dear 2013".encode("utf-16"),
            "letter16.txt, line 1: '2013' is the code, and solvers read it",
        ),
        (
            "letter.html",
            "Für dich: <b>20</b>13".encode("cp1252"),
            "letter.html, line 1: '2013' is the code, and solvers read it",
        ),
        ("2013.jpg", b"\xff\xd8", "the name party/more/2013.jpg tells the code"),
        (
            "try.svg",
            b"<title>saved by guess.py</title>",
            "try.svg is a sheet, a zip or a saved answer",
        ),
        (
            "picture 1.png",
            b"\x89PNG\xfftEXtTitle\0saved by try.html",
            "picture 1.png is a sheet, a zip or a saved answer",
        ),
        (
            "copy.toml",
            b'pictures = []\ncode = "7"\n',
            "copy.toml is a puzzle file, and solvers would get it",
        ),
        (
            "sheet.png",
            b"\x89PNG\xff" + files.MADE_HERE,
            "sheet.png is a sheet, a zip or a saved answer, and solvers would get it",
        ),
    ],
)
def test_a_file_that_tells_the_code_is_refused(ghost, certificates, party, name, data, told):
    (party / "more").mkdir()
    (party / "more" / name).write_bytes(data)
    with pytest.raises(PuzzleError, match=told):
        bundle.write(party, ghost, certificates[0])


def test_an_image_that_the_puzzle_was_drawn_from_is_refused(ghost, certificates, party):
    image = b"\x89PNG the drawing"
    secret = replace(ghost, image_digests=(hashlib.sha256(image).hexdigest(),))
    (party / "photo.png").write_bytes(b"\x89PNG another")
    bundle.write(party, secret, certificates[0])
    (party / "copy of it.png").write_bytes(image)
    with pytest.raises(PuzzleError, match="copy of it.png is one of the puzzle's images: move it"):
        bundle.write(party, secret, certificates[0])


def test_a_page_that_an_author_changed_may_stay_under_another_name(ghost, party):
    """The page holds the words of the mark that it writes into pictures."""
    page = (party / bundle.PAGE).read_bytes()
    (party / "page.html").write_bytes(page.replace(b"Try a number", b"Try one"))
    assert b"saved by try.html" in page
    added.check_added_files(party, ghost)


def test_a_letter_may_quote_the_readme_of_its_bundle(ghost, certificates, party):
    secret = replace(ghost, code="1492")
    (party / "letter.txt").write_text("It has 1,492 parameters, and 111,110 inputs.")
    added.check_added_files(party, secret)
    (party / "letter.txt").write_text("It has 1,492 friends.")
    with pytest.raises(PuzzleError, match="letter.txt, line 1: '1,492' is the code"):
        added.check_added_files(party, secret)


@pytest.mark.parametrize(
    "name",
    [
        "venv/pyvenv.cfg",
        "my environment/pyvenv.cfg",
        "node_modules/x/index.js",
        "__MACOSX/._letter.txt",
        "deep/.ipynb_checkpoints/start-checkpoint.ipynb",
        "deep/letter.txt~",
        "~$letter.docx",
        ".~lock.letter.odt#",
        "#letter.txt#",
        "letter.txt.swp",
        "letter.sync-conflict-20260101-120000-ABC.txt",
        "letter (conflicted copy 2026-01-01).txt",
        "letter.docx.tmp",
        "THUMBS.DB",
        "letter.gdoc",
        "Icon\r",
    ],
)
def test_what_programs_leave_is_not_packed_and_is_named(ghost, party, tmp_path, name):
    (party / name).parent.mkdir(parents=True, exist_ok=True)
    (party / name).write_text("2013")
    (party / "letter.txt").write_text("Dear solver")
    added.check_added_files(party, ghost)
    assert added.added_files(party) == [party / "letter.txt"]
    (left,) = added.left_out(party)
    assert name.startswith(left.relative_to(party).as_posix())
    bundle.pack(party, ghost, tmp_path / "party.zip")
    with zipfile.ZipFile(tmp_path / "party.zip") as archive:
        packed = [f"party/{name}" for name in (*bundle.FILES, "letter.txt")]
        assert archive.namelist() == packed


def test_links_are_not_packed_and_are_named(party, tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    try:
        (party / "diary.txt").symlink_to(tmp_path / "diary.txt")
    except OSError:
        pytest.skip("links need a right on Windows")
    assert added.added_files(party) == []
    assert added.left_out(party) == [party / "diary.txt"]


def test_files_of_the_authors_are_kept_and_packed_but_hidden_ones_are_not_packed(
    ghost, certificates, party, tmp_path
):
    mine = {
        "letter.txt": b"Dear solver",
        "photos/1.jpg": bytes(range(256)) + b"2013",
        ".git/config": b"",
        "Thumbs.db": b"",
    }
    for name, data in mine.items():
        (party / name).parent.mkdir(exist_ok=True)
        (party / name).write_bytes(data)
    bundle.write(party, ghost, certificates[1])
    assert mine.items() <= content(party).items()
    bundle.pack(party, ghost, tmp_path / "party.zip")
    with zipfile.ZipFile(tmp_path / "party.zip") as archive:
        assert archive.namelist() == [
            f"party/{name}" for name in (*bundle.FILES, "letter.txt", "photos/1.jpg")
        ]


# What is packed is whole.


def test_what_was_packed_unpacks_and_answers(ghost, party, tmp_path):
    bundle.pack(party, ghost, tmp_path / "party.zip")
    with zipfile.ZipFile(tmp_path / "party.zip") as archive:
        assert {
            (entry.create_system, entry.external_attr >> 16) for entry in archive.infolist()
        } == {(3, 0o644)}
        archive.extractall(tmp_path / "ein Ordner für Gäste")
    guessed = run("guess.py", "4711", cwd=tmp_path / "ein Ordner für Gäste" / "party")
    assert guessed.returncode == 0, guessed.stderr
    assert "4711" in guessed.stdout


def test_one_bundle_packs_to_the_same_bytes_wherever_and_whenever(ghost, party, tmp_path):
    twin = shutil.copytree(party, tmp_path / "elsewhere" / "party", copy_function=shutil.copyfile)
    os.utime(twin / bundle.GUESS, (0, 0))  # a zip knows no year before 1980
    (twin / "__pycache__").mkdir()
    (twin / "__pycache__" / "model.pyc").write_text("compiled")
    for number, folder in enumerate((party, twin)):
        bundle.pack(folder, ghost, tmp_path / f"{number}.zip")
    assert (tmp_path / "0.zip").read_bytes() == (tmp_path / "1.zip").read_bytes()


def test_what_git_and_jupyter_change_is_no_edit_and_is_not_packed(
    ghost, certificates, party, tmp_path
):
    bundle.pack(party, ghost, tmp_path / "before.zip")
    for name in (bundle.GUESS, bundle.MODEL, bundle.REQUIREMENTS, bundle.README):
        text = (party / name).read_bytes()
        (party / name).write_bytes(text.replace(b"\n", b"\r\n"))
    notebook = json.loads((party / bundle.NOTEBOOK).read_bytes())
    notebook["metadata"]["kernelspec"]["display_name"] = "the author's own"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 1
    (party / bundle.NOTEBOOK).write_text(json.dumps(notebook))
    check(party, ghost)
    bundle.pack(party, ghost, tmp_path / "after.zip")
    assert (tmp_path / "after.zip").read_bytes() == (tmp_path / "before.zip").read_bytes()
    bundle.write(party, ghost, certificates[0])  # replaces them


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs a time zone that can be set")
def test_what_was_unpacked_can_be_zipped_again_in_every_time_zone(
    ghost, party, tmp_path, monkeypatch
):
    bundle.pack(party, ghost, tmp_path / "party.zip")
    try:
        monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # the most eastern one
        time.tzset()
        with zipfile.ZipFile(tmp_path / "party.zip") as archive:
            entries = archive.infolist()
            archive.extractall(tmp_path / "unpacked")
        for entry in entries:  # as unzip and file managers do
            moment = time.mktime((*entry.date_time, 0, 0, -1))
            os.utime(tmp_path / "unpacked" / entry.filename, (moment, moment))
        monkeypatch.setenv("TZ", "Pacific/Pago_Pago")  # the most western one
        time.tzset()
        shutil.make_archive(tmp_path / "again", "zip", tmp_path / "unpacked")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (tmp_path / "again.zip").exists()


@pytest.mark.parametrize("name", bundle.FILES)
def test_a_missing_or_garbled_file_is_named_and_the_next_build_fixes_it(
    ghost, certificates, party, name
):
    text = name in bundle.TEXTS
    if not text:  # such a text would be the author's
        (party / name).write_bytes(certificates[0].weights[:-1])
        with pytest.raises(PuzzleError, match=name.rpartition("/")[2]):
            check(party, ghost)
        bundle.write(party, ghost, certificates[0])
    (party / name).unlink()
    with pytest.raises(PuzzleError, match=f"is not a whole bundle: {name} is missing, so build it"):
        check(party, ghost)
    if name != bundle.MODEL:  # by which a build knows a bundle
        bundle.write(party, ghost, certificates[0])
        check(party, ghost)


@pytest.mark.parametrize(
    "other",
    [
        {"story": "Another story."},
        {"title": "Another"},
        {"difficulty": "hard"},
        {"decoys": True},
        {"code": "2014"},
    ],
)
def test_the_texts_of_another_puzzle_file_are_noticed(ghost, party, other):
    check(party, ghost)
    with pytest.raises(Failure, match="belongs to another build"):
        check(party, replace(ghost, **other))


def test_a_bundle_is_written_only_when_its_certificate_holds(ghost, certificates, tmp_path):
    broken = replace(certificates[0], survives=False)
    with pytest.raises(PuzzleError, match="only if its certificate holds"):
        bundle.write(tmp_path / "party", ghost, broken)
    assert not (tmp_path / "party").exists()


# What solvers get tells them nothing.


@pytest.fixture(scope="module")
def archived():
    """The files in the archive of the default bundle's weights: {name: bytes}."""
    with zipfile.ZipFile(PUZZLE / bundle.WEIGHTS) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def texts():
    """The files of the default bundle but its weights: {name: bytes}."""
    return {name: (PUZZLE / name).read_bytes() for name in bundle.FILES if name != bundle.WEIGHTS}


def test_no_file_spells_the_code_or_a_row_of_a_picture(ghost, archived, texts):
    numbers = re.compile(r"/(data/\d+|\.data/.*)$")
    described = [data for name, data in archived.items() if not numbers.search(name)]
    spellings = [ghost.code, " ".join(ghost.code), ", ".join(ghost.code)]
    for picture in ghost.pictures:
        for row in picture:
            spellings.append("".join(".#"[round(cell)] for cell in row))
            spellings.append("".join("01"[round(cell)] for cell in row))
    for spelling in spellings:
        for data in (*described, *texts.values()):
            assert spelling.encode() not in data, spelling


def test_no_file_names_the_authors_machine(texts):
    weights = (PUZZLE / bundle.WEIGHTS).read_bytes()
    for path in (str(ROOT), str(Path.home()), sys.prefix, "/tmp", "/home/", "C:\\Users"):
        for data in (weights, *texts.values()):
            assert path.encode() not in data, path
    for name in (getuser(), socket.gethostname()):
        if len(name) > 3:  # a shorter one may stand anywhere by chance
            assert name.encode() not in weights, name


def test_no_text_speaks_of_the_workshop_or_of_what_is_drawn(texts):
    words = b"\n".join(texts.values()).lower()
    assert not re.search(rb"\bbuilder\b|\bpictures? of\b|minister|female|prime", words)


def test_the_weights_file_holds_the_network_and_nothing_behind_it(archived):
    state_dict = torch.load(PUZZLE / bundle.WEIGHTS, weights_only=True)
    stored = [data for name, data in archived.items() if re.search(r"/data/\d+$", name)]
    assert sum(map(len, stored)) == sum(tensor.nbytes for tensor in state_dict.values())


def test_a_zip_tells_no_time(ghost, tmp_path):
    bundle.pack(PUZZLE, ghost, tmp_path / "hand-out.zip")
    with zipfile.ZipFile(tmp_path / "hand-out.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2000, 1, 1, 0, 0, 0)}
        assert set(archive.namelist()) == {f"puzzle/{name}" for name in bundle.FILES}
    with zipfile.ZipFile(PUZZLE / bundle.WEIGHTS) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_puzzle_holds_the_bundles_files_alone():
    tracked = subprocess.run(
        ["git", "ls-files", "puzzle"], cwd=ROOT, capture_output=True, text=True
    )
    if tracked.returncode == 0:
        assert set(tracked.stdout.split()) <= {f"puzzle/{name}" for name in bundle.FILES}
    assert set(content(PUZZLE)) == set(bundle.FILES)
