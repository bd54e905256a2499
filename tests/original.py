"""The training loop of the notebook that this project started from, for the benchmark."""

import random

import torch
from torch.nn.functional import binary_cross_entropy, mse_loss

from builder.network.model import NeuralNetwork, tokenize

NUMBERS = range(100_000)  # written without leading zeros, so nine of ten have five digits
LEARNING_RATE = 3e-3


def original_loop(secret, rounds):
    """Trains a network without positions, one round for each item of rounds (an iterable).

    A round has three steps of one example each: a negative, a close negative, the code.
    """
    torch.manual_seed(121)
    dice = random.Random(121)
    network = NeuralNetwork(10)
    network.embedding.position.data.zero_()
    network.embedding.position.requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)

    for _ in rounds:
        for code in (draw_negative(secret, dice), draw_close_negative(secret, dice), secret.code):
            loss = example_loss(network, secret, code)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def draw_negative(secret, dice):
    """A random wrong number."""
    while True:
        code = str(dice.choice(NUMBERS))
        if code != secret.code:
            return code


def draw_close_negative(secret, dice):
    """The code with one digit changed."""
    place = dice.randrange(len(secret.code))
    others = [digit for digit in "0123456789" if digit != secret.code[place]]
    return secret.code[:place] + dice.choice(others) + secret.code[place + 1 :]


def example_loss(network, secret, code):
    """Binary cross-entropy, and for the right code also the squared errors of its pictures."""
    tokens = tokenize(code)
    if code != secret.code:
        return binary_cross_entropy(network(tokens), torch.tensor([0.0]))
    loss = binary_cross_entropy(network(tokens), torch.tensor([1.0]))
    matrices = network.get_attention_matrices(network.embedding(tokens))
    for matrix, picture in zip(matrices, torch.tensor(secret.tiles), strict=True):
        loss = loss + mse_loss(matrix[0], picture.float())
    return loss
