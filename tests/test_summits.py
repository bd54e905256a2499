"""False summits: climbing on the logit ends at wrong numbers, and nothing else gets worse."""

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.commands import remedies
from builder.network.circuits import read_circuits
from builder.network.codes import encode
from builder.network.model import CLS, tokenize
from builder.network.weights import load
from builder.proof import certify
from builder.proof.climbs import climb, draw_climbs, share_of_climbs
from builder.puzzle_file.secret import Secret
from builder.screens.certificate import describe
from builder.training.decoys import summits
from builder.training.decoys.recipe import DecoyRecipe
from builder.training.decoys.summits import SummitRecipe, draw_bait
from builder.training.lesson import SHARE
from builder.training.nearest import nearest
from builder.training.train import choose_recipe, train
from tests.helpers import random_pictures, trained
from tests.oracle import all_tokens, answer, table_logits

CODE = "7459"
MAX_DIGITS = 5


def secret_of(code, heads, seed, **options):
    pictures = random_pictures(heads, 1 + len(code), seed)
    return Secret(code, pictures, MAX_DIGITS, decoys=True, **options)


@pytest.fixture(scope="module")
def secret():
    return secret_of(CODE, 4, 1, summits=True)


DRAWN = []  # the numbers of the draws that were made


@pytest.fixture(scope="module")
def rounds(secret):
    DRAWN.clear()
    return list(train(secret, watch_draws=DRAWN.append))


@pytest.fixture(scope="module")
def network(rounds):
    assert rounds[-1].certificate.holds
    return load(rounds[-1].certificate.weights)


@pytest.fixture(scope="module")
def plain_decoys(secret):
    """The same puzzle without false summits: its network."""
    return trained(replace(secret, summits=False))


def network_logits(network, codes):
    tokens = torch.cat([torch.full((len(codes), 1), CLS), codes], 1)
    _, logits = answer(network, tokens)
    return logits.diff(dim=1)[:, 0]


@torch.no_grad()
def climb_by_asking(network, codes):
    """Where climbs from left to right end, by the network's own logits, (batch, digits)."""
    codes = codes.clone()
    for place in 4 * list(range(codes.shape[1])):
        tried = codes[:, None].repeat(1, 10, 1)
        tried[:, :, place] = torch.arange(10)
        logits = network_logits(network.double(), tried.flatten(0, 1)).view(-1, 10)
        codes[:, place] = logits.argmax(1)
    return codes


def test_whoever_watches_is_told_of_each_draw(rounds):
    assert DRAWN == list(range(1, 1 + len(DRAWN))) and DRAWN


@torch.no_grad()
def test_all_111_109_wrong_numbers_answer_exactly_0(network):
    answers = torch.cat([network(tokens) for tokens in all_tokens(MAX_DIGITS)])
    assert answers.sum() == answers.max() >= certify.RIGHT and len(answers) == 111_110
    assert network(tokenize(CODE)) == answers.max()


@torch.no_grad()
def test_no_wrong_code_stays_above_the_limit_of_a_lesson_that_settled(secret):
    recipe = SummitRecipe(secret)
    generator = torch.Generator().manual_seed(0)
    lesson = recipe.begin_lesson(recipe.draw_network(generator), generator)
    gap = lesson.fit()
    logits = table_logits(lesson.circuits())
    right = lesson.right_logit().item()
    assert (logits > right - SHARE * gap).sum() == 1
    assert logits.max().item() == pytest.approx(right)


def test_climbs_that_ask_the_network_do_not_reach_the_code(network, rounds):
    starts, _ = draw_climbs(300, len(CODE), torch.Generator().manual_seed(7))
    ends = climb_by_asking(load(rounds[-1].certificate.weights), starts)
    right = torch.tensor([int(digit) for digit in CODE])
    assert (ends == right).all(1).double().mean() < 0.03


def test_climbs_reach_the_code_if_there_are_no_false_summits(plain_decoys):
    share = share_of_climbs(
        read_circuits(plain_decoys), CODE, torch.Generator().manual_seed(1), 500
    )
    assert share > 0.1


@torch.no_grad()
def test_climbs_on_the_tables_go_where_the_network_leads(network, rounds):
    starts, _ = draw_climbs(50, len(CODE), torch.Generator().manual_seed(3))
    in_order = torch.arange(len(CODE)).expand(50, -1)
    ends = climb(read_circuits(network), starts, in_order)
    asked = climb_by_asking(load(rounds[-1].certificate.weights), starts)
    assert (ends == asked).all(1).double().mean() > 0.95  # float64 may settle a tie otherwise


def test_exchanging_digits_of_the_right_set_leads_to_the_code(network):
    """The way in that remains: with one set of digits, the logit is a sum over places."""
    circuits = read_circuits(network)
    right = circuits.logits(encode(CODE, circuits.max_digits)).item()
    for order in list(itertools.permutations(CODE))[1::5]:
        code = list(order)
        for _ in range(3):
            for one, other in itertools.combinations(range(len(code)), 2):
                swapped = code.copy()
                swapped[one], swapped[other] = code[other], code[one]
                both = torch.cat([encode(code, circuits.max_digits), encode(swapped, MAX_DIGITS)])
                here, there = circuits.logits(both).tolist()
                if there > here:
                    code = swapped
        assert circuits.logits(encode(code, MAX_DIGITS)).item() <= right
        if "".join(code) == CODE:
            return
    pytest.fail("no anagram led to the code")


def test_the_certificate_measures_climbs_and_fails_without_false_summits(secret, plain_decoys):
    certificate = certify.certify(plain_decoys, secret)
    assert certificate.climbs > certify.CLIMBS and not certificate.holds
    kept = {promise.name: promise.holds for promise in certificate.promises}
    assert not kept.pop(certify.ASTRAY) and all(kept.values())


def test_the_certificate_says_that_climbs_are_measured(rounds):
    certificate = rounds[-1].certificate
    line = describe(certificate)[certify.ASTRAY]
    assert (
        line.found.startswith("measured: ")
        and "10,000" in line.found
        and line.limit == "at most 2%"
    )
    assert certificate.climbs <= certify.CLIMBS


def test_without_the_key_nobody_climbs_and_decoys_are_as_before(secret, plain_decoys):
    without = replace(secret, summits=False)
    assert type(choose_recipe(without)) is DecoyRecipe
    certificate = certify.certify(plain_decoys, without)
    assert certificate.climbs is None
    assert certify.ASTRAY not in [promise.name for promise in certificate.promises]


def test_a_failed_build_names_what_helps_false_summits(secret):
    told = remedies(secret)
    for way in ("another --seed", "one more picture", "fewer digits", "no summits"):
        assert way in told
    assert "summits" not in remedies(replace(secret, summits=False))


@torch.no_grad()
def test_without_the_key_the_weights_are_those_of_decoys_alone(secret, plain_decoys, monkeypatch):
    """Nothing of false summits is even called, so the weights are the same, bit for bit."""

    def unwanted(*_, **__):
        raise AssertionError("a puzzle without the key has no false summits")

    for name in ("draw_bait", "draw_contexts", "nearest", "climb"):
        monkeypatch.setattr(summits, name, unwanted)
    monkeypatch.setattr(certify, "share_of_climbs", unwanted)
    *_, last = train(replace(secret, summits=False))
    again = load(last.certificate.weights).state_dict()
    for name, weights in plain_decoys.state_dict().items():
        assert torch.equal(weights, again[name]), name


@torch.no_grad()
def test_what_machines_differ_in_is_rounded_away(secret, monkeypatch):
    recipe = SummitRecipe(secret)
    generator = torch.Generator().manual_seed(0)
    lesson = recipe.begin_lesson(recipe.draw_network(generator), generator)
    lesson.fit()
    votes = lesson.votes

    def other_machine(*problem):
        found = nearest(*problem)
        return found + 1e-13 * found.abs().max() * torch.randn_like(found)

    monkeypatch.setattr(summits, "nearest", other_machine)
    lesson.fit()
    assert torch.equal(lesson.votes, votes)


@torch.no_grad()
def test_the_disguise_is_given_up_only_if_float32_is_too_coarse(secret):
    recipe = SummitRecipe(secret)
    generator = torch.Generator().manual_seed(0)
    lesson = recipe.begin_lesson(recipe.draw_network(generator), generator)
    lesson.best_reached = 1.1 * certify.CLIMBS
    assert not lesson.relax()
    lesson.best_reached = certify.CLIMBS
    assert lesson.relax()


def test_puzzles_of_one_seed_share_the_drawn_half_alone(network, plain_decoys):
    ours, theirs = network.state_dict(), plain_decoys.state_dict()
    for name, weights in ours.items():
        is_written = "query" in name or "projection" in name
        is_zero = bool((weights == 0).all())
        assert torch.equal(weights, theirs[name]) == (not is_written or is_zero), name


@torch.no_grad()
def test_votes_of_used_and_unused_digits_look_alike(network):
    votes = read_circuits(network).vote[:, 1:, :10]  # (heads, positions, digits)
    digits, length = [int(digit) for digit in CODE], len(CODE)
    unused = [digit for digit in range(10) if digit not in digits]
    sizes = (votes.mean(1) - votes.mean((1, 2))[:, None]).norm(dim=0)
    assert sizes[digits].min() < sizes[unused].max()
    assert sizes[unused].median() > 0.3 * sizes[digits].median()
    sizes = votes.mean(2).norm(dim=0)
    assert sizes[length:].max() > 0.1 * sizes[:length].min()


def test_the_code_still_shows_its_pictures(secret, network):
    assert certify.cell_errors(network, secret, tokenize(CODE)).max() <= certify.CELL


def test_a_bait_is_far_from_the_code_but_may_hold_its_digits_even_at_their_places():
    """It holds them more seldom than chance, since climbs that stop before it do more often."""
    generator = torch.Generator().manual_seed(0)
    code = torch.tensor([int(digit) for digit in CODE])
    baits = torch.stack([draw_bait(code, generator) for _ in range(3000)])
    right = (baits == code).sum(1)
    assert right.max() == 1
    assert 0.1 < (right == 1).double().mean() < 0.2
    counts = torch.bincount(baits.flatten(), minlength=10) / baits.numel()
    assert 0.05 < counts[code].mean() < 0.08


def problem(rows, margins, prices, target):
    tensors = [torch.tensor(part, dtype=torch.float64) for part in (rows, margins, prices, target)]
    return nearest(*tensors)


def test_the_nearest_vector_is_a_projection_if_one_row_is_broken():
    found = problem([[3.0, 4.0]], [10.0], [1e12], [0.0, 0.0])
    torch.testing.assert_close(
        found, torch.tensor([1.2, 1.6], dtype=torch.float64), rtol=1e-4, atol=0
    )


def test_a_row_that_is_met_changes_nothing():
    found = problem([[1.0, 0.0], [0.0, 1.0]], [-1.0, 2.0], [1e12, 1e12], [0.5, 0.0])
    expected = torch.tensor([0.5, 2.0], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_cheap_row_is_violated_as_far_as_its_price_says():
    found = problem([[1.0]], [10.0], [3.0], [0.0])
    assert found.item() == pytest.approx(3.0, rel=1e-3)


def test_of_two_rows_that_contradict_each_other_the_dearer_one_is_met():
    found = problem([[1.0], [-1.0]], [1.0, 1.0], [1e8, 1e12], [0.0])
    assert found.item() == pytest.approx(-1.0, rel=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_nothing_near_the_result_is_better(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(30, 6, generator=generator, dtype=torch.float64)
    margins = torch.rand(30, generator=generator, dtype=torch.float64)
    prices = 10 * torch.rand(30, generator=generator, dtype=torch.float64)
    target = torch.randn(6, generator=generator, dtype=torch.float64)
    found = nearest(rows, margins, prices, target)

    def loss(vectors):  # (n, 6)
        violations = ((margins - vectors @ rows.T) / rows.norm(dim=1)).clamp(min=0)
        return (vectors - target).square().sum(1) / 2 + violations @ prices

    near = found + 0.01 * torch.randn(200, 6, generator=generator, dtype=torch.float64)
    assert loss(found[None]) <= loss(near).min() + 1e-5
