"""Every code there is: all strings of 1 to max_digits digits, leading zeros counted.

A batch of codes is a tensor (batch, max_digits) of digits, with BLANK after the end of a shorter
code.
"""

import torch
from torch.nn.functional import pad

from builder.network.circuits import BLANK
from builder.network.model import CLS


def max_digits_of(network):
    """How many digits the longest code has that a network takes."""
    return len(network.embedding.position) - 1


def count_codes(max_digits):
    """How many codes there are: an int, exact."""
    return sum(10**length for length in range(1, max_digits + 1))


def encode(code, max_digits):
    """A code (string) as a batch of one, shape (1, max_digits)."""
    digits = [int(digit) for digit in code]
    return torch.tensor([digits + [BLANK] * (max_digits - len(code))])


def decode(digits):
    """The string of one row of a batch of codes."""
    return "".join(str(digit) for digit in digits.tolist() if digit != BLANK)


def one_digit_off(code, max_digits):
    """All codes that differ from the code in one digit, shape (9 * digits, max_digits)."""
    secret = encode(code, max_digits)
    codes = secret.repeat(10 * len(code), 1)
    places = torch.arange(len(code)).repeat_interleave(10)
    codes[torch.arange(len(codes)), places] = torch.arange(10).repeat(len(code))
    return codes[(codes != secret).any(1)]


def random_codes(n, max_digits, generator):
    """Codes of random lengths and digits, shape (n, max_digits)."""
    codes = torch.randint(10, (n, max_digits), generator=generator)
    lengths = torch.randint(1, max_digits + 1, (n, 1), generator=generator)
    return codes.masked_fill(torch.arange(max_digits) >= lengths, BLANK)


def tokens_by_length(codes):
    """The tokens of codes (batch, max_digits), as the network takes them.

    Yields a batch (batch, 1 + digits) for each length there is, short ones first.
    """
    lengths = (codes != BLANK).sum(1)
    for length in lengths.unique():
        yield pad(codes[lengths == length, :length], (1, 0), value=CLS)
