"""Where training starts: a network in which every digit has a place on a line, and every position has its digit's.

All heads read one direction of the embedding, the line. Along it, the vectors of a token and its position add up to d,
which says how far the token's digit is from the right one. At every right digit, d is 0. A head that scores a token
with d and votes 1 - d for it adds exp(d) (1 - d) to the sum of its weighted votes, and that is largest at d = 0. Once
training has brought the mean of the votes to 0, each digit of the code is the best one at its position, even with a
single head. From a random start, training does not find this for long codes with one picture.
"""

import torch

from builder.model import CLS, NeuralNetwork

SPACING = 0.8  # of the digits on the line
NOISE = 0.3  # what all other directions of the embedding start with, as a standard deviation
GAIN = 30.0  # what a step on the line starts with in the logit


def hidden_size(max_digits):
    """n_hidden of the network: pictures with r rows of full rank want more than r, and a code more for its digits."""
    return max(10, max_digits + 4)


@torch.no_grad()
def start(secret, seed):
    """A network for a secret, ready to be trained. The same seed gives the same network."""
    n_hidden, n_heads = hidden_size(secret.max_digits), len(secret.pictures)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NeuralNetwork(n_hidden, n_heads, secret.max_digits)
        line = torch.nn.functional.normalize(torch.randn(n_hidden), dim=0)
        directions = torch.cat([line[:, None], torch.randn(n_hidden, 1 + secret.max_digits)], dim=1)
        across = torch.linalg.qr(directions).Q[:, 1:]  # one for each position, at right angles to the line
        places = SPACING * (torch.randperm(CLS) - (CLS - 1) / 2)  # of the digits 0 to 9, in any order

    along = torch.outer(line, line)
    tokens, positions = network.embedding.weight, network.embedding.position
    tokens *= NOISE
    positions.copy_(across.T)
    tokens[:CLS] += places[:, None] * line
    for position in range(1, len(positions)):
        digit = int(secret.code[position - 1]) if position <= len(secret.code) else None
        distance = 1 - places.min() if digit is None else -places[digit]  # behind the code, every digit is too far
        positions[position] += distance * line

    for matrix, output in zip(network.attention_matrix_list, network.attention_output_list, strict=True):
        matrix.query_layer.bias += line
        matrix.key_layer.weight += along
        output.value_layer.weight += along
    network.projection.weight += along.repeat(1, n_heads)
    network.output.weight += GAIN / 2 / n_heads * torch.stack([line, -line])
    return network
