"""The solvers' README is true for its own bundle, whatever the puzzle, and gives nothing away."""

import random
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from builder.bundle import bundle
from builder.bundle.readme import draw_examples, is_made_for, is_untouched, make_readme
from builder.model import NeuralNetwork
from builder.proof.weights import dump
from builder.secret import MAX_DIGITS, Secret
from tests.helpers import PUZZLE, run

SHAPES = {  # code, heads, max_digits, n_hidden
    "one digit": ("7", 1, 1, 10),
    "the ghost's": ("2013", 3, 5, 10),
    "a short code in a long network": ("42", 2, 16, 12),
    "sixteen digits": ("3141592653589793", 8, 16, 18),
}


def puzzle(code="2013", heads=3, max_digits=5, n_hidden=10, **texts):
    """A secret, an untrained network for it, and its weights. The README tells only the sizes of the network."""
    size = 1 + len(code)
    pictures = (torch.arange(heads * size * size) % 3 == 0).float().view(heads, size, size)
    torch.manual_seed(len(code))
    network = NeuralNetwork(n_hidden, heads, max_digits)
    return Secret(code, pictures, max_digits, **texts), network, dump(network)


def readme(**texts):
    return make_readme(*puzzle(**texts)).decode()


def lay_out(folder, secret, network, weights):
    """Writes a bundle into a folder, without a certificate."""
    (folder / "classifier").mkdir(parents=True)
    for name in (bundle.GUESS, bundle.REQUIREMENTS, bundle.MODEL):
        (folder / name).write_bytes((PUZZLE / name).read_bytes())
    (folder / bundle.WEIGHTS).write_bytes(weights)
    (folder / "README.md").write_bytes(make_readme(secret, network, weights))


# Runs everything that the READMEs of some bundles tell solvers to type, in one process, since torch takes a second.
SOLVER = """
import os, re, runpy, shlex, sys
sys.dont_write_bytecode = True
for folder in sys.argv[1:]:
    os.chdir(folder)
    text = open("README.md", encoding="utf-8").read()
    for command in re.findall(r"`python (guess[.]py[^`]*)`", text):
        sys.argv = shlex.split(command)
        sys.stdin = open(os.devnull)
        try:
            runpy.run_path("guess.py", run_name="__main__")
        except SystemExit as end:
            print("ran", command, end.code or 0, flush=True)
    for snippet in re.findall(r"```python\\n(.*?)```", text, re.DOTALL):
        assert len(snippet.splitlines()) <= 6
        sys.path.insert(0, folder)
        exec(snippet, {})
        sys.path.remove(folder)
        for name in [name for name in sys.modules if name.partition(".")[0] in ("classifier", "model")]:
            del sys.modules[name]
        print("ran the snippet", flush=True)
"""


@pytest.mark.parametrize("shapes", [["sixteen digits"], pytest.param(list(SHAPES), marks=pytest.mark.slow)])
def test_all_that_solvers_are_told_to_type_works(tmp_path, shapes):
    folders = [tmp_path / shape for shape in shapes]
    for folder, shape in zip(folders, shapes, strict=True):
        lay_out(folder, *puzzle(*SHAPES[shape]))
    ran = run("-W", "error", "-c", SOLVER, *folders)
    assert ran.returncode == 0, ran.stderr
    told = re.findall(r"^ran .*", ran.stdout, re.MULTILINE)
    assert [line.split()[-1] for line in told] == [*"00000", "snippet"] * len(shapes)
    assert ran.stdout.count("tensor(") >= 2 * len(shapes)
    for folder in folders:
        assert (folder / "try.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_facts_are_those_of_the_network(shape):
    secret, network, weights = puzzle(*SHAPES[shape])
    facts = dict(re.findall(r"^\| (.*?) \| (.*?) \|$", make_readme(secret, network, weights).decode(), re.MULTILINE))
    assert facts["digits of the longest number"] == str(secret.max_digits)
    assert facts["heads"] == str(len(secret.pictures))
    assert facts["hidden numbers per token"] == str(len(network.projection.bias))
    assert facts["parameters"] == f"{sum(tensor.numel() for tensor in network.state_dict().values()):,}"
    assert facts["inputs there are"] == f"{int('1' * secret.max_digits + '0'):,}"


def test_the_ghosts_readme_fits_one_screen_and_is_the_one_in_the_bundle(ghost, network):
    weights = (PUZZLE / bundle.WEIGHTS).read_bytes()
    committed = (PUZZLE / "README.md").read_bytes()
    assert committed == make_readme(ghost, network, weights)
    lines = committed.decode().splitlines()
    assert len(lines) <= 60
    assert max(map(len, (line for line in lines if "load(" not in line))) <= 120
    assert "1,492" in committed.decode() and "111,110" in committed.decode()


def test_one_digit_is_not_called_digits():
    assert "A number has 1 digit, and" in readme(code="7", max_digits=1)
    assert "A number has 1 to 2 digits, and" in readme(code="7", max_digits=2)


def test_nothing_tells_how_long_the_code_is():
    """Two codes of different lengths: everything but the examples and the edition is the same."""
    lines = [readme(code=code).splitlines() for code in ("7", "20131")]
    differ = [(a, b) for a, b in zip(*lines, strict=True) if a != b]
    assert len(differ) == 5
    for pair in differ:
        assert re.sub(r"\d", "0", re.sub("Edition.*", "", pair[0])) == re.sub(
            r"\d", "0", re.sub("Edition.*", "", pair[1])
        )


def test_nothing_is_said_that_is_untrue_of_decoys():
    told = make_readme(*puzzle(title="t", story="s")).decode().lower()
    assert not re.search(r"nois|sharp|crisp|clean|blur|random|mean nothing|\bbuilder\b", told)
    assert make_readme(*puzzle(decoys=True)) == make_readme(*puzzle(decoys=False))


HOSTILE = {
    "template signs": "$title ${story} $$ $ {first} {} %s %(heads)s",
    "an open block of code": "Once:\n\n```python\nprint(1)",
    "another": "~~~~ ~~~\nthe end\n~~~",
    "a closed one": "```\n# no title\n````\n\nThe end.",
    "not a block of code": "``` `` x\n\n`a`",
    "an edition of its own": "Edition 00000000-00000000",
    "tables and titles": "| a | b |\n| --- | --- |\n\n## Set up\n\n---",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_an_authors_words_come_out_unharmed_and_harm_nothing(case):
    written = readme(title="A $title {of} `mine`", story=HOSTILE[case], difficulty="★ $story")
    assert written.startswith(f"# A $title {{of}} `mine`\n\n{HOSTILE[case]}\n")
    assert "How hard it is: ★ $story\n\n## Set up\n" in written
    marks = ""
    for line in written.split("\n"):  # as CommonMark reads it
        fence = re.match(r"(`{3,}|~{3,})(.*)", line)
        if fence and not marks and not (fence[1][0] == "`" and "`" in fence[2]):
            marks = fence[1]
        elif fence and marks and fence[1].startswith(marks) and not fence[2].strip():
            marks = ""
        assert not (marks and line in ("You need Python 3.9 or newer.", "## Guess", "## The network"))
    assert is_untouched(written.encode())


def test_a_readme_says_nothing_of_difficulty_where_the_author_does_not():
    assert "How hard" not in readme()


def test_an_edit_by_hand_is_noticed_and_so_are_other_weights(ghost, network):
    weights = (PUZZLE / bundle.WEIGHTS).read_bytes()
    written = make_readme(ghost, network, weights)
    assert is_untouched(written) and is_made_for(written, weights)
    assert not is_made_for(written, weights + b"x") and is_untouched(written)
    for edited in (written.replace(b"cold", b"warm"), b"x" + written, written + b"\n", written[:-1], b"", b"# Mine\n"):
        assert edited != written and not is_untouched(edited)
    assert not is_made_for(b"# Mine\n", weights)


codes = st.text("0123456789", min_size=1, max_size=MAX_DIGITS)


@given(codes, st.integers(1, MAX_DIGITS), st.binary(max_size=8))
@example("7", 1, b"")
@example("00", 2, b"")
@example("012", 3, b"")
@example("0123456789", 10, b"")
def test_examples_are_wrong_codes_that_the_network_takes(code, max_digits, weights):
    max_digits = max(len(code), max_digits)
    secret = Secret(code, torch.zeros(1, 1 + len(code), 1 + len(code)), max_digits)
    examples = draw_examples(secret, max_digits, weights)
    assert len(set(examples)) == 3
    assert [len(drawn) for drawn in examples] == [
        len(drawn) for drawn in draw_examples(replace(secret, code="9"), max_digits, b"")
    ]
    for drawn in examples:
        assert 1 <= len(drawn) <= max_digits and drawn.isdecimal()
        assert drawn not in code and sorted(drawn) != sorted(code)
        assert len(code) < 3 or code not in drawn


@pytest.mark.parametrize(("code", "max_digits"), [("012", 3), ("012", 5), ("01234", 5)])
def test_no_example_is_an_anagram_or_part_of_the_code_or_holds_it_however_often_one_draws(code, max_digits):
    """Some of so many would be, if they were drawn without care."""
    secret = puzzle(code, max_digits=max_digits)[0]
    for weights in range(3000):
        for drawn in draw_examples(secret, max_digits, weights.to_bytes(2, "big")):
            assert drawn not in code and code not in drawn and sorted(drawn) != sorted(code)


def test_examples_do_not_lead_back_to_the_code():
    """The examples of many random codes share no more digits with the code than chance gives."""
    secret, _, weights = puzzle("007", 1, 3)
    dice = random.Random(1)
    same_place = same_digits = total = 0
    for _ in range(2000):
        code = "".join(dice.choices("0123456789", k=3))
        for drawn in draw_examples(replace(secret, code=code), 3, weights):
            same_place += sum(a == b for a, b in zip(drawn, code, strict=True))
            same_digits += len(set(drawn) & set(code))
            total += 1
    assert same_place / total == pytest.approx(0.3, abs=0.05)
    assert same_digits / total == pytest.approx(0.73, abs=0.06)


def test_examples_cannot_be_drawn_again_without_the_pictures():
    secret, _, weights = puzzle()
    other = replace(secret, pictures=1 - secret.pictures)
    assert draw_examples(secret, 5, weights) != draw_examples(other, 5, weights)
    assert draw_examples(secret, 5, weights) != draw_examples(secret, 5, weights + b"x")
    assert draw_examples(secret, 5, weights) == draw_examples(replace(secret, title="x"), 5, weights)
