"""With decoys, every number shows crisp pictures, and nothing in them tells the right one from others."""

from dataclasses import replace

import pytest
import torch

from builder.errors import PuzzleError
from builder.model import tokenize
from builder.proof.certify import cell_errors
from builder.proof.codes import decode, one_digit_off
from builder.proof.weights import load
from builder.secret import Secret
from builder.training.decoys import LARGEST, NUDGE, draw
from builder.training.train import train
from tests.oracle import all_tokens, shuffled

TWINS = torch.tensor([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 1], [0, 0, 0], [1, 1, 1]]]).float()
PUZZLES = {"the ghost's": None, "places that CLS sees alike": Secret("05", TWINS, 3, decoys=True)}


@pytest.fixture(scope="module", params=PUZZLES)
def built(request, ghost):
    """A secret with decoys, and the certificate of its network."""
    secret = PUZZLES[request.param] or replace(ghost, decoys=True)
    *_, last = train(secret)
    return secret, last.certificate


@torch.no_grad()
def matrices(network, tokens):
    return torch.stack(network.get_attention_matrices(network.embedding(tokens)))  # (heads, batch, rows, columns)


def test_a_puzzle_with_decoys_is_certified_and_says_that_all_cells_are_crisp(built):
    _, certificate = built
    assert certificate.holds and certificate.crisp == 1
    (line,) = [promise for promise in certificate.promises if promise.promise == "wrong numbers look as sharp"]
    assert line.found == "100.00% of all cells" and line.holds


def test_every_cell_of_every_code_is_0_or_1_but_for_nudges_of_one_size(built):
    secret, certificate = built
    network = load(certificate.weights)
    seen = set()
    for tokens in all_tokens(min(4, secret.max_digits)):
        cells = matrices(network, tokens)
        off = cells - cells.round()
        assert set(cells.round().unique().tolist()) <= {0.0, 1.0}
        assert not off[:, :, 1:].any() and not off[:, :, :, 0].any()  # CLS alone is nudged, when it looks at a digit
        seen |= set(off[:, :, 0, 1:].abs().unique().tolist())
    assert seen == ({LARGEST * NUDGE} if secret.code == "05" else {0.0})


def test_cells_are_exact_in_any_order_of_summation(built):
    secret, certificate = built
    network = load(certificate.weights)
    for tokens in all_tokens(min(3, secret.max_digits)):
        cells = matrices(network, tokens)
        for seed in range(3):
            assert torch.equal(matrices(shuffled(network, seed), tokens), cells)
        network.double()
        assert torch.equal(matrices(network, tokens).float(), cells)
        network.float()


def test_every_code_of_a_length_is_as_sharp_as_the_secret(built):
    secret, certificate = built
    network = load(certificate.weights)
    for tokens in all_tokens(len(secret.code)):
        cells = matrices(network, tokens)
        sharpness = (cells - cells.round()).abs().mean((0, 2, 3))
        assert sharpness.min() == sharpness.max()


def test_the_code_shows_its_pictures_and_no_code_one_digit_off_does(built):
    secret, certificate = built
    network = load(certificate.weights)
    assert cell_errors(network, secret, tokenize(secret.code)).max() <= LARGEST * NUDGE
    for code in map(decode, one_digit_off(secret.code, secret.max_digits)):
        assert cell_errors(network, secret, tokenize(code)).max() > 0.9


def test_wrong_numbers_show_about_as_many_lit_cells_as_the_code(built):
    secret, certificate = built
    network = load(certificate.weights)
    lit = torch.cat([matrices(network, tokens).round().flatten() for tokens in all_tokens(len(secret.code))]).mean()
    assert lit.item() == pytest.approx(secret.pictures.mean().item(), abs=0.2)


def test_other_seeds_draw_other_decoys_and_one_seed_the_same(ghost):
    secret = replace(ghost, decoys=True)
    first, same, other = (draw(secret, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


@pytest.mark.parametrize("code", ["00", "131", "20131"])
def test_a_code_with_a_repeated_digit_is_refused(code):
    size = 1 + len(code)
    picture = ("#" * size + "\n") * size
    text = f"code = '{code}'\npictures = ['''\n{picture}''']\ndecoys = "
    assert not Secret.parse(f"{text} false".encode()).decoys
    with pytest.raises(PuzzleError, match="decoys need a code whose digits all differ"):
        Secret.parse(f"{text} true".encode())


def test_decoys_with_one_picture_are_refused_from_8_digits_on():
    def puzzle(digits, pictures):
        rows = ["." * place + "#" * (1 + digits - place) for place in range(1 + digits)]  # no two places are alike
        drawing = "'''\n{}\n'''".format("\n".join(rows))
        drawings = ", ".join([drawing] * pictures)
        return f"code = '{'012345678'[:digits]}'\npictures = [{drawings}]\ndecoys = true".encode()

    assert Secret.parse(puzzle(7, 1)).decoys and Secret.parse(puzzle(8, 2)).decoys
    with pytest.raises(PuzzleError, match="two pictures or more where the code has over 7 digits"):
        Secret.parse(puzzle(8, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "heads"),
    [("8", 1), ("40", 1), ("20531", 1), ("20531", 2), ("20531749", 3), ("0123456789", 2), ("0123456789", 4)],
)
def test_decoys_of_other_sizes_are_certified(code, heads):
    size = 1 + len(code)
    for seed in range(3):
        cells = torch.rand(heads, size, size, generator=torch.Generator().manual_seed(seed)) < 0.5
        *_, last = train(Secret(code, cells.float(), max(5, len(code)), decoys=True), seed)
        assert last.certificate.holds
