"""The attack report and the verdict: true numbers, and sentences that say what they are."""

from dataclasses import replace

import pytest

from builder.attacks import report as report_module
from builder.attacks import target as target_module
from builder.attacks.report import (
    ANNEALING,
    ATTACKS,
    BRUTE_FORCE,
    BY_EYE,
    BY_PLACE,
    CIRCUITS,
    EQUAL_DIGITS,
    EXCHANGES,
    GRADIENT,
    LEAST_SQUARES,
    PAIRS,
    SINGLE_MATRICES,
    SMOOTHNESS,
    Finding,
    report,
)
from builder.attacks.verdict import CLIMBS, MORE_CLIMBS, Verdict, deciding_attacks, verdict
from builder.puzzle_file.secret import Secret
from builder.screens.attacks import NEEDS, attack_sentence, cost, verdict_sentence
from tests.helpers import changed, trained
from tests.sweep import pictures

IN_ORDER = [
    BY_EYE,
    SMOOTHNESS,
    EQUAL_DIGITS,
    SINGLE_MATRICES,
    BY_PLACE,
    PAIRS,
    ANNEALING,
    GRADIENT,
    EXCHANGES,
    LEAST_SQUARES,
    CIRCUITS,
    BRUTE_FORCE,
]


@pytest.fixture
def blind(network):
    """A network that answers every number alike."""
    return changed(network, lambda copy: (copy.output.weight.zero_(), copy.output.bias.zero_()))


def ways(network, secret):
    """The names of the attacks that find the code."""
    return {finding.name for finding in report(network, secret) if finding.succeeds}


def guesses_of(found):
    """The findings of attacks that take so many guesses, by name."""
    return {name: Finding(name, guesses, 10**6) for name, guesses in found.items()}


def brute_force(seconds, guesses):
    return {BRUTE_FORCE: Finding(BRUTE_FORCE, guesses, guesses, seconds)}


# The report


def test_the_report_has_every_attack_in_the_order_of_what_it_takes(network, ghost):
    assert [finding.name for finding in report(network, ghost)] == IN_ORDER
    assert list(NEEDS) == IN_ORDER


def test_the_ghost_falls_to_everything_but_single_matrices(network, ghost):
    assert ways(network, ghost) | {SMOOTHNESS} == {*IN_ORDER} - {SINGLE_MATRICES}


def test_decoys_stop_what_looks_for_crisp_cells_and_nothing_else(with_decoys):
    secret, network = with_decoys
    stopped = {BY_EYE, EQUAL_DIGITS, SINGLE_MATRICES}
    assert ways(network, secret) | {SMOOTHNESS} == {*IN_ORDER} - stopped


def test_a_network_that_says_nothing_falls_to_brute_force_alone(blind, ghost, monkeypatch):
    monkeypatch.setattr(target_module, "LIMIT", 3000)
    findings = list(report(blind, replace(ghost, decoys=True)))
    assert [finding.name for finding in findings if finding.succeeds] == [BRUTE_FORCE]
    assert {finding.guesses for finding in findings[:-1]} == {None}


def test_what_finds_the_code_has_asked_the_network_for_it(network, ghost):
    asked = []
    hook = network.register_forward_pre_hook(lambda layer, inputs: asked.append(inputs[0]))
    for finding in report(network, ghost):
        if finding.name in ATTACKS and finding.succeeds:
            assert asked[-1].tolist() == [[10, 2, 0, 1, 3]], finding.name
        asked.clear()
    hook.remove()


def test_a_find_that_takes_half_as_many_guesses_as_trying_all_is_luck():
    lucky = Finding(BY_PLACE, 50, 100)
    assert lucky.is_luck and not lucky.succeeds
    assert "50 guesses, and guessing takes about 100" in attack_sentence(lucky)
    able = Finding(BY_PLACE, 49, 100)
    assert able.succeeds and not able.is_luck
    assert attack_sentence(able).endswith("49 guesses")


def test_brute_force_finds_the_code_within_a_day():
    day = 24 * 60 * 60  # seconds
    assert Finding(BRUTE_FORCE, 10**9, 10**9, seconds=day - 1).succeeds
    assert not Finding(BRUTE_FORCE, 10**9, 10**9, seconds=day).succeeds


def test_brute_force_takes_as_long_as_its_guesses_at_the_networks_rate(network, ghost, monkeypatch):
    monkeypatch.setattr(report_module, "rate", lambda network: 61.1)
    *_, found = report(network, ghost)
    assert found.guesses == 6110 and found.seconds == pytest.approx(100)
    assert attack_sentence(found) == (
        "brute force, with a program that tries all numbers: 2 minutes on average"
    )


def test_an_attack_is_one_sentence_with_its_cost():
    assert attack_sentence(Finding(BY_EYE, 34, 6110)) == "by eye, with guess.py alone: 34 guesses"
    assert cost(Finding(CIRCUITS, 1, 6110)) == "1 guess"
    assert cost(Finding(GRADIENT, None, 6110)) == "not found"


# The verdict


def test_a_plain_puzzle_is_a_beginners_puzzle_and_decoys_are_advised(network, ghost):
    assert verdict_sentence(verdict(network, ghost)) == (
        "A beginners' puzzle: by eye in about 34 guesses, by a program in 11; "
        "decoys would prevent that"
    )


@pytest.mark.parametrize("code", ["2002", "20131704202"])
def test_decoys_that_cannot_be_had_are_not_advised(code):
    secret = Secret(code, pictures(1 + len(code), 3, lambda *_: False), len(code))
    found = guesses_of({BY_EYE: 33, EQUAL_DIGITS: 11})
    line = verdict_sentence(Verdict(secret, found))
    assert line == "A beginners' puzzle: by eye in about 33 guesses, by a program in 11"


def test_the_verdict_on_decoys_names_what_programs_take(with_decoys):
    secret, network = with_decoys
    found = verdict(network, secret)
    guesses = {name: finding.guesses for name, finding in found.findings.items()}
    climb = min(guesses[BY_PLACE], guesses[GRADIENT])
    assert verdict_sentence(found).startswith(
        f"Not by eye; climbing the logit takes about {climb} guesses, exchanging digits takes "
        f"about {guesses[EXCHANGES]} guesses, least squares takes about "
        f"{guesses[LEAST_SQUARES]} guesses, trying all 36,100 numbers of different digits takes "
    )


def test_numbers_of_different_digits_are_not_enough_if_the_code_is_none(with_decoys):
    secret, network = with_decoys
    found = verdict(network, secret)
    twice = found._replace(secret=replace(secret, code="2012"))
    assert "trying all 111,110 numbers takes " in verdict_sentence(twice)


def test_a_verdict_says_what_the_report_says(network, ghost, with_decoys):
    for secret, attacked in ((ghost, network), with_decoys):
        reported = {finding.name: finding.guesses for finding in report(attacked, secret)}
        for name, finding in verdict(attacked, secret).findings.items():
            assert finding.guesses == reported[name]


def test_a_code_that_is_soon_guessed_needs_no_attack():
    secret = Secret("7", (((0.0, 1.0), (1.0, 0.0)),), 5)
    line = verdict_sentence(verdict(trained(secret), secret))
    assert line == "Short enough to guess: 5 guesses on average"


@pytest.fixture
def summits(with_decoys):
    """A secret that is meant to have false summits, and the network of one without."""
    secret, network = with_decoys
    return replace(secret, summits=True), network


def test_false_summits_are_put_to_every_climb(summits, monkeypatch):
    secret, network = summits
    climbs = {BY_PLACE, PAIRS, ANNEALING, GRADIENT}
    assert {*CLIMBS, *MORE_CLIMBS} == climbs <= set(verdict(network, secret).findings)
    for name in climbs:
        monkeypatch.setitem(ATTACKS, name, lambda target: iter(()))
    line = verdict_sentence(verdict(network, secret))
    start = (
        "Not by eye, and climbing the logit ends on false summits; exchanging digits takes about"
    )
    assert line.startswith(start)


def test_what_gets_past_false_summits_is_named(summits):
    secret, _ = summits
    found = guesses_of({ANNEALING: 4000, PAIRS: 5000, EXCHANGES: 300})
    assert verdict_sentence(Verdict(secret, found)) == (
        "Not by eye, and climbing the logit ends on false summits; exchanging digits takes about "
        "300 guesses, climbing by pairs of places takes about 5,000 guesses, annealing takes "
        "about 4,000 guesses"
    )
    found = guesses_of({GRADIENT: 700, BY_PLACE: 800})
    assert verdict_sentence(Verdict(secret, found)) == (
        "Not by eye; climbing the logit takes about 700 guesses"
    )


def test_the_verdict_warns_if_only_understanding_is_left(ghost):
    secret = replace(ghost, decoys=True)
    assert verdict_sentence(Verdict(secret, {})) == (
        "Not by eye, and by no simple program: only the circuits open it, so give solvers a hint"
    )
    assert verdict_sentence(Verdict(secret, guesses_of({LEAST_SQUARES: 81}))) == (
        "Not by eye, and by no simple program: only understanding opens it (least squares takes "
        "about 81 guesses), so give solvers a hint"
    )
    found = brute_force(2.0, 6110)
    assert "hint" not in verdict_sentence(Verdict(secret, found))


@pytest.fixture
def large(ghost):
    """A secret with a picture of four tiles, without decoys."""
    return replace(ghost, pictures=pictures(10, 1, lambda row, column, head: row + column < 9))


def test_the_verdict_on_a_large_picture_says_what_a_nearly_right_number_shows(large, ghost):
    found = guesses_of({BY_EYE: 34, EQUAL_DIGITS: 11})
    assert verdict_sentence(Verdict(large, found)).endswith(
        "by a program in 11; decoys would make it harder; "
        "with the last digit alone wrong, 64% of the picture is right"
    )
    assert "%" not in verdict_sentence(Verdict(ghost, found))


def test_the_verdict_says_that_a_large_picture_comes_together_in_spite_of_decoys(large):
    secret = replace(large, decoys=True)
    found = guesses_of({SMOOTHNESS: 185, LEAST_SQUARES: 81})
    assert verdict_sentence(Verdict(secret, found)) == (
        "The picture comes together digit by digit, in about 185 guesses; least squares takes "
        "about 81 guesses"
    )


def test_only_large_pictures_are_watched_for_a_verdict(large, ghost):
    assert SMOOTHNESS in deciding_attacks(replace(large, decoys=True))
    assert SMOOTHNESS not in deciding_attacks(replace(ghost, decoys=True))
    assert deciding_attacks(large) == [EQUAL_DIGITS]
