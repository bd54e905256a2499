"""A certificate says in words what was found, and nothing that was not."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from builder.proof import certify
from builder.proof.cells import Lookalike
from builder.screens.certificate import CertificateView, describe


@pytest.fixture
def certificate(certificates):
    return certificates[0]


def found(certificate, promise, **changes):
    return describe(replace(certificate, **changes))[promise].found


def test_every_promise_has_a_line(certificate):
    with_all = replace(certificate, crisp=1.0, climbs=0.01)
    names = [promise.name for promise in with_all.promises]
    assert list(describe(with_all)) == names


def test_the_closest_wrong_number_is_named_with_all_that_rounding_can_add(certificate):
    changes = {"hardest_codes": ("2023", "1"), "hardest_logit": -810.0, "rounding": 5.04}
    told = "2023 comes closest, with a logit of at most -805.0"
    assert found(certificate, certify.NOTHING_ELSE, **changes) == told
    told += ", of those settled"
    assert found(certificate, certify.NOTHING_ELSE, complete=False, **changes) == told


def test_a_search_that_was_refused_is_said_to_be_so(certificate):
    told = "nothing: its scores and votes are too large to be searched"
    assert found(certificate, certify.NOTHING_ELSE, hardest_codes=()) == told


def test_another_number_that_shows_the_pictures_is_named(certificate):
    lookalike = Lookalike("3102", decided=True)
    told = found(certificate, certify.OWN, lookalike=lookalike)
    assert told == "3102 shows the pictures, too"


def test_what_was_not_decided_is_said_to_be_so(certificate):
    told = found(certificate, certify.OWN, lookalike=Lookalike("", decided=False))
    assert told.startswith("not decided")
    assert found(certificate, certify.OWN) == "all of them show one"


def test_weights_that_differ_are_told(certificate):
    assert found(certificate, certify.SURVIVES, survives=False) == "weights differ, or their order"
    assert found(certificate, certify.SURVIVES) == "no weight differs"


def test_the_worst_cell_is_told_with_what_rounding_can_do(certificate):
    told = "no cell can be off by more than 0.01235"
    assert found(certificate, certify.SHARP, worst_cell=0.012345) == told


@pytest.mark.parametrize(("width", "lines"), [(120, 2), (80, 3)])
def test_what_was_found_stands_beside_its_promise_if_there_is_room(certificate, width, lines):
    console = Console(file=io.StringIO(), width=width)
    console.print(CertificateView(replace(certificate, survives=False)))
    heading, *rows = console.file.getvalue().splitlines()
    assert heading == "Certificate: 111,110 numbers"
    start = next(number for number, row in enumerate(rows) if row.startswith("fails"))
    assert rows[start].split("  ")[1] == certify.SURVIVES
    assert "weights differ, or their order" in rows[start if lines == 2 else start + 2]
    assert sum(row.startswith("holds  ") for row in rows) == 4
