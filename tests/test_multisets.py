"""The search of multisets finds what brute force finds, and settles every code there is."""

import math
from functools import partial

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from builder.network.circuits import BLANK, read_circuits
from builder.network.codes import count_codes, decode, encode
from builder.network.model import CLS
from builder.proof import hardest as choosing
from builder.proof import multisets as searching
from builder.proof.hardest import find_hardest
from builder.proof.multisets import count_multisets, is_searchable, multisets, search_multisets
from builder.proof.search import search
from tests import random_circuits as random_tables
from tests.oracle import assert_finds_the_hardest
from tests.random_circuits import tables

random_circuits = partial(random_tables.random_circuits, is_alike=True)


def expected_precision(circuits):
    """Said here again, so that a wrong one in the builder is noticed."""
    heads, positions, _ = circuits.score.shape
    roundings = 2 * (1600 + positions * positions + 18 * positions + 2 * heads + positions * heads)
    votes = sum(circuits.vote[head].abs().max().item() for head in range(heads))
    return roundings * 2.0**-53 * (1 + abs(circuits.bias.item()) + votes)


def assert_matches_brute_force(circuits, secret, k):
    assert is_searchable(circuits)
    exact = expected_precision(circuits)
    assert_finds_the_hardest(search_multisets, circuits, secret, k, exact)


@settings(max_examples=60)
@given(tables(300.0, is_alike=True), st.sampled_from(["", "7", "05", "123"]), st.integers(1, 40))
@example(random_circuits(3, heads=1), "471", 1)
def test_the_search_finds_what_brute_force_finds(circuits, secret, k):
    assume(len(secret) <= circuits.max_digits)
    assert_matches_brute_force(circuits, secret, k)


@pytest.mark.parametrize("loudness", [0.3, 3.0])
def test_the_search_finds_what_brute_force_finds_among_many_codes(monkeypatch, loudness):
    monkeypatch.setattr(searching, "BATCH", 100)
    assert_matches_brute_force(random_circuits(5, 3, seed=4, loudness=loudness), "04711", k=50)


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_no_code_is_lost_if_prices_are_changed_too_seldom(monkeypatch, rounds):
    monkeypatch.setattr(searching, "ROUNDS", rounds)
    assert_matches_brute_force(random_circuits(4, heads=3, seed=1), "4711", k=20)


def test_a_code_that_many_others_are_close_to_is_found_with_its_rivals():
    """The votes of places are much larger than those of digits, so that prices matter."""
    circuits = random_circuits(4, heads=2, seed=7)
    vote = 0.01 * circuits.vote
    vote[:, 1:] += 100 * torch.tensor([1.0, -1.0, 0.5, 0.2]).double()[:, None]
    assert_matches_brute_force(circuits._replace(vote=vote), "4711", k=30)


def test_the_search_finds_what_the_other_one_finds_with_decoys(with_decoys):
    secret, network = with_decoys
    circuits = read_circuits(network)
    assert is_searchable(circuits)
    expected = search(circuits, secret.code, 16)
    found = search_multisets(circuits, secret.code, 16)
    assert torch.equal(found.codes, expected.codes)
    assert found.settled == expected.settled == 111_110
    assert found.nodes < 2 * count_multisets(5)


def test_twelve_digits_are_settled_to_the_last_code():
    circuits = random_circuits(12, heads=3, loudness=0.3)
    seen = []
    found = search_multisets(
        circuits, "20131704", 3, watch=lambda nodes, share: seen.append((nodes, share))
    )
    assert found.settled == count_codes(12) == 1_111_111_111_110
    assert seen == sorted(seen) and seen[-1][1] == 1
    assert 646_645 <= seen[-1][0] <= found.nodes < 700_000


def test_the_arrangements_of_all_multisets_are_all_codes():
    for length in (1, 2, 5, 16):
        found = multisets(length).long()
        assert len(found.unique(dim=0)) == len(found) and (found >= 0).all()
        assert (found.sum(1) == length).all()
        arrangements = searching._Arrangements(random_circuits(16), length)
        assert arrangements.count(found) == 10**length
    assert count_multisets(16) == sum(len(multisets(length)) for length in range(1, 17))


def test_a_multiset_that_is_lost_is_missing_in_the_codes_settled(monkeypatch):
    monkeypatch.setattr(searching, "multisets", lambda length: multisets(length)[1:])
    found = search_multisets(random_circuits(4), "123", 16)
    assert found.settled == count_codes(4) - 4  # 9, 99, 999 and 9999 come first


@pytest.mark.parametrize("sign", [1, -1])
def test_no_price_gets_larger_than_the_rounding_allows(sign):
    """Two digits have the same extreme price: one is taken too often, the other too rarely."""
    circuits = random_circuits(4)
    arrangements = searching._Arrangements(circuits, 4)
    size = arrangements.size
    assert arrangements.precision == pytest.approx(expected_precision(circuits))
    counts = torch.zeros(1, 10, dtype=torch.long)
    counts[0, 3], counts[0, 7] = 1, 3
    nodes = arrangements.all_of(counts)
    prices = torch.full_like(nodes.prices, sign * size)
    hardest = searching.Hardest(circuits, "", 100, -1e9)
    improved = arrangements.improve(nodes._replace(prices=prices), hardest)
    assert len(improved.bound) == 1 and improved.rounds.item() == 1
    assert improved.prices.abs().max() == size
    assert (improved.prices != prices).sum() == 1  # the other one would have left the range


def test_known_codes_need_not_be_found_again():
    circuits = random_circuits(4, heads=3)
    expected = search_multisets(circuits, "4711", 5)
    assert len(search_multisets(circuits, "4711").codes) == 1
    found = search_multisets(circuits, "4711", 5, known=expected.codes)
    assert torch.equal(found.codes, expected.codes) and found.nodes < expected.nodes
    secret = search_multisets(circuits, "4711", 5, known=encode("4711", 4))
    assert torch.equal(secret.codes, expected.codes)


def test_a_code_a_billionth_above_the_limit_is_found():
    circuits = random_circuits(2, heads=1, loudness=0.0)
    vote = torch.zeros_like(circuits.vote)
    vote[0, 1, 4], vote[0, 2, 7] = 4.0, 2.0
    circuits = circuits._replace(vote=vote)
    third = circuits.logits(encode("40", 2)).item()
    for above in (1e-9, 1.1 * expected_precision(circuits)):
        found = search_multisets(circuits, "", 100, limit=third - above)
        codes = {decode(code) for code in found.codes}
        assert codes == {"4", "47", *(f"4{d}" for d in range(10))}
    assert len(search_multisets(circuits, "", 100, limit=third + 1e-9).codes) == 2


def test_ties_are_settled_as_one():
    circuits = random_circuits(6, seed=1)._replace(vote=torch.ones(2, 7, 11).double())
    found = search_multisets(circuits, "7", 3)
    assert found.settled == count_codes(6) and len(found.codes) == 3
    assert found.nodes < 2 * count_multisets(6)


def test_a_search_that_runs_out_of_nodes_says_so_and_keeps_what_it_has(monkeypatch):
    monkeypatch.setattr(searching, "BATCH", 50)
    circuits = random_circuits(5, heads=4, seed=2)
    limit = search(circuits, "", 5000).logits[-1].item()
    found = search_multisets(circuits, "", 10**6, limit, budget=100)
    assert found.settled < count_codes(5)
    begun = found.nodes - 100  # besides a batch, at most
    assert any(begun - 50 <= count_multisets(digits) <= begun for digits in range(1, 6))
    assert 0 < len(found.codes) < 5000 and (found.logits > limit).all()
    assert found.settled in [0, *map(count_codes, range(1, 5))]
    assert found.precision == pytest.approx(expected_precision(circuits))


def test_digits_that_are_looked_at_more_at_one_place_are_not_searched_so():
    circuits = random_circuits(5)
    assert is_searchable(circuits)
    for change, is_alike in ((2.0**-49, True), (2.0**-44, False), (0.1, False), (math.nan, False)):
        score = circuits.score.clone()
        score[1, 4, 7] += change
        assert is_searchable(circuits._replace(score=score)) == is_alike
        score[1, 1:, 7] -= 10.0  # it is the look's own size that counts
        assert is_searchable(circuits._replace(score=score)) == is_alike


def test_how_often_cls_looks_at_itself_does_not_matter():
    circuits = random_circuits(3)
    circuits.score[:, 1:, CLS] = torch.randn(2, 3).double()  # CLS stands at no other place
    assert is_searchable(circuits)
    assert_matches_brute_force(circuits, "47", k=10)


def test_plain_puzzles_and_very_long_codes_are_not_searched_so(network):
    assert not is_searchable(read_circuits(network))
    assert is_searchable(random_circuits(16)) and not is_searchable(random_circuits(17))


def test_the_search_that_suits_a_network_finds_the_same(monkeypatch):
    circuits = random_circuits(5, heads=4)
    expected = search(circuits, "4711", 7)
    assert_same(find_hardest(circuits, "4711", 7), expected)
    monkeypatch.setattr(choosing, "FEWEST_NODES", 1)
    monkeypatch.setattr(choosing, "MULTISETS_PER_NODE", math.inf)
    shares = []
    found = find_hardest(circuits, "4711", 7, watch=lambda nodes, share: shares.append(share))
    assert_same(found, expected)
    assert found.nodes > count_multisets(5) and shares[0] < 0.1 and shares[-1] == 1
    limit = expected.logits[3].item()
    assert len(find_hardest(circuits, "4711", 7, limit).codes) == 3


def assert_same(found, expected):
    assert torch.equal(found.codes, expected.codes)
    torch.testing.assert_close(found.logits, expected.logits)
    assert found.settled == expected.settled == count_codes(5)


def test_a_search_that_is_short_needs_no_multisets(monkeypatch, with_decoys, network):
    def unwanted(*_, **__):
        raise AssertionError("the other search is enough")

    monkeypatch.setattr(choosing, "search_multisets", unwanted)
    secret, decoys = with_decoys
    assert find_hardest(read_circuits(decoys), secret.code).settled == 111_110
    assert find_hardest(read_circuits(network), secret.code).settled == 111_110
    assert find_hardest(read_circuits(network), secret.code, 16, budget=50).settled < 111_110


def test_whoever_asks_for_the_hardest_code_gets_one_and_is_told_how_far_the_search_is(network):
    shares = []
    plain = read_circuits(network)
    found = find_hardest(plain, "2013", watch=lambda nodes, share: shares.append(share))
    assert len(found.codes) == 1 and shares[-1] == 1
    assert len(find_hardest(random_circuits(5, heads=4), "4711").codes) == 1


def test_codes_end_where_they_end():
    found = search_multisets(random_circuits(3), "", 2000)
    assert len(found.codes) == 1110
    is_blank = found.codes == BLANK
    assert not (is_blank[:, :-1] & ~is_blank[:, 1:]).any() and not is_blank[:, 0].any()
