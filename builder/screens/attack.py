"""How soon somebody finds the code without understanding the network: attacks on a finished network, and their cost.

Each attack sees what a solver sees, through the network itself, and counts the numbers that it asks for. Its cost is
the median over seeded runs. A run that does not find the code within GUESSES is given up.
"""

import math
import random
import statistics
import time
from typing import NamedTuple

import torch

from builder.model import CLS, tokenize
from builder.proof.circuits import answer, read_circuits
from builder.proof.codes import count_codes, tokens_by_length
from builder.secret import DIGITS
from builder.threads import one_thread
from builder.words import counted

GUESSES = 30_000  # numbers that a run tries, at most
RUNS = 5
STARTS = 50  # random numbers that a gradient attack starts from together
STEPS = 10  # that it takes from there
RATE_BATCH = 10_000


class Attack(NamedTuple):
    """What an attack costs.

    name: in the terms of the field. follows: what it looks at. cost: guesses or a time, in words. found: whether it
    finds the code within its limit. sentence: all of it, for a reader.
    """

    name: str
    follows: str
    cost: str
    found: bool
    sentence: str


def report(network, secret, seed=0):
    """Attacks the network of a secret in every way below; yields an Attack for each, guessing first.

    An attack that takes half as many guesses as trying all numbers takes on average, or more, counts as not found.
    seed: where the runs' random numbers start from. The cost of brute force is measured here and now.
    """
    length = len(secret.code)
    mean_guesses = count_codes(length - 1) + 10**length // 2
    cost = f"{counted(mean_guesses, 'guess', 'guesses')} on average"
    sentence = f"Trying all numbers, short ones first, takes {cost}."
    yield Attack("guessing", "nothing", cost, mean_guesses <= GUESSES, sentence)
    for name, follows, attack in ATTACKS:
        costs = [run(network, secret, attack, random.Random(f"{seed} {number}")) for number in range(RUNS)]
        median = statistics.median(costs)
        if median > GUESSES:
            cost = f"not within {GUESSES:,} guesses"
            result = f"does not find the code within {GUESSES:,} guesses"
        else:
            cost = counted(int(median), "guess", "guesses")
            result = f"finds the code in {cost}"
            result += ", which is about what guessing takes" if median >= mean_guesses / 2 else ""
        found = median <= GUESSES and median < mean_guesses / 2
        yield Attack(name, follows, cost, found, f"Following {follows} {result}.")
    seconds = mean_guesses / rate(network)
    cost = f"{duration(seconds)} on average"
    sentence = f"Asking the network for all numbers, in batches on a computer like this one, takes {cost}."
    yield Attack("brute force", "everything", cost, seconds < 86_400, sentence)


def duration(seconds):
    """A time in words."""
    for unit, size in (("year", 31_557_600), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            return counted(round(seconds / size), unit)
    return "less than a second"


@one_thread()
@torch.no_grad()
def rate(network):
    """How many numbers of the largest length the network answers in a second, in batches, with one thread."""
    max_digits = len(network.embedding.position) - 1
    codes = torch.randint(10, (RATE_BATCH, max_digits), generator=torch.Generator().manual_seed(0))
    (tokens,) = tokens_by_length(codes)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        network(tokens)
        seconds.append(time.perf_counter() - start)
    return RATE_BATCH / statistics.median(seconds)


class _Ended(Exception):
    """A run found the code, or has tried too many numbers."""


class _Solver:
    """Asks the network, and counts the numbers it has asked for. Raises _Ended at the one that is right."""

    def __init__(self, network, secret, dice):
        self.network, self.secret, self.dice = network, secret, dice
        self.max_digits = secret.max_digits
        self.guesses = 0

    def ask(self, codes):
        """What a solver sees of numbers (a list of strings of one length): probabilities, logits, matrices.

        Shapes (batch,), (batch,) and (heads, batch, tokens, tokens).
        """
        for code in codes:
            self.guesses += 1
            if code == self.secret.code or self.guesses > GUESSES:
                raise _Ended
        tokens = torch.cat([tokenize(code) for code in codes])
        probabilities, logits = answer(self.network, tokens)
        matrices = self.network.get_attention_matrices(self.network.embedding(tokens))
        return probabilities, logits[:, 1] - logits[:, 0], torch.stack(matrices)

    def draw(self):
        """A random number of all that the network takes."""
        lengths = range(1, self.max_digits + 1)
        (length,) = self.dice.choices(lengths, weights=[10**length for length in lengths])
        return "".join(self.dice.choices(DIGITS, k=length))


@one_thread()
def run(network, secret, attack, dice):
    """How many numbers an attack tries until it finds the code; more than GUESSES where it gives up."""
    solver = _Solver(network, secret, dice)
    try:
        while True:
            attack(solver)
    except _Ended:
        return solver.guesses


@torch.no_grad()
def _climb(solver, height):
    """Hill climbing: from a random number to its best neighbour, as long as that is higher."""
    code = solver.draw()
    best = height(solver.ask([code])).item()
    while True:
        changed = [code[:i] + d + code[i + 1 :] for i in range(len(code)) for d in DIGITS if d != code[i]]
        dropped = [code[:i] + code[i + 1 :] for i in range(len(code)) if len(code) > 1]
        added = [code[:i] + d + code[i:] for i in range(len(code) + 1) for d in DIGITS if len(code) < solver.max_digits]
        top, following = -math.inf, code
        for codes in filter(None, (changed, dropped, added)):
            solver.dice.shuffle(codes)
            high, place = height(solver.ask(codes)).max(0)
            if high > top:
                top, following = high.item(), codes[place]
        if top <= best:
            return
        best, code = top, following


def climb_the_answer(solver):
    _climb(solver, lambda seen: seen[0])


def climb_the_logit(solver):
    _climb(solver, lambda seen: seen[1])


def _sharpness(seen):
    """How close the cells are to 0 and 1, (batch,): 0 at most, where all of them are."""
    cells = seen[2]
    return -torch.minimum(cells.abs(), (cells - 1).abs()).mean((0, 2, 3))


@torch.no_grad()
def climb_the_pictures(solver):
    """Digit by digit, keeping the one with the sharpest pictures; then by hill climbing."""
    code = ""
    for _ in range(solver.max_digits if not solver.guesses else 0):
        codes = [code + digit for digit in solver.dice.sample(DIGITS, 10)]
        code = codes[_sharpness(solver.ask(codes)).argmax()]
    _climb(solver, _sharpness)


def follow_the_gradient(solver):
    """HotFlip (Ebrahimi et al., 2018), all digits at once: each becomes what the gradient of the logit likes best.

    It starts from many random numbers of one length together.
    """
    length = len(solver.draw())
    codes = ["".join(solver.dice.choices(DIGITS, k=length)) for _ in range(STARTS)]
    for _ in range(STEPS):
        likes = _gradient(solver, codes)[:, 1:] @ solver.network.embedding.weight[:CLS].T  # (batch, digits, 10)
        codes = ["".join(map(str, digits)) for digits in likes.argmax(2).tolist()]


def _gradient(solver, codes):
    """The gradient of the logits with respect to the embeddings of codes, (batch, tokens, n_hidden)."""
    inputs = []

    def keep(layer, tokens, output):
        inputs.append(output.detach().requires_grad_())
        return inputs[0] if len(inputs) == 1 else output

    hook = solver.network.embedding.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            _, logits, _ = solver.ask(codes)
            (gradient,) = torch.autograd.grad(logits.sum(), inputs[0])
    finally:
        hook.remove()
    return gradient


@torch.no_grad()
def read_the_weights(solver):
    """At each position the digit with the largest exp(score) (vote - mean vote), for every length; then again.

    The mean is that of the number so found: Dinkelbach's method, as `search` has it, for all heads at once.
    """
    circuits = read_circuits(solver.network).double()
    look = (circuits.score - circuits.score.amax((1, 2), keepdim=True)).exp()  # (heads, positions, 11)
    for length in range(1, solver.max_digits + 1):
        tokens, places = tokenize("".join(solver.dice.choices(DIGITS, k=length)))[0], torch.arange(1 + length)
        for _ in range(STEPS):
            sums = look[:, places, tokens].sum(1)
            means = (look * circuits.vote)[:, places, tokens].sum(1) / sums
            gain = look * (circuits.vote - means[:, None, None]) / sums[:, None, None]
            tokens[1:] = gain[:, 1 : 1 + length, :CLS].sum(0).argmax(1)
            solver.ask(["".join(map(str, tokens[1:].tolist()))])


ATTACKS = [
    ("climbing the answer", "the printed probability", climb_the_answer),
    ("climbing the logit", "the logit", climb_the_logit),
    ("following the gradient", "the gradient of the logit", follow_the_gradient),
    ("climbing the pictures", "the sharpness of the pictures", climb_the_pictures),
    ("reading the weights", "the tables of looks and votes", read_the_weights),
]


def verdict(network, secret):
    return "to come"
