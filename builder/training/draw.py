"""The drawn half of a network: embedding, keys, values and output layer, which never see the code.

They depend on the seed and on the sizes alone, and are never trained. What depends on the code is
written later, into queries and projection (`write`), and a drawn orthogonal matrix turns each of
the two. So only a product of layers shows what a head looks at, or what a look adds to the logit.
"""

import torch

from builder.network.model import CLS, NeuralNetwork

ORIGINAL = 10  # n_hidden of the original, enough for pictures of 5 digits
OUTPUT = (
    30.0  # standard deviation of the output weights: large, so that the projection's can be small
)


def least_n_hidden(max_digits):
    """The smallest n_hidden that leaves queries room for any pictures of max_digits digits."""
    return 2 * max_digits + 1


def count_directions(max_digits):
    """How many vectors an embedding has: one for each digit, for CLS, and for each position."""
    return CLS + 2 + max_digits


@torch.random.fork_rng(devices=[])  # a new network draws weights that are not used
def draw(secret, n_hidden, generator, one_hot=False):
    """A network for a secret. What the code decides is still 0: queries, projection and biases.

    one_hot: whether the vectors of tokens and positions are one-hot, but for a factor. Otherwise
    they are dense.
    """
    network = NeuralNetwork(n_hidden, len(secret.tiles), secret.max_digits)
    network.arrangement.copy_(torch.tensor(secret.arrangement))
    for parameter in network.parameters():
        parameter.zero_()
    vectors = draw_vectors(count_directions(secret.max_digits), n_hidden, generator, one_hot)
    network.embedding.weight.copy_(vectors[: CLS + 1])
    network.embedding.position.copy_(vectors[CLS + 1 :])
    for matrix, output in zip(
        network.attention_matrix_list, network.attention_output_list, strict=True
    ):
        matrix.key_layer.weight.copy_(draw_orthogonal(n_hidden, generator))
        output.value_layer.weight.copy_(draw_orthogonal(n_hidden, generator))
    network.output.weight.copy_(OUTPUT * torch.randn(2, n_hidden, generator=generator))
    return network


def draw_vectors(count, n_hidden, generator, one_hot):
    """The vectors of tokens and positions, (count, n_hidden): orthogonal if n_hidden allows it."""
    size = max(n_hidden, count)
    mix = draw_orthogonal(size, generator)
    if one_hot:
        mix = torch.eye(size)[torch.randperm(size, generator=generator)]
    return size**0.5 * mix[:count, :n_hidden]


def draw_orthogonal(size, generator):
    """An orthogonal matrix (size, size) in float64, all equally likely.

    It is the Q of a Gaussian matrix's QR decomposition, with a positive diagonal of R.
    """
    gaussian = torch.randn(size, size, generator=generator, dtype=torch.float64)
    orthogonal, triangle = torch.linalg.qr(gaussian)
    return orthogonal * triangle.diagonal().sign()


def inputs(network):
    """What queries, keys and values read: token + position.

    Returns (1 + max_digits, 11, n_hidden) in float64.
    """
    return (network.embedding.weight + network.embedding.position[:, None]).double()
