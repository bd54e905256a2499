"""Editions: every team gets a certified zip with a code of its own, and nothing of another's."""

import csv
import io
import re
import zipfile
from dataclasses import replace

import pytest
import torch

from builder import event
from builder.bundle import editions
from builder.bundle.teams import Edition
from builder.network.weights import load
from tests.helpers import probability

TEAMS = "Red Foxes\nFüchse\n\n狐\n"


@pytest.fixture
def party(tmp_path):
    """A folder with a puzzle file and a file of three teams."""
    puzzle = 'code = "052"\nmax_digits = 3\ntitle = "Party"\ndifficulty = "First"\n'
    drawing = 'pictures = ["#..#\\n.#..\\n..#.\\n##.#"]\n'
    (tmp_path / "party.toml").write_text(puzzle + drawing, encoding="utf-8")
    (tmp_path / "teams.txt").write_text(TEAMS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def in_this_process(monkeypatch):
    """Editions are built one after the other, where torch is loaded already."""

    def run_all(work, jobs):
        return map(work, jobs)

    monkeypatch.setattr(event.editions, "run_all", run_all)


def table(party):
    text = (party / "party-codes.csv").read_text(encoding="utf-8-sig")
    return [Edition(*row) for row in list(csv.reader(io.StringIO(text)))[1:]]


def files(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def network_of(path):
    (weights,) = [text for name, text in files(path).items() if name.endswith("torch_state_dict")]
    return load(weights)


@pytest.mark.slow
def test_many_editions_are_written_by_one_process(party, call):
    """A draft of one must not be taken for one that a killed build left behind."""
    names = "\n".join(f"T{number}" for number in range(30))
    (party / "teams.txt").write_text(names, encoding="utf-8")
    status, told, error = call("party.toml", "--teams", "teams.txt")
    assert (status, error) == (0, "") and "certified: 30 editions, 30 of them built now" in told


@pytest.mark.slow
def test_editions_are_built_in_several_processes_and_certified_again(party, call):
    status, told, error = call("party.toml", "--teams", "teams.txt")
    assert (status, error) == (0, "")
    assert "certified: 3 editions, 3 of them built now" in told
    assert "codes: party-codes.csv, for your eyes only" in told
    rows = table(party)
    assert [row.team for row in rows] == ["Red Foxes", "Füchse", "狐"]
    assert len({row.code for row in rows} | {"052"}) == 4
    for row in rows:
        assert probability(network_of(party / "party-teams" / row.zip_name), row.code) == 1
    status, told, _ = call("party.toml", "--teams", "teams.txt", "--check")
    assert status == 0 and "certified: 3 editions, each opened by its own code alone" in told


def test_a_zip_holds_one_folder_of_its_name_and_no_code(party, call, in_this_process):
    call("party.toml", "--teams", "teams.txt", "--seed", 1)
    for row in table(party):
        contents = files(party / "party-teams" / row.zip_name)
        assert {name.split("/")[0] for name in contents} == {row.zip_name.removesuffix(".zip")}
        for name, text in contents.items():
            if name.endswith((".md", ".ipynb", ".txt", ".py")):
                assert not re.search(rb"(?<!\d)%b(?!\d)" % row.code.encode(), text), name


def test_a_build_that_was_stopped_goes_on_and_builds_nothing_twice(
    party, call, in_this_process, monkeypatch
):
    build = editions.build_edition
    built = []

    def build_one_only(job):
        if built:
            raise KeyboardInterrupt
        built.append(job.team)
        return build(job)

    monkeypatch.setattr(editions, "build_edition", build_one_only)
    status, _, error = call("party.toml", "--teams", "teams.txt")
    assert status == 130 and error.count("\n") == 1
    codes = table(party)
    (first,) = (party / "party-teams").glob("*.zip")
    before = first.read_bytes(), first.stat().st_mtime_ns
    monkeypatch.setattr(editions, "build_edition", build)
    status, told, _ = call("party.toml", "--teams", "teams.txt")
    assert status == 0 and "3 editions, 2 of them built now" in told
    assert table(party) == codes and (first.read_bytes(), first.stat().st_mtime_ns) == before


def test_a_new_team_gets_a_new_code_and_the_others_keep_theirs(party, call, in_this_process):
    call("party.toml", "--teams", "teams.txt")
    before = table(party)
    (party / "teams.txt").write_text(TEAMS + "Blue\n", encoding="utf-8")
    status, told, _ = call("party.toml", "--teams", "teams.txt")
    assert status == 0 and "4 editions, 1 of them built now" in told
    assert table(party)[:3] == before


def test_what_is_missing_changed_or_no_teams_is_listed(party, call, in_this_process):
    call("party.toml", "--teams", "teams.txt")
    red, foxes, kitsune = [party / "party-teams" / row.zip_name for row in table(party)]
    red.unlink()
    foxes.write_bytes(foxes.read_bytes()[:-1000])
    kitsune.rename(kitsune.with_name("party-Green.zip"))
    (party / "teams.txt").write_text(TEAMS + "Blue\n", encoding="utf-8")
    status, told, error = call("party.toml", "--teams", "teams.txt", "--check")
    assert status == 1 and error == "builder: 5 editions and the table do not agree\n"
    assert "Red Foxes: " in told and "Füchse: " in told and "狐: " in told
    assert "Blue: not in party-codes.csv" in told and "party-Green.zip: no team's" in told


@pytest.mark.parametrize("change", ["the pictures", "the codes", "the texts"])
def test_editions_of_another_puzzle_or_code_are_named(party, call, in_this_process, change):
    call("party.toml", "--teams", "teams.txt")
    text = (party / "party.toml").read_text(encoding="utf-8")
    if change == "the pictures":
        (party / "party.toml").write_text(text.replace("#..#", "#.##"), encoding="utf-8")
    if change == "the texts":
        (party / "party.toml").write_text(text.replace("First", "Last"), encoding="utf-8")
    if change == "the codes":
        rows = table(party)
        swapped = f"team,code,zip\n{rows[0].team},{rows[1].code},{rows[0].zip_name}\n"
        (party / "party-codes.csv").write_text(swapped, encoding="utf-8")
    status, told, error = call("party.toml", "--teams", "teams.txt", "--check")
    assert status == 1 and "is not the table's, or not this puzzle's" in told
    status, _, error = call("party.toml", "--teams", "teams.txt")
    assert status == 1 and "cannot stay: move them away" in error


def test_added_files_are_in_every_edition_and_hold_no_code(party, call, in_this_process):
    (party / "party").mkdir()
    letter = " ".join(f"{number:03}" for number in range(200) if number != 52)
    (party / "party" / "letter.txt").write_text(letter, encoding="utf-8")
    assert call("party.toml", "--teams", "teams.txt", "--seed", 1)[0] == 0
    for row in table(party):
        assert int(row.code) >= 200
        contents = files(party / "party-teams" / row.zip_name)
        assert letter.encode() in contents.values()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("key.toml", "code = '052'\npictures = []\n", "is a puzzle file, and solvers would get it"),
        ("letter.txt", "It is not 052.", "is the code, and solvers read it"),
    ],
)
def test_an_added_file_that_no_build_hands_out_is_refused(
    party, call, in_this_process, name, content, sentence
):
    (party / "party").mkdir()
    (party / "party" / name).write_text(content, encoding="utf-8")
    status, _, error = call("party.toml", "--teams", "teams.txt")
    assert status == 2 and sentence in error and not (party / "party-codes.csv").exists()


def test_a_letter_that_is_added_later_must_not_hold_a_teams_code(party, call, in_this_process):
    call("party.toml", "--teams", "teams.txt")
    code = table(party)[1].code
    (party / "party").mkdir()
    (party / "party" / "letter.txt").write_text(f"Not {code}.", encoding="utf-8")
    (party / "teams.txt").write_text(TEAMS + "Blue\n", encoding="utf-8")
    status, _, error = call("party.toml", "--teams", "teams.txt")
    assert status == 2 and "letter.txt" in error and "is the code" in error


def test_a_seed_gives_the_same_codes_and_the_systems_randomness_does_not(
    party, call, in_this_process
):
    found = []
    for options in (["--seed", 5], ["--seed", 5], ["--seed", 6], [], []):
        assert call("party.toml", "--teams", "teams.txt", *options)[0] == 0
        found.append([row.code for row in table(party)])
        for path in (party / "party-teams").glob("*.zip"):
            path.unlink()
        (party / "party-codes.csv").unlink()
    assert found[0] == found[1] and len({tuple(codes) for codes in found}) == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--teams", "nobody.txt"], "nobody.txt: cannot be read: No such file or directory"),
        (["--teams", "teams.txt", "--zip"], "--teams goes together with --check and --seed"),
        (["--teams", "teams.txt", "--check"], "party-codes.csv does not exist yet: "),
        (["--teams", "teams.txt", "--seed", "-1"], "--seed must be a whole number"),
    ],
)
def test_mistakes_get_one_sentence(party, call, arguments, sentence):
    status, told, error = call("party.toml", *arguments)
    assert (status, told) == (2, "") and sentence in error and error.count("\n") == 1
    assert not (party / "party-teams").exists()


def test_two_editions_share_no_weights(party, call, in_this_process):
    """What is drawn differs, although both editions have the same pictures."""
    call("party.toml", "--teams", "teams.txt", "--seed", 1)
    one, other = [
        network_of(party / "party-teams" / row.zip_name).state_dict() for row in table(party)[:2]
    ]
    for name, tensor in one.items():
        if name == "arrangement" or not tensor.any():
            continue
        assert not torch.equal(tensor, other[name]), name
        if tensor.numel() >= 100:
            both = torch.stack([tensor.flatten(), other[name].flatten()])
            assert abs(torch.corrcoef(both)[0, 1]) < 0.35, name


def test_whoever_knows_the_pictures_cannot_repeat_the_examples_of_another_team(ghost, tmp_path):
    """The numbers to try in a README follow from the file's own code, not from the team's."""
    places = editions.Places("ghost", tmp_path, tmp_path / "teams", tmp_path / "codes.csv")
    rows = [Edition("Red", "4711", "red.zip"), Edition("Red", "0815", "red.zip")]
    one, other = [job.secret for job in editions.make_jobs(ghost, rows, places)]
    assert one.examples_from == other.examples_from
    assert replace(one, code="") == replace(other, code="")
