"""Starts the builder: python -m builder. What it understands and does begins in cli.py."""

import sys
from contextlib import suppress
from pathlib import Path

if not __package__:  # started as a folder: python builder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
# Compiled code names the folders of this machine, and puzzle/ is handed out.
sys.dont_write_bytecode = True

from builder.errors import PuzzleError  # noqa: E402
from builder.paths import ROOT  # noqa: E402
from builder.words import quote  # noqa: E402

DONE = 0
FAILED = 1
MISTAKE = 2
INTERRUPTED = 130


def main():
    """Runs the builder with the arguments of the process. Returns the exit status."""
    # The name of a folder may have letters that a console lacks. IDLE's output has no encoding.
    with suppress(AttributeError):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from builder import cli

        cli.run(sys.argv[1:])
        if sys.stdout:
            sys.stdout.flush()  # here a full disk can still be reported
        return DONE
    except PuzzleError as error:
        return complain(error, error.status)
    except KeyboardInterrupt:
        return complain("interrupted; --check says whether the bundle is whole", INTERRUPTED)
    except ImportError as error:
        return complain(remedy(error), MISTAKE)
    except OSError as error:
        sys.stdout = None  # otherwise Python tries to write the rest when it ends
        return complain(f"{error.filename or 'the output'}: {error.strerror or error}", FAILED)


def remedy(error):
    """What an author does about an import that failed, in one sentence."""
    name = error.name or "a package"
    if name.startswith("builder"):
        return f"{name} is missing: clone the project again"
    command = [sys.executable, "-m", "pip", "install", str(ROOT)]
    if isinstance(error, ModuleNotFoundError):
        return f"{name} is not installed: {quote(command)}"
    reason = str(error).partition("\n")[0]
    return f"{name} is damaged ({reason}): {quote([*command, '--force-reinstall'])}"


def complain(message, status):
    """Prints what is wrong on the standard error. Returns the exit status."""
    print(f"builder: {message}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
