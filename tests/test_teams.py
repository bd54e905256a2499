"""Teams: their names become names of files, and each gets a code of its own."""

import random
from dataclasses import replace

import pytest

from builder.bundle.teams import (
    Edition,
    draw_codes,
    file_name,
    read_table,
    read_teams,
    table_bytes,
)
from builder.errors import PuzzleError


def allows_all(code):
    return True


def names(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "teams.txt"
    path.write_bytes(text.encode(encoding))
    return read_teams(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_each_line_that_is_not_empty_is_a_team_in_any_script(tmp_path, encoding):
    text = "Red  Foxes\n\n  Füchse\r\n狐チーム\nкоманда 1\n"
    assert names(tmp_path, text, encoding) == ["Red Foxes", "Füchse", "狐チーム", "команда 1"]


def test_ten_thousand_teams_are_read(tmp_path):
    assert len(names(tmp_path, "\n".join(f"team {number}" for number in range(10_000)))) == 10_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no team: write one name in each line$"),
        ("\n \n", "names no team: write one name in each line$"),
        ("Red\nBlue\nred\n", "lines 1 and 3 name the same team, 'red'$"),
        ("a/b\na:b\n", "lines 1 and 2 name the same team, 'a:b'$"),
        ("Red\n???\n", r"line 2: no file can be named after '\?\?\?': use letters or digits$"),
    ],
)
def test_lines_that_cannot_be_teams_are_named(tmp_path, text, sentence):
    with pytest.raises(PuzzleError, match=sentence):
        names(tmp_path, text)


def test_a_file_that_is_missing_or_no_text_gets_one_sentence(tmp_path):
    with pytest.raises(PuzzleError, match="cannot be read: No such file"):
        read_teams(tmp_path / "teams.txt")
    with pytest.raises(PuzzleError, match="not UTF-8: save the file as UTF-8$"):
        names(tmp_path, "Füchse", "latin-1")


@pytest.mark.parametrize(
    ("team", "name"),
    [
        ("Red Foxes", "Red-Foxes"),
        ('a<b>:"c', "a-b-c"),
        ("..", ""),
        ("狐", "狐"),
        ("x" * 99, "x" * 60),
    ],
)
def test_a_file_is_named_after_a_team_as_every_system_allows(team, name):
    assert file_name(team) == name


def test_codes_are_all_different_and_none_is_taken(ghost):
    codes = draw_codes(9_000, ghost, {"2013", "0000"}, allows_all, random.Random(0))
    assert len(set(codes)) == 9_000 and not {"2013", "0000"} & set(codes)
    assert all(len(code) == 4 and code.isdigit() for code in codes)


def test_with_decoys_the_digits_of_a_code_differ(ghost):
    secret = replace(ghost, decoys=True)
    codes = draw_codes(5039, secret, {"2013"}, allows_all, random.Random(0))
    assert len(set(codes)) == 5039 and all(len(set(code)) == 4 for code in codes)


def test_with_decoys_a_digit_that_stands_in_the_code_twice_does_so_in_all(ghost):
    secret = replace(ghost, code="2012", decoys=True)
    codes = draw_codes(719, secret, {"2012"}, allows_all, random.Random(0))
    assert len(set(codes)) == 719
    assert all(code[0] == code[3] and len(set(code)) == 3 for code in codes)
    with pytest.raises(PuzzleError, match="only 719 others"):
        draw_codes(720, secret, {"2012"}, allows_all, random.Random(0))


@pytest.mark.parametrize(("decoys", "others"), [(False, 9_999), (True, 5_039)])
def test_more_teams_than_codes_are_refused(ghost, decoys, others):
    secret = replace(ghost, decoys=decoys)
    with pytest.raises(PuzzleError, match=f"only {others:,} others of 4 digits: choose a longer"):
        draw_codes(others + 1, secret, {"2013"}, allows_all, random.Random(0))


def test_a_code_that_stands_in_a_text_is_no_teams(ghost):
    dice = random.Random(0)
    short = replace(ghost, code="7")
    assert draw_codes(1, short, {"7"}, lambda code: code == "4", dice) == ["4"]
    with pytest.raises(PuzzleError, match="too few are left$"):
        draw_codes(1, short, {"7"}, lambda code: False, dice)


def test_a_table_is_read_as_it_was_written(tmp_path):
    editions = {
        "Füchse, rot": Edition("Füchse, rot", "0214", "v-Füchse,-rot.zip"),
        "狐": Edition("狐", "4711", "v-狐.zip"),
    }
    path = tmp_path / "codes.csv"
    assert read_table(path) == {}
    path.write_bytes(table_bytes(editions.values()))
    assert read_table(path) == editions


@pytest.mark.parametrize("line", ["Red,02a4,v.zip", "Red,0214", "Red;0214;v.zip"])
def test_a_damaged_table_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "codes.csv"
    path.write_text(f"team,code,zip\nBlue,0215,w.zip\n{line}\n", encoding="utf-8")
    with pytest.raises(PuzzleError, match="line 3: this is not a team, a code and a zip: "):
        read_table(path)
