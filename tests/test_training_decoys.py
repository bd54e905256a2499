"""With decoys every number shows crisp cells, and they don't tell the right one from others."""

import itertools
from dataclasses import replace

import pytest
import torch

from builder.errors import PuzzleError
from builder.network.circuits import read_circuits
from builder.network.codes import decode, one_digit_off
from builder.network.model import CLS, tokenize
from builder.network.weights import load
from builder.proof.certify import CELL, cell_errors, certify
from builder.puzzle_file.decoys import check_decoys
from builder.puzzle_file.secret import Secret
from builder.training.decoys.lesson import BLURS
from builder.training.decoys.nudges import (
    NUDGE,
    VOTE_RANGE,
    draw_nudges,
    ideal_votes,
    smallest_distance,
    vote_range,
)
from builder.training.decoys.recipe import DecoyRecipe
from builder.training.decoys.tables import draw_tables, has_lookalike
from builder.training.lesson import GAP
from builder.training.train import train
from tests.helpers import GHOST, random_pictures, trained
from tests.oracle import all_tokens

TWINS = ((1, 0, 0), (0, 1, 0), (0, 0, 1)), ((1, 1, 1), (0, 0, 0), (1, 1, 1))
PUZZLES = {"the ghost's": None, "places that CLS sees alike": Secret("05", TWINS, 3, decoys=True)}
PUZZLES["one picture"] = replace(
    Secret.read(GHOST), pictures=Secret.read(GHOST).pictures[:1], decoys=True
)


@pytest.fixture(scope="module", params=PUZZLES)
def built(request, ghost):
    """A secret with decoys, and its network."""
    secret = PUZZLES[request.param] or replace(ghost, decoys=True)
    *_, last = train(secret)
    assert last.certificate.holds and last.certificate.crisp == 1
    return secret, load(last.certificate.weights)


@torch.no_grad()
def matrices(network, tokens):
    return torch.stack(
        network.get_attention_matrices(network.embedding(tokens))
    )  # (heads, batch, rows, columns)


def test_every_cell_of_every_code_is_0_or_1_but_for_where_cls_looks(built):
    secret, network = built
    for tokens in all_tokens(min(4, secret.max_digits)):
        cells = matrices(network, tokens)
        off = (cells - cells.round()).abs()
        assert set(cells.round().unique().tolist()) <= {0.0, 1.0}
        assert off.max() <= CELL and off[:, :, 1:].max() < 1e-5


def test_the_code_shows_its_pictures_and_no_code_one_digit_off_does(built):
    secret, network = built
    assert cell_errors(network, secret, tokenize(secret.code)).max() <= CELL
    looks = read_circuits(network).score[:, 1, tokenize(secret.code)[0, 1:]].T  # (digits, heads)
    assert len(secret.pictures) == 1 or torch.pdist(looks).min() > 0.0146, (
        "votes can tell digits apart"
    )
    for code in map(decode, one_digit_off(secret.code, secret.max_digits)):
        assert cell_errors(network, secret, tokenize(code)).max() > 0.9


def test_the_codes_cells_are_no_sharper_than_those_of_other_numbers(built):
    secret, network = built
    (right,) = sharpness(matrices(network, tokenize(secret.code)))
    (tokens,) = [
        tokens for tokens in all_tokens(len(secret.code)) if tokens.shape[1] == 1 + len(secret.code)
    ]
    found = sharpness(matrices(network, tokens))
    assert 0.02 < (found < right).double().mean() < 0.98


def sharpness(cells):
    """The mean distance of the cells (heads, batch, rows, columns) from 0 or 1, (batch,)."""
    return (cells - cells.round()).abs().mean((0, 2, 3))


def test_wrong_numbers_show_about_as_many_lit_cells_as_the_code(built):
    secret, network = built
    lit = torch.cat(
        [matrices(network, tokens).round().flatten() for tokens in all_tokens(len(secret.code))]
    ).mean()
    assert lit.item() == pytest.approx(
        torch.as_tensor(secret.pictures).mean(dtype=torch.float).item(), abs=0.2
    )


def test_digits_and_positions_that_the_code_does_not_use_add_as_much_to_the_logit(ghost):
    """Neither the digits of the code nor its length can be read off the sizes of the votes."""
    digit_shares = []
    position_shares = []
    for seed in range(4):
        for secret in (replace(ghost, decoys=True), PUZZLES["one picture"]):
            *_, last = train(secret, seed)
            votes = read_circuits(load(last.certificate.weights)).vote[:, 1:, :CLS]
            by_digit = (votes.mean(1) - votes.mean((1, 2))[:, None]).norm(dim=0)
            by_position = votes.mean(2).norm(dim=0)
            is_used = torch.zeros(CLS, dtype=torch.bool)
            is_used[tokenize(secret.code)[0, 1:]] = True
            digit_shares.append(share_larger(by_digit[is_used], by_digit[~is_used]))
            length = len(secret.code)
            position_shares.append(share_larger(by_position[:length], by_position[length:]))
    for shares in (digit_shares, position_shares):
        assert 0.2 < sum(shares) / len(shares) < 0.8


def share_larger(sizes, others):
    """Of how many pairs the first one is larger, 0 to 1: a half if nothing tells them apart."""
    return (sizes[:, None] > others).double().mean().item()


def test_other_seeds_and_other_codes_draw_other_decoys(ghost):
    """Otherwise whoever has two puzzles would see which digits neither code uses."""
    secret, shown = replace(ghost, decoys=True), set()
    for other, seed in ((secret, 0), (secret, 1), (replace(secret, code="3120"), 0)):
        network = load(list(train(other, seed))[-1].certificate.weights)
        shown.add(str(matrices(network, tokenize("45678"))[:, :, 1:, 1:].round().int().tolist()))
    assert len(shown) == 3


@pytest.mark.parametrize("digits", [1, 2, 4, 5])
def test_ideal_votes_make_every_wrong_code_of_the_same_digits_cost_1_or_more(digits):
    """All such codes are tried: wrong digits, the last ones left out (or all of them), or both."""
    scores = torch.randn(1, 1 + digits, generator=torch.Generator().manual_seed(digits)).double()
    (votes,), (cls_vote,) = ideal_votes(scores)
    cls_look, *looks = scores[0].exp().tolist()
    right = cls_look * cls_vote.item()
    right += sum(look * votes[digit, digit].item() for digit, look in enumerate(looks))
    assert right == pytest.approx(0, abs=1e-9)
    costs = {}
    for length in range(1 + digits):
        for code in itertools.product(range(digits), repeat=length):
            wrong = cls_look * cls_vote.item()
            wrong += sum(
                looks[digit] * votes[digit, place].item() for place, digit in enumerate(code)
            )
            costs[code] = right - wrong
    del costs[tuple(range(digits))]
    wrong_digits = [cost for code, cost in costs.items() if len(code) == digits]
    cut = [cost for code, cost in costs.items() if code == tuple(range(len(code)))]
    for kind in (wrong_digits, cut):
        assert not kind or min(kind) == pytest.approx(1)
    assert min(costs.values()) == pytest.approx(1)


def test_the_range_of_votes_is_that_of_the_ideal_ones_for_a_logit_that_is_1_lower():
    scores = torch.tensor([[0.0, 1.0, 0.5, 0.2]]).double()
    votes, cls_vote = ideal_votes(scores)
    every = [*votes.flatten().tolist(), cls_vote.item()]
    expected = (max(every) - min(every)) * scores.exp().sum().item()
    assert vote_range(scores).item() == pytest.approx(expected)


@pytest.mark.parametrize("heads", [2, 3])
def test_the_first_nudges_that_are_good_enough_are_taken_and_not_the_best(heads):
    """The best ones would tell the digits of the code: those that are far apart for CLS."""
    generator = torch.Generator().manual_seed(0)
    distances = []
    for _ in range(12):
        others = torch.randperm(CLS, generator=generator)[:4]
        code = torch.cat([torch.tensor([CLS]), others])
        cells = torch.zeros(heads, 1 + CLS, dtype=torch.float64)
        cells[:, others[:2]] = 1
        nudges = draw_nudges(cells, code, generator)
        assert nudges.shape == (heads, CLS)
        assert nudges.abs().max() <= NUDGE
        looks = cells[:, :CLS] + nudges
        distances.append(smallest_distance(looks[None, :, others]).item())
    assert min(distances) > 1.5 * NUDGE
    assert sum(distances) / len(distances) < 2.1 * NUDGE


def test_nudges_of_one_head_keep_its_votes_within_the_range_of_float32_if_they_can():
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        cells = torch.randint(2, (1, 1 + CLS), generator=generator).double()
        code = torch.cat([torch.tensor([CLS]), torch.randperm(CLS, generator=generator)[:4]])
        nudges = draw_nudges(cells, code, generator)
        scores = cells.clone()
        scores[:, :CLS] += nudges
        assert vote_range(scores[:, code]).item() <= VOTE_RANGE


def test_a_number_that_shows_the_pictures_is_noticed_wherever_its_digits_differ():
    tiles = torch.tensor([[[0.0, 1, 0], [1, 0, 0], [0, 1, 1]]])
    tables = torch.full((1, 11, 11), 0.5)
    code = torch.tensor([CLS, 2, 7])
    tables[:, code[:, None], code] = tiles
    assert not has_lookalike(tables, tiles)
    other = torch.tensor([CLS, 9, 3])  # both of its digits are others
    tables[:, other[:, None], other] = tiles
    assert has_lookalike(tables, tiles)
    tables[0, 3, 9] = 0.7  # 0.3 from the tile's cell
    assert not has_lookalike(tables, tiles)
    tables[0, 3, 9] = 0.8  # 0.2 from it
    assert has_lookalike(tables, tiles)


def test_both_cells_of_two_digits_count():
    tiles = torch.tensor([[[0.0, 1, 0], [1, 0, 0], [0, 1, 1]]])
    for row, column in ((9, 3), (3, 9), (CLS, 3), (3, CLS)):
        tables = torch.full((1, 11, 11), 0.5)
        for code in ([CLS, 2, 7], [CLS, 9, 3]):
            tokens = torch.tensor(code)
            tables[:, tokens[:, None], tokens] = tiles
        assert has_lookalike(tables, tiles)
        tables[0, row, column] = 0.5
        assert not has_lookalike(tables, tiles)


def test_tables_are_drawn_anew_while_another_number_shows_the_pictures():
    """A picture as small as this is often shown by one of a hundred numbers."""
    picture = ((1, 0, 1), (1, 0, 1), (1, 1, 0))
    tile = torch.tensor([picture]).double()
    for seed in range(12):
        secret = Secret("05", (picture,), 5, decoys=True)
        tables = draw_tables(secret, torch.Generator().manual_seed(seed))
        assert not has_lookalike(tables, tile)


def test_votes_that_float32_cannot_hold_are_learned_with_less_and_less_of_a_disguise(ghost):
    secret = replace(ghost, decoys=True)
    generator = torch.Generator().manual_seed(0)
    recipe = DecoyRecipe(secret)
    with torch.no_grad():
        network = recipe.draw_network(generator)
        lesson = recipe.begin_lesson(network, generator)
        sizes = []
        is_relaxed = True
        while is_relaxed:
            assert lesson.fit() >= GAP
            sizes.append(lesson.votes.norm().item())
            is_relaxed = lesson.relax()
    assert len(sizes) == len(BLURS)
    assert sizes == sorted(sizes, reverse=True)


def test_other_cells_are_drawn_from_those_of_the_heads_own_tile():
    picture = ((0.3, 0.3, 0.3, 0.0, 1.0, 0.5),) * 3
    secret = Secret("05", (picture,), 5, decoys=True)
    tables = draw_tables(secret, torch.Generator().manual_seed(0))
    flat, busy = tables[:, :CLS]
    assert (flat == 0.3).all()
    assert set(busy.unique().tolist()) == {0.0, 0.5, 1.0}


def test_grey_pictures_of_many_tiles_have_decoys():
    dice = torch.Generator().manual_seed(0)
    cells = torch.randint(11, (15, 20), generator=dice) / 10
    picture = tuple(map(tuple, (cells * 10).round().div(10).double().tolist()))
    secret = Secret("4071", (picture,), 6, decoys=True)
    *_, last = train(secret)
    assert last.succeeds
    assert last.certificate.crisp == 1
    network = load(last.certificate.weights)
    for tokens in (tokenize("4071"), tokenize("99"), tokenize("123456")):
        tenths = 10 * matrices(network, tokens)
        assert (tenths - tenths.round()).abs().max() <= 10 * CELL
    assert cell_errors(network, secret, tokenize("4071")).max() <= CELL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "heads"),
    [
        ("8", 1),
        ("8", 2),
        ("40", 1),
        ("20531", 1),
        ("20531", 2),
        ("2053174", 1),
        ("0123456789", 2),
        ("0123456789", 4),
    ],
)
def test_decoys_of_other_sizes_are_certified(code, heads):
    for secret in itertools.islice(drawings(code, heads), 3):
        *_, last = train(secret)
        assert last.succeeds


@pytest.mark.parametrize(("code", "heads"), [("2012", 1), ("7577", 2), ("3141592", 3)])
@torch.no_grad()
def test_a_digit_may_stand_in_the_code_twice_if_it_is_drawn_alike(code, heads):
    (secret,) = itertools.islice(drawings(code, heads), 1)
    network = trained(secret)
    certificate = certify(network, secret)
    assert certificate.holds and certificate.crisp == 1
    lit = torch.stack(network.get_attention_matrices(network.embedding(tokenize(code)))) > 0.5
    assert torch.equal(lit[:, 0].int(), torch.tensor(secret.tiles))


def drawings(code, heads):
    """Random puzzles with decoys that a puzzle file may ask for."""
    own_places = [0, *(1 + code.index(digit) for digit in code)]
    for seed in itertools.count():
        drawn = torch.tensor(random_pictures(heads, 1 + len(code), seed))
        alike = drawn[:, own_places][:, :, own_places]  # wherever a digit stands in the code
        pictures = tuple(tuple(map(tuple, picture)) for picture in alike.tolist())
        secret = Secret(code, pictures, max(5, len(code)), decoys=True)
        try:
            check_decoys(code, secret.tiles)
        except PuzzleError:
            continue
        yield secret
