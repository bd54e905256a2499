"""Files are written whole, in an order that loses nothing. A mixture that a failure leaves is always reported."""

import os
import signal

import pytest

from builder.bundle import files
from builder.errors import Failure, PuzzleError
from tests.helpers import content

OLD = {"a": b"old a", "deep/b": b"old b", "c": b"old c"}
NEW = {"a": b"new a", "deep/b": b"new b", "c": b"new c"}


def nothing_to_check():
    pass


def write(folder, contents):
    files.write_together(folder, contents, nothing_to_check)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "folder", OLD)
    return tmp_path / "folder"


def watch(monkeypatch, before=lambda *_: None):
    """Returns a list (seen) that notes each os.fsync and os.replace. Before each replace, calls before with it."""
    seen = []
    replace, fsync = os.replace, os.fsync

    def noted(draft, target):
        before(draft, target, seen)
        replace(draft, target)
        seen.append(os.path.basename(target))

    monkeypatch.setattr(os, "replace", noted)
    monkeypatch.setattr(os, "fsync", lambda number: (fsync(number), seen.append("written down")))
    return seen


def test_all_files_are_written_down_before_the_first_is_replaced_and_the_order_is_kept(folder, monkeypatch):
    seen = watch(monkeypatch)
    write(folder, NEW)
    assert seen == ["written down"] * 3 + ["a", "b", "c"]
    assert content(folder) == NEW


def test_a_file_that_is_as_it_should_be_is_left_alone(folder, monkeypatch):
    seen = watch(monkeypatch)
    write(folder, {**OLD, "c": b"new c"})
    assert seen == ["written down", "c"]


def test_a_check_that_fails_leaves_the_old_files(folder):
    def no():
        raise PuzzleError("no")

    with pytest.raises(PuzzleError, match="no"):
        files.write_together(folder, NEW, no)
    assert content(folder) == OLD
    with pytest.raises(PuzzleError, match="no"):
        files.write_together(folder.parent / "a" / "new", NEW, no)
    assert os.listdir(folder.parent) == ["folder"]


@pytest.mark.parametrize("placed", [0, 1, 2])
def test_a_failure_says_truly_whether_something_is_half_written(folder, monkeypatch, placed):
    def fail(draft, target, seen):
        if len(seen) == 3 + placed:
            raise OSError(5, "Input/output error", draft, None, str(target))

    with monkeypatch.context() as patched:
        watch(patched, before=fail)
        with pytest.raises(Failure) as error:
            write(folder, NEW)
    target = folder / list(NEW)[placed]
    if placed:
        told = f"{target} cannot be replaced: Input/output error; the bundle is half-written now: mend this"
        assert set(content(folder)) == {*NEW, files.LOCK} and files.was_interrupted(folder)
    else:
        told = f"{target} cannot be written: Input/output error; nothing is half-written"
        assert content(folder) == OLD and not files.was_interrupted(folder)
    assert told in str(error.value)
    write(folder, NEW)
    assert content(folder) == NEW and not files.was_interrupted(folder)


def test_a_failure_in_a_half_written_folder_keeps_the_note_that_it_is_half_written(folder, monkeypatch):
    (folder / files.LOCK).write_bytes(b"half-written")
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Failure, match="No space left"):
        write(folder, NEW)
    assert files.was_interrupted(folder)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_while_files_are_put_in_place_takes_effect_when_all_are_there(folder, monkeypatch):
    usual = signal.getsignal(signal.SIGINT)
    watch(monkeypatch, before=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        write(folder, NEW)
    assert content(folder) == NEW and signal.getsignal(signal.SIGINT) is usual


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_before_files_are_put_in_place_changes_nothing(folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        write(folder, NEW)
    assert content(folder) == OLD


def test_what_a_killed_build_left_is_tidied_up(folder):
    (folder / files.LOCK).write_bytes(b"")
    (folder / f"{files.DRAFT}a").write_bytes(b"ne")
    assert files.was_interrupted(folder)
    write(folder, OLD)
    assert content(folder) == OLD and not files.was_interrupted(folder)


def test_a_new_folder_holds_the_lock_before_anything_else(tmp_path, monkeypatch):
    """The lock tells the next build that the rest of the folder is left from a killed one."""
    (tmp_path / "x").mkdir()
    mkdir, seen = os.mkdir, []

    def noted(path, *mode):
        if path != tmp_path / "x":
            seen.append(os.listdir(tmp_path / "x"))
        mkdir(path, *mode)

    monkeypatch.setattr(os, "mkdir", noted)
    write(tmp_path / "x", NEW)
    assert seen and all(files.LOCK in before for before in seen)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    files.write_whole(tmp_path / "deep" / "a", b"1")
    files.write_whole(tmp_path / "deep" / "a", b"2")
    assert content(tmp_path) == {"deep/a": b"2"}
    with pytest.raises(Failure, match="b cannot be written: File exists"):
        files.write_whole(tmp_path / "deep" / "a" / "b", b"3")
    with pytest.raises(Failure, match="deep cannot be written: .*; nothing is half-written"):
        files.write_whole(tmp_path / "deep", b"3")
    assert content(tmp_path) == {"deep/a": b"2"}


def test_trying_a_folder_leaves_nothing_behind(tmp_path):
    files.check_writable(tmp_path / "not" / "there" / "yet")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PuzzleError, match="not cannot be written: Not a directory"):
        files.check_writable(tmp_path / "file" / "not")
