"""It always works: a part of the sweep that python -m tests.sweep runs in whole."""

import pytest

from builder.keyspace import count_codes
from tests.sweep import sweep


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "seed"), [(80, 0, 1), (0, 8, 2)])
def test_random_puzzles_are_certified(small, large, seed):
    for built in sweep(small, large, seed):
        assert built.certificate.holds, built.secret
        assert built.certificate.looked_at == count_codes(built.secret.max_digits)


def test_a_random_puzzle_of_each_kind_is_certified():
    assert all(built.certificate.holds for built in sweep(small=3, large=1, seed=3))
