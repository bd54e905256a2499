"""Both halves of a network: one is drawn before the code is known, and one is written after training.

Embedding, keys, values and output layer are never trained: they depend on the seed, the sizes, and whether there are
decoys. What depends on the code is in queries and projection, and a drawn orthogonal matrix turns each of the two. So
only a product of layers shows what a head looks at, or what a look adds to the logit.
"""

import torch

from builder.network.model import CLS, NeuralNetwork

ORIGINAL = 10  # n_hidden of the original, enough for pictures of 5 digits
OUTPUT = 30.0  # standard deviation of the output weights: large, so that the weights of the projection needn't be
NOISE = 0.1  # of the projection, in directions that the logit doesn't see


@torch.random.fork_rng(devices=[])  # a new network draws weights that are not used
def draw(secret, generator):
    """A network for a secret. What the code decides is still 0: queries, projection and biases."""
    directions = CLS + 2 + secret.max_digits  # of tokens and positions
    n_hidden = (
        ORIGINAL
        if secret.max_digits <= 5 and not secret.decoys
        else max(directions, 2 * secret.max_digits + 1)
    )
    network = NeuralNetwork(n_hidden, len(secret.tiles), secret.max_digits)
    network.arrangement.copy_(torch.tensor(secret.arrangement))
    for parameter in network.parameters():
        parameter.zero_()
    size = max(n_hidden, directions)
    mix = draw_orthogonal(size, generator)
    if secret.decoys:  # one-hot vectors, because scores of them round less
        mix = torch.eye(size)[torch.randperm(size, generator=generator)]
    vectors = size**0.5 * mix[:, :n_hidden]  # orthogonal where n_hidden allows it
    network.embedding.weight.copy_(vectors[: CLS + 1])
    network.embedding.position.copy_(vectors[CLS + 1 : directions])
    for matrix, output in zip(
        network.attention_matrix_list, network.attention_output_list, strict=True
    ):
        matrix.key_layer.weight.copy_(draw_orthogonal(n_hidden, generator))
        output.value_layer.weight.copy_(draw_orthogonal(n_hidden, generator))
    network.output.weight.copy_(OUTPUT * torch.randn(2, n_hidden, generator=generator))
    return network


def draw_orthogonal(size, generator):
    """An orthogonal matrix (size, size) in float64, all equally likely: the QR decomposition of a Gaussian matrix."""
    orthogonal, triangle = torch.linalg.qr(
        torch.randn(size, size, generator=generator, dtype=torch.float64)
    )
    return orthogonal * triangle.diagonal().sign()


def inputs(network):
    """What queries, keys and values read: token + position, (1 + max_digits, 11, n_hidden) in float64."""
    return (network.embedding.weight + network.embedding.position[:, None]).double()


def write_queries(network, weights, biases):
    """Writes queries that are meant for the inputs as keys: (heads, n_hidden, n_hidden) and (heads, n_hidden)."""
    for matrix, weight, bias in zip(network.attention_matrix_list, weights, biases, strict=True):
        matrix.query_layer.weight.copy_(matrix.key_layer.weight.double() @ weight)
        matrix.query_layer.bias.copy_(matrix.key_layer.weight.double() @ bias)


def write_votes(network, votes, threshold, generator):
    """Writes votes (heads, n_hidden) so that a look at an input y adds votes @ y, and the threshold is a logit of 0."""
    direction = (
        network.output.weight[1] - network.output.weight[0]
    ).double()  # from "wrong" to "right"
    unit = direction / direction.square().sum()  # moves the logit by 1
    values = [output.value_layer.weight.double() for output in network.attention_output_list]
    rows = torch.cat(
        [
            torch.linalg.solve((value @ value).T, vote)
            for value, vote in zip(values, votes, strict=True)
        ]
    )
    noise = (
        NOISE
        * rows.std()
        * unit.norm()
        * torch.randn(len(unit), len(rows), generator=generator).double()
    )
    network.projection.weight.copy_(noise + torch.outer(unit, rows - direction @ noise))
    network.projection.bias.copy_(-threshold * unit)
