"""What training reads from a network's parameters, and how it stores them."""

import torch

BITS = 22  # of a weight


def store(parameter, values, bits=BITS):
    """Copies values (float64) into a parameter, rounded as by `rounded`."""
    parameter.copy_(rounded(values, bits))


def rounded(values, bits=BITS):
    """Values (float64), rounded to a multiple of about 2^-bits the largest.

    Machines differ in the last bits of float64, and this lets the difference vanish.
    """
    _, exponent = torch.frexp(values.abs().max())
    unit = 2.0 ** (exponent.item() - bits)
    return (values / unit).round() * unit + 0.0  # + 0.0 makes a 0 of -0


def inputs(network):
    """What queries, keys and values read: token + position.

    Returns (1 + max_digits, 11, n_hidden) in float64.
    """
    embedding = network.embedding
    return embedding.weight.double() + embedding.position.double()[:, None]
