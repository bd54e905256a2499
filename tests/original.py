"""The training loop of the notebook that this project started from. The benchmark compares with it."""

import random

import torch
from torch.nn.functional import binary_cross_entropy, mse_loss

from builder.network.model import NeuralNetwork, tokenize


def original_loop(secret, rounds):
    """Trains a network without positions, one round for each item of rounds (an iterable).

    A round has three steps of one example each: a random wrong code, the code with one digit changed, the code.
    """
    pictures = torch.as_tensor(secret.pictures).float()
    torch.manual_seed(121)
    dice = random.Random(121)
    network = NeuralNetwork(10)
    network.embedding.position.data.zero_()
    network.embedding.position.requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)

    def step(code, right):
        tokens = tokenize(code)
        loss = binary_cross_entropy(network(tokens), torch.tensor([float(right)]))
        if right:
            matrices = network.get_attention_matrices(network.embedding(tokens))
            loss = loss + sum(
                mse_loss(matrix[0], picture)
                for matrix, picture in zip(matrices, pictures, strict=True)
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in rounds:
        wrong = secret.code
        while wrong == secret.code:
            wrong = "".join(dice.choices("0123456789", k=dice.randint(1, secret.max_digits)))
        place = dice.randrange(len(secret.code))
        digit = dice.choice([digit for digit in "0123456789" if digit != secret.code[place]])
        step(wrong, right=False)
        step(secret.code[:place] + digit + secret.code[place + 1 :], right=False)
        step(secret.code, right=True)
    return network
