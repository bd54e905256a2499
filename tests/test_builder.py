"""The builder as an author runs it: what it writes, what it says, and its status."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from builder.bundle import bundle
from builder.network.model import NeuralNetwork
from builder.proof.certify import certify
from builder.training import train
from tests.helpers import GHOST, PUZZLE, ROOT, content, run, sentence

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and devices")

# Runs a script, and tells of each process and connection that it starts, and of each file that it changes.
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
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def party(tmp_path_factory):
    """The default puzzle's build, watched: the finished process, and the folder in which it works."""
    folder = tmp_path_factory.mktemp("default")
    (folder / "temporary").mkdir()
    environment = {
        **os.environ,
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder / "temporary")),
    }
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)  # set by the tests' own training
    arguments = (
        "--out",
        folder / "party",
        "--zip",
        folder / "party.zip",
        "--sheet",
        folder / "party.png",
    )
    return run("-c", WATCHED, ROOT / "builder", *arguments, env=environment), folder


def test_the_default_build_ends_with_a_certificate_a_verdict_and_the_next_step(party, ghost):
    built, folder = party
    assert built.returncode == 0
    lines = built.stdout.splitlines()
    certified = f"certified: {ghost.code} opens it, all 111,109 other numbers answer exactly 0"
    assert (
        f"{certified}; --check shows the details" in lines
        and sum(line.startswith("verdict: ") for line in lines) == 1
    )
    assert lines[-1] == f"zip: {folder / 'party.zip'}, for your solvers"
    assert (folder / "party.png").read_bytes().startswith(b"\x89PNG")
    assert set(content(folder / "party")) == set(bundle.FILES)


def test_a_build_changes_nothing_elsewhere_and_starts_and_calls_nothing(party):
    built, folder = party
    elsewhere = [line for line in built.stderr.splitlines() if str(folder) not in line]
    assert elsewhere == [] and list((folder / "temporary").iterdir()) == []


def test_a_fresh_build_is_certified(party, call):
    status, told, error = call("--check", party[1] / "party")
    assert (
        (status, error) == (0, "")
        and "Certificate: 111,110 numbers" in told
        and told.count("holds  ") == 5
    )


def test_a_new_puzzle_gets_a_folder_a_zip_and_a_sheet_of_its_own(tmp_path, call):
    status, text, error = call("--new", "310")
    assert (status, error) == (0, "")
    (tmp_path / "Für dich.toml").write_text(
        text.replace('"....",  # 0', '".#.#",'), encoding="utf-8"
    )
    status, told, error = call("Für dich.toml", "--zip", "--sheet")
    assert (status, error) == (0, "")
    made = ["Für dich", "Für dich-sheet.png", "Für dich.toml", "Für dich.zip"]
    assert sorted(path.name for path in tmp_path.iterdir()) == made
    packed = (tmp_path / "Für dich.zip").read_bytes()
    status, told, error = call("Für dich.toml", "--check", "--zip")
    assert (status, error) == (0, "") and told.count("holds  ") == 5
    assert (tmp_path / "Für dich.zip").read_bytes() == packed
    with zipfile.ZipFile(tmp_path / "Für dich.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"Für dich"}
    assert "probability 1" in run(tmp_path / "Für dich" / "guess.py", "310").stdout


def test_a_build_tells_the_next_two_commands_and_they_work(tiny, tmp_path, call):
    told = call(tiny)[1].splitlines()
    assert told[-2].startswith("try it: python ") and told[-1].startswith(
        "pack it: python -m builder "
    )
    assert call(*told[-1].split(" builder ")[1].split())[0] == 0
    assert (tmp_path / "tiny.zip").is_file()


def test_builder_is_a_folder_that_python_runs_too():
    for command in (["-m", "builder"], [ROOT / "builder"]):
        assert "python -m builder key.toml --zip" in run(*command, "--help").stdout


@pytest.mark.slow
def test_the_default_puzzle_with_decoys_is_built_attacked_and_guessed(tmp_path, call, ghost):
    (tmp_path / "decoys.toml").write_text(
        f"decoys = true\n{GHOST.read_text(encoding='utf-8')}", encoding="utf-8"
    )
    status, told, error = call("decoys.toml", "--attack", "--seed", 1)
    assert (status, error) == (0, "") and "verdict: Not by eye" in told
    assert call("decoys.toml", "--check")[1].count("holds  ") == 6
    wrong = ghost.code[:-1] + "4"
    shown = run(tmp_path / "decoys" / "guess.py", ghost.code, wrong).stdout
    assert re.findall(r"probability (\S+)", shown) == ["1", "0"]
    assert len(re.findall(r"0\.0[01] to 1\.0[01]", shown)) == 6


def test_another_puzzles_bundle_is_not_certified(tiny, tmp_path, call):
    assert call(tiny)[0] == 0
    status, told, error = call(tiny, "--check", PUZZLE)
    assert (status, told) == (
        1,
        "",
    ) and "is not the bundle of tiny.toml: put its puzzle file first" in error
    (tmp_path / "other.toml").write_text(tiny.read_text().replace("05", "50"))
    status, told, error = call("other.toml", "--check", "tiny")
    assert (
        status == 1 and "fails" in told and "tiny is not certified for other.toml: if that" in error
    )
    tiny.write_text(f"story = 'Once.'\n{tiny.read_text()}")
    status, _, error = call(tiny, "--check")
    assert status == 1 and "README.md belongs to another build" in error
    assert call(tiny)[0] == call(tiny, "--check")[0] == 0


def test_a_letter_is_handed_out_and_named_and_one_that_tells_the_code_is_refused(
    tmp_path, call, ghost
):
    folder = shutil.copytree(PUZZLE, tmp_path / "party")
    (folder / "letter.txt").write_text("Dear solver", encoding="utf-8")
    assert "handed out as well: letter.txt" in call("--check", folder)[1].splitlines()
    (folder / "letter.txt").write_text(f"She died in {ghost.code}.", encoding="utf-8")
    for arguments in (["--check", folder, "--zip"], ["--out", folder, "--zip"]):
        status, _, error = call(*arguments)
        assert status == 2 and error.endswith(
            "letter.txt, line 1: '2013' is the code, and solvers read it\n"
        )
    assert not (tmp_path / "party.zip").exists()


@pytest.mark.slow
def test_a_zip_and_a_sheet_replace_only_what_a_build_made(tiny, tmp_path, call):
    assert (
        call(tiny, "--zip", "a.zip", "--sheet", "a.png")[0]
        == call(tiny, "--zip", "a.zip", "--sheet", "a.png")[0]
        == 0
    )
    for option, name in (("--zip", "photos.zip"), ("--sheet", "photo.png")):
        (tmp_path / name).write_text("mine")
        status, told, error = call(tiny, option, name)
        assert (status, told) == (
            2,
            "",
        ) and f"{name} is there already, and no build made it" in error
        assert (tmp_path / name).read_text() == "mine"


def test_advice_is_shown_and_the_build_goes_on(tiny, call):
    tiny.write_text(
        tiny.read_text().replace("..#", "...").replace("###", "##.").replace('##."]', '..."]')
    )
    status, told, _ = call(tiny)
    assert status == 0 and "advice: the code without its last digit shows the whole drawing" in told


def test_a_build_that_falls_short_shows_the_certificate_and_writes_nothing(
    ghost, tmp_path, call, monkeypatch
):
    certificate = certify(NeuralNetwork(10), ghost)
    stuck = [train.Round(seed, 10, -1.0, certificate) for seed in range(10)]
    monkeypatch.setattr(train, "train", lambda *_, **__: iter(stuck))
    status, told, error = call("--out", "out")
    assert status == 1 and "fails  " in told and "seed 3 did not learn the code" in told
    assert (
        error == "builder: no seed learned the code, so nothing is written: try another drawing\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.toml"], "none.toml: cannot be read"),
        (["wrong.toml"], "wrong.toml: the code must be a string in quotes"),
        (["--new", "12a"], "its character 3 is 'a'"),
        (["tiny.toml", "--out", "tiny.toml/deep"], "deep cannot be written: "),
        (
            ["tiny.toml", "--out", "."],
            "holds tiny.toml and is no bundle: a bundle needs a folder of its own",
        ),
        (
            ["tiny.toml", "--out", "out", "--zip", "out/x.zip"],
            "is inside the bundle, which solvers get",
        ),
        (
            ["tiny.toml", "--check", "."],
            "tiny.toml is inside the bundle, which solvers get: put it elsewhere",
        ),
        (
            ["tiny.toml", "--check"],
            "tiny is not a whole bundle: classifier/model.py is missing, so build it",
        ),
        (
            ["tiny.toml", "--out", str(PUZZLE)],
            "is the default puzzle's folder: name another one with --out",
        ),
        (["--check", "--out", "out"], "--check builds nothing"),
        (["--check", "--seed", "1"], "--check builds nothing"),
        (["--new", "123", "--zip"], "--new prints a puzzle file, and nothing else goes with it"),
        (["--seed", "-1"], "--seed is a whole number from 0 to 2**63 - 1"),
        (["--sheet", "tiny.toml"], "--sheet wants a file name that ends in .png"),
        (["tiny.toml", "--zip", "tiny.toml"], "--zip wants a file name that ends in .zip"),
        (["--colour"], "--help tells what is possible"),
    ],
)
def test_a_mistake_gets_one_sentence_before_anything_is_done(tiny, tmp_path, arguments, told, call):
    (tmp_path / "wrong.toml").write_text("code = 2014\npictures = []")
    before = content(tmp_path)
    status, output, error = call(*arguments)
    assert (status, output) == (2, "") and told in error and error.count("\n") == 1
    assert content(tmp_path) == before


def test_help_typing_mistakes_and_a_wrong_puzzle_file_need_no_torch(tmp_path):
    (tmp_path / "wrong.toml").write_text("code = 2014\npictures = []")
    without = f"import sys; sys.modules['torch'] = None; sys.path.insert(0, {str(ROOT)!r}); "
    for arguments, told in (
        (["--colour"], "--help tells"),
        (["wrong.toml"], "string in quotes"),
        ([], "torch is not"),
    ):
        code = f"{without}sys.argv[1:] = {arguments}; from builder.__main__ import main; sys.exit(main())"
        assert told in sentence(run("-c", code, cwd=tmp_path))


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
    checked = run(
        "-m", "builder", "--check", "--zip", tmp_path / "a.zip", preexec_fn=lambda: os.close(1)
    )
    assert (checked.returncode, checked.stderr) == (0, "") and (tmp_path / "a.zip").exists()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_disk_for_the_output_gets_one_sentence():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "builder", "--check"]
        checked = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, encoding="utf-8"
        )
    assert "the output: No space left on device" in sentence(checked, 1)


@posix
@pytest.mark.slow
def test_ctrl_c_at_any_moment_gets_one_sentence_and_leaves_a_bundle_that_answers(tmp_path, ghost):
    started = "import sys; from builder import __main__; print('started', flush=True); sys.exit(__main__.main())"
    folder, dice = shutil.copytree(PUZZLE, tmp_path / "party"), random.Random(1)
    for _ in range(40):
        building = subprocess.Popen(
            [sys.executable, "-c", started, "--out", folder, "--seed", "3"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        assert building.stdout.readline() == "started\n"
        time.sleep(dice.uniform(0, 2.5))
        building.send_signal(signal.SIGINT)
        output, error = building.communicate()
        if building.returncode and "pack it: " not in output:  # it was not at its end already
            told = "builder: interrupted; --check tells whether the bundle is whole\n"
            assert (building.returncode, error) == (130, told)
    assert "probability 1" in run(folder / "guess.py", ghost.code).stdout
    assert set(content(folder)) == set(bundle.FILES) and os.listdir(tmp_path) == ["party"]
