"""Brute force: all numbers that may be the code, short ones first."""

import time

import torch

from builder.network.model import CLS

SECONDS = 0.05  # a batch that takes so long shows how fast the network is


def mean_guesses(secret):
    """How many guesses it takes on average to find a code as long as the secret's."""
    digits = len(secret.code)
    shorter = sum(secret.count_candidates(length) for length in range(1, digits))
    return shorter + secret.count_candidates(digits) // 2


def rate(network):
    """How many numbers of the largest length the network answers in a second, in a batch."""
    batch = 10
    seconds = 0.0
    while seconds < SECONDS:
        batch *= 2
        tokens = torch.full((batch, len(network.embedding.position)), CLS)
        start = time.perf_counter()
        network(tokens)
        seconds = time.perf_counter() - start
    return batch / seconds
