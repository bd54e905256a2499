"""What single weights say about the code: python -m tests.rules

A rule looks at the embedding and one other tensor or layer, the same one of every head. It scores
every digit at every position: by a norm, a dot product, a place along a singular vector. The
largest score names the digit, or the smallest. Scores of all heads are added, so many heads would
bring a small leak to light.

No rule asks the network, and none composes two layers. So what rules name beyond chance, the
weights tell without being understood. Chance is what the best of as many rules names of codes
drawn afresh.
"""

import argparse
import random
from dataclasses import replace

import torch
from rich.progress import track

from builder.network.model import CLS
from builder.network.weights import load
from builder.puzzle_file.code import DIGITS
from builder.training.train import train
from tests.sweep import draw, draw_tiles

PUZZLES = 20  # with few heads, and as many with decoys
TILES = (5, 24), (8, 16)  # tiles down and across, and puzzles with so many
REDRAWN = 200  # times that the codes are drawn afresh
LONG = 6  # digits of a code that no rule may name whole


def vector_rules(name, vectors):
    """Rules on vectors, (positions, 11, size) with CLS's own at [0, CLS]: names and scores
    (positions - 1, 10).
    """
    own, digits = vectors[0, CLS], vectors[1:, :CLS]
    centred = digits - digits.mean((0, 1))
    whitened = centred @ torch.linalg.pinv(
        centred.flatten(0, 1).T @ centred.flatten(0, 1), rtol=1e-6
    )
    yield f"{name}: norm", digits.norm(dim=2)
    yield f"{name}: norm, centred", centred.norm(dim=2)
    yield f"{name}: norm, whitened", (whitened * centred).sum(2)
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


def matrix_rules(name, matrix, embedding):
    """Rules on a matrix from each side that the embedding fits, and along singular vectors."""
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    for side, transform, vectors in (("right", matrix.T, right), ("left", matrix, left.T)):
        if vectors.shape[1] == embedding.shape[2]:
            yield from vector_rules(f"{name} ({side})", embedding @ transform)
            yield (
                f"{name} ({side}): along the top 3",
                (embedding @ vectors[:3].T).square().sum(2)[1:, :CLS],
            )
            for number, vector in enumerate(vectors[:3], 1):
                yield from line_rules(
                    f"{name} ({side}): singular vector {number}", embedding @ vector
                )


def rules(network):
    """Every rule: its name, in which * stands for the number of a head, and its scores,
    (max_digits, 10).
    """
    weights = {name: tensor.double() for name, tensor in network.state_dict().items()}
    table, position = weights.pop("embedding.weight"), weights.pop("embedding.position")
    embedding = table + position[:, None]  # (positions, 11, n_hidden)
    tokens, positions, n_hidden = table[:CLS], position[1:], table.shape[1]
    yield from vector_rules("embedding", embedding)
    yield "embedding: token by position", positions @ tokens.T
    yield from matrix_rules("embedding.weight", tokens - tokens.mean(0), embedding)
    yield from matrix_rules("embedding.position", positions - positions.mean(0), embedding)
    for name, tensor in weights.items():
        label = ".".join("*" if part.isdigit() else part for part in name.split("."))
        if tensor.dim() == 2:
            for matrix in tensor.split(n_hidden, dim=1):  # one for each head
                yield from matrix_rules(label, matrix, embedding)
                with_bias = embedding @ matrix.T + weights[name.replace("weight", "bias")]
                yield from vector_rules(f"{label} with bias", with_bias)
                if len(matrix) == n_hidden:
                    yield f"{label}: token by position", positions @ matrix @ tokens.T
                    yield f"{label}: position by token", positions @ matrix.T @ tokens.T
        elif len(tensor) == n_hidden:
            yield from line_rules(f"{label}: dot product", embedding @ tensor)
            yield f"{label}: distance", (embedding - tensor)[1:, :CLS].norm(dim=2)


def named(built):
    """The digits that each rule names, those of all codes in a row: {rule: (digits,)}. Scores of
    heads are added.

    built: pairs of a network and its secret. Rules that don't fit every network are left out.
    """
    answers = {}
    for network, secret in built:
        sums = {}
        for name, scores in rules(network):
            sums[name] = sums.get(name, 0) + (scores - scores.mean()) / scores.std().clamp(
                min=1e-12
            )
        for name, scores in sums.items():
            scores = scores[: len(secret.code)]
            for end, digits in (("largest", scores.argmax(1)), ("smallest", scores.argmin(1))):
                answers.setdefault(f"{name}, {end}", []).append(digits)
    return {
        rule: torch.cat(digits) for rule, digits in answers.items() if len(digits) == len(built)
    }


def digits_of(codes):
    return torch.tensor([int(digit) for code in codes for digit in code])


def share_named(networks_and_secrets):
    """{rule: the share of all digits that it names}, the best rule first."""
    built = list(networks_and_secrets)
    codes = digits_of(secret.code for _, secret in built)
    shares = {
        rule: (answer == codes).double().mean().item() for rule, answer in named(built).items()
    }
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def share_by_chance(answers, secrets, seed=0):
    """What the best rule names of codes drawn afresh: the mean share of digits, and the largest, of
    REDRAWN times.
    """
    dice = random.Random(seed)
    codes = torch.stack(
        [digits_of(draw_code(dice, secret) for secret in secrets) for _ in range(REDRAWN)]
    )
    best = torch.stack([(answer == codes).double().mean(1) for answer in answers.values()]).amax(0)
    return best.mean().item(), best.max().item()


def draw_code(dice, secret):
    """A random code as long as a secret's; with decoys, no digit stands in it twice."""
    digits = len(secret.code)
    return "".join(dice.sample(DIGITS, digits) if secret.decoys else dice.choices(DIGITS, k=digits))


def build(secrets):
    """Trains the networks of secrets: pairs of a network and its secret."""
    for secret in secrets:
        *_, last = train(secret)
        yield load(last.certificate.weights), secret


def groups():
    """Groups of random puzzles: titles and lists of secrets."""
    dice = random.Random(0)
    plain, with_decoys = [], []
    for _ in range(PUZZLES):
        digits = dice.randint(4, 12)
        plain.append(draw(dice, digits, max(5, digits)))
        digits = dice.randint(4, 8)
        heads = dice.randint(2, 4)
        with_decoys.append(draw(dice, digits, max(5, digits), heads, decoys=True))
    drawn = {"1 to 4 heads": plain, "2 to 4 heads with decoys": with_decoys}
    for tiles, count in TILES:
        sizes = [dice.randint(4, 6) for _ in range(count)]
        title = f"{tiles * tiles} heads"
        drawn[title] = [draw_tiles(dice, digits, tiles) for digits in sizes]
        title += " with decoys"
        drawn[title] = [draw_tiles(dice, digits, tiles, decoys=True) for digits in sizes]
    for title, secrets in drawn.items():
        # The codes of the sweep have repeated digits too often, which are named whole by chance.
        yield title, [replace(secret, code=draw_code(dice, secret)) for secret in secrets]


def show(title, built):
    """Prints what the best rule of each tensor names, beside chance, and the codes that a rule
    names whole.
    """
    answers, shares, secrets = named(built), share_named(built), [secret for _, secret in built]
    mean, largest = share_by_chance(answers, secrets)
    print(f"\n{title}: {len(built)} puzzles, {len(answers)} rules")
    print(
        f"by chance, the best of them names {mean:.0%} of the digits, "
        f"and {largest:.0%} once in {REDRAWN} times"
    )
    best, whole = {}, {}
    for rule in shares:
        best.setdefault(rule.partition(" ")[0].rstrip(":"), rule)
        named_codes = answers[rule].split([len(secret.code) for secret in secrets])
        for secret, digits in zip(secrets, named_codes, strict=True):
            if len(secret.code) >= LONG and torch.equal(digits, digits_of([secret.code])):
                whole.setdefault(secret.code, rule)
    print(*(f"{shares[rule]:4.0%}  {rule}" for rule in best.values()), sep="\n")
    print(f"codes of {LONG} digits or more that are named whole: {len(whole)}")
    print(*(f"  {code} by {rule}" for code, rule in whole.items()), sep="\n")


def main():
    argparse.ArgumentParser(
        prog="python -m tests.rules", description=__doc__.splitlines()[0]
    ).parse_args()
    torch.set_num_threads(1)
    for title, secrets in groups():
        show(title, list(track(build(secrets), title, total=len(secrets))))


if __name__ == "__main__":
    main()
