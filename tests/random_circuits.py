"""Random tables for the tests of searches."""

import torch
from hypothesis import strategies as st

from builder.network.circuits import Circuits


def random_circuits(max_digits, heads=2, seed=0, loudness=1.0, is_alike=False):
    """Random tables. is_alike: whether CLS looks at a digit alike at all places."""
    generator = torch.Generator().manual_seed(seed)
    score, vote = torch.randn(
        2, heads, 1 + max_digits, 11, generator=generator, dtype=torch.float64
    )
    if is_alike:
        score[:, 1:] = score[:, 1:2]
    return Circuits(loudness * score, 10 * vote, torch.tensor(0.3, dtype=torch.float64))


@st.composite
def tables(draw, loudest=750.0, is_alike=False):
    """Circuits of all sizes with few different scores and votes: votes may tie, or cancel.

    loudest: the largest score. is_alike: as above.
    """
    max_digits, heads = draw(st.integers(1, 3)), draw(st.integers(1, 8))
    largest = draw(st.sampled_from([1.0, 20.0, loudest]))
    scores = draw(st.lists(st.floats(-largest, largest), min_size=1, max_size=4))
    largest = draw(st.sampled_from([1.0, 3000.0, 1e12]))
    votes = draw(st.lists(st.floats(-largest, largest), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    shape = heads, 1 + max_digits, 11

    def pick(values):
        values = torch.tensor(values, dtype=torch.float64)
        return values[torch.randint(len(values), shape, generator=generator)]

    score = pick(scores)
    vote = pick(votes)
    noise = draw(st.sampled_from([0.0, 1e-9, 0.3]))
    score = score + noise * torch.randn(score.shape, generator=generator, dtype=torch.float64)
    if is_alike:
        score[:, 1:] = score[:, 1:2]
    if draw(st.booleans()):
        vote = vote * (-1.0) ** torch.arange(heads)[:, None, None]
    return Circuits(score, vote, torch.tensor(draw(st.floats(-1e3, 1e3)), dtype=torch.float64))
