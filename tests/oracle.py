"""The slow ways that the builder's short ones are compared with: every code, every rounding."""

import copy

import pytest
import torch
from torch.nn.functional import pad

from builder.network.circuits import BLANK
from builder.network.codes import count_codes, decode, encode
from builder.network.model import CLS

# Those of float32, said here again, so that a wrong one in the builder is noticed.
U = 2.0**-24
EXP_ULPS = 4
SMALLEST = 2.0**-126


def answer(network, tokens):
    """What the network itself computes for tokens: its probabilities, (batch,), and both logits
    before, (batch, 2)."""
    logits = []

    def keep(layer, inputs, output):
        logits.append(output)

    hook = network.output.register_forward_hook(keep)
    try:
        probabilities = network(tokens)
    finally:
        hook.remove()
    return probabilities, logits[0]


def digits(length):
    """All codes of a length, in the order of their numbers, (10 ** length, length)."""
    return torch.cartesian_prod(*[torch.arange(10)] * length).reshape(-1, length)


def all_codes(max_digits):
    """All codes as a batch, (n, max_digits): short ones first, and then in order."""
    return torch.cat(
        [
            pad(digits(length), (0, max_digits - length), value=BLANK)
            for length in range(1, max_digits + 1)
        ]
    )


@torch.no_grad()
def table_logits(circuits):
    """The logits of all codes by the tables, in the order of all_codes: (n,), float64."""
    return torch.cat(
        [circuits.logits(part) for part in all_codes(circuits.max_digits).split(100_000)]
    )


def all_tokens(max_digits):
    """The tokens of all codes, in the order of all_codes: yields batches of one length."""
    for length in range(1, max_digits + 1):
        yield from pad(digits(length), (1, 0), value=CLS).split(20_000)


def network_logits(network, max_digits):
    """The logits that the network itself computes for all codes, as in all_codes: (n,)."""
    return logits_of(network, all_tokens(max_digits))


@torch.no_grad()
def logits_of(network, batches):
    """The logits that the network itself computes for batches of tokens: (n,)."""
    both = torch.cat([answer(network, tokens)[1] for tokens in batches])
    return both[:, 1] - both[:, 0]


def hardest(logits, max_digits, secret, k):
    """The k wrong codes (strings) with the highest of all codes' logits, and their logits."""
    codes = all_codes(max_digits)
    order = logits.argsort(descending=True)[: k + 1]
    found = [(decode(codes[i]), logits[i].item()) for i in order]
    return [(code, logit) for code, logit in found if code != secret][:k]


def assert_finds_the_hardest(find, circuits, secret, k, exact):
    """Compares a search for the k hardest, and one for all codes above a limit, with all codes.

    find: a search, with the arguments of builder.proof.search. exact: its precision.
    """
    everything = table_logits(circuits)
    truth = hardest(everything, circuits.max_digits, secret, k)

    found = find(circuits, secret, k)
    assert found.settled == count_codes(circuits.max_digits)
    assert found.precision == pytest.approx(exact, rel=1e-12)
    codes = [decode(code) for code in found.codes]
    assert len(set(codes)) == len(codes) == len(truth) and secret not in codes
    assert found.logits.tolist() == pytest.approx([logit for _, logit in truth], rel=0, abs=exact)
    torch.testing.assert_close(found.logits, circuits.logits(found.codes), rtol=0, atol=exact)

    limit = (truth[0][1] + truth[-1][1]) / 2
    found = find(circuits, secret, len(everything), limit)
    assert found.settled == count_codes(circuits.max_digits)
    assert (circuits.logits(found.codes) > limit - exact).all()
    expected = (everything > limit + exact).sum()
    if secret:
        expected -= (circuits.logits(encode(secret, circuits.max_digits)) > limit + exact).sum()
    assert len(found.codes) >= expected


def gamma(k):
    """The relative error of a value that went through k roundings."""
    return k * U / (1 - k * U)


def worst_rounding(network, tokens):
    """How far a logit is off if every rounding in the network goes the worst way: a float.

    tokens: a batch. Each step gets an error, as large as its rounding can make it, with the sign of
    the logit's slope. If the slope is 0, any sign is tried.
    """
    network = copy.deepcopy(network).double()
    generator = torch.Generator().manual_seed(0)
    errors = []

    def no_error(value, size):
        errors.append(torch.zeros_like(value, requires_grad=True))
        return value + errors[-1]

    logits = logits_with_errors(network, tokens, no_error)
    slopes = torch.autograd.grad(logits.sum(), errors)
    signs = []
    for slope in slopes:
        noise = torch.randn(slope.shape, generator=generator, dtype=torch.float64)
        signs.append((slope + 1e-300 * noise).sign())

    def worst_error(value, size):
        return value + signs.pop(0) * size

    off = logits_with_errors(network, tokens, worst_error)
    return (off - logits).abs().max().item()


def product_with_error(a, b, off):
    """The product of two matrices, off by what its rounding can make of it.

    Only terms that are not 0 are rounded. What is smaller than SMALLEST can count as 0: each factor
    of a product, the product, the sum.
    """
    a_counts = (a != 0).double()
    b_counts = (b != 0).double()
    terms = a_counts @ b_counts
    size = gamma(terms) * (a.abs() @ b.abs())
    lost = SMALLEST * (a.abs() @ b_counts + a_counts @ b.abs() + 2 * terms)
    return off(a @ b, (size + lost).detach())


def layer_with_error(layer, rows, off):
    """What a linear layer makes of rows. Its bias is one more weight, of a 1."""
    weight = torch.cat([layer.weight, layer.bias[:, None]], dim=1)
    return product_with_error(pad(rows, (0, 1), value=1.0), weight.T, off)


def logits_with_errors(network, tokens, off):
    """The logits of a batch of tokens, (batch,). off(value, size): adds an error to a step."""
    rows = network.embedding(tokens)
    rows = off(rows, torch.where(rows == 0, 0.0, U * rows.abs() + 3 * SMALLEST))
    outputs = []
    for matrix, output in zip(
        network.attention_matrix_list, network.attention_output_list, strict=True
    ):
        query = layer_with_error(matrix.query_layer, rows[:, :1], off)
        key = layer_with_error(matrix.key_layer, rows, off)
        score = product_with_error(query, key.mT, off)
        score = score - score.amax(-1, keepdim=True).detach()
        look = off(score, U * score.abs()).exp()
        look = off(look, 2 * EXP_ULPS * U * look + SMALLEST)
        total = look.sum(-1, keepdim=True)
        weights = look / off(total, gamma(look.shape[-1]) * total)
        weights = off(weights, U * weights)
        mixture = product_with_error(weights, layer_with_error(output.value_layer, rows, off), off)
        outputs.append(layer_with_error(output.value_layer, mixture, off))
    merged = layer_with_error(network.projection, torch.cat(outputs, -1), off)
    answer = layer_with_error(network.output, merged, off)
    return answer[:, 0, 1] - answer[:, 0, 0]
