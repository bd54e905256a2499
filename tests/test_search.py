"""The search finds what brute force finds, and settles every code there is."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.model import NeuralNetwork
from builder.proof import search as searching
from builder.proof.circuits import Circuits, read_circuits
from builder.proof.codes import count_codes, decode, encode, one_digit_off
from builder.proof.search import search
from tests.oracle import hardest, network_logits, table_logits

KINDS = {
    "random": lambda score, vote: (score, 10 * vote),
    "extreme scores": lambda score, vote: (100 * score, 10 * vote),
    "huge votes": lambda score, vote: (3 * score, 1e6 * vote),
    "ties": lambda score, vote: (score.round(), vote.round()),
    "all equal": lambda score, vote: (0 * score, 0 * vote + 1),
    "equal looks": lambda score, vote: (0 * score, vote),
    "one loud token": lambda score, vote: (torch.where(score == score.max(), 12.0, score), vote),
}


def random_circuits(max_digits, heads=2, seed=0, kind="random"):
    generator = torch.Generator().manual_seed(seed)
    score, vote = torch.randn(2, heads, 1 + max_digits, 11, generator=generator, dtype=torch.float64)
    return Circuits(*KINDS[kind](score, vote), torch.tensor(0.3, dtype=torch.float64))


def assert_matches_brute_force(circuits, secret, k):
    """Compares a search for the k hardest, and one for all codes above a limit, with a look at all codes."""
    logits = table_logits(circuits)
    truth = hardest(logits, circuits.max_digits, secret, k + 100)
    tolerance = 1e-8 * (1 + circuits.vote.abs().max().item())

    shares = [0.0]
    found = search(circuits, secret, k, watch=lambda nodes, settled: shares.append(settled))
    assert found.complete and found.settled == 1
    assert all(after >= before - 1e-9 for before, after in pairwise(shares)), "codes are settled once"
    assert shares[-1] == pytest.approx(1)
    assert len(found.codes) == min(k, len(truth))
    codes = [decode(code) for code in found.codes]
    assert len(set(codes)) == len(codes) and secret not in codes
    for code, logit, (_, expected) in zip(codes, found.logits.tolist(), truth, strict=False):
        assert logit == pytest.approx(expected, abs=tolerance)
        assert logit == pytest.approx(circuits.double().logits(encode(code, circuits.max_digits)).item(), abs=tolerance)

    above = next((i for i in range(min(k, len(truth) - 1)) if truth[i][1] - truth[i + 1][1] > 10 * tolerance), None)
    if above is not None:
        limit = (truth[above][1] + truth[above + 1][1]) / 2
        found = search(circuits, secret, k + 1, limit)
        assert found.complete and len(found.codes) == above + 1


TABLES = st.tuples(
    st.integers(1, 4), st.integers(1, 8), st.integers(0, 10**6), st.sampled_from(sorted(KINDS)), st.integers(1, 200)
)


def assert_drawn_tables_match_brute_force(drawn):
    max_digits, heads, seed, kind, k = drawn
    circuits = random_circuits(max_digits, heads, seed, kind)
    secret = "".join(str((seed // 10**i) % 10) for i in range(1 + seed % max_digits))
    assert_matches_brute_force(circuits, secret, k)


@settings(max_examples=25)
@given(TABLES)
@example((3, 6, 181, "ties", 1))  # the hardest code has one digit, and its node is divided
def test_the_search_finds_what_brute_force_finds(drawn):
    assert_drawn_tables_match_brute_force(drawn)


@pytest.mark.slow
@settings(max_examples=500)
@given(TABLES)
def test_the_search_finds_what_brute_force_finds_five_hundred_times(drawn):
    assert_drawn_tables_match_brute_force(drawn)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("max_digits", "heads"), [(6, 1), pytest.param(5, 3, marks=pytest.mark.slow)])
def test_the_search_finds_what_brute_force_finds_among_a_million_codes(max_digits, heads, kind):
    assert_matches_brute_force(random_circuits(max_digits, heads, seed=5, kind=kind), "4711", k=20)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 8), st.integers(1, 4))
def test_the_tables_of_random_networks_are_searched_as_well(seed, n_hidden, n_heads, max_digits):
    torch.manual_seed(seed)
    assert_matches_brute_force(read_circuits(NeuralNetwork(n_hidden, n_heads, max_digits)).double(), "7", k=30)


def test_a_bound_that_is_a_thousandth_too_low_is_noticed(monkeypatch):
    exact = searching._Tables.bound

    def too_low(self, nodes):
        bounds = exact(self, nodes)
        return bounds._replace(bound=bounds.bound - 0.001 * (1 + bounds.bound.abs()))

    # With equal looks the bounds are exact, so a thousandth matters where two codes are nearly equal.
    monkeypatch.setattr(searching, "BATCH", 16)
    tables = random_circuits(4, heads=1, seed=2, kind="equal looks"), "471", 50
    assert_matches_brute_force(*tables)
    monkeypatch.setattr(searching._Tables, "bound", too_low)
    with pytest.raises(AssertionError):
        assert_matches_brute_force(*tables)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rounds", [2, 3])
def test_no_code_is_lost_where_the_rounds_are_too_few_to_find_a_ratio(monkeypatch, rounds, kind):
    monkeypatch.setattr(searching, "ROUNDS", rounds)
    assert_matches_brute_force(random_circuits(3, heads=2, seed=rounds, kind=kind), "471", k=10)
    assert_matches_brute_force(random_circuits(2, heads=1, seed=8, kind=kind), "47", k=10)


def test_the_search_of_a_trained_network_agrees_with_its_answers_to_all_111_110_inputs(network, ghost):
    circuits = read_circuits(network).double()
    assert_matches_brute_force(circuits, ghost.code, k=50)
    by_network = network_logits(network, ghost.max_digits)
    by_tables = table_logits(circuits)
    assert len(by_network) == count_codes(ghost.max_digits) == 111_110
    torch.testing.assert_close(by_network.double(), by_tables, rtol=1e-4, atol=1e-2)
    (second,) = search(circuits, ghost.code, 1).logits.tolist()
    assert by_network.topk(2).values[1].item() == pytest.approx(second, rel=1e-4)


def test_sixteen_digits_are_settled():
    circuits = random_circuits(16, heads=1)
    seen = []
    found = search(circuits, "20131704", 3, watch=lambda nodes, settled: seen.append((nodes, settled)))
    assert found.complete and found.settled == 1 and found.nodes == seen[-1][0] < 10_000
    assert all(a <= b and 0 <= b[1] <= 1 + 1e-12 for a, b in zip(seen, seen[1:], strict=False))
    assert found.logits.tolist() == pytest.approx(circuits.logits(found.codes).tolist())
    neighbours = one_digit_off(decode(found.codes[0]), 16)
    assert circuits.logits(neighbours).max() <= found.logits[0]


def test_a_search_that_runs_out_of_nodes_says_so_and_keeps_what_it_has():
    circuits = random_circuits(8, heads=4)
    found = search(circuits, "123", 10, budget=50)
    assert not found.complete and found.settled < 1 and found.nodes < 50 + searching.BATCH
    assert len(found.codes) == 10
    torch.testing.assert_close(found.logits, circuits.logits(found.codes))
    best = search(circuits, "123", 10)
    assert best.complete and (best.logits >= found.logits - 1e-9).all()


def test_a_code_just_above_the_limit_is_found_once():
    """Its node is divided and not set apart, because the limit is within the search's precision."""
    circuits = random_circuits(3, heads=2, seed=1)
    (top,) = search(circuits, "", 1).logits.tolist()
    found = search(circuits, "", 5, limit=top - searching.PRECISION / 2)
    assert [decode(code) for code in found.codes] == ["357"]


def test_a_search_computes_with_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    threads = set()
    search(random_circuits(4), "12", watch=lambda *_: threads.add(torch.get_num_threads()))
    assert threads == {1} and torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_a_limit_that_nothing_exceeds_is_proved_with_few_nodes():
    circuits = random_circuits(6, heads=3)
    (top,) = search(circuits, "", 1).logits.tolist()
    found = search(circuits, "", 5, limit=top + 0.1)
    assert found.complete and len(found.codes) == 0


def test_the_secret_alone_is_left_out():
    circuits = random_circuits(3)
    first, second = (decode(code) for code in search(circuits, "", 2).codes)
    assert [decode(code) for code in search(circuits, first, 1).codes] == [second]


def test_scores_beyond_the_floating_point_range_are_refused():
    circuits = random_circuits(3)
    for wild in (1e4 * circuits.score, math.nan * circuits.score):
        with pytest.raises(OverflowError):
            search(circuits._replace(score=wild), "123")
