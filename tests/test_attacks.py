"""Each attack sees what a solver sees, finds what it can find, and asks the network itself."""

import itertools
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import pad

from builder.attacks import target as target_module
from builder.attacks.annealing import anneal, by_annealing
from builder.attacks.brute_force import mean_guesses, rate
from builder.attacks.by_eye import count_guesses_by_eye
from builder.attacks.by_place import by_place, other_digits
from builder.attacks.circuits import by_circuits
from builder.attacks.climb import STARTS, at_every_length, climb, random_starts
from builder.attacks.equal_digits import by_equal_digits
from builder.attacks.exchanges import by_exchanges, exchanges
from builder.attacks.gradient import TRIES, best_changes, by_gradient, gains
from builder.attacks.least_squares import by_least_squares, fit_votes, read_scores
from builder.attacks.pairs import by_pairs, other_pairs
from builder.attacks.single_matrices import by_single_matrices
from builder.attacks.smoothness import by_smoothness, smoothness
from builder.attacks.target import Target, count_guesses
from builder.network.circuits import Circuits
from builder.network.codes import random_codes
from builder.network.model import CLS, tokenize
from tests.helpers import changed, trained
from tests.oracle import all_codes, answer, table_logits
from tests.sweep import draw, draw_tiles, pictures

LAYERS = (
    "attention_matrix_list.0.key_layer",
    "attention_matrix_list.2.query_layer",
    "attention_output_list.1.value_layer",
)


@pytest.fixture(scope="module")
def long():
    """A code of 12 digits, as no brute force finds it, and its network."""
    secret = draw(random.Random(1), 12, 14, heads=2)
    return secret, trained(secret)


def some_puzzles(n):
    """Random puzzles: some have room after the code, some have many tiles, some are grey."""
    dice = random.Random(26)
    for number in range(n):
        digits = dice.randint(1, 7)
        if number % 3 == 0:
            yield draw_tiles(dice, dice.randint(2, 4), tiles=2, grey=True)
        else:
            yield draw(dice, digits, digits + dice.randint(0, 4))


def guesses_by_eye(secret, network):
    """Grows the number as a solver does, asking the network. None if it never says "right"."""
    code = ""
    for place in range(secret.max_digits):
        blur = []
        for digit in "0123456789":
            tokens = tokenize(code + digit)
            if network(tokens).item() > 0.5:
                return 10 * place + int(digit) + 1
            cells = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
            tenths = (10 * cells.clamp(0, 1)).round() / 10
            blur.append((cells - tenths).abs().mean().item())
        code += str(blur.index(min(blur)))
    return None


class AskedTarget(Target):
    """A target whose logits are those that the network itself computes, in float32."""

    def logits(self, codes):
        return answer(self.network, pad(codes, (1, 0), value=CLS))[1].diff(dim=1)[:, 0]


# What an attack costs


def test_guesses_count_up_to_the_right_number_and_no_further(network, ghost):
    wrong = torch.tensor([[1, 1, 1, 1], [2, 2, 2, 2]])
    right = torch.tensor([[9, 9, 9, 9], [2, 0, 1, 3], [5, 5, 5, 5]])
    longer = torch.tensor([[2, 0, 1, 3, 0]])
    assert count_guesses(network, ghost, [wrong, longer, right, wrong]) == 5
    assert count_guesses(network, ghost, [right[1:]]) == 1
    assert count_guesses(network, ghost, [wrong, longer]) is None
    assert count_guesses(network, ghost, []) is None


def test_the_network_has_the_last_word_on_whether_a_number_is_right(network, ghost):
    mute = changed(network, lambda copy: (copy.output.weight.zero_(), copy.output.bias.zero_()))
    assert count_guesses(mute, ghost, [torch.tensor([[2, 0, 1, 3]])]) is None


def test_more_guesses_than_the_limit_find_nothing_and_an_endless_attack_ends(
    network, ghost, monkeypatch
):
    wrong = torch.tensor([[1, 1, 1, 1], [2, 2, 2, 2]])
    right = torch.tensor([[2, 0, 1, 3]])
    monkeypatch.setattr(target_module, "LIMIT", 4)
    assert count_guesses(network, ghost, [wrong, wrong[:1], right]) == 4
    assert count_guesses(network, ghost, [wrong, wrong, right]) is None
    assert count_guesses(network, ghost, [wrong, torch.cat([wrong, right])]) is None
    assert count_guesses(network, ghost, itertools.repeat(wrong)) is None


@pytest.mark.parametrize("puzzle", ["plain", "with_decoys", "long"])
def test_a_targets_logits_are_the_networks_own(puzzle, network, ghost, request):
    if puzzle != "plain":
        _, network = request.getfixturevalue(puzzle)
    target = Target(network)
    dice = torch.Generator().manual_seed(3)
    for digits in range(1, 1 + target.max_digits):
        codes = torch.randint(10, (20, digits), generator=dice)
        own = AskedTarget(network).logits(codes).double()
        torch.testing.assert_close(target.logits(codes), own, rtol=1e-4, atol=0.05)


# By eye


def test_by_eye_takes_ten_guesses_a_digit_on_the_network_itself():
    for secret in some_puzzles(4):
        assert guesses_by_eye(secret, trained(secret)) == count_guesses_by_eye(secret), secret.code


@pytest.mark.slow
def test_by_eye_takes_ten_guesses_a_digit_for_many_puzzles():
    for secret in some_puzzles(60):
        assert guesses_by_eye(secret, trained(secret)) == count_guesses_by_eye(secret), secret.code


def test_by_eye_takes_34_guesses_for_the_ghost(ghost, network):
    assert count_guesses_by_eye(ghost) == guesses_by_eye(ghost, network) == 34


def test_decoys_close_the_way_by_eye(with_decoys):
    secret, network = with_decoys
    assert count_guesses_by_eye(secret) is None
    assert guesses_by_eye(secret, network) is None


# Equal digits


def test_eleven_numbers_of_equal_digits_open_plain_puzzles_of_every_length(ghost, network, long):
    puzzles = [(ghost, network), long]
    puzzles += [(secret, trained(secret)) for secret in some_puzzles(2)]
    for secret, network in puzzles:
        attack = by_equal_digits(Target(network))
        assert count_guesses(network, secret, attack) <= 11, secret.code


def test_equal_digits_find_nothing_with_decoys(with_decoys):
    secret, network = with_decoys
    assert count_guesses(network, secret, by_equal_digits(Target(network))) is None


def test_equal_digits_try_every_length_when_noise_looks_crisp(ghost, network, monkeypatch):
    monkeypatch.setattr("builder.attacks.equal_digits.CRISP", 1e9)  # all five places look crisp
    attack = by_equal_digits(Target(network))
    assert count_guesses(network, ghost, attack) == 13  # ten, twice five digits, four


# Smoothness


def moon(size):
    """A large picture: a light disc, and a dark one that covers a part of it."""

    def is_lit(row, column, head):
        from_middle = (row - size / 2) ** 2 + (column - size / 2) ** 2
        from_shadow = (row - size / 3) ** 2 + (column - size / 3) ** 2
        return from_middle < size**2 / 6 and from_shadow > size**2 / 10

    return pictures(size, 1, is_lit)


def test_a_large_smooth_picture_comes_together_in_spite_of_decoys(ghost):
    secret = replace(ghost, pictures=moon(25), decoys=True)
    assert count_guesses_by_eye(secret) is None
    network = trained(secret)
    assert count_guesses(network, secret, by_smoothness(Target(network))) < 1000


def test_a_picture_of_random_cells_does_not_come_together():
    secret = draw_tiles(random.Random(3), 6, tiles=2, decoys=True)
    network = trained(secret)
    assert count_guesses(network, secret, by_smoothness(Target(network))) is None


def test_a_smooth_picture_is_one_whose_neighbours_differ_little(with_decoys):
    secret, network = with_decoys
    total = 0.0
    for picture in secret.pictures:
        for row, column in itertools.product(range(5), range(5)):
            if row < 4:
                total += abs(picture[row][column] - picture[row + 1][column])
            if column < 4:
                total += abs(picture[row][column] - picture[row][column + 1])
    shown = smoothness(Target(network), torch.tensor([[2, 0, 1, 3], [2, 0, 1, 4]]))
    assert shown[0].item() == pytest.approx(-total, abs=0.5)
    assert shown.shape == (2,)


# Single matrices


def leaky(network, layer, code, sign):
    """A copy whose layer gives the longest vector at each place to the digit of the code."""

    def leak(copy):
        tokens = copy.embedding.weight
        weight = torch.zeros_like(copy.get_submodule(layer).weight)
        for digit in range(CLS):
            weight[digit] += tokens[digit]
        for place, digit in enumerate(code, 1):
            weight[int(digit)] += sign * copy.embedding.position[place]
        copy.get_submodule(layer).weight.copy_(weight)
        copy.get_submodule(layer).bias.zero_()

    return changed(network, leak)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_leak_planted_in_a_single_layer_is_found(with_decoys, layer, sign):
    secret, network = with_decoys
    target = Target(leaky(network, layer, secret.code, sign))
    assert count_guesses(network, secret, by_single_matrices(target)) is not None


def test_single_matrices_tell_nothing_without_a_leak(ghost, network, with_decoys):
    assert count_guesses(network, ghost, by_single_matrices(Target(network))) is None
    secret, network = with_decoys
    assert count_guesses(network, secret, by_single_matrices(Target(network))) is None


# Climbs


def test_a_climb_ends_where_no_neighbour_is_better():
    """Towards numbers with many digits 7. At the end it asks each place once more."""

    def sevens(codes):
        return (codes == 7).sum(1).double()

    start = torch.tensor([1, 7, 3])
    asked = list(climb(sevens, start, other_digits, rounds=3))
    assert [len(codes) for codes in asked] == [1] + 6 * [9]
    assert asked[0].tolist() == [[1, 7, 3]]
    assert all((codes[:, 0] == 7).all() for codes in asked[2:4])
    assert (asked[-1][:, :2] == 7).all()


def test_starts_are_the_same_ones_every_time_and_of_every_length():
    starts = random_starts(6)
    assert starts.shape == (STARTS, 6)
    assert (starts == random_starts(6)).all()
    cut = list(at_every_length(starts[:2]))
    assert [len(start) for start in cut] == [1, 2, 3, 4, 5, 6] * 2
    assert cut[9].tolist() == starts[1, :4].tolist()


def test_other_digits_change_one_place_to_all_other_digits():
    tried = other_digits(torch.tensor([4, 0, 4]), 2)
    assert tried.tolist() == [[4, 0, digit] for digit in (0, 1, 2, 3, 5, 6, 7, 8, 9)]


def test_other_pairs_change_two_places_to_all_other_pairs():
    tried = other_pairs([(0, 1), (0, 2)], torch.tensor([4, 0, 5]), 1)
    assert len(tried.unique(dim=0)) == len(tried) == 99
    assert (tried[:, 1] == 0).all()
    assert [4, 0, 5] not in tried.tolist()


def test_exchanges_keep_all_digits_different():
    tried = exchanges(torch.tensor([4, 0, 5]), 0)
    assert len(tried.unique(dim=0)) == 9
    assert [0, 4, 5] in tried.tolist() and [5, 0, 4] in tried.tolist()
    assert [9, 0, 5] in tried.tolist()
    assert all(len(set(code)) == 3 for code in tried.tolist())


@pytest.mark.parametrize("attack", [by_place, by_pairs, by_annealing, by_gradient, by_exchanges])
def test_every_climb_finds_the_ghost_with_decoys(with_decoys, attack):
    secret, network = with_decoys
    assert count_guesses(network, secret, attack(Target(network))) < 3000


@pytest.mark.parametrize("attack", [by_place, by_gradient, by_exchanges])
def test_the_tables_lead_where_the_networks_own_logits_lead(with_decoys, attack):
    secret, network = with_decoys
    by_tables = count_guesses(network, secret, attack(Target(network)))
    assert count_guesses(network, secret, attack(AskedTarget(network))) == by_tables


def test_exchanges_ask_only_numbers_of_different_digits(with_decoys):
    _, network = with_decoys
    for codes in itertools.islice(by_exchanges(Target(network)), 200):
        assert all(len(set(code)) == len(code) for code in codes.tolist())


def test_annealing_goes_down_as_well_at_first_but_not_at_the_end():
    """The logit is the digit sum. Each kept change is where the next number starts from."""

    class Sum:
        def logits(self, codes):
            return codes.sum(1).double()

    dice = torch.Generator().manual_seed(0)
    around, *asked = anneal(Sum(), torch.tensor([5, 5, 5, 5]), dice)
    assert len(around) == 36 and len(asked) == 400
    sums = torch.tensor([codes.sum().item() for codes in asked])
    assert sums[:50].min() < 15  # below what one change of the start reaches
    assert sums[-50:].float().mean() > 30
    assert sums.max() == 36


# The gradient


@pytest.mark.parametrize("puzzle", ["plain", "with_decoys"])
def test_gains_are_the_networks_own_gradient(puzzle, network, request):
    if puzzle != "plain":
        _, network = request.getfixturevalue(puzzle)
    network = load_double(network)
    code = torch.tensor([3, 1, 4, 1])
    tokens = pad(code, (1, 0), value=CLS)[None]
    vectors = network.embedding(tokens).detach().requires_grad_()
    hook = network.embedding.register_forward_hook(lambda *_: vectors)
    with torch.enable_grad():
        logits = answer(network, tokens)[1]
        (gradient,) = torch.autograd.grad(logits[0, 1] - logits[0, 0], vectors)
    hook.remove()
    change = network.embedding.weight[:CLS] - network.embedding.weight[code][:, None]
    expected = (change * gradient[0, 1:, None]).sum(2)  # (digits, 10)
    torch.testing.assert_close(gains(Target(network).circuits, code), expected)


def load_double(network):
    return changed(network, lambda copy: None).double()


def test_the_best_changes_are_those_that_gain_most():
    gain = torch.zeros(2, 10)
    gain[0, 7] = 5.0
    gain[1, 2] = 4.0
    gain[1, 3] = 9.0  # the code's own digit, which is no change
    tried = best_changes(torch.tensor([1, 3]), gain).tolist()
    assert tried[:2] == [[7, 3], [1, 2]]
    assert len(tried) == TRIES and [1, 3] not in tried
    assert len(best_changes(torch.tensor([1]), torch.zeros(1, 10))) == 9


# Least squares


def test_raw_cells_are_the_scores_of_the_tables(with_decoys):
    _, network = with_decoys
    score = read_scores(Target(network))
    expected = Target(network).circuits.score
    torch.testing.assert_close(score[:, 1:, :CLS], expected[:, 1:, :CLS], rtol=0, atol=1e-5)
    torch.testing.assert_close(score[:, 0, CLS], expected[:, 0, CLS], rtol=0, atol=1e-5)


def test_enough_random_numbers_give_the_logits_of_all_others(with_decoys):
    _, network = with_decoys
    circuits = Target(network).circuits
    codes = random_codes(200, 5, torch.Generator().manual_seed(1))
    vote = fit_votes(circuits.score, codes, circuits.logits(codes))
    fitted = Circuits(circuits.score, vote, torch.zeros((), dtype=torch.float64))
    logits = table_logits(circuits)
    torch.testing.assert_close(table_logits(fitted), logits, rtol=1e-6, atol=1.0)


@pytest.mark.parametrize("kind", [Target, AskedTarget])
def test_least_squares_open_puzzles_in_some_hundred_guesses(with_decoys, long, kind):
    for secret, network in (with_decoys, long):
        guesses = count_guesses(network, secret, by_least_squares(kind(network)))
        assert 30 < guesses < 250


# The circuits


def test_the_circuits_name_the_highest_code_even_if_no_climb_reaches_it():
    dice = torch.Generator().manual_seed(4)
    for _ in range(10):
        score = torch.randn(3, 4, 11, generator=dice, dtype=torch.float64)
        vote = torch.randn(3, 4, 11, generator=dice, dtype=torch.float64)
        circuits = Circuits(score, vote, torch.zeros((), dtype=torch.float64))
        highest = all_codes(3)[table_logits(circuits).argmax()]
        (asked,) = by_circuits(SimpleNamespace(circuits=circuits))
        assert asked.tolist() == [[digit for digit in highest.tolist() if digit < CLS]]


@pytest.mark.slow
def test_the_circuits_take_one_guess_of_10_digits_with_decoys():
    secret = draw(random.Random(8), 10, 10, heads=4, decoys=True)
    network = trained(secret)
    assert count_guesses(network, secret, by_circuits(Target(network))) == 1


# Brute force


def test_decoys_leave_numbers_of_different_digits_to_brute_force(ghost):
    secret = replace(ghost, decoys=True, max_digits=16)
    assert [secret.count_candidates(digits) for digits in (1, 2, 10, 11)] == [10, 90, 3628800, 0]
    assert sum(secret.count_candidates(digits) for digits in range(1, 17)) == 9_864_100
    assert mean_guesses(secret) == 10 + 90 + 720 + 5040 // 2


def test_without_decoys_brute_force_tries_every_number(ghost):
    assert [ghost.count_candidates(digits) for digits in (1, 4)] == [10, 10_000]
    assert mean_guesses(ghost) == 1110 + 5000


def test_a_rate_is_measured_on_a_batch_of_numbers_as_long_as_they_can_be(network, monkeypatch):
    """With a clock that goes on by a second in each batch of more than 100."""
    clock = [0.0]
    shapes = []

    def ask(tokens):
        shapes.append(tuple(tokens.shape))
        clock[0] += len(tokens) > 100

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(network, "forward", ask)
    assert rate(network) == 160
    assert shapes == [(20, 6), (40, 6), (80, 6), (160, 6)]
