"""What is said of the cells of all numbers is what the network shows, whatever rounding does."""

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.network.circuits import BLANK
from builder.network.codes import max_digits_of, tokens_by_length
from builder.network.model import CLS, NeuralNetwork, tokenize
from builder.proof import cells as bounding
from builder.proof import rounding
from builder.proof.cells import Lookalike, bounded_cells, crisp_share, find_lookalike, worst_cell
from builder.puzzle_file.secret import Secret
from tests import oracle
from tests.helpers import changed
from tests.oracle import all_codes, all_tokens

MANY = 10**6  # beginnings of numbers: more than any test looks at


def random_network(seed, n_hidden=3, n_heads=2, max_digits=2, size=1.0):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= size
    return network


def row(place, digit):
    return 1 + CLS * place + digit


def cells_of(network, rows):
    """All heads' exact cells and errors, (heads, rows, rows) each."""
    exact, error = zip(*bounded_cells(network, torch.tensor(rows)), strict=True)
    return torch.cat(exact), torch.cat(error)


def secret_shown_by(network, code, **options):
    """A secret whose pictures are what a network of one picture a head shows for a code."""
    matrices = network.get_attention_matrices(network.embedding(tokenize(code)))
    pictures = tuple(tuple(map(tuple, matrix[0].tolist())) for matrix in matrices)
    max_digits = max_digits_of(network)
    return Secret(code, pictures, max_digits, **options)


# Bounds.


@torch.no_grad()
@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 8), st.floats(0.1, 8.0))
def test_no_cell_in_float32_is_further_off_than_its_bound(seed, n_hidden, n_heads, size):
    network = random_network(seed, n_hidden, n_heads, size=size)
    exact, error = cells_of(network, list(range(21)))
    in_float64 = copy.deepcopy(network).double()
    for first, second in [(4, 7), (0, 9), (9, 0)]:
        tokens = torch.tensor([[CLS, first, second]])
        rows = torch.tensor([0, row(0, first), row(1, second)])
        shown = torch.stack(network.get_attention_matrices(network.embedding(tokens)))[:, 0]
        truth = torch.stack(in_float64.get_attention_matrices(in_float64.embedding(tokens)))[:, 0]
        found = exact[:, rows][:, :, rows]
        torch.testing.assert_close(found, truth, rtol=1e-12, atol=1e-12)
        assert ((shown - found).abs() <= error[:, rows][:, :, rows]).all()


def worst_cells(network, tokens):
    """How far each cell is off if every rounding goes the worst way for it, (heads, rows, rows)."""
    network = copy.deepcopy(network).double()
    worst = []
    for matrix in network.attention_matrix_list:
        size = tokens.shape[1]
        worst.append(torch.zeros(size, size))
        for asked, seen in itertools.product(range(size), repeat=2):
            errors = []

            def no_error(value, size, errors=errors):
                errors.append(torch.zeros_like(value, requires_grad=True))
                return value + errors[-1]

            def cell(off, matrix=matrix, place=(asked, seen)):
                rows = network.embedding(tokens)
                rows = off(rows, rounding.U * rows.abs())
                query = oracle.layer_with_error(matrix.query_layer, rows, off)
                key = oracle.layer_with_error(matrix.key_layer, rows, off)
                return oracle.product_with_error(query, key.mT, off)[0][place]

            exact = cell(no_error)
            signs = [slope.sign() for slope in torch.autograd.grad(exact, errors)]

            def worst_error(value, size, signs=signs):
                return value + signs.pop(0) * size

            worst[-1][asked, seen] = (cell(worst_error) - exact).abs()
    return torch.stack(worst)


@pytest.mark.parametrize("seed", range(5))
def test_a_cells_bound_is_close_to_the_worst_that_rounding_can_do(seed):
    network = random_network(seed)
    with torch.no_grad():
        network.embedding.weight[:, 0] = 0  # and what is 0 isn't rounded
        network.embedding.position[:, 0] = 0
    _, error = cells_of(network, [0, row(0, 4), row(1, 7)])
    worst = worst_cells(network, torch.tensor([[CLS, 4, 7]]))
    assert (worst <= error).all() and (error <= 1.5 * worst).all()


def test_heads_that_are_bounded_a_few_at_a_time_are_bounded_alike(monkeypatch):
    network = random_network(0, n_heads=5)
    expected = cells_of(network, [0, 1, 2])
    monkeypatch.setattr(bounding, "ENTRIES", 18)
    assert len(list(bounded_cells(network, torch.arange(3)))) == 3
    torch.testing.assert_close(cells_of(network, [0, 1, 2]), expected, rtol=0, atol=0)


def test_cells_that_could_overflow_are_refused():
    network = random_network(0)
    with torch.no_grad():
        network.attention_matrix_list[1].query_layer.bias[0] = 2.0**119
        network.attention_matrix_list[1].key_layer.bias[0] = 2.0**119
    with pytest.raises(OverflowError):
        list(bounded_cells(network, torch.arange(21)))


def test_cells_of_weights_that_are_nan_are_refused():
    network = random_network(0)
    with torch.no_grad():
        network.attention_matrix_list[1].query_layer.bias[0] = torch.nan
    with pytest.raises(OverflowError):
        list(bounded_cells(network, torch.arange(21)))


# The worst cell.


@torch.no_grad()
def test_the_worst_cell_is_as_far_off_as_rounding_allows():
    """Its exact value is what was drawn, but it is a sum of two large terms that cancel."""
    network = random_network(0, n_hidden=2, n_heads=1, max_digits=1)
    for parameter in network.parameters():
        parameter.zero_()
    matrix = network.attention_matrix_list[0]
    matrix.query_layer.bias.copy_(torch.tensor([2.0**12, 2.0**12]))
    matrix.key_layer.bias.copy_(torch.tensor([2.0**12, -(2.0**12)]))
    secret = Secret("7", (((0.0, 0.0), (0.0, 0.0)),), 1)
    shown = network.get_attention_matrices(network.embedding(tokenize("7")))[0]
    assert (shown == 0).all()
    of_query_and_key = 2 * 2.0**-24 * 2.0**25
    of_their_product = 2 * 2.0**-24 * 2.0**25
    found = worst_cell(network, secret)
    assert found == pytest.approx(of_query_and_key + of_their_product, rel=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("head", range(3))
@pytest.mark.parametrize(("down", "across"), [(0, 0), (0, 2), (2, 0), (1, 2)])
def test_the_worst_cell_may_be_any_cell_of_any_head(network, ghost, head, down, across):
    assert worst_cell(network, ghost) < 1e-4
    rows = [list(map(list, picture)) for picture in ghost.pictures]
    rows[head][down][across] += 0.25
    pictures = tuple(tuple(map(tuple, picture)) for picture in rows)
    found = worst_cell(network, replace(ghost, pictures=pictures))
    assert found == pytest.approx(0.25, abs=1e-4)


# Crisp cells.


@torch.no_grad()
def test_the_share_of_crisp_cells_is_that_of_the_cells_of_all_numbers():
    network = random_network(1, n_heads=8)
    shown = {}  # a cell of each head, by the (position, token) of the two that make it
    for tokens in all_tokens(2):
        matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
        for number, code in enumerate(tokens.tolist()):
            for one, other in itertools.product(enumerate(code), repeat=2):
                shown[one, other] = matrices[:, number, one[0], other[0]]
    cells = torch.stack(list(shown.values()))
    tenths = torch.arange(11) / 10
    distance = (cells[..., None] - tenths).abs().amin(-1)
    for limit in (0.01, 0.03):
        share = (distance <= limit).double().mean().item()
        assert 0.05 < share < 0.9
        assert crisp_share(network, limit) == pytest.approx(share, abs=1e-9)
    assert (cells < -0.01).any() and (cells > 1.01).any()


@torch.no_grad()
def test_a_cell_is_crisp_only_if_rounding_cannot_take_it_too_far():
    """Every cell is 0.5 and a little, and the bound of its rounding decides."""
    network = random_network(0, n_hidden=1, n_heads=1, max_digits=1)
    for parameter in network.parameters():
        parameter.zero_()
    matrix = network.attention_matrix_list[0]
    matrix.query_layer.bias.fill_(1.0)
    matrix.key_layer.bias.fill_(0.5 + 2.0**-12)
    # The query, the key and their product are each off by half a unit roundoff of 1.
    assert crisp_share(network, 2.0**-12 + 1.51 * 2.0**-24) == 1
    assert crisp_share(network, 2.0**-12 + 1.49 * 2.0**-24) == 0


def test_the_share_of_crisp_cells_is_that_of_all_heads_however_few_are_bounded_at_a_time(
    monkeypatch,
):
    """The cells of the first and the last of three heads are 0, and those of the other are 0.55."""
    network = random_network(0, n_hidden=1, n_heads=3, max_digits=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.attention_matrix_list[1].query_layer.bias.fill_(1.0)
        network.attention_matrix_list[1].key_layer.bias.fill_(0.55)
    for entries in (bounding.ENTRIES, 1):
        monkeypatch.setattr(bounding, "ENTRIES", entries)
        assert crisp_share(network, 0.01) == pytest.approx(2 / 3)


# Other numbers that show the pictures.


def lookalikes(network, secret, limit):
    """All numbers of the code's length but the code for which the network shows the pictures."""
    drawn = torch.tensor(secret.tiles)[:, None]
    codes = all_codes(len(secret.code))
    codes = codes[(codes != BLANK).all(1)]
    found = []
    for tokens in tokens_by_length(codes):
        matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
        shows = ((matrices - drawn).abs() <= limit).flatten(2).all(2).all(0)
        found += ["".join(map(str, digits)) for digits in tokens[shows, 1:].tolist()]
    return set(found) - {secret.code}


@torch.no_grad()
@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.floats(0.01, 3.0))
def test_a_lookalike_is_found_if_and_only_if_there_is_one(seed, heads, digits, limit):
    network = random_network(seed, n_hidden=2, n_heads=heads, max_digits=3)
    secret = secret_shown_by(network, "470"[:digits])
    expected = lookalikes(network, secret, limit)
    number, decided = find_lookalike(network, secret, limit, MANY)
    assert decided
    if expected:
        assert number in expected
    else:
        assert number == ""


@torch.no_grad()
def test_every_head_tells_lookalikes_apart_however_few_are_compared_at_a_time(monkeypatch):
    """The digits 4 and 5 differ in the first head alone, and 4 and 6 in the second one alone."""
    network = random_network(0, n_hidden=3, n_heads=2, max_digits=2)
    for parameter in network.parameters():
        parameter.zero_()
    network.embedding.weight[4] = torch.tensor([1.0, 1.0, 0.0])
    network.embedding.weight[5] = torch.tensor([0.0, 1.0, 0.0])
    network.embedding.weight[6] = torch.tensor([1.0, 0.0, 0.0])
    network.embedding.weight[7] = torch.tensor([0.0, 0.0, 1.0])
    network.attention_matrix_list[0].query_layer.weight[0] = torch.tensor([1.0, 0.0, 2.0])
    network.attention_matrix_list[0].key_layer.bias[0] = 1.0
    network.attention_matrix_list[1].query_layer.weight[0] = torch.tensor([0.0, 1.0, 2.0])
    network.attention_matrix_list[1].key_layer.bias[0] = 1.0
    secret = secret_shown_by(network, "47")
    for entries in (bounding.ENTRIES, 1):
        monkeypatch.setattr(bounding, "ENTRIES", entries)
        assert find_lookalike(network, secret, 0.25, MANY) == Lookalike("", decided=True)


@torch.no_grad()
def test_all_10_to_the_32_numbers_are_decided_with_a_few_hundred_looks():
    network = random_network(0, n_hidden=6, n_heads=1, max_digits=32, size=2.0)
    secret = secret_shown_by(network, "31415926535897932384626433832795")
    assert find_lookalike(network, secret, 0.25, budget=500) == Lookalike("", decided=True)
    network.embedding.weight[0] = network.embedding.weight[6]  # neither is the last digit
    number, decided = find_lookalike(network, secret, 0.25, budget=500)
    assert decided and number.replace("6", "0") == secret.code.replace("6", "0") != number


@torch.no_grad()
def test_tiles_of_one_picture_are_compared_with_the_heads_that_show_them():
    network = random_network(3, n_heads=6, max_digits=3)
    network.arrangement.copy_(torch.tensor([1, 2, 3]))
    matrices = network.get_attention_matrices(network.embedding(tokenize("470")))
    (picture,) = network.get_pictures(matrices)[0].tolist()
    secret = Secret("470", (tuple(map(tuple, picture)),), 3)
    assert secret.arrangement == (1, 2, 3)
    assert worst_cell(network, secret) < 1e-5
    assert find_lookalike(network, secret, 1e-4, MANY) == Lookalike("", decided=True)
    picture[3], picture[4] = picture[4], picture[3]
    secret = replace(secret, pictures=(tuple(map(tuple, picture)),))
    assert worst_cell(network, secret) > 0.1


@torch.no_grad()
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("other", [4, 9])
def test_a_digit_that_shows_the_same_cells_makes_a_lookalike(network, ghost, place, other):
    def change(copy):
        copy.embedding.weight[other] = copy.embedding.weight[int(ghost.code[place])]

    code = ghost.code[:place] + str(other) + ghost.code[place + 1 :]
    found = find_lookalike(changed(network, change), ghost, 0.25, MANY)
    assert found == Lookalike(code, decided=True)


@torch.no_grad()
@pytest.mark.parametrize(("wanted", "number"), [(0.249, "2017"), (0.251, "")])
def test_a_lookalike_needs_a_cell_that_is_a_quarter_off(network, ghost, wanted, number):
    """The digit 7 is made so like 3 that the worst cell of 2017 is as far off as is wanted."""

    def mix(share):
        def change(copy):
            copy.embedding.weight[7].lerp_(copy.embedding.weight[3], share)

        mixed = changed(network, change)
        matrices = mixed.get_attention_matrices(mixed.embedding(tokenize("2017")))
        cells = torch.stack(matrices)[:, 0]
        return mixed, (cells - torch.tensor(ghost.tiles)).abs().max().item()

    low, high = 0.0, 1.0
    for _ in range(20):  # bisection
        mixed, worst = mix((low + high) / 2)
        if worst > wanted:
            low = (low + high) / 2
        else:
            high = (low + high) / 2
    assert worst == pytest.approx(wanted, abs=1e-4)
    assert find_lookalike(mixed, ghost, 0.25, MANY) == Lookalike(number, decided=True)


@torch.no_grad()
def test_a_cell_that_rounding_could_bring_near_does_not_tell_a_number_apart():
    """Cells are 0.25 off, and a little more: less than rounding can take away."""
    network = random_network(0, n_hidden=1, n_heads=1, max_digits=1)
    for parameter in network.parameters():
        parameter.zero_()
    matrix = network.attention_matrix_list[0]
    network.embedding.weight[8] = 0.25 + 2.0**-24
    matrix.query_layer.bias.fill_(1.0)
    matrix.key_layer.weight.fill_(1.0)
    secret = Secret("7", (((0.0, 0.0), (0.0, 0.0)),), 1)
    network.embedding.weight[:7] = 1.0
    network.embedding.weight[9] = 1.0
    assert find_lookalike(network, secret, 0.25, MANY) == Lookalike("8", decided=True)
    network.embedding.weight[8] = 0.25 + 2.0**-20
    assert find_lookalike(network, secret, 0.25, MANY) == Lookalike("", decided=True)


def test_pictures_that_no_number_shows_have_no_lookalike(network, ghost):
    """CLS's own cell is the same for all numbers."""
    first, *others = ghost.pictures
    far = ((9.0, *first[0][1:]), *first[1:])
    secret = replace(ghost, pictures=(far, *others))
    found = find_lookalike(network, secret, 0.25, budget=1)
    assert found == Lookalike("", decided=True)


@torch.no_grad()
def test_a_search_that_gives_up_decides_nothing():
    """The limit is so wide that many numbers begin like one that shows the pictures."""
    network = random_network(0, max_digits=3)
    secret = secret_shown_by(network, "470")
    needed = 0
    while not find_lookalike(network, secret, 1.0, needed).decided:
        assert find_lookalike(network, secret, 1.0, needed) == Lookalike("", decided=False)
        needed += 1
    assert needed > 3
