"""What single weights say about the code: python -m tests.rules

A rule looks at the embedding and at one other tensor or layer, and gives a score to every digit at every position: a
norm, a dot product, a place along a singular vector. The largest score, or the smallest, names the digit. No rule asks
the network, and none composes two layers. Whatever the best rule names beyond chance, the weights tell without being
understood.

The share of digits that the best rule names stands beside what it names of other codes, drawn anew: chance, for the best
of as many rules.
"""

import argparse
import random
import statistics
from collections import Counter
from dataclasses import replace

import torch
from rich.progress import track

from builder.model import CLS
from builder.proof.weights import load
from builder.secret import DIGITS
from builder.training.train import train
from tests.sweep import draw

REDRAWN = 200  # times that all codes are drawn anew, for the best of all rules by chance
LONG = 6  # digits of a code that no rule may name whole
DIRECTIONS = 3  # singular vectors of a matrix, from the largest and from the smallest


def vector_rules(name, vectors):
    """Scores of vectors, (positions, 11, size) with CLS's own at [0, CLS]: yields names and (positions - 1, 10)."""
    own, digits = vectors[0, CLS], vectors[1:, :CLS]
    centred = digits - digits.mean((0, 1))
    yield f"{name}: norm", digits.norm(dim=2)
    yield f"{name}: norm, centred", centred.norm(dim=2)
    covariance = centred.flatten(0, 1).T @ centred.flatten(0, 1)
    yield f"{name}: norm, whitened", ((centred @ torch.linalg.pinv(covariance, rtol=1e-6)) * centred).sum(2)
    yield f"{name}: largest number", digits.amax(2)
    yield f"{name}: smallest number", digits.amin(2)
    yield f"{name}: largest size", digits.abs().amax(2)
    yield f"{name}: distance from CLS", (digits - own).norm(dim=2)
    yield f"{name}: cosine with CLS", torch.cosine_similarity(digits, own.expand_as(digits), dim=2)
    yield from line_rules(f"{name}: along CLS", vectors @ own)
    yield from line_rules(f"{name}: sum", vectors.sum(2))


def line_rules(name, places):
    """Scores of places on a line, (positions, 11)."""
    digits = places[1:, :CLS]
    yield name, digits
    yield f"{name}, near 0", digits.abs()
    yield f"{name}, near the mean", (digits - digits.mean()).abs()
    yield f"{name}, near CLS", (digits - places[0, CLS]).abs()


def matrix_rules(name, matrix, bias, embedding, tokens, positions):
    """Scores by a matrix (rows, columns) and a bias (rows) or None, from every side that fits."""
    n_hidden = embedding.shape[2]
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    for side, vectors, transform in (("right", right, matrix.T), ("left", left.T, matrix)):
        if vectors.shape[1] == n_hidden:
            yield from vector_rules(f"{name} ({side})", embedding @ transform)
            for number in dict.fromkeys([*range(DIRECTIONS), *range(-DIRECTIONS, 0)]):
                if abs(number) < len(vectors):
                    yield from line_rules(f"{name}: {side} singular vector {number}", embedding @ vectors[number])
            tops = (embedding @ vectors[:DIRECTIONS].T).square().sum(2)
            yield f"{name}: {side} singular vectors, sum of squares", tops[1:, :CLS]
    if matrix.shape == (n_hidden, n_hidden):
        yield f"{name}: token by position", (positions @ matrix @ tokens.T)
        yield f"{name}: position by token", (positions @ matrix.T @ tokens.T)
        yield from line_rules(f"{name}: with itself", torch.einsum("pti,ij,ptj->pt", embedding, matrix, embedding))
    if bias is not None and matrix.shape[1] == n_hidden:
        yield from vector_rules(f"{name} with bias", embedding @ matrix.T + bias)
        yield from line_rules(f"{name} with bias: along it", embedding @ (matrix.T @ bias))
        inverse = torch.linalg.pinv(matrix, rtol=1e-6) @ bias
        yield from line_rules(f"{name} with bias: along it, inverted", embedding @ inverse)


def rules(network):
    """Every rule's scores for a network: yields names and (max_digits, 10), the names without a head's number.

    A tensor is named as in the state dict. A rule on a tensor of a head comes once for every head.
    """
    weights = {name: tensor.double() for name, tensor in network.state_dict().items()}
    table, position = weights.pop("embedding.weight"), weights.pop("embedding.position")
    embedding = table + position[:, None]  # (positions, 11, n_hidden)
    tokens, positions = table[:CLS], position[1:]
    n_hidden = embedding.shape[2]
    yield from vector_rules("embedding", embedding)
    yield "embedding: token by position", positions @ tokens.T
    yield from matrix_rules("embedding: tokens", tokens - tokens.mean(0), None, embedding, tokens, positions)
    yield from matrix_rules("embedding: positions", positions - positions.mean(0), None, embedding, tokens, positions)
    for name, tensor in weights.items():
        label = ".".join("*" if part.isdigit() else part for part in name.split("."))
        if tensor.dim() == 1:
            if len(tensor) == n_hidden:
                yield from line_rules(f"{label}: dot product", embedding @ tensor)
                yield f"{label}: distance", (embedding - tensor)[1:, :CLS].norm(dim=2)
            continue
        bias = weights[name.replace("weight", "bias")]
        for matrix in tensor.split(n_hidden, dim=1):
            yield from matrix_rules(label, matrix, bias, embedding, tokens, positions)
    (wrong, right) = weights["output.weight"]
    yield from line_rules("output.weight: right - wrong", embedding @ (right - wrong))


def named(networks_and_secrets):
    """What rules name: {rule: (digits, places)}, where the places count the digits of all codes in a row.

    The largest score and the smallest are two rules. Those that fit less than half of the networks are left out.
    """
    names, start = {}, 0
    for network, secret in networks_and_secrets:
        places = torch.arange(start, start + len(secret.code))
        start += len(places)
        for name, scores in rules(network):
            scores = scores[: len(places)]
            for end, digits in (("largest", scores.argmax(1)), ("smallest", scores.argmin(1))):
                names.setdefault(f"{name}, {end}", []).append((digits, places))
    answers = {rule: tuple(map(torch.cat, zip(*pairs, strict=True))) for rule, pairs in names.items()}
    return {rule: answer for rule, answer in answers.items() if len(answer[1].unique()) >= start / 2}


def hits(digits, places, codes):
    """The share of digits that are those of the codes, (...,). codes: (..., places), the digits of all codes."""
    return (digits == codes[..., places]).double().mean(-1)


def share_named(networks_and_secrets):
    """{rule: the share of all digits that it names}, the best rule first."""
    networks_and_secrets = list(networks_and_secrets)
    codes = digits_of(secret.code for _, secret in networks_and_secrets)
    found = {rule: hits(*answer, codes).item() for rule, answer in named(networks_and_secrets).items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def digits_of(codes):
    return torch.tensor([int(digit) for code in codes for digit in code])


def best_by_chance(answers, secrets, seed=0):
    """The share of digits that the best rule names of codes drawn anew: the mean and the largest of REDRAWN draws."""
    dice = random.Random(seed)
    codes = torch.stack([digits_of(draw_code(dice, secret) for secret in secrets) for _ in range(REDRAWN)])
    best = torch.stack([hits(*answer, codes) for answer in answers.values()]).amax(0)
    return best.mean().item(), best.max().item()


def draw_code(dice, secret):
    """A code like that of a secret: as long, and without a repeated digit if it has decoys."""
    length = len(secret.code)
    return dice.sample(DIGITS, length) if secret.decoys else dice.choices(DIGITS, k=length)


def named_whole(answers, secrets):
    """The codes of LONG digits or more that a rule names whole, and the rule: {code: rule}."""
    found, start = {}, 0
    for secret in secrets:
        code = digits_of([secret.code])
        for rule, (digits, places) in answers.items():
            heads = digits[(places >= start) & (places < start + len(code))].view(-1, len(code))
            if len(code) >= LONG and (heads == code).all(1).any():
                found.setdefault(secret.code, rule)
        start += len(code)
    return found


def build(puzzles, seed):
    """Draws random puzzles, half of them with decoys, whose codes are not one repeated digit, and builds them."""
    dice = random.Random(seed)
    for number in range(puzzles):
        digits = dice.randint(4, 12 if number % 2 else 8)
        secret = draw(dice, digits, max(5, digits), heads=None if number % 2 else dice.randint(2, 4))
        code = "".join(dice.choices(DIGITS, k=digits) if number % 2 else dice.sample(DIGITS, digits))
        secret = replace(secret, code=code, decoys=number % 2 == 0)
        *_, last = train(secret, seed)
        yield load(last.certificate.weights), secret


def show(name, built):
    """Prints the best rule, and the best rule of each tensor, beside chance."""
    answers, secrets = named(built), [secret for _, secret in built]
    shares = share_named(built)
    mean, most = best_by_chance(answers, secrets)
    digits = sum(len(secret.code) for secret in secrets)
    print(f"\n{name}: {len(built)} puzzles, {digits} digits, {len(answers)} rules")
    print(f"the best of as many rules names {mean:.0%} by chance, at most {most:.0%} in {REDRAWN} draws")
    tensors = set()
    for rule, share in shares.items():
        tensor = rule.split(":")[0]
        if tensor not in tensors:
            print(f"{share:.0%}  {rule}")
        tensors.add(tensor)
    whole = named_whole(answers, secrets)
    print(f"codes of {LONG} digits or more named whole: {len(whole)} of {sum(len(s.code) >= LONG for s in secrets)}")
    for code, rule in whole.items():
        print(f"    {code}: {rule}")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.rules", description=__doc__.split("\n")[0])
    parser.add_argument("--puzzles", type=int, default=40, help="random puzzles, half with decoys (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="where the random numbers start from (default: 0)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    built = list(track(build(chosen.puzzles, chosen.seed), "building puzzles", total=chosen.puzzles))
    for name, decoys in (("without decoys", False), ("with decoys", True)):
        show(name, [puzzle for puzzle in built if puzzle[1].decoys == decoys])


if __name__ == "__main__":
    main()
