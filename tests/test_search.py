"""The search finds what brute force finds, and settles every code there is."""

import math

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from builder.network.circuits import Circuits, read_circuits
from builder.network.codes import count_codes, decode, encode, one_digit_off
from builder.network.model import CLS, NeuralNetwork
from builder.proof import search as searching
from builder.proof.search import precision, search
from tests.oracle import assert_finds_the_hardest, hardest, network_logits
from tests.random_circuits import random_circuits, tables


def expected_precision(circuits):
    """Said here again, so that a wrong one in the builder is noticed."""
    heads, positions, _ = circuits.score.shape
    roundings = 2 * (1600 + 17 * positions + 5 * heads + positions * heads)
    votes = sum(circuits.vote[head].abs().max().item() for head in range(heads))
    return roundings * 2.0**-53 * (1 + abs(circuits.bias.item()) + votes)


def assert_matches_brute_force(circuits, secret, k):
    exact = expected_precision(circuits)
    assert precision(circuits) == pytest.approx(exact, rel=1e-12)
    assert_finds_the_hardest(search, circuits, secret, k, exact)


def one_loud_digit(score):
    """Tables that were once certified: bounds overflowed, although every number here is finite."""
    circuits = Circuits(
        torch.zeros(1, 2, 11).double(), torch.full((1, 2, 11), -3000.0).double(), torch.zeros(())
    )
    circuits.score[0, 1, 5], circuits.vote[0, 1, 5] = score, 5.0
    circuits.score[0, 1, 9], circuits.vote[0, 1, 9] = -60.0, 100.0
    return circuits


def loud_votes(vote):
    return one_loud_digit(0.0)._replace(vote=torch.full((1, 2, 11), vote, dtype=torch.float64))


@settings(max_examples=60)
@given(tables(), st.sampled_from(["", "7", "05", "123"]), st.integers(1, 40))
@example(one_loud_digit(650.0), "7", 3)
def test_the_search_finds_what_brute_force_finds(circuits, secret, k):
    try:
        search(circuits, "")
    except OverflowError:  # exp(score) times the largest vote nears the end of float64
        assert (circuits.score - circuits.score[:, :1, CLS:]).max() > 670
        assume(False)
    assert_matches_brute_force(circuits, secret[: circuits.max_digits], k)


@pytest.mark.parametrize(
    "wild",
    [
        one_loud_digit(706.0),
        one_loud_digit(math.nan),
        loud_votes(1.2e307),
        one_loud_digit(0.0)._replace(bias=torch.tensor(math.inf)),
    ],
)
def test_tables_whose_products_could_overflow_are_refused(wild):
    with pytest.raises(
        OverflowError, match="^the network's scores and votes are too large to be searched$"
    ):
        search(wild, "7")


def test_heads_whose_products_could_overflow_only_together_are_refused():
    one = loud_votes(1e306)
    assert search(one, "7").settled == 10
    many = one._replace(score=one.score.expand(100, 2, 11), vote=one.vote.expand(100, 2, 11))
    with pytest.raises(OverflowError):
        search(many, "7")


def test_products_and_a_bias_that_could_overflow_only_together_are_refused():
    circuits = loud_votes(0.75e307)
    circuits.score.zero_()
    search(circuits, "7")
    with pytest.raises(OverflowError):
        search(circuits._replace(bias=torch.tensor(1.2e308, dtype=torch.float64)), "7")


def test_tables_whose_products_are_just_small_enough_are_searched():
    found = search(loud_votes(1.1e307), "7")  # 8 times that, for CLS and a digit, is below 1.8e308
    assert found.settled == 10 and found.logits.item() == pytest.approx(1.1e307)


def test_codes_that_differ_by_more_than_the_precision_are_told_apart():
    """All looks are equal, so the bounds are exact. Two digits' logits are a little more apart."""
    circuits = random_circuits(2, heads=1, loudness=0.0)
    digits = torch.arange(11, dtype=torch.float64)
    circuits = circuits._replace(vote=torch.stack([digits * 0, 10 * digits, digits])[None])
    circuits = circuits._replace(vote=circuits.vote * 2.4 * 2.0**-40)
    assert_matches_brute_force(circuits, "47", k=60)


@pytest.mark.parametrize("loudness", [0.0, 1.0, 100.0])
def test_the_search_finds_what_brute_force_finds_among_many_codes(monkeypatch, loudness):
    monkeypatch.setattr(searching, "BATCH", 7)  # so that batches are cut
    assert_matches_brute_force(random_circuits(5, 3, seed=5, loudness=loudness), "4711", k=20)


@settings(max_examples=15)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(1, 3),
    st.floats(0.1, 3.0),
)
def test_the_search_finds_what_the_network_itself_says(seed, n_hidden, n_heads, max_digits, size):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits).double()
    for parameter in network.parameters():
        parameter.data *= size
    truth = hardest(network_logits(network, max_digits), max_digits, "7", 30)
    circuits = read_circuits(network)
    assume((circuits.score - circuits.score[:, :1, CLS:]).max() < 690)  # beyond, some are refused
    found = search(circuits, "7", 30)
    assert found.settled == count_codes(max_digits)
    assert found.logits.tolist() == pytest.approx([logit for _, logit in truth], rel=1e-9, abs=1e-9)


def test_a_node_that_is_lost_is_missing_in_the_codes_settled(monkeypatch):
    divide = searching._Tables.divide

    def divide_and_lose_the_first(*given):
        return searching.take_rows(divide(*given), slice(1, None))

    monkeypatch.setattr(searching._Tables, "divide", divide_and_lose_the_first)
    found = search(random_circuits(5), "123", 16)
    assert found.settled < count_codes(5)


def test_a_node_whose_bound_is_nan_is_looked_into(monkeypatch):
    bound = searching._Tables.find_bounds

    def bound_nothing(*given):
        bounds = bound(*given)
        return bounds._replace(bound=torch.full_like(bounds.bound, math.nan))

    monkeypatch.setattr(searching._Tables, "find_bounds", bound_nothing)
    assert_matches_brute_force(random_circuits(2), "47", k=5)


def test_a_code_whose_logit_is_nan_is_not_settled(monkeypatch):
    bound = searching._Tables.find_bounds

    def bound_nothing(*given):
        bounds = bound(*given)
        unknown = torch.full_like(bounds.bound, math.nan)
        return bounds._replace(bound=unknown, logits=unknown)

    monkeypatch.setattr(searching._Tables, "find_bounds", bound_nothing)
    assert search(random_circuits(1), "", budget=100).settled == 0


# The first ratio is an upper bound, the second one a lower bound.
@pytest.mark.parametrize("rounds", [1, 2])
def test_no_code_is_lost_if_the_rounds_are_too_few_to_find_a_ratio(monkeypatch, rounds):
    monkeypatch.setattr(searching, "ROUNDS", rounds)
    score = torch.full((1, 3, 11), -9.0, dtype=torch.float64)
    vote = torch.zeros(1, 3, 11, dtype=torch.float64)
    score[0, :, CLS] = 0.0
    score[0, 1:, 9] = 7.0
    vote[0, 1:, 9] = -100.0
    score[0, 1, 5] = math.log(0.3)
    vote[0, 1, 5] = 10.0
    score[0, 2, 3:6] = math.log(0.1)
    vote[0, 2, 3:6] = torch.tensor([8, 7.9, 7])
    assert_matches_brute_force(Circuits(score, vote, torch.zeros(())), "", k=3)
    assert_matches_brute_force(random_circuits(3, 2, rounds, 10.0), "471", k=10)


def test_the_vote_of_cls_counts_in_every_bound():
    """CLS has the only vote. So the best code is the one whose digits are looked at least."""
    circuits = random_circuits(3, heads=1)
    score = torch.zeros_like(circuits.score)
    score[0, 1:, :CLS] = torch.linspace(3, -3, CLS)
    vote = torch.zeros_like(circuits.vote)
    vote[0, 0, CLS] = 10.0
    circuits = circuits._replace(score=score, vote=vote)
    assert decode(search(circuits, "471").codes[0]) == "9"
    assert_matches_brute_force(circuits, "471", k=5)


def test_a_code_a_billionth_above_the_limit_is_found():
    """The bound of the part that holds it is exact, and must not be lower by a ten-millionth."""
    circuits = random_circuits(1, heads=1, loudness=0.0)
    vote = torch.zeros_like(circuits.vote)
    vote[0, 1, 4] = 4.0
    vote[0, 1, 7] = 2.0
    circuits = circuits._replace(vote=vote)
    second = circuits.logits(encode("7", 1)).item()
    found = search(circuits, "", 10, limit=second - 1e-9)
    assert [decode(code) for code in found.codes] == ["4", "7"]


def test_many_heads_and_small_batches_find_the_same(monkeypatch):
    circuits = random_circuits(3, heads=30)
    expected = search(circuits, "471", 20)
    monkeypatch.setattr(searching, "ENTRIES", 3 * circuits.score.numel())
    found = search(circuits, "471", 20)
    assert torch.equal(found.codes, expected.codes) and found.settled == expected.settled
    assert_matches_brute_force(circuits, "471", 20)


def test_sixteen_digits_are_settled_to_the_last_code():
    circuits = random_circuits(16, heads=1)
    seen = []
    found = search(circuits, "20131704", 3, watch=lambda nodes, share: seen.append((nodes, share)))
    assert found.settled == 11_111_111_111_111_110
    assert found.nodes == seen[-1][0] < 10_000 and seen == sorted(seen) and seen[-1][1] == 1
    assert circuits.logits(one_digit_off(decode(found.codes[0]), 16)).max() <= found.logits[0]


@pytest.mark.parametrize("digits", [20, 32])
def test_numbers_beyond_int64_are_counted_to_the_last_one(digits):
    found = search(random_circuits(digits, heads=1, loudness=100.0), "20131704")
    assert found.settled == count_codes(digits) > 2**64


def test_extreme_scores_are_settled_with_few_nodes():
    found = search(random_circuits(16, heads=3, loudness=100.0), "20131704")
    assert found.settled == count_codes(16) and found.nodes < 3_000


def test_a_search_that_runs_out_of_nodes_says_so_and_keeps_what_it_has():
    circuits = random_circuits(8, heads=4)
    found = search(circuits, "123", 10, budget=50)
    assert found.settled < count_codes(8) and found.nodes < 50 + searching.BATCH
    torch.testing.assert_close(found.logits, circuits.logits(found.codes))
    best = search(circuits, "123", 10)
    assert best.settled == count_codes(8)
    assert (best.logits >= found.logits).all() and len(found.codes) == 10


def test_ties_are_settled_as_one():
    """Each of the 11,110 codes has the same logit, and none needs a node of its own."""
    circuits = random_circuits(4, seed=1)._replace(vote=torch.ones(2, 5, 11).double())
    found = search(circuits, "7", 3)
    assert found.settled == count_codes(4) and len(found.codes) == 3 and found.nodes < 100


def test_a_code_just_above_the_limit_is_found_and_none_at_a_higher_limit():
    circuits = random_circuits(6, heads=3)
    (top,) = search(circuits, "").logits.tolist()
    assert len(search(circuits, "", 5, limit=top - precision(circuits)).codes) == 1
    assert len(search(circuits, "", 5, limit=top + 0.1).codes) == 0
