"""The drawn half of a network: embedding, keys, values and output layer, which never see the code.

They depend on the seed and on the sizes alone, and are never trained. What depends on the code is
written later, into queries and projection (`write`), and a drawn orthogonal matrix turns each of
the two. So only a product of layers shows what a head looks at, or what a look adds to the logit.
"""

import torch

from builder.network.model import CLS, NeuralNetwork
from builder.training.parameters import store

ORIGINAL = 10  # n_hidden of the original
ORIGINAL_DIGITS = 5  # of a code whose pictures that is enough for, at most
OUTPUT = 30.0  # standard deviation of its weights: large, so that the projection's can be small


def draw_dense(secret, generator):
    """A network as small as the original, for codes of up to ORIGINAL_DIGITS.

    It has fewer dimensions than tokens and positions, whose vectors are as different as possible.
    """
    directions = count_directions(secret.max_digits)
    mix = draw_orthogonal(directions, generator)
    return draw(secret, directions**0.5 * mix[:, :ORIGINAL], [ORIGINAL], generator)


def draw_one_hot(secret, n_hidden, blocks, generator):
    """A network in which each token and each position has a dimension of its own.

    One-hot vectors, because then most products in a score are 0, and adding 0 never rounds.
    blocks: as in `draw`.
    """
    vectors = n_hidden**0.5 * torch.eye(n_hidden, dtype=torch.float64)
    return draw(secret, vectors[: count_directions(secret.max_digits)], blocks, generator)


def count_directions(max_digits):
    """How many vectors an embedding has: one for each digit, for CLS, and for each position."""
    return CLS + 2 + max_digits


@torch.random.fork_rng(devices=[])  # a new network draws weights that are not used
def draw(secret, vectors, blocks, generator):
    """A network for a secret. What the code decides is still 0: queries, projection and biases.

    vectors: of the tokens and then of the positions, (12 + max_digits, n_hidden).
    blocks: how many dimensions keys and values turn together, which add up to n_hidden.
    """
    n_hidden = vectors.shape[1]
    network = NeuralNetwork(n_hidden, len(secret.tiles), secret.max_digits)
    network.arrangement.copy_(torch.tensor(secret.arrangement))
    for parameter in network.parameters():
        parameter.zero_()
    store(network.embedding.weight, vectors[: CLS + 1])
    store(network.embedding.position, vectors[CLS + 1 :])
    for matrix, output in zip(
        network.attention_matrix_list, network.attention_output_list, strict=True
    ):
        for layer in (matrix.key_layer, output.value_layer):
            turns = [draw_orthogonal(size, generator) for size in blocks]
            store(layer.weight, torch.block_diag(*turns))
    store(network.output.weight, OUTPUT * gaussian(2, n_hidden, generator=generator))
    return network


def draw_orthogonal(size, generator):
    """An orthogonal matrix (size, size) in float64, all equally likely."""
    return orthonormal(gaussian(size, size, generator=generator))


def gaussian(*shape, generator):
    """Standard normal numbers of a shape.

    They are drawn in float64: in float32 the numbers depend on the kind of processor.
    """
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def orthonormal(columns):
    """Columns (..., n, k) made orthonormal one after the other, as Gram and Schmidt do it.

    This is the QR decomposition in which R has a positive diagonal: there is only one.
    """
    basis, triangle = torch.linalg.qr(columns)
    return basis * triangle.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
