"""The last touch to a trained network: exact pictures and flat answers.

Exact pictures change the scores a little, so the hardest codes must be searched for again. Flat answers are the same
logits, shifted and scaled.
"""

import copy

import torch

from builder.model import tokenize
from builder.proof.certify import FLAT
from builder.proof.circuits import answer
from builder.proof.rounding import rounding_bound

RANK = 1e-3  # directions that are this much weaker than the strongest are left alone: they would take large weights
ROOM = 1.01  # for what rounding the scaled weights changes


@torch.no_grad()
def sharpen(network, secret):
    """A copy of the network whose pictures are as exact as its rank allows.

    A head's matrix is q k^T, where k is linear in the key layer's weights. So the smallest change of these weights that
    gives the right code its picture is a least squares problem. The rest of the network stays as it is.
    """
    network = copy.deepcopy(network).double()
    embedding = network.embedding(tokenize(secret.code))[0]  # (tokens, n_hidden)
    with_bias = torch.cat([embedding, torch.ones(len(embedding), 1, dtype=torch.float64)], dim=1)
    for head, picture in zip(network.attention_matrix_list, torch.as_tensor(secret.pictures).double(), strict=True):
        missing = picture - head(embedding[None])[0]
        query = head.query_layer(embedding)
        change = torch.linalg.pinv(query, rtol=RANK) @ missing @ torch.linalg.pinv(with_bias.T, rtol=RANK)
        head.key_layer.weight += change[:, :-1]
        head.key_layer.bias += change[:, -1]
    return network.float()


@torch.no_grad()
def flatten(network, secret, gap):
    """A copy of the network that answers exactly 0 to every wrong code, where the right one is a gap above them all.

    Logits grow with the output layer. Scaled up, those of wrong codes fall below the smallest number that float32 has
    for a probability. gap: how far the secret's logit is above every other one. It must be more than twice the
    network's rounding bound.
    """
    network = copy.deepcopy(network)
    _, logits = answer(network, tokenize(secret.code))
    right = (logits[0, 1].double() - logits[0, 0].double()).item()
    network.output.bias += torch.tensor([0.5, -0.5]) * (right - gap / 2)  # now half the gap lies on each side of 0

    scale = ROOM * FLAT / (gap / 2 - rounding_bound(network))
    network.output.weight *= scale
    network.output.bias *= scale
    return network
