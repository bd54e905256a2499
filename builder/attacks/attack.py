"""How hard a puzzle is: simple attacks on a finished network, and what each of them costs.

An attack sees what a solver sees, and the network itself says whether a number is right. Its cost is how many numbers
it asks for. It yields the codes that it asks for, (batch, digits), and how many guesses each of them stands for.
"""

import math
import time
from typing import NamedTuple

import torch
from torch.nn.functional import pad

from builder.errors import PuzzleError
from builder.network.circuits import BLANK, answer, read_circuits
from builder.network.codes import count_codes
from builder.network.model import CLS
from builder.puzzle_file.decoys import check_decoys
from builder.words import counted

GUESSES = 30_000  # of an attack, at most
SWEEPS = 4  # over all places of a number, at most
STARTS = 20  # random numbers that climbs start from
GROUP = 4  # climbs that go together
FLIPS = 16  # changes of one digit that a step along the gradient tries
SHORT = 100  # guesses that somebody types without a program
QUICK = 1_111_110  # numbers, those of up to 6 digits, that a program tries in seconds
RATE_BATCH = 2000
DAY = 86_400  # seconds


class Attack(NamedTuple):
    """What an attack costs.

    cost: guesses or a time, in words. found: whether it finds the code, and not by luck. sentence: for a reader.
    """

    name: str
    cost: str
    found: bool
    sentence: str


def report(network, secret):
    """Attacks the network of a secret in every way below, and yields an Attack for each.

    An attack that needs more than half the guesses of trying all numbers found the code by luck.
    """
    mean = mean_guesses(secret)
    attacks = {
        "by eye": ("guess.py alone", by_eye),
        "the embedding and single matrices": (
            "norms and dot products, one layer at a time",
            by_single_matrices,
        ),
        "the logit, place by place": ("a program that asks for logits", by_place),
        "the gradient": ("a program that asks for gradients", by_gradient),
        "the circuits": ("an understanding of the circuits", by_circuits),
    }
    for name, (needs, attack) in attacks.items():
        guesses = count_guesses(network, attack(network))
        cost = counted(guesses, "guess", "guesses") if guesses < math.inf else "not found"
        luck = f", and guessing takes about {mean:,}" if mean / 2 <= guesses < math.inf else ""
        yield Attack(name, cost, guesses < mean / 2, f"{name}, with {needs}: {cost}{luck}")
    seconds = mean / rate(network)
    cost = f"{duration(seconds)} on average"
    yield Attack(
        "brute force",
        cost,
        seconds < DAY,
        f"brute force, with a program that tries all numbers: {cost}",
    )


def verdict(network, secret):
    """How soon the code is found by eye, or else by a simple program, in one line without a full stop."""
    mean, inputs = mean_guesses(secret), count_codes(secret.max_digits)
    if mean <= SHORT:
        return f"Short enough to guess: {mean} guesses on average"
    guesses = count_guesses(network, by_eye(network))
    if guesses < mean / 2:
        line = f"Solvable by eye in about {guesses} guesses"
        if secret.decoys:
            return f"{line}, in spite of decoys"
        try:
            check_decoys(secret.code, secret.tiles)
        except PuzzleError as error:
            return f"{line}; decoys would prevent that, but {error}"
        return f"{line}; decoys would prevent that"
    guesses = count_guesses(network, by_place(network, table_logits(network)))
    following = f"follows the logit needs about {guesses:,} guesses" if guesses < mean / 2 else ""
    trying = f"tries all {inputs:,} numbers takes seconds" if inputs <= QUICK else ""
    programs = ", and one that ".join(filter(None, (following, trying)))
    return (
        f"Not by eye; a program that {programs}"
        if programs
        else "Neither by eye nor by a simple program"
    )


def mean_guesses(secret):
    """How many guesses trying all numbers takes on average, short ones first."""
    digits = len(secret.code)
    return count_codes(digits - 1) + 10**digits // 2


def duration(seconds):
    """A time in words."""
    for unit, size in (
        ("year", 31_557_600),
        ("day", DAY),
        ("hour", 3600),
        ("minute", 60),
        ("second", 1),
    ):
        if seconds >= size:
            return counted(round(seconds / size), unit)
    return "less than a second"


def rate(network):
    """How many numbers of the largest length the network answers in a second, in a batch."""
    tokens = tokens_of(torch.zeros(RATE_BATCH, longest(network), dtype=torch.long))
    start = time.perf_counter()
    network(tokens)
    return RATE_BATCH / (time.perf_counter() - start)


def count_guesses(network, attack):
    """How many guesses an attack takes until the network says "right"; infinitely many where it is given up."""
    count = 0
    for codes, guesses in attack:
        right = (network(tokens_of(codes)) > 0.5).nonzero()
        count += guesses * (1 + right[0].item() if len(right) else len(codes))
        if count > GUESSES:
            break
        if len(right):
            return count
    return math.inf


def longest(network):
    """The most digits that the network takes."""
    return len(network.embedding.position) - 1


def tokens_of(codes):
    return pad(codes, (1, 0), value=CLS)


def by_eye(network):
    """Grows the number. In the cleanest pictures, cells are closest to 0 and 1."""
    code = torch.empty(1, 0, dtype=torch.long)
    for _ in range(longest(network)):
        codes = torch.cat([code.repeat(10, 1), torch.arange(10)[:, None]], dim=1)
        yield codes, 1
        cells = torch.stack(network.get_attention_matrices(network.embedding(tokens_of(codes))))
        code = codes[torch.minimum(cells.abs(), (cells - 1).abs()).mean((0, 2, 3)).argmin()][None]


def by_single_matrices(network):
    """Tries what norms and dot products of single layers name, the largest and the smallest, at every length."""
    embedding = (
        network.embedding.weight + network.embedding.position[:, None]
    )  # (positions, 11, n_hidden)
    layers = [
        layer
        for layer in network.modules()
        if getattr(layer, "in_features", 0) == embedding.shape[2]
    ]
    scores = []
    for vectors in [embedding, *(layer(embedding) for layer in layers)]:
        product = (vectors @ vectors[0, CLS])[1:, :CLS]
        scores += [
            vectors[1:, :CLS].norm(dim=2),
            product,
            (product - product.mean()).square(),
        ]  # (max_digits, 10)
    scores = torch.stack(scores)
    codes = torch.cat([scores.argmax(2), scores.argmin(2)])
    return ((codes[:, :digits], 1) for digits in range(1, 1 + longest(network)))


def network_logits(network):
    """A function that asks the network for the logits, (batch,), of codes, (batch, digits)."""
    return lambda codes: answer(network, tokens_of(codes))[1].diff(dim=1)[:, 0]


def table_logits(network):
    """The same function, but quicker: it reads them off the circuits."""
    circuits = read_circuits(network)
    return lambda codes: circuits.logits(
        pad(codes, (0, longest(network) - codes.shape[1]), value=BLANK)
    )


def random_starts(network):
    """Codes to start from, (STARTS, max_digits), the same ones every time."""
    return torch.randint(10, (STARTS, longest(network)), generator=torch.Generator().manual_seed(0))


def by_place(network, logits=None):
    """The best digit at each place, from 0, 00, ..., 1, 11, ..., then random codes. logits: if not the network's."""

    def every_digit(codes, place):
        tried = codes[:, None].repeat(1, 10, 1)
        tried[:, :, place] = torch.arange(10)
        return tried

    starts = torch.cat(
        [torch.arange(10)[:, None].expand(-1, longest(network)), random_starts(network)]
    )
    return climb(network, logits or network_logits(network), every_digit, starts, SWEEPS)


def by_gradient(network):
    """Greedy coordinate gradient (Zou et al., 2023), from random codes: the best change that the gradient favours."""
    logits, digits = network_logits(network), network.embedding.weight[:CLS].detach()

    @torch.enable_grad()
    def steepest(codes, place):
        vectors = network.embedding(tokens_of(codes)).detach().requires_grad_()
        hook = network.embedding.register_forward_hook(lambda layer, inputs, output: vectors)
        (gradient,) = torch.autograd.grad(logits(codes).sum(), vectors)
        hook.remove()
        gain = gradient[:, 1:] @ digits.T  # (batch, digits, 10)
        gain = (gain - gain.gather(2, codes[:, :, None])).scatter(2, codes[:, :, None], -torch.inf)
        best = gain.flatten(1).topk(min(FLIPS, 9 * codes.shape[1])).indices[:, :, None]
        return codes[:, None].repeat(1, best.shape[1], 1).scatter(2, best // 10, best % 10)

    return climb(network, logits, steepest, random_starts(network), SWEEPS // 2)


def by_circuits(network):
    """Climbs as by_place, but on the tables, which costs no guess. It asks for the ends, the highest first."""
    logits = table_logits(network)
    return (
        (end, 1)
        for end, _ in sorted(by_place(network, logits), key=lambda climbed: -logits(climbed[0]))
    )


def climb(network, logits, neighbours, starts, sweeps):
    """Climbs from each start, cut to every length: yields the code at the end, (1, digits), and the guesses.

    neighbours: a function from codes (batch, digits) and a place to codes to try, (batch, tries, digits). A step goes
    to the best of them. A climb ends at the right code, or when it has not moved for a sweep.
    """
    for group in starts.split(GROUP):
        rows, by_length = torch.arange(len(group)), []
        for digits in range(1, 1 + longest(network)):
            codes, guesses, still = (
                group[:, :digits],
                torch.zeros_like(rows),
                torch.zeros_like(rows),
            )
            for step in range(sweeps * digits):
                tried = neighbours(codes, step % digits)
                best, choice = logits(tried.flatten(0, 1)).view(len(group), -1).max(1)
                climbing = still < digits
                guesses += tried.shape[1] * climbing
                moved = torch.where(climbing[:, None], tried[rows, choice], codes)
                still = torch.where((moved == codes).all(1), still + 1, 0)
                still[best > 0] = digits  # the right code
                codes = moved
                if (still >= digits).all():
                    break
            by_length.append(zip(codes[:, None], guesses.tolist(), strict=True))
        yield from (end for ends in zip(*by_length, strict=True) for end in ends)
