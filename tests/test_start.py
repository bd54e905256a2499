"""Training starts with digits and positions on a line, which already singles out the right digits."""

import pytest
import torch

from builder.model import CLS, NeuralNetwork
from builder.proof.circuits import read_circuits
from builder.secret import Secret
from builder.training import start as starting
from builder.training.start import hidden_size, start


def secret(code, heads, max_digits):
    return Secret(code, torch.zeros(heads, 1 + len(code), 1 + len(code)), max_digits)


class Blank(NeuralNetwork):
    """A network of zeros, so that the line stands alone."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        for parameter in self.parameters():
            torch.nn.init.zeros_(parameter)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("code", "heads", "max_digits"), [("2013", 3, 5), ("7", 1, 1), ("0000000000000000", 1, 16)])
def test_by_the_line_alone_each_right_digit_is_the_best_at_its_position(monkeypatch, code, heads, max_digits, seed):
    monkeypatch.setattr(starting, "NeuralNetwork", Blank)
    with torch.no_grad():
        circuits = read_circuits(start(secret(code, heads, max_digits), seed))
    distance = circuits.score[:, 1:, :CLS] - circuits.score[:, :1, CLS:]  # (heads, positions, digits)
    share = distance.exp() * (1 + circuits.vote[:, 1:, :CLS] * heads / starting.GAIN)
    for position, digit in enumerate(map(int, code)):
        torch.testing.assert_close(distance[:, position, digit], torch.zeros(heads), atol=1e-5, rtol=0)
        assert (share[:, position].argmax(1) == digit).all()
        assert share[:, position].topk(2).values.diff().max() < -0.05
    assert (distance[:, len(code) :] > 0.99).all() and (share[:, len(code) :] < 0.05).all()  # behind the code


def test_all_heads_see_the_line_and_the_rest_is_random(ghost):
    network, other = start(ghost, 0), start(ghost, 1)
    for name, parameter in network.named_parameters():
        assert not torch.equal(parameter, other.state_dict()[name]), name
    first, second, third = network.attention_matrix_list
    assert not torch.equal(first.key_layer.weight, second.key_layer.weight)
    assert not torch.equal(second.key_layer.weight, third.key_layer.weight)


def test_one_seed_gives_one_network_and_leaves_the_callers_random_numbers_alone(ghost):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    networks = [start(ghost, 7).state_dict() for _ in range(2)]
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


def test_the_default_network_has_ten_hidden_numbers_and_long_codes_get_more_than_their_pictures_have_rows():
    assert hidden_size(5) == 10
    assert all(hidden_size(max_digits) > 1 + max_digits for max_digits in range(1, 17))
    network = start(secret("2013", 3, 16), 0)
    assert network.projection.out_features == hidden_size(16)
    assert len(network.embedding.position) == 17 and len(network.attention_matrix_list) == 3
