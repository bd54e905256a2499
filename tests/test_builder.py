"""The builder as an author runs it: what it writes, what it says, and its status."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from builder import commands
from builder.bundle import bundle, files
from builder.proof.certify import certify
from builder.screens import attack
from builder.secret import Secret
from builder.training import train
from tests.helpers import GHOST, PUZZLE, ROOT, content, run, sentence

LONG = 'code = "20405060"\npictures = ["""\n' + "#.#.#.#.#\n" * 9 + '"""]\n'

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def build(*arguments, **options):
    return run("-W", "error", "-m", "builder", *arguments, **options)


WATCHED = """
import os, runpy, sys
PROCESS = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system")
CHANGE = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")
def watch(event, arguments):
    if event == "os.mkdir" and os.path.isdir(arguments[0]):
        return  # it is there already
    if event.startswith("socket.") or event in PROCESS or event in CHANGE:
        print("SEEN", event, arguments, file=sys.stderr)
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print("SEEN", event, arguments[0], file=sys.stderr)
sys.addaudithook(watch)
if sys.argv[1] == "builder":
    sys.argv[:2] = ["builder"]
    runpy.run_module("builder", run_name="__main__", alter_sys=True)
else:
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def watch(folder, script, *arguments):
    """Runs a script, and reports what it opens, changes and starts. It has a temporary folder of its own."""
    (folder / "temporary").mkdir()
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder / "temporary"))}
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)  # set by the tests' own training
    return run("-W", "error", "-c", WATCHED, script, *arguments, env=environment)


def assert_nothing_else_was_done(watched, folder):
    """Asserts that a watched script succeeded, changed nothing outside of the folder, and reported no error."""
    assert watched.returncode == 0, watched.stderr
    assert [line for line in watched.stderr.splitlines() if not (line.startswith("SEEN") and str(folder) in line)] == []
    assert list((folder / "temporary").iterdir()) == []


@pytest.fixture(scope="module")
def default_build(tmp_path_factory):
    """The default puzzle's watched build (a finished process), and the folder that it wrote to."""
    folder = tmp_path_factory.mktemp("default")
    return watch(folder, "builder", "--out", folder / "puzzle", "--zip", folder / "a.zip"), folder


def test_the_default_build_certifies_and_writes_the_five_files(default_build, ghost):
    built, folder = default_build
    for line in ("Certificate: 111,110 inputs", "the pictures are sharp", f"bundle: {folder / 'puzzle'}"):
        assert line in built.stdout
    assert f"give {folder / 'a.zip'} to your solvers" in built.stdout
    assert len(re.findall("^holds  ", built.stdout, re.MULTILINE)) == 5 and "step    0" in built.stdout
    assert set(content(folder / "puzzle")) == set(bundle.FILES)
    assert certify(bundle.read(folder / "puzzle"), ghost).holds


def test_help_tells_what_a_build_keeps_and_needs_no_torch():
    helped = run(
        *("-W", "error", "-c"),
        "import sys; from builder.__main__ import declare; print(declare().format_help(), 'torch' in sys.modules)",
    )
    assert helped.stdout.endswith("False\n"), helped.stderr
    text = " ".join(helped.stdout.split())
    for told in (
        "It keeps every other file",
        "packs it into the zip",
        "not hidden files",
        "does not replace a README.md that you edited",
    ):
        assert told in text
    assert max(map(len, helped.stdout.splitlines())) <= 100


def test_the_bundle_in_puzzle_is_certified(call):
    status, told, error = call("--check")
    assert (status, error) == (0, "")
    assert "Certificate: 111,110 inputs" in told and told.count("holds  ") == 5


def test_a_puzzle_of_ones_own_is_built_with_zip_and_proof_sheet(tiny, tmp_path, call):
    out, packed, proof = tmp_path / "für dich", tmp_path / "an dich.zip", tmp_path / "proof.png"
    status, _, error = call(tiny, "--out", out, "--zip", packed, "--proof", proof, "--seed", 4)
    assert (status, error) == (0, "")
    assert certify(bundle.read(out), Secret.read(tiny)).inputs == 1110
    assert proof.read_bytes().startswith(b"\x89PNG") and packed.read_bytes().startswith(b"PK")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["für dich", "an dich.zip", "proof.png", "tiny.toml"]
    )

    status, told, _ = call(tiny, "--check", out, "--zip", tmp_path / "again.zip")
    assert status == 0 and told.count("holds  ") == 5
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_a_bundle_that_is_not_the_puzzle_files_is_not_certified(tiny, tmp_path, call):
    assert call(tiny, "--out", tmp_path / "out")[0] == 0
    status, told, error = call(tiny, "--check")
    assert (status, told) == (
        1,
        "",
    ) and "it has 3 heads and takes 5 digits, not 2 and 3 (a puzzle file goes before --check)" in error
    other = tmp_path / "other.toml"
    other.write_text(tiny.read_text().replace("05", "50"))
    status, told, error = call(other, "--check", tmp_path / "out")
    assert status == 1 and "fails" in told and "is not certified" in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_one_seed_builds_the_same_files_with_one_thread_and_with_two(tiny, tmp_path):
    for threads in "12":
        out = tmp_path / f"with {threads}"
        built = build(tiny, "--out", out, "--zip", f"{out}.zip", env={**os.environ, "OMP_NUM_THREADS": threads})
        assert built.returncode == 0, built.stderr
    assert content(tmp_path / "with 1") == content(tmp_path / "with 2")
    assert (tmp_path / "with 1.zip").read_bytes() == (tmp_path / "with 2.zip").read_bytes()


def test_zip_and_proof_make_their_folders(tiny, tmp_path, call):
    status, told, error = call(
        tiny, "--out", tmp_path / "o/u/t", "--zip", tmp_path / "z/i/p.zip", "--proof", tmp_path / "p/roof.png"
    )
    assert (status, error) == (0, "") and "drawing the proof sheet" in told
    assert (tmp_path / "z/i/p.zip").is_file() and (tmp_path / "p/roof.png").is_file()
    assert told.splitlines()[-1].startswith("next: give ") and "p.zip to your solvers" in told


def test_a_proof_sheet_is_drawn_of_a_bundle_that_was_built_before(tmp_path, call):
    status, told, error = call("--check", "--proof", tmp_path / "proof.png")
    assert (status, error) == (0, "") and (tmp_path / "proof.png").read_bytes().startswith(b"\x89PNG")


def test_a_build_without_a_zip_says_how_to_pack_it(tiny, tmp_path, call):
    told = call(tiny, "--out", tmp_path / "out")[1]
    assert f"pack the bundle: python -m builder {tiny} --check {tmp_path / 'out'} --zip out.zip" in told


def test_what_the_author_added_is_named_and_what_is_left_out_too(tiny, tmp_path, call):
    assert "handed out" not in call(tiny, "--out", tmp_path / "out")[1]
    (tmp_path / "out" / "letter.txt").write_text("Dear solver")
    (tmp_path / "out" / ".DS_Store").write_text("")
    for arguments in (["--out"], ["--check"]):
        told = call(tiny, *arguments, tmp_path / "out")[1].splitlines()
        assert "handed out as well: letter.txt" in told and "left out: .DS_Store" in told
        assert "careful" not in "".join(told)


def test_a_text_that_holds_the_code_is_named_though_the_author_may_hand_it_out(tmp_path, call, ghost):
    folder = shutil.copytree(PUZZLE, tmp_path / "party")
    (folder / "letter.txt").write_text(f"The ghost died in {ghost.code}.", encoding="utf-8")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8" + ghost.code.encode())
    (folder / "poem.txt").write_text("Dear solver", encoding="utf-8")
    status, told, _ = call("--check", folder)
    assert status == 0 and "careful: solvers get letter.txt, and the code stands there" in told.splitlines()


def test_the_default_puzzle_with_decoys_is_built_attacked_and_guessed(tmp_path, call, ghost, monkeypatch):
    monkeypatch.setattr(attack, "GUESSES", 2_000)
    puzzle, out = tmp_path / "decoys.toml", tmp_path / "out"
    puzzle.write_text(f"decoys = true\n{GHOST.read_text(encoding='utf-8')}", encoding="utf-8")
    status, told, error = call(puzzle, "--out", out, "--attack")
    assert (status, error) == (0, "") and told.count("holds  ") == 6 and "wrong numbers look as sharp" in told
    attacks = " ".join(told.split())
    assert "With guess.py alone: not found." in attacks
    assert "With an understanding of the circuits: 1 guess." in attacks

    wrong = ghost.code[:-1] + "4"
    shown = run("-W", "error", out / "guess.py", ghost.code, wrong).stdout
    assert re.findall(r"^(\d+)  .*  probability (\S+)", shown, re.MULTILINE) == [(ghost.code, "1"), (wrong, "0")]
    assert shown.count("0.00 to 1.00") == 6  # three pictures each
    rows = shown.splitlines()[4:9]
    for row, cells in zip(rows, ghost.pictures[0].tolist(), strict=True):
        assert row[4:19].ljust(15) == "".join(" █"[int(cell)] * 3 for cell in cells)


def test_a_story_that_changed_after_the_build_is_noticed(tiny, tmp_path, call):
    assert call(tiny, "--out", tmp_path / "out")[0] == 0
    tiny.write_text(f"story = 'Once.'\n{tiny.read_text()}")
    status, _, error = call(tiny, "--check", tmp_path / "out")
    assert (
        status == 1
        and error == f"builder: the README.md in {tmp_path / 'out'} is not what {tiny} says now: build it again\n"
    )
    assert call(tiny, "--out", tmp_path / "out")[0] == call(tiny, "--check", tmp_path / "out")[0] == 0


def test_advice_is_shown_and_the_build_goes_on(tiny, tmp_path, call):
    tiny.write_text(tiny.read_text().replace("..#", "..."))
    tiny.write_text(tiny.read_text().replace("###", "##."))
    tiny.write_text(tiny.read_text().replace('##."]', '..."]'))
    status, told, _ = call(tiny, "--out", tmp_path / "out")
    assert status == 0 and "advice: the code without its last digit shows the whole drawing" in told


def test_the_next_build_and_a_check_report_an_interrupted_build(tiny, tmp_path, call):
    out = tmp_path / "out"
    assert "was interrupted" not in call(tiny, "--out", out)[1]
    (out / files.LOCK).write_bytes(b"")
    assert f"an earlier build into {out} was interrupted; the bundle is whole" in call(tiny, "--check", out)[1]
    (out / files.LOCK).write_bytes(b"half-written")
    (out / bundle.GUESS).unlink()
    status, _, error = call(tiny, "--check", out)
    assert status == 2 and "an earlier build into it was interrupted: build it again" in error
    assert f"an earlier build into {out} was interrupted: this one mends it" in call(tiny, "--out", out)[1]
    assert "was interrupted" not in call(tiny, "--check", out)[1]


def test_other_bytes_for_the_default_puzzle_are_explained(tmp_path, call, monkeypatch, ghost):
    """Where the processor rounds differently, puzzle/ gets other weights than the repository has."""
    here = tmp_path / "puzzle"
    shutil.copytree(PUZZLE, here)
    for module in (commands, bundle):
        monkeypatch.setattr(module, "PUZZLE", here)
    committed = (PUZZLE / bundle.WEIGHTS).read_bytes()
    status, told, _ = call("--out", here)
    same = (here / bundle.WEIGHTS).read_bytes() == committed
    assert status == 0 and ("the weights differ from those in puzzle/" in told) != same
    *_, last = train.train(ghost, 1)
    bundle.write(here, ghost, last.certificate)
    assert "the weights differ from those in puzzle/" in call("--out", here)[1]
    assert "the weights differ from those in puzzle/" not in call("--out", here)[1]


def test_a_build_that_falls_short_says_so_and_writes_nothing(tiny, tmp_path, call, monkeypatch):
    monkeypatch.setattr(train.Descent, "step_limit", 10)
    status, told, error = call(tiny, "--out", tmp_path / "out", "--max-attempts", 2, "--seed", 5)
    assert status == 1 and "fails  " in told
    assert error == "builder: seeds 5 to 6 all fall short, and nothing is written: another drawing may be possible\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.toml"], "none.toml: cannot be read"),
        (["{tiny}", "--out", "{tiny}"], "is a file: a bundle needs a folder of its own"),
        (["{tiny}", "--out", "{folder}"], "holds tiny.toml and is no bundle: a bundle needs a folder of its own"),
        (["{tiny}", "--out", "{folder}/out", "--zip", "{folder}/out/x.zip"], "is inside the bundle"),
        (
            ["{tiny}", "--out", "{folder}/out", "--proof", "{tiny}/x.png"],
            "cannot be written: Not a directory",
        ),
        (["{tiny}", "--check", "{folder}/out"], "is not a folder, and a bundle is one"),
        (["{tiny}", "--check", "{folder}"], "tiny.toml is inside the bundle, which solvers get: put it elsewhere"),
        (["--check", "--out", "{folder}/out"], "--check builds nothing"),
        (["--seed", "-1"], "--seed is a whole number from 0 on"),
        (["--max-attempts", "0"], "--max-attempts is a whole number from 1 on"),
        (["--proof", "{tiny}"], "--proof wants a file name that ends in .png"),
        (["{tiny}", "--zip", "{tiny}"], "--zip wants a file name that ends in .zip"),
        (["--colour"], "--help tells what is possible"),
    ],
)
def test_a_mistake_gets_one_sentence(tiny, tmp_path, arguments, told, call):
    before = content(tmp_path)
    status, output, error = call(*(word.format(tiny=tiny, folder=tmp_path) for word in arguments))
    assert (status, output) == (2, "")
    assert error.startswith("builder: ") and error.count("\n") == 1 and told in error
    assert content(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_a_zip_that_is_a_folder_is_named(tiny, tmp_path, call):
    (tmp_path / "a.zip").mkdir()
    status, _, error = call(tiny, "--out", tmp_path / "out", "--zip", tmp_path / "a.zip")
    assert status == 2 and "is a folder: a file name is wanted" in error
    assert not (tmp_path / "out").exists()


@posix
@pytest.mark.slow
@pytest.mark.parametrize("old", [True, False])
def test_a_full_disk_loses_nothing(tiny, tmp_path, old):
    import resource

    if old:
        shutil.copytree(PUZZLE, tmp_path / "out")
    before = content(tmp_path)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))  # noqa: E731
    full = build(tiny, "--out", tmp_path / "out", "--seed", 1, preexec_fn=limit)
    assert "nothing is half-written" in sentence(full, 1)
    assert content(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == ({"tiny.toml", "out"} if old else {"tiny.toml"})


@posix
def test_ctrl_c_gets_one_sentence_and_the_old_bundle_is_whole(tmp_path):
    (tmp_path / "long.toml").write_text(LONG)
    shutil.copytree(PUZZLE, tmp_path / "out")
    before = content(tmp_path)
    command = [sys.executable, "-m", "builder", tmp_path / "long.toml", "--out", tmp_path / "out"]
    building = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    assert building.stdout.readline().startswith("seed 0")
    time.sleep(0.2)
    building.send_signal(signal.SIGINT)
    _, told = building.communicate()
    assert told == "builder: interrupted; nothing is half-written\n"
    assert building.returncode == 130
    assert content(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.toml", "out"]


def test_a_build_opens_no_connection_starts_no_process_and_writes_no_file_that_was_not_asked_for(default_build):
    assert_nothing_else_was_done(*default_build)


def test_a_guess_opens_no_connection_starts_no_process_and_writes_no_file(tmp_path):
    assert_nothing_else_was_done(watch(tmp_path, "puzzle/guess.py", "90210"), tmp_path)
