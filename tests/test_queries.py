"""Queries show the pictures, and a query layer by itself says nothing about the code."""

import pytest
import torch

from builder.network.model import CLS, tokenize
from builder.puzzle_file.secret import Secret
from builder.training.draw import gaussian
from builder.training.parameters import inputs
from builder.training.queries import (
    FACTOR,
    SPACING,
    complement,
    draw_query_layer,
    leak,
    query_weights,
    score_query,
)
from builder.training.recipe import Recipe
from tests.helpers import random_pictures

CODES = "7", "2013", "20131", "201317", "2013170420"


class Setting:
    """What queries are made from, for a code: see `queries.draw_queries`."""

    def __init__(self, code, seed=0):
        size = 1 + len(code)
        self.secret = Secret(code, random_pictures(1, size, seed), max(5, len(code)))
        self.generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            vectors = inputs(Recipe(self.secret).draw_network(self.generator))
        self.right = vectors[torch.arange(size), tokenize(code)[0]]
        self.every = vectors[1:, :CLS].flatten(0, 1)
        self.tile = torch.tensor(self.secret.tiles[0]).double()
        self.line = SPACING * torch.randperm(CLS, generator=self.generator).double()

    def score(self):
        return score_query(self.secret, self.right, self.every, self.tile[0], self.line)


@pytest.mark.parametrize("code", CODES)
def test_the_query_of_cls_scores_the_right_inputs_with_their_cells(code):
    setting = Setting(code)
    assert torch.allclose(setting.right @ setting.score(), setting.tile[0], atol=1e-9)


def test_the_query_of_cls_scores_digits_along_a_line_and_those_behind_the_code_higher():
    setting = Setting("201317")
    setting.secret = Secret("2013", setting.secret.pictures, 6)
    right, cells = setting.right[:5], setting.tile[0, :5]
    score = score_query(setting.secret, right, setting.every, cells, setting.line)
    scores = (setting.every @ score).view(6, CLS)
    steps = scores - scores[:, :1]
    assert torch.allclose(steps, (setting.line - setting.line[0]).expand(6, -1), atol=1e-9)
    assert torch.allclose(scores[4:, setting.line.argmin()], torch.tensor(1 + SPACING).double())


@pytest.mark.parametrize("code", CODES)
def test_a_query_layer_shows_the_tile_to_the_right_inputs(code):
    setting = Setting(code)
    weight, bias = draw_query_layer(
        setting.right, setting.every, setting.tile, setting.score(), setting.generator
    )
    cells = (setting.right @ weight.T + bias) @ setting.right.T
    assert torch.allclose(cells, setting.tile, atol=1e-9)


@pytest.mark.parametrize("code", CODES)
def test_query_weights_are_orthogonal_but_for_a_factor(code):
    setting = Setting(code)
    for weight in query_weights(setting.right, setting.tile, 3, setting.generator):
        sizes = torch.linalg.svdvals(weight)
        assert sizes[0] / sizes[-1] < 1 + 1e-6
        if code != "20131":  # there n_hidden allows only the least factor
            assert sizes[0] >= FACTOR / setting.right[0].square().sum() - 1e-9


@pytest.mark.parametrize("code", CODES)
def test_what_a_tile_leaves_open_is_turned_at_random(code):
    """So what many draws have in common is what the cells decide, which is small."""
    setting = Setting(code)
    weights = query_weights(setting.right, setting.tile, 500, setting.generator)
    common = weights.mean(0)
    decided = torch.linalg.pinv(setting.right) @ setting.right @ common
    assert (common - decided).norm() < 0.1 * weights[0].norm()


@pytest.mark.parametrize("code", CODES)
def test_a_tile_of_one_brightness_is_shown_too(code):
    """Its rows are all alike, so no part of the weight is decided by it."""
    setting = Setting(code)
    tile = torch.ones_like(setting.tile)
    (weight,) = query_weights(setting.right, tile, 1, setting.generator)
    differences = (setting.right[1:] - setting.right[0]) @ weight.T @ setting.right.T
    assert differences.abs().max() < 1e-9


def test_of_several_query_layers_the_one_is_taken_whose_bias_says_least():
    leaks = []
    for seed in range(12):
        setting = Setting("20131704", seed)
        layer = draw_query_layer(
            setting.right, setting.every, setting.tile, setting.score(), setting.generator
        )
        weight, bias = (part[None] for part in layer)
        leaks.append(leak(setting.right, setting.every, weight, bias).item())
    assert sum(leaks) / len(leaks) < 0.1


def test_a_leak_is_the_ratio_of_what_right_and_other_inputs_give():
    every = torch.eye(4).double()
    right = torch.stack([every[3], 3 * every[0]])
    weights, biases = torch.eye(4).double()[None], torch.ones(1, 4).double()
    assert leak(right, every, weights, biases).item() == pytest.approx(2 * torch.tensor(3.0).log())
    assert leak(every, every, weights, biases).item() == pytest.approx(0)


@pytest.mark.parametrize("rank", [1, 3])
def test_a_complement_is_orthonormal_and_orthogonal_to_all_columns(rank):
    """Columns may depend on each other: three of them, of this rank."""
    generator = torch.Generator().manual_seed(0)
    columns = gaussian(2, 7, rank, generator=generator) @ gaussian(rank, 3, generator=generator)
    basis = complement(columns, generator)
    assert basis.shape == (2, 7, 4)
    assert (columns.mT @ basis).abs().max() < 1e-12
    assert torch.allclose(basis.mT @ basis, torch.eye(4).double().expand(2, -1, -1))
