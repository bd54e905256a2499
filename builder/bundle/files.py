"""Writing files so that nothing is lost: one file whole, several of them together, one build at a time."""

import os
import secrets
import signal
import tempfile
import threading
from contextlib import contextmanager, suppress

from builder.errors import Failure, PuzzleError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    import msvcrt

LOCK = ".building"  # in a folder while a build writes there, and after one that was killed
DRAFT = ".unfinished-"  # before the name of a file that is not in its place yet


def real(path):
    """The path with its links followed. Raises PuzzleError where they lead in a circle."""
    circle = PuzzleError(f"{path} is a link that leads in a circle: give another place")
    try:
        found = path.resolve()
    except RuntimeError as error:  # newer versions of Python return a link
        raise circle from error
    if found.is_symlink():
        raise circle
    return found


def check_writable(folder):
    """Tries whether files can be made in a folder, or where it is to be made. Raises PuzzleError where they can't."""
    place = folder
    while not os.path.lexists(place):
        place = place.parent
    try:
        tempfile.TemporaryFile(dir=place).close()  # it has no name, where the system can do that: a kill leaves nothing
    except OSError as error:
        raise PuzzleError(f"{folder} cannot be written: {error.strerror}") from error


def write_whole(path, content):
    """Writes a file's content (bytes) so that the path holds the old file or the new one; makes its folder.

    A link is replaced, and what it leads to stays. Raises Failure; then nothing is changed.
    """
    draft = path.with_name(f"{DRAFT}{secrets.token_hex(4)}")
    try:
        with on_ctrl_c(signal.default_int_handler):  # so that the draft is removed
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(draft, content)
            os.replace(draft, path)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}; nothing is half-written") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def write_together(folder, contents, check):
    """Writes files below a folder: all of them beside their places first, then each into its place, in this order.

    contents: {path in the folder: bytes}; a file that holds its bytes already is left alone. check: called before
    anything is written, while no other build writes here. No link is followed. Raises Failure, which says whether
    something was changed. A process that is killed leaves LOCK behind, and the next call cleans up.
    """
    targets = {folder / name: content for name, content in contents.items()}
    missing = _missing({target.parent for target in targets})
    drafts = {target: target.with_name(DRAFT + target.name) for target in targets}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with on_ctrl_c(signal.default_int_handler), _alone(folder) as lock:  # so that drafts and lock are removed
            try:
                check()
                for draft in drafts.values():
                    draft.unlink(missing_ok=True)
                changed = [target for target, content in targets.items() if not _holds(target, content)]
                for target in changed:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _write(drafts[target], targets[target])
                _put_in_place({target: drafts[target] for target in changed}, lock)
            finally:
                for draft in drafts.values():
                    with suppress(OSError):
                        draft.unlink()
    except OSError as error:
        place = error.filename2 or error.filename or folder
        raise Failure(f"{place} cannot be written: {error.strerror}; nothing is half-written") from error
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()  # where nothing was written; a folder that holds something stays


def was_interrupted(folder):
    """Whether a build into the folder was killed. Waits for one that is at work."""
    while True:
        try:
            lock = open(folder / LOCK, "rb", opener=_no_link)
        except (FileNotFoundError, NotADirectoryError):
            return False
        with lock:
            _wait_for(lock)
            if _is_in_place(lock):
                return True


@contextmanager
def _alone(folder):
    """Yields the lock file while no other build writes in the folder. It stays there if it isn't empty at the end.

    The system takes a lock back when its process dies, so that nobody waits for a build that was killed.
    """
    path = folder / LOCK
    while True:
        with open(path, "a+b", buffering=0, opener=_no_link) as lock:
            _wait_for(lock)
            if not _is_in_place(lock):
                continue  # the build before this one has removed it
            try:
                yield lock
            finally:
                whole = os.fstat(lock.fileno()).st_size == 0
                if whole:
                    with suppress(OSError):  # Windows removes no open file
                        path.unlink()
        if whole and os.name == "nt":
            with suppress(OSError):
                path.unlink()
        return


def _wait_for(lock):
    with suppress(OSError):  # some network drives have no locks: builds at the same time are not kept apart there
        if os.name == "nt":
            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)


def _is_in_place(lock):
    """Whether the lock file that was opened still has its name."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.lstat(lock.name))
    except FileNotFoundError:
        return False


def _no_link(path, flags):
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _put_in_place(drafts, lock):
    """Renames the drafts, {target: draft}. The lock file holds something while some are renamed and others not."""
    placed = 0
    with _uninterrupted():
        lock.write(b"half-written\n")
        try:
            for target, draft in drafts.items():
                os.replace(draft, target)
                placed += 1
        except OSError as error:
            if placed:
                reason = f"{error.filename2} cannot be replaced: {error.strerror}"
                raise Failure(f"{reason}; the bundle is half-written now: mend this and build it again") from error
            lock.truncate(0)
            raise
        lock.truncate(0)


@contextmanager
def _uninterrupted():
    """Puts Ctrl-C off until the end of the block."""
    pressed = []
    with on_ctrl_c(lambda *event: pressed.append(event)):
        yield
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def on_ctrl_c(handler):
    """What Ctrl-C does in the block; where it does nothing, as in the background of a script, it still does nothing."""
    usual = signal.getsignal(signal.SIGINT)
    if usual == signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _missing(folders):
    """The folders that have to be made, the deepest first."""
    wanted = {path for folder in folders for path in (folder, *folder.parents) if not os.path.lexists(path)}
    return sorted(wanted, key=lambda path: len(path.parts), reverse=True)


def _holds(path, content):
    return path.is_file() and not path.is_symlink() and path.read_bytes() == content


def _write(path, content):
    """Writes a new file down to the disk. Raises FileExistsError rather than write over one, or through a link."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
