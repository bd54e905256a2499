"""Whatever the script is connected to, it gives an answer or one sentence, and never a traceback."""

import json
import os
import random
import re
import subprocess
import sys

import pytest

from tests.helpers import GUESS, ROOT, run, sentence

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


def shell(command, **environment):
    """Runs a shell command in which $GUESS is the script. Returns the finished process, with its output as text."""
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env={**os.environ, **environment, "GUESS": f"{sys.executable} -W error {GUESS}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


@POSIX
@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("$GUESS 1 >&-", "no answer can be shown: the standard output is closed"),
        ("$GUESS 1 >&- <&-", "no answer can be shown: the standard output is closed"),
        ("$GUESS <&-", "no number is given"),
        pytest.param("$GUESS 0>/dev/null", "no number can be read, or no answer can be", marks=pytest.mark.slow),
        ("$GUESS < /dev/zero", "a line has 10,000 characters or more, and one number is wanted"),
        ("$GUESS 1 > /dev/full", "no number can be read, or no answer can be written: No space left on device"),
    ],
)
def test_a_broken_connection_gets_one_sentence(command, told):
    for device in re.findall(r"/dev/\w+", command):
        if not os.path.exists(device):
            pytest.skip(f"needs {device}")
    assert told in sentence(shell(command))


@POSIX
@pytest.mark.slow
def test_an_answer_needs_nothing_but_its_output():
    assert re.match(r"1  .* probability ", shell("$GUESS 1 2>&- <&-").stdout)


@POSIX
def test_a_mistake_has_its_status_even_where_it_cannot_be_told():
    assert shell("$GUESS 12x 2>&-").returncode == 2


@POSIX
@pytest.mark.parametrize("command", ["yes 4711 | $GUESS | head -n 1", "$GUESS --help | (exec <&-; sleep 0.2)"])
def test_a_reader_who_leaves_early_causes_no_error(command):
    left = shell(command, PYTHONUNBUFFERED="")
    assert left.stdout[:4] in ("4711", "") and left.stderr == ""


@POSIX
@pytest.mark.slow
def test_noise_is_refused_line_by_line():
    told = shell("head -c 3000 /dev/urandom | $GUESS").stderr.splitlines()
    assert told and all(re.match(r"guess\.py: line \d+: \S", line) for line in told)


def console(seed):
    """A console drawn at random: its environment, and whether only ASCII is asked for."""
    dice = random.Random(seed)
    environment = {
        "COLUMNS": ["", "0", "-1", "3", "24", "40", "80", "x", "9" * 9, "\uff12\uff14"],
        "LINES": ["", "0", "1", "x"],
        "TERM": ["", "dumb", "unknown", "xterm", "xterm-256color"],
        "COLORTERM": ["", "truecolor", "24bit", "x"],
        "FORCE_COLOR": ["", "1"],
        "NO_COLOR": ["", "1"],
        "ENCODING": ["utf-8", "ascii", "latin-1", "cp437", "cp1252", "utf-16", "shift_jis"],
    }
    return {name: dice.choice(values) for name, values in environment.items()}, dice.random() < 0.3


ASK = """
import io, json, os, runpy, sys
import rich.columns, rich.console, torch

script, consoles = sys.argv[1], json.loads(sys.argv[2])
for number, (environment, ascii_only) in enumerate(consoles):
    child = os.fork()
    if not child:  # a process of its own for each console, with torch already there
        os.environ.update(environment)
        sys.stdout = io.TextIOWrapper(open(f"{number}.out", "wb"), encoding=environment["ENCODING"])
        sys.argv = [script, "4711", *["--ascii"] * ascii_only]
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code)  # an ordinary exit with torch takes half a second
    assert os.waitpid(child, 0)[1] == 0, consoles[number]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_any_console_gets_a_whole_answer(tmp_path):
    consoles = [console(seed) for seed in range(25)]
    asked = run("-c", ASK, GUESS, json.dumps(consoles), cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (asked.returncode, asked.stderr) == (0, "")
    for number, (environment, ascii_only) in enumerate(consoles):
        encoding = "ascii" if ascii_only else environment["ENCODING"]
        text = re.sub(r"\x1b\[[\d;]*m", "", (tmp_path / f"{number}.out").read_bytes().decode(encoding))
        assert text.startswith("4711") and "probability " in text and text.count(" to ") == 3
        assert text.count("head ") == 3 and text.count("CLS ") >= 3
