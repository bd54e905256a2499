"""What single weights say about the code: python -m tests.rules

A rule looks at the embedding and one other tensor or layer, the same one of every head. It scores every digit at every
position: by a norm, a dot product, a place along a singular vector. The largest score names the digit, or the smallest.
No rule asks the network, and none composes two layers. So what rules name beyond chance, the weights tell without being
understood. Chance is what the best of as many rules names of codes drawn anew.
"""

import argparse
import random
from dataclasses import replace

import torch
from rich.progress import track

from builder.model import CLS
from builder.proof.weights import load
from builder.secret import DIGITS
from builder.training.train import train
from tests.sweep import draw

REDRAWN = 200  # times that the codes are drawn anew
LONG = 6  # digits of a code that no rule may name whole


def vector_rules(name, vectors):
    """Rules on vectors, (positions, 11, size) with CLS's own at [0, CLS]: names and scores (positions - 1, 10)."""
    own, digits = vectors[0, CLS], vectors[1:, :CLS]
    centred = digits - digits.mean((0, 1))
    whitened = centred @ torch.linalg.pinv(centred.flatten(0, 1).T @ centred.flatten(0, 1), rtol=1e-6)
    yield f"{name}: norm", digits.norm(dim=2)
    yield f"{name}: norm, centred", centred.norm(dim=2)
    yield f"{name}: norm, whitened", (whitened * centred).sum(2)
    yield f"{name}: largest number", digits.amax(2)
    yield f"{name}: smallest number", digits.amin(2)
    yield f"{name}: distance from CLS", (digits - own).norm(dim=2)
    yield f"{name}: cosine with CLS", torch.cosine_similarity(digits, own, dim=2)
    yield from line_rules(f"{name}: dot product with CLS", vectors @ own)
    yield from line_rules(f"{name}: sum", vectors.sum(2))


def line_rules(name, places):
    """Rules on places along a line, (positions, 11)."""
    digits = places[1:, :CLS]
    yield name, digits
    yield f"{name}, squared", digits.square()
    yield f"{name}, squared from the mean", (digits - digits.mean()).square()
    yield f"{name}, squared from CLS", (digits - places[0, CLS]).square()


def matrix_rules(name, matrix, embedding, tokens, positions):
    """Rules on a matrix from each side that the embedding fits, and along its singular vectors."""
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    for side, transform, vectors in (("right", matrix.T, right), ("left", matrix, left.T)):
        if vectors.shape[1] == embedding.shape[2]:
            yield from vector_rules(f"{name} ({side})", embedding @ transform)
            yield f"{name} ({side}): along the top 3", (embedding @ vectors[:3].T).square().sum(2)[1:, :CLS]
            for number in (0, 1, 2, -1):
                yield from line_rules(
                    f"{name} ({side}): singular vector {number}", embedding @ vectors[number % len(vectors)]
                )
    if matrix.shape[0] == matrix.shape[1]:
        yield f"{name}: token by position", positions @ matrix @ tokens.T
        yield f"{name}: position by token", positions @ matrix.T @ tokens.T


def rules(network):
    """Every rule: its name, in which * stands for the number of a head, and its scores, (max_digits, 10)."""
    weights = {name: tensor.double() for name, tensor in network.state_dict().items()}
    table, position = weights.pop("embedding.weight"), weights.pop("embedding.position")
    embedding = table + position[:, None]  # (positions, 11, n_hidden)
    tokens, positions, n_hidden = table[:CLS], position[1:], table.shape[1]
    yield from vector_rules("embedding", embedding)
    yield "embedding: token by position", positions @ tokens.T
    yield from matrix_rules("embedding.weight", tokens - tokens.mean(0), embedding, tokens, positions)
    yield from matrix_rules("embedding.position", positions - positions.mean(0), embedding, tokens, positions)
    for name, tensor in weights.items():
        label = ".".join("*" if part.isdigit() else part for part in name.split("."))
        if tensor.dim() == 2:
            bias = weights[name.replace("weight", "bias")]
            for matrix in tensor.split(n_hidden, dim=1):
                yield from matrix_rules(label, matrix, embedding, tokens, positions)
                yield from vector_rules(f"{label} with bias", embedding @ matrix.T + bias)
        elif len(tensor) == n_hidden:
            yield from line_rules(f"{label}: dot product", embedding @ tensor)
            yield f"{label}: distance", (embedding - tensor)[1:, :CLS].norm(dim=2)
    yield from line_rules("output.weight: right - wrong", embedding @ (weights["output.weight"].diff(dim=0)[0]))


def named(networks):
    """The digits that rules name: {rule: (networks, 16)}, -1 behind a network's positions. Scores of heads are added.

    Rules that fit less than half of the networks are left out.
    """
    answers = {}
    for number, network in enumerate(networks):
        sums = {}
        for name, scores in rules(network):
            scores = (scores - scores.mean()) / scores.std().clamp(min=1e-12)
            sums[name] = sums.get(name, 0) + scores
        for name, scores in sums.items():
            for end, digits in (("largest", scores.argmax(1)), ("smallest", scores.argmin(1))):
                answer = answers.setdefault(f"{name}, {end}", torch.full((len(networks), 16), -1))
                answer[number, : len(digits)] = digits
    return {rule: answer for rule, answer in answers.items() if (answer[:, 0] >= 0).double().mean() >= 0.5}


def table_of(codes):
    """Codes as a table, (codes, 16), -2 behind their ends."""
    return torch.tensor([[*map(int, code)] + [-2] * (16 - len(code)) for code in codes])


def share(answer, codes):
    """The share of digits named of codes (..., networks, 16), for the networks that a rule fits."""
    there = (codes >= 0) & (answer >= 0)
    return ((answer == codes) & there).sum((-1, -2)) / there.sum((-1, -2))


def share_named(networks_and_secrets):
    """{rule: the share of all digits that it names}, the best rule first."""
    networks, secrets = zip(*networks_and_secrets, strict=True)
    codes = table_of(secret.code for secret in secrets)
    shares = {rule: share(answer, codes).item() for rule, answer in named(networks).items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def share_by_chance(answers, secrets, seed=0):
    """What the best rule names of codes drawn anew: the mean share, and the largest, of REDRAWN times."""
    dice = random.Random(seed)
    codes = [draw_code(dice, len(secret.code), secret.decoys) for _ in range(REDRAWN) for secret in secrets]
    codes = table_of(codes).view(REDRAWN, len(secrets), -1)
    best = torch.stack([share(answer, codes) for answer in answers.values()]).amax(0)
    return best.mean().item(), best.max().item()


def draw_code(dice, digits, decoys):
    """A random code; with decoys, no digit stands there twice."""
    return "".join(dice.sample(DIGITS, digits) if decoys else dice.choices(DIGITS, k=digits))


def build(puzzles, seed):
    """Draws random puzzles and builds them: every second one with decoys, 4 to 8 digits and 2 pictures or more."""
    dice = random.Random(seed)
    for number in range(puzzles):
        decoys = number % 2 == 0
        digits = dice.randint(4, 8 if decoys else 12)
        secret = draw(dice, digits, max(5, digits), heads=dice.randint(2, 4) if decoys else None)
        secret = replace(secret, code=draw_code(dice, digits, decoys), decoys=decoys)
        *_, last = train(secret, seed)
        yield load(last.certificate.weights), secret


def show(title, built):
    """Prints what rules name beside chance, the best rule of each tensor, and the codes that are named whole."""
    networks, secrets = zip(*built, strict=True)
    answers, shares = named(networks), share_named(built)
    mean, largest = share_by_chance(answers, secrets)
    print(f"\n{title}: {len(built)} puzzles, {len(answers)} rules")
    print(f"by chance, the best of them names {mean:.0%} of the digits, and {largest:.0%} once in {REDRAWN} times")
    best = {}
    for rule in shares:
        best.setdefault(rule.partition(" ")[0].rstrip(":"), rule)
    for rule in best.values():
        print(f"{shares[rule]:4.0%}  {rule}")
    for number, secret in enumerate(secrets):
        code = table_of([secret.code])
        whole = [rule for rule, answer in answers.items() if share(answer[number : number + 1], code) == 1]
        if whole and len(secret.code) >= LONG:
            print(f"named whole: {secret.code}, by {whole[0]}")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.rules", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--puzzles", type=int, default=40, help="random puzzles, half of them with decoys (default: 40)"
    )
    parser.add_argument("--seed", type=int, default=0, help="where the random numbers start from (default: 0)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    built = list(track(build(chosen.puzzles, chosen.seed), "building puzzles", total=chosen.puzzles))
    for title, decoys in (("without decoys", False), ("with decoys", True)):
        show(title, [(network, secret) for network, secret in built if secret.decoys == decoys])


if __name__ == "__main__":
    main()
