"""What is drawn before the code is known: embedding, key, value and output weights, from a seed and the sizes alone.

These weights are never trained, so they say nothing. The code is in the queries and the projection, and each of the two
is turned by a drawn matrix. Only a product of two layers shows what a head looks at, or what its look adds to the logit.
"""

import math

import torch

from builder.model import CLS, NeuralNetwork

OUTPUT = 30.0  # standard deviation of the output weights: shares the size of large votes between two layers


def hidden_size(max_digits, decoys=False):
    """n_hidden: 10 as in the original, or room for a direction of each token and position, and twice the digits."""
    return 10 if max_digits <= 5 and not decoys else max(CLS + 2 + max_digits, 2 * max_digits + 1)


@torch.random.fork_rng(devices=[])  # a new network has random weights
@torch.no_grad()
def draw(n_hidden, n_heads, max_digits, generator):
    """A network of these sizes. All that the code decides is 0: queries, projection, and biases."""
    network = NeuralNetwork(n_hidden, n_heads, max_digits)
    for parameter in network.parameters():
        parameter.zero_()
    size = max(n_hidden, CLS + 2 + max_digits)
    vectors = math.sqrt(size) * draw_orthogonal(size, generator)[:, :n_hidden]  # as far apart as n_hidden allows
    network.embedding.weight.copy_(vectors[: CLS + 1])
    network.embedding.position.copy_(vectors[CLS + 1 : CLS + 2 + max_digits])
    for matrix, output in zip(network.attention_matrix_list, network.attention_output_list, strict=True):
        matrix.key_layer.weight.copy_(draw_orthogonal(n_hidden, generator))
        output.value_layer.weight.copy_(draw_orthogonal(n_hidden, generator))
    network.output.weight.copy_(OUTPUT * torch.randn(2, n_hidden, generator=generator))
    return network


def draw_orthogonal(size, generator):
    """An orthogonal matrix (size, size) in float64, uniform over all of them (Haar): QR of a Gaussian one."""
    orthogonal, triangle = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator))
    return orthogonal * triangle.diagonal().sign()


def inputs(network):
    """What the layers read, in float64: token + position, (1 + max_digits, 11, n_hidden)."""
    return network.embedding.weight.detach().double() + network.embedding.position.detach().double()[:, None]
