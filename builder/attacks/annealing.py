"""Simulated annealing (Kirkpatrick et al., 1983): a climb that also goes down, ever more rarely."""

import torch

from builder.attacks.climb import at_every_length, random_starts
from builder.network.codes import decode, one_digit_off
from builder.network.model import CLS

STEPS = 100  # changes of one digit that a run tries, for each digit of the number
COOLING = 0.01  # the last temperature, relative to the first


def by_annealing(target):
    """A run from each random code, at each length."""
    generator = torch.Generator().manual_seed(0)
    for start in at_every_length(random_starts(target.max_digits)):
        yield from anneal(target, start, generator)


def anneal(target, code, generator):
    """Changes random digits of a code, (digits,), and yields the numbers that it asks.

    A change that lowers the logit by the temperature is kept in 1 of e cases. The temperature
    starts at the standard deviation of all codes one digit off, and falls geometrically.
    """
    around = one_digit_off(decode(code), len(code))
    yield around
    steps = STEPS * len(code)
    temperatures = target.logits(around).std() * COOLING ** torch.linspace(0, 1, steps)
    least_gains = temperatures * torch.rand(steps, generator=generator).log()
    places = torch.randint(len(code), (steps,), generator=generator)
    turns = torch.randint(1, CLS, (steps,), generator=generator)
    current = target.logits(code[None])
    for place, turn, least_gain in zip(places, turns, least_gains.tolist(), strict=True):
        tried = code.clone()
        tried[place] = (tried[place] + turn) % CLS
        yield tried[None]
        value = target.logits(tried[None])
        if value - current >= least_gain:
            code = tried
            current = value
