"""Every code there is is looked at, once, and the hardest are found."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from builder import beam, keyspace
from builder.circuits import Circuits
from builder.keyspace import count_codes, decode, encode, numbered, scan, survey
from tests.helpers import scan_all


def random_circuits(max_digits, heads=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    score, vote = torch.randn(2, heads, 1 + max_digits, 11, generator=generator, dtype=torch.float64)
    return Circuits(score, 10 * vote, torch.tensor(0.3, dtype=torch.float64))


def brute_force(circuits, secret):
    """All wrong codes and their logits, the hardest first."""
    codes = torch.cat(
        [numbered(n, torch.arange(10**n), circuits.max_digits) for n in range(1, circuits.max_digits + 1)]
    )
    logits = circuits.logits(codes)
    order = logits.argsort(descending=True)
    return [(decode(codes[i]), logits[i].item()) for i in order if decode(codes[i]) != secret]


def test_leading_zeros_count():
    assert (count_codes(1), count_codes(5), count_codes(8)) == (10, 111_110, 111_111_110)


@given(st.text("0123456789", min_size=1, max_size=8), st.integers(0, 3))
def test_a_code_is_its_digits_and_its_number(code, room):
    max_digits = len(code) + room
    digits = encode(code, max_digits)
    assert decode(digits[0]) == code
    assert torch.equal(numbered(len(code), torch.tensor([int(code)]), max_digits), digits)


@pytest.mark.parametrize("block", [1, 37, 500_000])
def test_the_scan_gives_every_code_once_and_in_order(monkeypatch, block):
    monkeypatch.setattr(keyspace, "BLOCK", block)
    circuits = random_circuits(4)
    scanned = scan_all(circuits)
    assert sum(map(len, scanned.values())) == count_codes(4)
    for length, logits in scanned.items():
        codes = numbered(length, torch.arange(10**length), 4)
        torch.testing.assert_close(logits, circuits.logits(codes))


@pytest.mark.parametrize("block", [11, 500_000])
@pytest.mark.parametrize(("max_digits", "k"), [(1, 3), (2, 200), (4, 50)])
@pytest.mark.parametrize("secret", ["7", "0"])
def test_a_survey_finds_what_brute_force_finds(monkeypatch, block, max_digits, k, secret):
    monkeypatch.setattr(keyspace, "BLOCK", block)
    circuits = random_circuits(max_digits, seed=k)
    truth = brute_force(circuits, secret)
    steps = []
    found = survey(circuits, secret, k, steps.append)
    assert [decode(code) for code in found.codes] == [code for code, _ in truth[:k]]
    torch.testing.assert_close(found.logits.tolist(), [logit for _, logit in truth[:k]])
    assert found.accepted == sum(logit > 0 for _, logit in truth)
    assert found.looked_at == steps[-1] == count_codes(max_digits)


def test_the_hardest_code_is_never_the_secret():
    circuits = random_circuits(3)
    hardest, second = (code for code, _ in brute_force(circuits, "no code")[:2])
    assert decode(survey(circuits, hardest, 1).codes[0]) == second


def test_a_block_that_splits_a_length_leaves_no_code_out():
    lengths = [(length, len(block)) for length, _, block in scan(random_circuits(7, heads=1))]
    assert len(lengths) > 7
    assert sum(size for _, size in lengths) == count_codes(7)


def test_the_beam_finds_the_hardest_codes_where_it_sees_them_all():
    circuits = random_circuits(2)
    truth = brute_force(circuits, "42")
    codes = {decode(code) for code in beam.beam_search(circuits, "42", 200, torch.Generator())}
    assert codes == {code for code, _ in truth}


@pytest.mark.parametrize("seed", range(5))
def test_the_beam_finds_hard_codes_of_every_length_and_never_the_secret(seed):
    circuits = random_circuits(6, seed=seed)
    secret = decode(survey(circuits, "no code", 1).codes[0])
    codes = beam.beam_search(circuits, secret, 64, torch.Generator().manual_seed(seed))
    assert secret not in {decode(code) for code in codes}
    assert {len(decode(code)) for code in codes} == set(range(1, 7))
    hardest = survey(circuits, secret, 1).logits[0]
    assert circuits.logits(codes).max() > hardest - 3
