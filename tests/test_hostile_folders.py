"""In hostile folders nothing of the author's is lost, and what cannot work is refused before training.

Each case is a folder that somebody had, or that a hostile reader made.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from builder import commands
from builder.bundle import bundle, files
from tests.helpers import PUZZLE, ROOT, content, run, sentence

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX links, rights and signals")
pytestmark = posix


@pytest.fixture
def refused(call, monkeypatch, tiny):
    """Builds the tiny puzzle with some options, which must be refused before training. Returns the error line."""

    def refused(*options):
        with monkeypatch.context() as patched:
            patched.setattr(commands, "train", lambda *_: pytest.fail("it was refused after training, or not at all"))
            status, told, error = call(tiny, *options)
        assert (status, told) == (2, "") and error.count("\n") == 1
        return error

    return refused


@pytest.fixture
def party(tmp_path):
    """A copy of the ghost's bundle."""
    return shutil.copytree(PUZZLE, tmp_path / "party")


def everything(folder):
    """All that is below a folder, by path: the target of a link, the bytes of a file, False for a folder."""
    return {
        str(path): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
    }


# What belongs to the author, and a build must not touch.


def test_a_folder_with_only_a_readme_is_the_authors(tmp_path, refused):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.md").write_text("My notes.")
    assert "holds README.md and is no bundle" in refused("--out", tmp_path / "notes")
    assert (tmp_path / "notes" / "README.md").read_text() == "My notes."


def test_a_readme_of_the_authors_in_a_bundle_is_kept(party, refused):
    (party / "README.md").write_text("My own words.")
    assert "was edited by hand" in refused("--out", party)
    assert (party / "README.md").read_text() == "My own words."


def test_a_classifier_that_is_a_link_is_not_followed(tmp_path, party, refused):
    shutil.move(party / "classifier", tmp_path / "my project")
    (party / "classifier").symlink_to(tmp_path / "my project")
    before = everything(tmp_path)
    assert "classifier is not a folder of the bundle's own" in refused("--out", party)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", bundle.FILES)
@pytest.mark.parametrize("dangling", [False, True])
def test_a_file_that_is_a_link_is_not_followed(tmp_path, party, refused, name, dangling):
    if not dangling:
        shutil.copy(party / name, tmp_path / "mine")
    (party / name).unlink()
    (party / name).symlink_to(tmp_path / "mine")
    before = everything(tmp_path)
    refused("--out", party)
    assert everything(tmp_path) == before


def test_a_lock_that_is_a_link_is_not_followed(tmp_path, party, refused, call):
    (tmp_path / "precious").write_text("precious")
    (party / files.LOCK).symlink_to(tmp_path / "precious")
    assert f"{files.LOCK} is not a file of the bundle's own" in refused("--out", party)
    status, _, error = call("--check", party)
    assert status == 1 and error.count("\n") == 1 and files.LOCK in error
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_hard_linked_file_is_replaced_and_its_twin_stays(tmp_path, party, tiny, call):
    for name in bundle.FILES:
        os.link(party / name, tmp_path / Path(name).name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert call(tiny, "--out", party)[0] == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert (party / bundle.WEIGHTS).read_bytes() != before["torch_state_dict"]


@pytest.mark.parametrize("option", ["--zip", "--proof"])
def test_a_zip_or_proof_leaves_its_neighbours_alone_and_replaces_a_link(tmp_path, tiny, call, option):
    target = tmp_path / {"--zip": "a.zip", "--proof": "a.png"}[option]
    (tmp_path / "precious").write_text("precious")
    for neighbour in (f"{target.name}.part", f"{target.name}.tmp", f".{target.name}"):
        (tmp_path / neighbour).symlink_to(tmp_path / "precious")
    target.symlink_to(tmp_path / "precious")
    before = {path.name for path in tmp_path.iterdir()}
    assert call(tiny, "--out", tmp_path / "out", option, target)[0] == 0
    assert (tmp_path / "precious").read_text() == "precious" and not target.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == before | {"out"}


def test_new_files_have_ordinary_rights(tmp_path, tiny, call):
    usual = os.umask(0o027)
    try:
        assert call(tiny, "--out", tmp_path / "out", "--zip", tmp_path / "a.zip", "--proof", tmp_path / "a.png")[0] == 0
    finally:
        os.umask(usual)
    written = [tmp_path / "a.zip", tmp_path / "a.png", *(tmp_path / "out" / name for name in bundle.FILES)]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o640}


# What cannot work is refused before training.


@pytest.mark.parametrize("name", bundle.FILES)
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path, party, refused, name):
    (party / name).unlink()
    (party / name).mkdir()
    before = everything(tmp_path)
    assert f"{name} " in refused("--out", party) or "is no bundle" in refused("--out", party)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("option", ["--out", "--zip", "--proof", "--check"])
@pytest.mark.parametrize("inside", [False, True])
def test_links_that_lead_in_a_circle_are_named(tmp_path, refused, option, inside):
    loop = tmp_path / {"--out": "loop", "--check": "loop", "--zip": "loop.zip", "--proof": "loop.png"}[option]
    loop.symlink_to(loop)
    out = [] if option in ("--out", "--check") else ["--out", tmp_path / "out"]
    told = refused(*out, option, loop / loop.name if inside else loop)
    assert "is a link that leads in a circle: give another place" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--out", "--zip", "--proof"])
def test_a_place_that_cannot_exist_is_named(tmp_path, refused, option):
    out = [] if option == "--out" else ["--out", tmp_path / "out"]
    name = {"--out": "out", "--zip": "a.zip", "--proof": "a.png"}[option]
    assert "cannot be written: Not a directory" in refused(*out, option, Path("/dev/null") / "deep" / name)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def somebody():
    """A folder of a user without special rights. The process acts as that user while the test runs."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if os.geteuid():
        yield folder
    else:
        shutil.chown(folder, 65534)
        os.seteuid(65534)
        yield folder
        os.seteuid(0)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written_is_named_before_training(somebody, call, monkeypatch):
    monkeypatch.setattr(commands, "train", lambda *_: pytest.fail("it trained"))
    for name in ("empty", "bundle", "bundle/classifier", "parent"):
        (somebody / name).mkdir()
    for name in bundle.FILES:
        (somebody / "bundle" / name).write_bytes((PUZZLE / name).read_bytes())
    for sealed in ("empty", "parent", "bundle", "bundle/classifier"):
        (somebody / sealed).chmod(0o555)
        out = {"parent": "parent/new", "bundle/classifier": "bundle"}.get(sealed, sealed)
        status, _, error = call("--out", somebody / out)
        assert status == 2 and out in error and error.endswith(" cannot be written: Permission denied\n")
        (somebody / sealed).chmod(0o755)
    assert content(somebody / "bundle") == {name: (PUZZLE / name).read_bytes() for name in bundle.FILES}
    assert not content(somebody / "empty") and not content(somebody / "parent")


def test_a_folder_is_filled_where_its_parent_cannot_be_written_as_with_a_mounted_one(somebody, call):
    (somebody / "stick" / "lost+found").mkdir(parents=True)
    somebody.chmod(0o555)
    try:
        before = (somebody / "stick").stat().st_ino
        for seed in (0, 1):
            status, _, error = call("--out", somebody / "stick", "--seed", seed)
            assert (status, error) == (0, "")
            assert bundle.read(somebody / "stick")
        assert (somebody / "stick").stat().st_ino == before  # the folder itself is the same: nothing was renamed
    finally:
        somebody.chmod(0o755)


@pytest.mark.parametrize("name", ["secret.toml", "proof.png", "hand-out.zip"])
def test_nothing_that_tells_the_secret_may_be_inside_the_bundle(tmp_path, party, call, tiny, name):
    puzzle, option = tiny, {"proof.png": "--proof", "hand-out.zip": "--zip"}.get(name)
    if not option:
        puzzle = Path(shutil.move(tiny, party / name))
    for where in ("--out", "--check"):
        status, told, error = call(puzzle, where, party, *([option, party / name] if option else []))
        assert (status, told) == (2, "") and f"{name} is inside the bundle, which solvers get" in error


# What --check must not certify.


def check_names(call, party, told):
    status, output, error = call("--check", party)
    assert status == 1 and "holds" not in output and told in error and error.count("\n") == 1


def test_a_garbled_script_is_not_certified(party, call):
    (party / "guess.py").write_text("garbage(")
    check_names(call, party, "guess.py must be written anew (build it again)")


@pytest.mark.parametrize(
    "name", ["classifier/torch.py", "classifier/weights.bak", "torch.py", "rich/__init__.py", "io.so"]
)
def test_code_that_could_run_in_place_of_the_bundles_is_neither_certified_nor_packed(party, call, refused, name):
    (party / name).parent.mkdir(exist_ok=True)
    (party / name).write_text("print('boo')")
    check_names(call, party, f"{name} must not be there (delete it)")
    assert f"{name} could run or be read instead of the bundle's own files" in refused("--out", party)
    status, _, _ = call("--check", party, "--zip", party.parent / "a.zip")
    assert status == 1 and not (party.parent / "a.zip").exists()


def test_compiled_code_beside_the_model_is_not_certified_and_the_next_build_removes_it(party, call, tiny):
    compiled = party / "classifier" / "__pycache__" / f"model.{sys.implementation.cache_tag}.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"boo")
    check_names(call, party, f"{compiled.relative_to(party).as_posix()} must not be there (delete it)")
    assert call(tiny, "--out", party)[0] == 0
    assert not compiled.exists() and bundle.read(party)


# What cuts a process off from its output, or ends it.


def builder(*arguments, **options):
    return run("-W", "error", "-m", "builder", *arguments, **options)


def test_a_closed_output_is_no_reason_to_fail(tmp_path):
    checked = builder("--check", "--zip", tmp_path / "a.zip", preexec_fn=lambda: os.close(1))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert (tmp_path / "a.zip").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_disk_for_the_output_gets_one_sentence():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "builder", "--check"]
        checked = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, encoding="utf-8")
    assert "the output: No space left on device" in sentence(checked, 1)


def test_a_terminal_that_says_it_has_no_columns_shows_the_certificate(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    status, told, _ = call("--check")
    assert status == 0 and "the code opens it" in told


# Says when it starts to import torch.
STARTED = """
import sys
from builder import __main__
print("started", flush=True)
sys.exit(__main__.main())
"""


@pytest.mark.slow
def test_ctrl_c_at_any_moment_gets_one_sentence_and_loses_nothing(tmp_path, party):
    dice = random.Random(1)
    before = content(party)
    for _ in range(60):
        command = [sys.executable, "-c", STARTED, "--out", party, "--seed", "3"]
        building = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        assert building.stdout.readline() == "started\n"
        time.sleep(dice.uniform(0, 2.5))
        building.send_signal(signal.SIGINT)
        _, error = building.communicate()
        if building.returncode:
            assert (building.returncode, error) == (130, "builder: interrupted; nothing is half-written\n")
        assert bundle.read(party) and set(content(party)) == set(before)
    assert list(tmp_path.iterdir()) == [party]
