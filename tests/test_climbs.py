"""The share of climbs that end at the code is that of all climbs, of both kinds."""

import pytest
import torch

from builder.network.circuits import Circuits, read_circuits
from builder.network.codes import encode
from builder.network.model import NeuralNetwork
from builder.proof import climbs
from builder.proof.climbs import Tables, draw_climbs, share_of_climbs


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [0, 1])
@torch.no_grad()
def test_the_logits_of_ten_digits_are_those_of_the_circuits(seed):
    """Looks depend on the position here, and CLS would look at itself at other places, too."""
    torch.manual_seed(seed)
    circuits = read_circuits(NeuralNetwork(6, 3, 5))
    codes, orders = draw_climbs(5, 4, generator(2))
    logits = Tables(circuits).digit_logits(codes, orders[:, 0])
    for code, place, row in zip(codes, orders[:, 0], logits, strict=True):
        for digit in range(10):
            code[place] = digit
            text = "".join(map(str, code.tolist()))
            expected = circuits.logits(encode(text, circuits.max_digits))
            torch.testing.assert_close(row[digit], expected[0])


def test_climbs_start_from_what_the_generator_draws():
    codes, orders = draw_climbs(1000, 4, generator(5))
    torch.manual_seed(77)
    again, orders_again = draw_climbs(1000, 4, generator(5))
    assert torch.equal(codes, again) and torch.equal(orders, orders_again)
    assert (codes.flatten().bincount(minlength=10) > 300).all()
    assert torch.equal(orders.sort(1).values, torch.arange(4).expand(1000, 4))
    assert len(orders.unique(dim=0)) == 24
    assert not torch.equal(codes, draw_climbs(1000, 4, generator(6))[0])


def test_every_climb_of_both_kinds_counts_once(monkeypatch):
    """In this test a climb stays where it starts, and every fifth one starts at the code."""
    monkeypatch.setattr(climbs, "BATCH", 100)
    drawn = []

    def draw(count, digits, generator):
        drawn.append(count)
        codes = torch.zeros(count, digits, dtype=torch.long)
        codes[::5] = torch.tensor([4, 7, 1])
        return codes, torch.tensor([[2, 0, 1]]).expand(count, -1)

    orders = []

    def stay(_, codes, order):
        orders.append(order[0].tolist())
        return codes

    monkeypatch.setattr(climbs, "draw_climbs", draw)
    monkeypatch.setattr(climbs, "climb", stay)
    assert share_of_climbs(None, "471", generator(), 250) == 0.2
    assert drawn == 2 * [100, 100, 50]
    assert orders == 3 * [[0, 1, 2]] + 3 * [[2, 0, 1]]


@pytest.mark.parametrize("shares", [(3, 8), (8, 3)])
def test_the_share_is_that_of_the_kind_that_gets_in_more_often(monkeypatch, shares):
    kinds = []

    def reach(_, codes, order):
        share = shares[len(kinds)]
        kinds.append(order)
        ends = torch.zeros_like(codes)
        ends[:share] = torch.tensor([4, 7, 1])
        return ends

    monkeypatch.setattr(climbs, "climb", reach)
    assert share_of_climbs(None, "471", generator(), 100) == 0.08


def test_a_climb_takes_the_best_digit_until_nothing_changes():
    """The votes of one head add up here: the best digits are 4, 7 and 1."""
    score = torch.zeros(1, 4, 11, dtype=torch.float64)
    vote = torch.zeros(1, 4, 11, dtype=torch.float64)
    vote[0, [1, 2, 3], [4, 7, 1]] = 5.0
    circuits = Circuits(score, vote, torch.zeros((), dtype=torch.float64))
    codes, orders = draw_climbs(20, 3, generator())
    seen = []
    ends = climbs.climb(circuits, codes, orders, lambda *step: seen.append(step))
    assert torch.equal(ends, torch.tensor([[4, 7, 1]]).expand(20, 3))
    assert len(seen) == 6  # three places, and once more without a change
    assert torch.equal(seen[0][1], orders[:, 0]) and seen[0][2].shape == (20, 10)
    assert share_of_climbs(circuits, "471", generator(), 50) == 1
    assert share_of_climbs(circuits, "472", generator(), 50) == 0
