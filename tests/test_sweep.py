"""Random and awkward puzzles are certified. These are a part of the sweep that python -m tests.sweep runs."""

import pytest

from builder.proof.certify import Certificate
from tests.sweep import awkward, build, report, sweep

AWKWARD = dict(awkward())


def assert_all_are_certified(puzzles, digits, seed):
    for built in sweep(puzzles, digits, seed):
        assert built.certificate.holds, built.secret
        assert built.certificate.inputs == int("1" * built.secret.max_digits + "0")


@pytest.mark.parametrize(("puzzles", "digits"), [(2, range(1, 9)), (1, [12])])
def test_a_few_random_puzzles_are_certified(puzzles, digits):
    assert_all_are_certified(puzzles, digits, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize(("puzzles", "digits"), [(60, range(1, 9)), (4, [12]), (4, [16])])
def test_random_puzzles_are_certified(puzzles, digits):
    assert_all_are_certified(puzzles, digits, seed=1)


def test_every_awkward_puzzle_has_a_name_of_its_own():
    assert len(AWKWARD) == len(list(awkward()))


@pytest.mark.slow
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_puzzles_are_certified(name):
    assert build(AWKWARD[name]).certificate.holds


def test_a_report_counts_what_is_certified_and_names_the_slowest():
    built = [build(AWKWARD["1 lit, 4 digits"]), build(AWKWARD["3 checkerboards, 4 digits"])]
    slowest = max(built, key=lambda puzzle: puzzle.seconds)
    failed = built[0]._replace(seconds=99.0, attempts=2, certificate=Certificate(b"", False, 10))
    line = report("two", [*built, failed])
    assert line.startswith("two: 2 of 3 certified, 1 of them after a restart; median ")
    assert f"median {slowest.seconds:.2f} s, slowest 99.00 s (2013, pictures: 1)" in line
