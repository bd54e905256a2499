"""The builder as an author runs it: what it writes, what it says, and its status."""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager

import pytest

from builder import commands
from builder.bundle import bundle
from builder.interrupts import delayed_interrupt
from builder.network.model import NeuralNetwork
from builder.proof.certify import certify
from builder.training.train import Obstacle, Round
from builder.words import quote
from tests.helpers import GHOST, PUZZLE, ROOT, content, run, sentence

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and devices")
BLANK = 'code = "{}"\npictures = ["##\\n.#"]\n'  # a puzzle file for a code of one digit

# Runs a script, and reports each process and connection that it starts, and each file that it
# changes.
WATCHED = """
import os, runpy, sys
PROCESS = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system")
CHANGE = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")
def watch(event, arguments):
    if event == "os.mkdir" and os.path.isdir(arguments[0]):
        return  # it already exists
    if event.startswith("socket.") or event in PROCESS or event in CHANGE:
        print("SEEN", event, arguments, file=sys.stderr)
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print("SEEN", event, arguments[0], file=sys.stderr)
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def party(tmp_path_factory):
    """The default puzzle's build, watched: the finished process, and the folder where it works."""
    folder = tmp_path_factory.mktemp("default")
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = os.environ | {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)  # set by the tests' own training
    arguments = ["--out", folder / "party", "--zip", "--sheet", folder / "party.png"]
    return run("-c", WATCHED, ROOT / "builder", *arguments, env=environment), folder


# What a build makes and says.


def test_the_default_build_ends_with_a_certificate_a_verdict_and_its_zip(party, ghost):
    built, folder = party
    assert built.returncode == 0
    lines = built.stdout.splitlines()
    certified = f"certified: {ghost.code} opens it, all 111,109 other numbers answer exactly 0"
    assert f"{certified}; --check shows the details" in lines
    assert sum(line.startswith("verdict: ") for line in lines) == 1
    assert lines[-1] == f"zip: {folder / 'party.zip'}, for your solvers"
    assert (folder / "party.png").read_bytes().startswith(b"\x89PNG")
    assert set(content(folder / "party")) == set(bundle.FILES)


def test_a_build_changes_nothing_elsewhere_and_starts_and_calls_nothing(party):
    built, folder = party
    elsewhere = [line for line in built.stderr.splitlines() if str(folder) not in line]
    assert elsewhere == []
    assert list((folder / "temporary").iterdir()) == []


def test_a_fresh_build_is_certified(party, call):
    status, output, error = call("--check", party[1] / "party")
    assert (status, error) == (0, "")
    assert "Certificate: 111,110 numbers" in output
    assert "fails" not in output


def test_a_first_build_in_a_fresh_clone_changes_no_text(party):
    """Weights differ from machine to machine, and so does the page that holds them."""
    built = content(party[1] / "party")
    committed = content(PUZZLE)
    for name in (bundle.README, bundle.NOTEBOOK, bundle.GUESS, bundle.MODEL, bundle.REQUIREMENTS):
        assert built[name] == committed[name]


def test_a_new_puzzle_gets_a_folder_a_zip_and_a_sheet_of_its_own(tmp_path, call):
    status, output, error = call("--new", "310", "Für dich.toml")
    assert (status, error) == (0, "")
    assert "python -m builder 'Für dich.toml' --sheet" in output
    puzzle = tmp_path / "Für dich.toml"
    blank = puzzle.read_text(encoding="utf-8")
    puzzle.write_text(blank.replace('"....",  # 0', '".#.#",'), encoding="utf-8")
    status, _, error = call("Für dich.toml", "--zip", "--sheet")
    assert (status, error) == (0, "")
    made = ["Für dich", "Für dich-sheet.png", "Für dich.toml", "Für dich.zip"]
    assert sorted(path.name for path in tmp_path.iterdir()) == made
    packed = (tmp_path / "Für dich.zip").read_bytes()
    status, output, error = call("Für dich.toml", "--check", "--zip")
    assert (status, error) == (0, "")
    assert "fails" not in output
    assert (tmp_path / "Für dich.zip").read_bytes() == packed
    with zipfile.ZipFile(tmp_path / "Für dich.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"Für dich"}
    assert "probability 1" in run(tmp_path / "Für dich" / "guess.py", "310").stdout


def test_a_build_names_the_page_and_the_next_two_commands_with_spaces_and_quotes(
    tiny, tmp_path, call
):
    tiny.rename(tmp_path / "it's mine.toml")
    lines = call("it's mine.toml")[1].splitlines()
    page = os.path.join("it's mine", "try.html")
    assert lines[-3] == f"open it: {page}, in a browser"
    assert os.path.isfile(page)
    words = shlex.split(lines[-2].removeprefix("try it: "))
    assert words == ["python", os.path.join("it's mine", "guess.py")]
    words = shlex.split(lines[-1].removeprefix("pack it: "))
    assert words[:3] == ["python", "-m", "builder"]
    assert call(*words[3:])[0] == 0
    assert (tmp_path / "it's mine.zip").is_file()


def test_the_default_puzzles_next_command_works_beside_another_puzzle_file(tiny, tmp_path, call):
    folder = shutil.copytree(PUZZLE, tmp_path / "party")
    assert tiny.exists()
    lines = call("--check", folder)[1].splitlines()
    words = shlex.split(lines[-1].removeprefix("pack it: "))
    assert words[3:5] == [str(GHOST), "--check"]
    assert call(*words[3:])[0] == 0


def test_a_bundle_lands_beside_its_puzzle_file(tiny, tmp_path, call):
    (tmp_path / "puzzles").mkdir()
    tiny.rename(tmp_path / "puzzles" / "tiny.toml")
    assert call("puzzles/tiny.toml", "--zip")[0] == 0
    assert os.listdir(tmp_path) == ["puzzles"]
    assert sorted(os.listdir(tmp_path / "puzzles")) == ["tiny", "tiny.toml", "tiny.zip"]


def test_a_home_folder_may_be_written_with_a_tilde(tiny, tmp_path, call, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert call(tiny, "--out=~/deep/party", "--zip=~/a.zip", "--sheet=~/a.png")[0] == 0
    assert sorted(os.listdir(tmp_path / "home")) == ["a.png", "a.zip", "deep"]
    assert call(tiny, "--check=~/deep/party")[0] == 0


def test_builder_is_a_folder_that_python_runs_too():
    assert "python -m builder key.toml --check --zip" in run("-m", "builder", "--help").stdout
    assert "usage: python builder [puzzle]" in run("builder", "--help").stdout


def test_the_version_is_the_projects_own(call):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'version = "1.0"' in project
    assert call("--version") == (0, "Attention Codes 1.0\n", "")


@pytest.mark.slow
def test_the_default_puzzle_with_decoys_is_built_attacked_and_guessed(tmp_path, call, ghost):
    text = GHOST.read_text(encoding="utf-8")
    (tmp_path / "decoys.toml").write_text(f"decoys = true\n{text}", encoding="utf-8")
    status, output, error = call("decoys.toml", "--attack", "--seed", 1)
    assert (status, error) == (0, "")
    assert "verdict: Not by eye" in output
    output = call("decoys.toml", "--check")[1]
    assert "fails" not in output
    wrong = ghost.code[:-1] + "4"
    shown = run(tmp_path / "decoys" / "guess.py", ghost.code, wrong).stdout
    assert re.findall(r"probability (\S+)", shown) == ["1", "0"]
    assert len(re.findall(r"0\.0[01] to 1\.0[01]", shown)) == 6


# What is certified, and what is handed out.


def test_another_puzzles_bundle_is_not_certified(tiny, tmp_path, call):
    assert call(tiny)[0] == 0
    status, output, error = call(tiny, "--check", PUZZLE)
    assert (status, output) == (1, "")
    assert "is not the bundle of tiny.toml: put its own puzzle file first" in error
    (tmp_path / "other.toml").write_text(tiny.read_text().replace("05", "50"))
    status, output, error = call("other.toml", "--check", "tiny")
    assert status == 1
    assert "fails" in output
    assert "tiny is not certified for other.toml: if that was changed, build again" in error


def test_the_same_heads_in_another_arrangement_are_another_puzzle(tiny, tmp_path, call):
    assert call(tiny)[0] == 0
    side_by_side = 'pictures = ["#..###\\n.#....\\n..####"]'
    text = f'code = "05"\nmax_digits = 3\n{side_by_side}\n'
    (tmp_path / "wide.toml").write_text(text)
    status, output, error = call("wide.toml", "--check", "tiny")
    assert (status, output) == (1, "")
    assert "tiny is not the bundle of wide.toml: its own puzzle file comes first" in error


def test_a_bundle_whose_puzzle_file_was_left_out_gets_its_name(tiny, call):
    assert call(tiny)[0] == 0
    status, _, error = call("--check", "tiny")
    assert status == 1
    assert error.endswith("ghost.toml: its own puzzle file comes first, tiny.toml\n")


def test_a_changed_story_asks_for_another_build(tiny, call):
    assert call(tiny)[0] == 0
    tiny.write_text(f"story = 'Once.'\n{tiny.read_text()}")
    status, _, error = call(tiny, "--check")
    assert status == 1
    assert "README.md belongs to another build" in error
    assert call(tiny)[0] == 0
    assert call(tiny, "--check")[0] == 0


def test_another_puzzles_bundle_is_not_replaced(tiny, tmp_path, call):
    assert call(tiny, "--out", "party")[0] == 0
    before = content(tmp_path / "party")
    (tmp_path / "other.toml").write_text(tiny.read_text().replace("05", "50"))
    for arguments in (["other.toml"], [GHOST]):
        status, _, error = call(*arguments, "--out", "party")
        assert status == 2
        assert "party holds the bundle of another puzzle, or of another code" in error
    assert content(tmp_path / "party") == before
    assert call(tiny, "--out", "party", "--seed", 1)[0] == 0
    assert content(tmp_path / "party") != before


def test_a_letter_is_handed_out_and_named_and_one_that_holds_the_code_is_refused(
    tmp_path, call, ghost
):
    folder = shutil.copytree(PUZZLE, tmp_path / "party")
    letter = folder / "letter.txt"
    letter.write_text("Dear solver", encoding="utf-8")
    assert "handed out as well: letter.txt" in call("--check", folder)[1].splitlines()
    letter.write_text(f"She died in {ghost.code}.", encoding="utf-8")
    for arguments in (["--check", folder, "--zip"], ["--out", folder, "--zip"]):
        status, _, error = call(*arguments)
        assert status == 2
        assert "letter.txt, line 1: '2013' is the code" in error
    assert not (tmp_path / "party.zip").exists()


def test_what_programs_left_in_a_bundle_is_named_and_not_packed(tmp_path, call):
    folder = shutil.copytree(PUZZLE, tmp_path / "party")
    left = ["__MACOSX/._guess.py", "venv/x.py", "letter.txt~", "~$letter.docx"]
    for name in left:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("2013")
    _, output, _ = call("--check", folder, "--zip")
    told = "left out, because programs made it: __MACOSX, letter.txt~, venv, ~$letter.docx"
    assert told in output.splitlines()
    with zipfile.ZipFile(tmp_path / "party.zip") as archive:
        assert archive.namelist() == [f"party/{name}" for name in bundle.FILES]


@pytest.mark.slow
def test_a_zip_and_a_sheet_replace_only_what_a_build_made(tiny, tmp_path, call):
    for _ in range(2):
        assert call(tiny, "--zip", "a.zip", "--sheet", "a.png")[0] == 0
    for option, name in (("--zip", "photos.zip"), ("--sheet", "photo.png")):
        (tmp_path / name).write_text("mine")
        status, output, error = call(tiny, option, name)
        assert (status, output) == (2, "")
        assert f"{name} already exists, and no build made it" in error
        assert (tmp_path / name).read_text() == "mine"


def test_advice_is_shown_and_the_build_goes_on(tiny, call):
    tiny.write_text('code = "05"\npictures = ["#..\\n.#.\\n...", "##.\\n...\\n..."]\n')
    status, output, _ = call(tiny)
    assert status == 0
    assert "advice: the code without its last digit shows the whole drawing" in output


def test_a_build_that_falls_short_shows_the_certificate_and_writes_nothing(
    ghost, tmp_path, call, monkeypatch
):
    certificate = certify(NeuralNetwork(10), ghost)
    stuck = [Round(seed, 10, -1.0, certificate) for seed in range(10)]
    monkeypatch.setattr(commands, "train", lambda *_, **__: iter(stuck))
    status, output, error = call("--out", "out")
    assert status == 1
    assert "fails  " in output
    assert "seed 3 did not learn the code" in output
    told = "no seed learned the code, so nothing is written: try another drawing"
    assert error == f"builder: {told}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_puzzle_whose_false_summits_are_not_found_names_what_helps(tmp_path, call, monkeypatch):
    stuck = [Round(seed, 40, 9.7, obstacle=Obstacle.STEPS) for seed in range(10)]
    monkeypatch.setattr(commands, "train", lambda *_, **__: iter(stuck))
    rows = "\\n".join(["#...#", ".#.##", "#.#.#", "##...", ".###."])
    text = f'code = "7459"\npictures = ["{rows}", "{rows}", "{rows}"]\n'
    (tmp_path / "a.toml").write_text(text + "decoys = true\nsummits = true\n")
    before = content(tmp_path)
    status, output, error = call("a.toml")
    assert status == 1
    assert "seed 9: each fit of the votes leaves other numbers that come too close" in output
    assert error == (
        "builder: no seed learned the code, so nothing is written: try another --seed, one more "
        "picture, a code of fewer digits, or no summits\n"
    )
    assert content(tmp_path) == before


def test_a_walkthrough_of_decoys_needs_different_digits(tmp_path, call):
    (tmp_path / "a.toml").write_text(
        'code = "121"\ndecoys = true\n'
        'pictures = ["#.#.\\n.#.#\\n#...\\n.#.#", "..#.\\n#.#.\\n.#.#\\n#.#."]\n'
    )
    refused = call("a.toml", "--walkthrough")
    assert refused == (
        2,
        "",
        "builder: a walkthrough of decoys needs a code whose digits all differ: leave "
        "--walkthrough out\n",
    )
    status, output, _ = call("a.toml")
    assert status == 0 and "certified" in output
    assert (tmp_path / "a" / "guess.py").exists()


# The code leaves by no name.


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("0513.toml", []),
        ("key-0513.toml", ["--zip"]),
        ("05-1-3.toml", []),
        ("٠٥١٣.toml", []),
        ("tiny.toml", ["--out", "party0513"]),
        ("tiny.toml", ["--zip", "0513.zip"]),
        ("tiny.toml", ["--out", "party", "--zip", "05 13.zip"]),
    ],
)
def test_a_name_that_holds_the_code_is_refused_before_anything_is_done(
    tmp_path, call, name, arguments
):
    picture = "\\n".join(["#.#.#"] * 5)
    (tmp_path / name).write_text(f'code = "0513"\npictures = ["{picture}"]', encoding="utf-8")
    before = content(tmp_path)
    status, output, error = call(name, *arguments)
    assert (status, output) == (2, "")
    assert "tells the code, and solvers see it: choose another one, such as" in error
    assert ("rename" in error) == ("--out" not in arguments)
    assert content(tmp_path) == before
    if name != "tiny.toml":
        assert call(name, "--out", "party")[0] == 0  # the puzzle file's own name stays here


def test_a_code_of_two_digits_may_occur_in_a_name(tiny, call):
    assert call(tiny, "--out", "party-2005")[0] == 0


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.toml"], "none.toml: there is no such file: python -m builder --new CODE none.toml"),
        (["wrong.toml"], "wrong.toml: the code must be a string in quotes"),
        (["--new", "12a"], "its character 3 is 'a'"),
        (["--new", "123", "new.txt"], "new.txt: a puzzle file's name ends in .toml"),
        (["--new", "123", "tiny.toml"], "tiny.toml already exists: choose another name"),
        (["--new", "123", "no/new.toml"], "new.toml cannot be written: No such file"),
        (["--new", "123", "--zip"], "--new writes a puzzle file, and no other option goes with it"),
        (["tiny.toml", "--out", "tiny.toml/deep"], "deep cannot be written: "),
        (
            ["tiny.toml", "--out", "."],
            "holds drawing.png and is not a bundle: a bundle needs a folder of its own",
        ),
        (["tiny.toml", "--zip", "tiny/x.zip"], "is inside the bundle, which solvers get"),
        (["tiny.toml", "--check", "."], "tiny.toml is inside the bundle, which solvers get"),
        (["tiny.toml", "--out", PUZZLE], "is the default puzzle's folder: choose another one"),
        (["--seed", "-1"], "--seed must be a whole number from 0 to 2**63 - 1"),
        (["--colour"], "--help lists what is possible"),
    ],
)
def test_a_mistake_gets_one_sentence_before_anything_is_done(tiny, tmp_path, arguments, told, call):
    (tmp_path / "wrong.toml").write_text("code = 2014\npictures = []")
    (tmp_path / "drawing.png").write_bytes(b"\x89PNG")
    before = content(tmp_path)
    status, output, error = call(*arguments)
    assert (status, output) == (2, "")
    assert told in error
    assert error.count("\n") == 1
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tiny"], "tiny: not the puzzle file, which is tiny.toml: python -m builder tiny.toml"),
        (["built"], "built: not the puzzle file, which is built.toml: python -m builder built.t"),
        (["folder"], "folder: a folder is not a puzzle file: name a file that ends in .toml"),
        (
            ["windows.toml"],
            "windows.toml: there is only windows.toml.txt: rename it to windows.toml",
        ),
        (["windows.toml.txt"], "windows.toml.txt: rename it to windows.toml: "),
        (["drawing.png"], 'name the image in it: pictures = ["drawing.png"]'),
        (["built.text"], "built.text: a puzzle file's name ends in .toml: rename it"),
        (["--check", "--out", "out"], "name the bundle after --check, as in --check out"),
        (["--check", "--seed", "1"], "--check builds nothing, so --seed does not go with it"),
        (["--check", "built"], "its puzzle file would come first: python -m builder built.toml"),
        (
            ["tiny.toml", "--check", "no"],
            "no does not exist yet: python -m builder tiny.toml --out",
        ),
        (["tiny.toml", "--check"], "tiny does not exist yet: python -m builder tiny.toml builds"),
        (
            ["--sheet", "tiny.toml"],
            "it comes first: python -m builder tiny.toml --sheet",
        ),
        (["--zip", "tiny.toml"], "it comes first: python -m builder tiny.toml --zip"),
        (
            ["--check", "tiny.toml"],
            "it comes first: python -m builder tiny.toml --check",
        ),
        (["--out", "tiny.toml"], "it comes first: python -m builder tiny.toml --out"),
        (["--zip"], "python -m builder built.toml --check --zip packs yours"),
        (["--check", "--zip"], "the default puzzle, and built.toml is in this folder"),
    ],
)
def test_a_slip_gets_the_sentence_that_names_the_right_command(
    tiny, tmp_path, arguments, told, call
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "built.toml").write_text(BLANK.format(7))
    (tmp_path / "windows.toml.txt").write_text(BLANK.format(7))
    (tmp_path / "drawing.png").write_bytes(b"\x89PNG")
    (tmp_path / "built.text").write_text(BLANK.format(7))
    before = content(tmp_path)
    status, output, error = call(*arguments)
    assert (status, output) == (2, "")
    assert told in error
    assert error.count("\n") == 1
    assert content(tmp_path) == before


def test_a_damaged_package_gets_one_sentence_and_the_python_that_runs(call, monkeypatch):
    def broken(choices, secret):
        raise ImportError("libtorch.so: cannot open\nand more", name="torch")

    monkeypatch.setattr(commands, "run", broken)
    status, _, error = call()
    assert status == 2
    assert error.startswith("builder: torch is damaged (libtorch.so: cannot open): ")
    command = quote([sys.executable, "-m", "pip", "install", str(ROOT), "--force-reinstall"])
    assert error.endswith(f"{command}\n")


def test_new_prints_a_puzzle_file_or_writes_the_same_one(tmp_path, call):
    status, printed, _ = call("--new", "0214")
    assert status == 0
    assert call("--new", "0214", "valentine.toml")[0] == 0
    assert (tmp_path / "valentine.toml").read_bytes().decode() == printed
    assert os.listdir(tmp_path) == ["valentine.toml"]


def test_help_typing_mistakes_and_a_wrong_puzzle_file_need_no_torch(tmp_path):
    (tmp_path / "wrong.toml").write_text("code = 2014\npictures = []")
    start = f"""
import sys
sys.modules["torch"] = None
sys.path.insert(0, {str(ROOT)!r})
from builder.__main__ import main
sys.exit(main())
"""
    install = quote([sys.executable, "-m", "pip", "install", str(ROOT)])
    for arguments, told in (
        (["--colour"], "--help lists"),
        (["wrong.toml"], "string in quotes"),
        (["wrong"], "wrong: not the puzzle file, which is wrong.toml"),
        ([], f"torch is not installed: {install}"),
    ):
        assert told in sentence(run("-c", start, *arguments, cwd=tmp_path))
    assert run("-c", start, "--new", "12", cwd=tmp_path).returncode == 0
    assert run("-c", start, "--help", cwd=tmp_path).returncode == 0


# What happens to the process.


@contextmanager
def handler_of_ctrl_c(handler):
    """Whoever starts the tests may have chosen another one: a job in the background ignores it."""
    usual = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def test_ctrl_c_waits_until_torch_is_imported():
    steps = []
    with handler_of_ctrl_c(signal.default_int_handler):
        with pytest.raises(KeyboardInterrupt):
            with delayed_interrupt():
                signal.raise_signal(signal.SIGINT)
                steps.append("imported")
            steps.append("went on")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert steps == ["imported"]


def test_ctrl_c_that_the_caller_ignores_stays_ignored():
    with handler_of_ctrl_c(signal.SIG_IGN), delayed_interrupt():
        signal.raise_signal(signal.SIGINT)


@posix
@pytest.mark.slow
def test_one_seed_builds_the_same_files_with_one_thread_and_with_two(tiny, tmp_path):
    for threads in "12":
        environment = {**os.environ, "OMP_NUM_THREADS": threads}
        built = run(ROOT / "builder", tiny, "--out", threads, cwd=tmp_path, env=environment)
        assert built.returncode == 0, built.stderr
    assert content(tmp_path / "1") == content(tmp_path / "2")


@posix
@pytest.mark.slow
def test_a_closed_output_is_no_reason_to_fail(tmp_path):
    arguments = ["-m", "builder", "--check", PUZZLE, "--zip", tmp_path / "a.zip"]
    checked = run(*arguments, preexec_fn=lambda: os.close(1))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert (tmp_path / "a.zip").exists()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_disk_for_the_output_gets_one_sentence():
    with open("/dev/full", "w") as full:
        checked = subprocess.run(
            [sys.executable, "-m", "builder", "--check"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    assert "the output: No space left on device" in sentence(checked, 1)


@pytest.mark.slow
def test_a_log_holds_no_cursor_codes_even_if_colours_are_forced():
    checked = run("-m", "builder", "--check", env={**os.environ, "FORCE_COLOR": "1"})
    assert checked.returncode == 0
    colours = r"\x1b\[[\d;]*m"
    assert re.search(colours, checked.stdout)
    assert "\x1b" not in re.sub(colours, "", checked.stdout)


@posix
@pytest.mark.slow
def test_ctrl_c_at_any_moment_gets_one_sentence_and_leaves_a_bundle_that_answers(tmp_path, ghost):
    start = """
import sys
from builder import __main__
print("started", flush=True)
sys.exit(__main__.main())
"""
    folder = shutil.copytree(PUZZLE, tmp_path / "party")
    dice = random.Random(1)
    for _ in range(40):
        building = subprocess.Popen(
            [sys.executable, "-c", start, "--out", folder, "--seed", "3"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert building.stdout.readline() == "started\n"
        time.sleep(dice.uniform(0, 2.5))
        building.send_signal(signal.SIGINT)
        output, error = building.communicate()
        was_at_its_end = "pack it: " in output
        if building.returncode and not was_at_its_end:
            assert building.returncode == 130
            assert error == "builder: interrupted; --check says whether the bundle is whole\n"
    assert "probability 1" in run(folder / "guess.py", ghost.code).stdout
    assert set(content(folder)) == set(bundle.FILES)
    assert os.listdir(tmp_path) == ["party"]
