"""Single matrices: what norms and dot products of one layer name, without composing two of them."""

import torch
from torch import nn

from builder.network.model import CLS


def by_single_matrices(target):
    """Asks the digits of the largest and of the smallest figure at each place, at every length."""
    figures = torch.cat([figures_of(vectors) for vectors in token_vectors(target.network)])
    codes = torch.cat([figures.argmax(2), figures.argmin(2)])  # (2 * figures, max_digits)
    for digits in range(1, 1 + codes.shape[1]):
        yield codes[:, :digits]


def token_vectors(network):
    """Yields what each token at each position is to a layer, and after it, (positions, 11, n)."""
    embedding = network.embedding.weight + network.embedding.position[:, None]
    yield embedding
    for layer in network.modules():
        if isinstance(layer, nn.Linear) and layer.in_features == embedding.shape[2]:
            yield layer(embedding)


def figures_of(vectors):
    """Three figures of each digit at each place, (3, max_digits, 10)."""
    digits = vectors[1:, :CLS]
    products = digits @ vectors[0, CLS]
    distances = (products - products.mean()).square()
    return torch.stack([digits.norm(dim=2), products, distances])
