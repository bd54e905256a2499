"""The rules find what single weights say about a code, and leave the rest to chance."""

import pytest
import torch

from builder.network.model import NeuralNetwork
from builder.puzzle_file.secret import Secret
from tests import rules
from tests.helpers import random_pictures
from tests.rules import share_named

CODES = ["201346", "555555", "847163", "0906", "72727", "318", "9", "64015239"]


@pytest.fixture
def drawn():
    """Networks of random weights, and secrets that they have never seen."""
    torch.manual_seed(0)
    secrets = [Secret(code, random_pictures(2, 1 + len(code)), max(5, len(code))) for code in CODES]
    return [(NeuralNetwork(12, 2, secret.max_digits), secret) for secret in secrets]


@torch.no_grad()
def plant(network, code):
    """Moves each position so that its right digit has the vector 0."""
    for position, digit in enumerate(code, 1):
        network.embedding.position[position] = -network.embedding.weight[int(digit)]


def test_an_embedding_that_tells_the_code_is_found_out(drawn, capsys):
    for network, secret in drawn:
        plant(network, secret.code)
    shares = share_named(drawn)
    assert shares["embedding: norm, smallest"] == 1 and shares["embedding: norm, largest"] < 0.3
    rules.show("planted", drawn)
    told = capsys.readouterr().out
    assert "  201346 by " in told and "  318 by " not in told
