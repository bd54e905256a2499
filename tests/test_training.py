"""Training ends with a certificate that holds, and with weights that say nothing one by one."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from builder.network.codes import random_codes, tokens_by_length
from builder.network.model import NeuralNetwork, tokenize
from builder.network.weights import load
from builder.proof.certify import cell_errors
from builder.puzzle_file.secret import Secret
from builder.training.lesson import GAP, SHARE, Lesson
from builder.training.parameters import store
from builder.training.train import Obstacle, train
from tests.helpers import GHOST, random_pictures, run, trained

WRITTEN = "query_layer.weight", "query_layer.bias", "projection.weight", "projection.bias"
TURNING = "query_layer.weight", "key_layer.weight", "value_layer.weight"
OTHER_PICTURES = (((0, 1, 1), (1, 0, 0), (1, 0, 1)),) * 3


def random_puzzle(code, heads, max_digits=None, seed=1):
    pictures = random_pictures(heads, 1 + len(code), seed)
    return Secret(code, pictures, max_digits or len(code))


def last_round(secret, seed=0):
    *_, last = train(secret, seed)
    return last


def test_the_ghost_is_learned_and_certified(ghost, rounds):
    assert rounds[-1].certificate.holds
    assert [progress.certificate for progress in rounds[:-1]] == [None] * (len(rounds) - 1)
    assert all(later.step > earlier.step for earlier, later in pairwise(rounds))
    assert rounds[-1].gap > 0


def test_harder_codes_are_found_after_a_fit_and_learned_in_the_next(ghost):
    rounds = list(train(ghost, seed=2))
    assert rounds[0].gap < SHARE * GAP <= rounds[-1].gap


def test_the_default_network_is_loaded_by_its_first_name(rounds, tmp_path):
    (tmp_path / "weights").write_bytes(rounds[-1].certificate.weights)
    network = NeuralNetwork(10)
    network.load_state_dict(torch.load(tmp_path / "weights", weights_only=True))
    assert network(tokenize("2013")).item() > 0.999999 and network(tokenize("2014")).item() == 0


def test_half_the_gap_lies_on_each_side_of_zero(rounds):
    certificate = rounds[-1].certificate
    assert certificate.logit == pytest.approx(-certificate.hardest_logit, rel=0.3)


@pytest.mark.parametrize("decoys", [False, True])
def test_one_seed_gives_the_same_bytes_and_leaves_the_callers_random_numbers_alone(ghost, decoys):
    secret = replace(ghost, decoys=decoys)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (last_round(secret, seed).certificate for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert first.weights == again.weights != other.weights and other.holds


def test_an_attempt_that_is_stuck_gives_way_to_the_next_seed(ghost, monkeypatch):
    fits = []
    fit = Lesson.fit

    def counted_fit(lesson):
        fits.append(lesson)
        return fit(lesson)

    monkeypatch.setattr(Lesson, "STEPS", 2)
    monkeypatch.setattr(Lesson, "fit", counted_fit)
    monkeypatch.setattr(Lesson, "find_hard_negatives", lambda lesson, gap: (1, gap))
    rounds = list(train(ghost, seed=3, max_attempts=2))
    steps = [(progress.seed, progress.step, progress.obstacle) for progress in rounds]
    assert steps == [(3, 1, None), (3, 2, Obstacle.STEPS), (4, 1, None), (4, 2, Obstacle.STEPS)]
    assert len(fits) == len(rounds), "a step is a fit"
    assert not any(progress.succeeds for progress in rounds)
    assert rounds[2].gap == next(train(ghost, seed=4)).gap, (
        "each attempt is the one that its seed makes"
    )


def test_the_search_of_the_certificate_can_be_watched(ghost):
    seen = []
    list(train(ghost, watch=lambda nodes, settled: seen.append(settled)))
    assert seen and seen[-1] == pytest.approx(1)


# What the weights say.


@pytest.mark.parametrize("decoys", [False, True])
def test_drawn_weights_are_the_same_for_every_code_and_all_others_differ(ghost, decoys):
    """Both puzzles have one seed, three heads and one longest code, and all else differs."""
    ghost = replace(ghost, decoys=decoys)
    other = Secret("97", OTHER_PICTURES, ghost.max_digits, decoys=decoys)
    first, second = (trained(secret).state_dict() for secret in (ghost, other))
    are_same = {name: torch.equal(tensor, second[name]) for name, tensor in first.items()}
    written = [name for name in first if name.endswith(WRITTEN)]
    if decoys:  # cells don't depend on positions, so queries need no bias
        written = [name for name in written if not name.endswith("query_layer.bias")]
    assert [name for name, is_same in are_same.items() if not is_same] == written
    assert all(first[name].any() for name in written)


@pytest.mark.parametrize("code", ["7", "2013", "20131", "20131704", "2013170420240309"])
def test_queries_keys_and_values_are_orthogonal_but_for_a_factor(code):
    """So a layer turns all inputs alike, and none stands out by its length."""
    weights = trained(random_puzzle(code, 2, max(5, len(code)))).state_dict()
    for name, weight in weights.items():
        if name.endswith(TURNING):
            sizes = torch.linalg.svdvals(weight.double())
            assert sizes[0] / sizes[-1] < 1 + 1e-5, name


def test_the_query_bias_does_not_tell_the_right_digits():
    """The digit that agrees most with the bias, or least, is seldom the right one."""
    most, least, digits = 0, 0, 0
    for seed in range(10):
        code = "".join(str((3 * seed + 7 * place) % 10) for place in range(5))
        weights = trained(random_puzzle(code, 3, seed=seed), seed).state_dict()
        inputs = (
            weights["embedding.weight"][:10] + weights["embedding.position"][1:, None]
        )  # (positions, digits, n)
        for head in range(3):
            layer = f"attention_matrix_list.{head}.query_layer"
            agreement = (inputs @ weights[f"{layer}.weight"].T @ weights[f"{layer}.bias"]).abs()
            right = torch.tensor([int(digit) for digit in code])
            most += int((agreement.argmax(1) == right).sum())
            least += int((agreement.argmin(1) == right).sum())
            digits += len(code)
    assert most < 0.2 * digits and least < 0.2 * digits


def test_wrong_numbers_show_noise_that_is_not_far_from_a_pictures_cells(ghost, rounds):
    network = load(rounds[-1].certificate.weights)
    for tokens in tokens_by_length(random_codes(300, 5, torch.Generator().manual_seed(0))):
        matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
        assert 0.5 < matrices.std() < 4


# Puzzles of other sizes.


@pytest.mark.parametrize("cell", [0, 1])
@pytest.mark.parametrize(
    ("code", "heads", "max_digits"), [("9", 1, 1), ("0", 1, 5), ("00", 8, 3), ("77777", 1, 5)]
)
def test_the_plainest_pictures_and_codes_are_certified(code, heads, max_digits, cell):
    size = 1 + len(code)
    picture = ((cell,) * size,) * size
    last = last_round(Secret(code, (picture,) * heads, max_digits))
    assert last.certificate.holds


def test_a_code_with_much_room_behind_it_is_certified():
    assert last_round(random_puzzle("31", 2, max_digits=16)).certificate.holds


@pytest.mark.parametrize(
    ("code", "heads"), [("20131704", 8), ("2013170420240309", 1), ("2013170420240309", 3)]
)
def test_many_pictures_and_long_codes_are_certified_with_exact_pictures(code, heads):
    secret = random_puzzle(code, heads)
    network = trained(secret)
    assert cell_errors(network, secret, tokenize(code)).max() < 1e-4
    assert len(network.attention_matrix_list) == heads and len(
        network.embedding.position
    ) == 1 + len(code)


# Other machines.

MACHINE = """
import sys
from dataclasses import replace

import torch

from builder.puzzle_file.secret import Secret
from builder.training.train import train

torch.set_num_threads(1)
ghost = Secret.read(sys.argv[1])
for decoys in (False, True):
    *_, last = train(replace(ghost, decoys=decoys))
    print(last.certificate.weights.hex())
"""


@pytest.mark.slow
def test_a_machine_that_rounds_otherwise_makes_the_same_bytes(ghost, monkeypatch):
    """Without vector instructions of its own, and with sums in another order."""
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    process = run("-c", MACHINE, GHOST)
    assert process.returncode == 0, process.stderr
    for decoys, weights in zip((False, True), process.stdout.split(), strict=True):
        assert last_round(replace(ghost, decoys=decoys)).certificate.weights.hex() == weights


def test_stored_weights_are_multiples_of_a_power_of_two_and_never_minus_0():
    parameter = torch.empty(3)
    store(parameter, torch.tensor([3.0, -1e-9, 1.00000012]).double())
    assert parameter.tolist() == [3.0, 0.0, 1.0]
    assert not parameter[1].signbit()
    store(parameter, torch.tensor([3.0, 0.0, 2.0**-20]).double())
    assert parameter[2] == 2.0**-20
