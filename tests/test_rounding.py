"""No network that computes in float32 is further from its tables than the rounding bound says."""

import copy
import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.network.circuits import read_circuits
from builder.network.codes import max_digits_of
from builder.network.model import CLS, NeuralNetwork, tokenize
from builder.proof import rounding
from builder.proof.rounding import gamma, product_error, rounding_bound
from tests import oracle
from tests.helpers import changed
from tests.oracle import network_logits, table_logits


def largest_difference(network):
    """Between float32 logits and the tables', over all codes."""
    truth = table_logits(read_circuits(network))
    found = network_logits(network, max_digits_of(network))
    return (found - truth).abs().max().item()


@torch.no_grad()
def tiny_network(seed):
    """A network of 1 to 3 hidden numbers, with weights of all sizes: seeds lose most elsewhere."""
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden=1 + seed % 3, n_heads=1 + seed // 3 % 2, max_digits=1)
    for parameter in network.parameters():
        parameter *= 2.0 ** (16 * torch.rand(()) - 8)
    rows = network.embedding(torch.tensor([[CLS, 7]]))
    for matrix in network.attention_matrix_list:  # scores of moderate size
        matrix.query_layer.weight *= 0.1 / (1 + matrix(rows).abs().max())
        matrix.query_layer.bias *= 0.1
    return network


def used_share(network):
    """The largest difference, as a share of the bound; 0 if there is no bound."""
    bound = rounding_bound(network)
    if bound == math.inf:
        return 0.0
    return largest_difference(network) / bound


@torch.no_grad()
def climb(network, steps, dice):
    """Changes one weight after another so that more of the bound is used up. Returns its share."""
    parameters = list(network.parameters())
    best = 0.0
    for _ in range(steps):
        weights = dice.choice(parameters).view(-1)
        place = dice.randrange(len(weights))
        before = weights[place].clone()
        if dice.random() < 0.15:
            weights[place] = dice.gauss(0, 1) * 2.0 ** (12 * dice.gauss(0, 1))
        else:
            weights[place] *= 1 + dice.gauss(0, 1) * 2.0 ** (-8 * abs(dice.gauss(0, 1)))
        share = used_share(network)
        if share < best:
            weights[place] = before
        else:
            best = share
    return best


@pytest.mark.parametrize(
    ("networks", "steps"), [(12, 60), pytest.param(100, 1000, marks=pytest.mark.slow)]
)
def test_no_network_that_is_changed_to_lose_most_is_off_by_more_than_the_bound(networks, steps):
    dice = random.Random(0)
    shares = [climb(tiny_network(seed), steps, dice) for seed in range(networks)]
    assert 0.05 < max(shares) <= 1


@settings(max_examples=12)
@given(
    st.integers(0, 10**6),
    st.integers(1, 20),
    st.integers(1, 8),
    st.integers(1, 2),
    st.floats(0.1, 2.0),
)
def test_no_random_network_is_off_by_more_than_the_bound(seed, n_hidden, n_heads, max_digits, size):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= size
    assert largest_difference(network) <= rounding_bound(network)


def test_the_bound_is_the_same_whatever_type_and_precision_torch_is_set_to(network):
    expected = rounding_bound(network)
    torch.set_default_dtype(torch.bfloat16)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            assert rounding_bound(network) == expected
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")


def test_the_bound_has_room_for_the_float64_in_which_it_is_computed(network):
    computed = rounding.logit_error(rounding.read_weights(network)).item()
    assert rounding_bound(network) == pytest.approx(computed * (1 + 1e-6), rel=1e-12)


@torch.no_grad()
def blank_network(n_hidden=1, n_heads=1, max_digits=1):
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    for parameter in network.parameters():
        parameter.zero_()
    return network


@torch.no_grad()
def test_numbers_that_float32_counts_as_0_are_in_the_bound():
    """2^-128 is below its smallest normal number, and the next layers make 1 of it."""
    assert rounding.SMALLEST == torch.finfo(torch.float32).tiny
    network = blank_network()
    network.embedding.weight.fill_(1.0)
    network.attention_output_list[0].value_layer.weight.fill_(2.0**-64)
    network.projection.weight.fill_(2.0**100)
    network.output.weight[1] = 2.0**28
    torch.set_flush_denormal(True)
    try:
        found = largest_difference(network)
    finally:
        torch.set_flush_denormal(False)
    assert found == pytest.approx(1) and 1 <= rounding_bound(network) < 100


def one_large_row(change):
    """A random network that looks at all tokens alike, after change(embedding)."""
    torch.manual_seed(0)
    network = NeuralNetwork(n_hidden=3, n_heads=2, max_digits=3)
    with torch.no_grad():
        change(network.embedding)
        for matrix in network.attention_matrix_list:
            matrix.query_layer.weight.zero_()
            matrix.query_layer.bias.zero_()
    return network


def worst_rounding(network, code):
    return oracle.worst_rounding(network, tokenize(code).repeat(20, 1))


@pytest.mark.parametrize("digit", range(10))
def test_the_bound_covers_a_code_with_the_only_digit_that_loses_much(digit):
    network = one_large_row(lambda embedding: embedding.weight[digit].mul_(2.0**12))
    worst = worst_rounding(network, str(digit) * 3)
    assert 100 * worst_rounding(network, str((digit + 1) % 10)) < worst <= rounding_bound(network)


@pytest.mark.parametrize("place", range(3))
def test_the_bound_covers_a_code_with_the_only_place_that_loses_much(place):
    network = one_large_row(lambda embedding: embedding.position[1 + place].mul_(2.0**12))
    code = "4711"[: 1 + place]
    assert worst_rounding(network, code) <= rounding_bound(network)
    assert place == 0 or 100 * worst_rounding(network, code[:-1]) < worst_rounding(network, code)


# What is exactly 0 is never rounded.


def sum_in_any_order(terms, dice):
    """The sum of numbers in float32, two at a time, at random."""
    terms = list(terms)
    while len(terms) > 1:
        dice.shuffle(terms)
        terms.append(terms.pop() + terms.pop())
    return terms[0]


def test_a_sum_has_roundings_only_for_what_is_not_0_in_any_order():
    dice = random.Random(0)
    torch.manual_seed(0)
    used = 0.0
    for _ in range(300):
        terms = dice.randint(2, 4)
        left = torch.zeros(40)
        left[:terms] = torch.randn(terms)
        right = torch.randn(40)
        exact = (left.double() @ right.double()).item()
        found = sum_in_any_order(left * right, dice).item()
        size = (left.double().abs() @ right.double().abs()).item()
        bound = product_error(left.double().abs()[None], right.double().abs()[None]).item()
        assert bound == pytest.approx(gamma(terms) * size)
        assert abs(found - exact) <= bound
        used = max(used, abs(found - exact) / bound)
    assert used > 0.4


@torch.no_grad()
def test_a_row_is_exact_if_its_token_and_its_position_cancel():
    network = blank_network(n_hidden=2)
    network.embedding.weight[7] = torch.tensor([0.3, 0.3])
    network.embedding.position[1] = torch.tensor([-0.3, 0.3])
    error = rounding.embed(rounding.read_weights(network)).error
    assert error[1 + 7].tolist() == [0, pytest.approx(0.6 * 2.0**-24)]
    assert error[0].tolist() == [0, 0]


def test_a_product_with_zeros_alone_is_exact():
    zeros = torch.zeros(1, 5).double()
    assert product_error(zeros, torch.full((1, 5), 2.0**100).double()) == 0


def test_zeros_in_one_row_count_in_a_mean_with_other_rows():
    """A digit's own values may be 0, but those that it is mixed with aren't."""
    values = torch.tensor([[[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]]]).double()  # of two rows
    nothing = torch.zeros_like(values)
    mean = rounding.average(rounding.Rounded(values, nothing, nothing), positions=2)
    assert (mean.own[..., :2] > 0).all()
    assert (mean.own[..., 2] == 0).all()


def test_more_hidden_numbers_than_can_be_bounded_are_refused(monkeypatch):
    monkeypatch.setattr(rounding, "U", 2.0**-3)
    ones = torch.ones(1, 4).double()
    assert product_error(ones, ones) > 0
    with pytest.raises(OverflowError, match="too many hidden numbers"):
        product_error(torch.ones(1, 5).double(), torch.ones(1, 5).double())


# Networks in which a number could overflow.


@pytest.mark.parametrize("value", [1e38, math.inf, math.nan])
@pytest.mark.parametrize(
    "name",
    [
        "projection.weight",
        "output.bias",
        "attention_matrix_list.1.query_layer.bias",
        "attention_matrix_list.1.key_layer.weight",
        "attention_output_list.0.value_layer.weight",
        "embedding.weight",
        "embedding.position",
    ],
)
def test_a_network_that_could_overflow_has_no_bound(name, value):
    torch.manual_seed(0)
    network = NeuralNetwork(4, 2, 2)
    assert rounding_bound(network) < 1e-3

    def change(copy):
        copy.get_parameter(name).view(-1)[-1] = value

    assert rounding_bound(changed(network, change)) == math.inf


@torch.no_grad()
def test_sums_up_to_the_largest_are_bounded_and_larger_ones_are_not():
    network = blank_network()
    network.projection.bias[0] = 2.0**120
    assert rounding_bound(network) < math.inf
    network.projection.bias[0] = 2.0**120 * (1 + 2.0**-23)
    assert rounding_bound(network) == math.inf


@torch.no_grad()
def test_a_token_and_a_position_that_overflow_together_have_no_bound():
    """Each is finite, and the weights that read them are 0. But infinity times 0 is NaN."""
    network = blank_network(n_hidden=2)
    assert rounding_bound(network) < math.inf
    network.embedding.weight[7, 1] = 3e38
    network.embedding.position[1, 1] = 3e38
    assert network(tokenize("7")).isnan() and rounding_bound(network) == math.inf


@torch.no_grad()
def test_a_token_that_is_infinite_and_read_by_no_weight_has_no_bound():
    network = blank_network(n_hidden=2)
    network.embedding.weight[7, 1] = -math.inf
    assert network(tokenize("7")).isnan() and rounding_bound(network) == math.inf


@torch.no_grad()
def test_a_score_that_overflows_has_no_bound():
    """Query and key are far from overflowing; their product is not."""
    network = blank_network()
    matrix = network.attention_matrix_list[0]
    matrix.query_layer.bias.fill_(2.0**70)
    matrix.key_layer.bias.fill_(2.0**49)
    assert rounding_bound(network) < math.inf
    matrix.key_layer.bias.fill_(2.0**70)
    assert network(tokenize("7")).isnan() and rounding_bound(network) == math.inf


@torch.no_grad()
def test_a_bias_and_a_sum_that_overflow_only_together_have_no_bound():
    """Neither is read by the output layer, so that no later product is too large."""
    network = blank_network()
    network.attention_output_list[0].value_layer.bias.fill_(1.0)
    network.projection.weight.fill_(0.75 * rounding.LARGEST)
    assert rounding_bound(network) < math.inf
    network.projection.bias.fill_(0.5 * rounding.LARGEST)
    assert rounding_bound(network) == math.inf
    network.projection.weight.fill_(0.25 * rounding.LARGEST)
    assert rounding_bound(network) < math.inf


def of_heads(one_head, order):
    """A network whose heads are those of networks of one head, and whose logit is their sum."""
    n, heads = one_head[0].projection.bias.numel(), len(order)
    network = NeuralNetwork(n, heads, max_digits_of(one_head[0]))
    for parameter in network.parameters():
        parameter.zero_()
    network.embedding.load_state_dict(one_head[0].embedding.state_dict())
    network.output.load_state_dict(one_head[0].output.state_dict())
    for place, head in enumerate(order):
        part = one_head[head]
        for name in ("attention_matrix_list", "attention_output_list"):
            own = getattr(part, name)[0].state_dict()
            getattr(network, name)[place].load_state_dict(own)
        columns = slice(place * n, (place + 1) * n)
        network.projection.weight[:, columns] = part.projection.weight
    return network


def random_heads(count):
    torch.manual_seed(2)
    return [NeuralNetwork(3, 1, 2) for _ in range(count)]


@torch.no_grad()
def test_the_order_of_heads_does_not_change_the_bound():
    heads = random_heads(3)
    heads[1].projection.weight *= 100
    heads[2].attention_matrix_list[0].query_layer.weight *= 100
    bounds = [rounding_bound(of_heads(heads, order)) for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1])]
    assert bounds == pytest.approx([bounds[0]] * 3, rel=1e-12)
    assert rounding_bound(of_heads([heads[1]], [0, 0, 0])) > 1.5 * bounds[0]


@torch.no_grad()
def test_the_errors_of_two_equal_heads_add_up():
    (head,) = random_heads(1)

    def errors(heads):
        weights = rounding.read_weights(of_heads([head], [0] * heads))
        rows, reach = rounding.embed(weights), rounding.find_reach(weights)
        by_attention = rounding.attention_error(weights, rows, reach)
        by_values, _ = rounding.value_error(weights, rows, reach)
        return torch.stack([by_attention, by_values])

    torch.testing.assert_close(errors(2), 2 * errors(1))
    assert (errors(1) > 0).all()


@torch.no_grad()
def test_heads_that_overflow_only_together_have_no_bound():
    """Each of 300 heads adds 2^120 to the projection, and half of them the opposite."""
    network = blank_network(n_heads=300)
    for output in network.attention_output_list:
        output.value_layer.bias.fill_(1.0)
    network.projection.weight[0] = 2.0**119
    network.projection.weight[0, ::2] *= -1
    assert rounding_bound(network) == math.inf
    network.projection.weight[0] /= 300
    assert rounding_bound(network) < math.inf


# Networks that lose most in one step. The exact result of that step is 0, and its terms are large.


class Lossy:
    """A network of one head and two hidden numbers, which looks at all tokens alike.

    The first number is 1 for every token. The second is -1 for CLS and 1 for digits, and is passed
    on to the logit.
    """

    def __init__(self, max_digits=1):
        self.network = NeuralNetwork(2, 1, max_digits)
        for parameter in self.network.parameters():
            parameter.zero_()
        self.embedding = self.network.embedding
        self.query = self.network.attention_matrix_list[0].query_layer
        self.key = self.network.attention_matrix_list[0].key_layer
        self.value = self.network.attention_output_list[0].value_layer
        self.projection = self.network.projection
        self.output = self.network.output
        self.embedding.weight[:CLS] = torch.tensor([1.0, -99.0])
        self.embedding.weight[CLS] = torch.tensor([1.0, -1.0])
        self.embedding.position[1:, 1] = 100  # CLS is never there
        self.value.weight[1, 1] = 1
        self.projection.weight.copy_(torch.eye(2))
        self.output.weight[1] = 1


def query_loses(large):
    lossy = Lossy()
    lossy.query.weight[0, 0] = large
    lossy.query.bias[0] = -2 * large
    lossy.embedding.weight[CLS, 0] = 2
    lossy.key.weight[0, 1] = 1
    return lossy.network


def key_loses(large):
    lossy = Lossy()
    lossy.key.weight[0, 0] = large
    lossy.key.bias[0] = -large
    lossy.query.bias[0] = 1
    return lossy.network


def score_loses(large):
    lossy = Lossy()
    lossy.query.bias.fill_(64)
    lossy.key.weight[0, 1] = 64
    lossy.key.weight[1, 1] = -64
    return lossy.network


def query_and_key_lose(large):
    """Each of the two is 0 and off, and so their product is off."""
    lossy = Lossy()
    lossy.embedding.weight[CLS, 0] = 2
    lossy.query.weight[0, 0] = 32 * large
    lossy.query.bias[0] = -64 * large
    lossy.key.weight[0, 0] = 64 * large
    lossy.key.weight[0, 1] = 32 * large
    lossy.key.bias[0] = -96 * large
    return lossy.network


def softmax_loses(large):
    """It subtracts the largest of two scores, which are -1 and 1."""
    lossy = Lossy()
    lossy.query.bias[0] = 1
    lossy.key.weight[0, 1] = 1
    return lossy.network


def softmax_weights_lose(large):
    """They are all the same, and half of the digits have the opposite vote."""
    lossy = Lossy(max_digits=16)
    lossy.embedding.weight[:5, 1] = -101
    return lossy.network


def value_loses(large):
    lossy = Lossy()
    lossy.value.weight[0, 0] = large
    lossy.value.bias[0] = -large
    return lossy.network


def second_value_loses(large):
    """The values are 0 and off, and both logits get them alike."""
    lossy = Lossy()
    lossy.embedding.weight.copy_(torch.tensor([1.0, -1.0]).expand(CLS + 1, 2))
    lossy.embedding.position.zero_()
    lossy.value.weight.zero_()
    lossy.value.weight[0] = large
    lossy.output.weight.zero_()
    lossy.output.weight[:, 0] = large
    return lossy.network


def projection_loses(large):
    lossy = Lossy()
    lossy.value.weight.zero_()
    lossy.value.weight[0, 0] = 1
    lossy.projection.weight[0, 0] = large
    lossy.projection.bias[0] = -large
    return lossy.network


def output_loses(large):
    lossy = Lossy()
    lossy.value.weight.zero_()
    lossy.value.weight[0, 0] = 1
    lossy.output.weight[1, 0] = large
    lossy.output.bias[1] = -large
    return lossy.network


FLOAT32, COARSE, SMALL_NUMBERS_LOST = {}, {"U": 2**-8}, {"U": 2**-50, "SMALLEST": 2**-30}


def use(arithmetic, monkeypatch):
    """Lets the bound and the oracle be for an arithmetic with other values of U and SMALLEST."""
    for name, value in arithmetic.items():
        monkeypatch.setattr(rounding, name, value)
        monkeypatch.setattr(oracle, name, value)


@pytest.mark.parametrize(
    "arithmetic",
    [
        FLOAT32,
        pytest.param(COARSE, marks=pytest.mark.slow),
        pytest.param({"U": 2**-30, "SMALLEST": 2**-10}, marks=pytest.mark.slow),
    ],
)
def test_the_bound_holds_if_every_rounding_goes_the_worst_way(monkeypatch, arithmetic):
    """In coarse arithmetics, errors of errors count, or numbers that are lost."""
    use(arithmetic, monkeypatch)
    for seed in range(100):
        network = tiny_network(seed)
        worst = oracle.worst_rounding(network, *oracle.all_tokens(1))
        assert worst <= rounding_bound(network), seed


# How far the bound is above the worst that can happen. It adds up sizes, and counts each exp twice,
# in a sum and by itself.
TIGHT = [
    (query_loses, FLOAT32, 1),
    (key_loses, FLOAT32, 1.001),
    (score_loses, FLOAT32, 1),
    (query_and_key_lose, FLOAT32, 1.209),
    (value_loses, FLOAT32, 1),
    (second_value_loses, FLOAT32, 1),
    (softmax_weights_lose, FLOAT32, 1.822),
    (projection_loses, FLOAT32, 2.583),
    (output_loses, FLOAT32, 2.308),
    (query_loses, COARSE, 1.197),
    (key_loses, COARSE, 1.194),
    (softmax_loses, COARSE, 2.516),
    (value_loses, COARSE, 1.109),
    (second_value_loses, COARSE, 1.084),
    (softmax_weights_lose, COARSE, 2.012),
    (softmax_weights_lose, SMALL_NUMBERS_LOST, 2.317),
    (value_loses, SMALL_NUMBERS_LOST, 1),
]


@pytest.mark.parametrize(("step", "arithmetic", "factor"), TIGHT)
def test_the_bound_is_tight_if_one_step_loses_most(monkeypatch, step, arithmetic, factor):
    use(arithmetic, monkeypatch)
    with torch.no_grad():
        network = step(large=16.0 if arithmetic is COARSE else 2.0**12)
    code = "0123456789567890" if step is softmax_weights_lose else "7"
    tokens = tokenize(code).repeat(500, 1)  # each tries other signs
    worst = oracle.worst_rounding(network, tokens)
    bound = rounding_bound(network)
    assert worst <= bound == pytest.approx(factor * worst, rel=0.001)


def test_a_trained_network_is_within_its_bound_in_float32_and_float64_and_it_is_not_far_above(
    network,
):
    found, bound = largest_difference(network), rounding_bound(network)
    assert found <= bound <= 1000 * found
    assert largest_difference(copy.deepcopy(network).double()) <= 1e-6 * bound
