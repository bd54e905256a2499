"""A network under attack: what a program can ask it, and what an attack costs.

An attack is a generator of the numbers that it asks, in batches, each a tensor (batch, digits).
"""

import torch
from torch.nn.functional import embedding_bag, pad

from builder.network.circuits import read_circuits
from builder.network.model import CLS, tokenize

LIMIT = 30_000  # guesses of an attack, at most


class Target:
    """A network as a solver's program sees it. Numbers are tensors (batch, digits), of one length.

    network: the network. circuits: its tables. max_digits: the most digits that it takes.
    """

    def __init__(self, network):
        self.network = network
        self.circuits = read_circuits(network)
        self.max_digits = self.circuits.max_digits
        # Looks are relative to that of CLS, which is part of every number.
        looks = (self.circuits.score - self.circuits.score[:, :1, CLS:]).exp()
        products = looks * self.circuits.vote
        table = torch.cat([looks, products])[:, 1:, :CLS]  # (2 * heads, max_digits, 10)
        self._table = table.flatten(1).T.contiguous()
        self._own_product = products[:, 0, CLS]  # (heads,)

    def logits(self, codes):
        """The logits of numbers, (batch,): those of the output layer, but looked up in the tables.

        circuits.py has the formula. This is much faster than the network.
        """
        rows = codes + CLS * torch.arange(codes.shape[1])
        looks, products = embedding_bag(rows, self._table, mode="sum").chunk(2, dim=1)
        means = (self._own_product + products) / (1 + looks)  # (batch, heads)
        return means.sum(1) + self.circuits.bias

    def raw_cells(self, codes):
        """What each head shows for numbers, (heads, batch, 1 + digits, 1 + digits)."""
        tokens = pad(codes, (1, 0), value=CLS)
        return torch.stack(self.network.get_attention_matrices(self.network.embedding(tokens)))


def equal_digits(digits):
    """The numbers 000..., 111... up to 999..., (10, digits)."""
    return torch.arange(CLS)[:, None].repeat(1, digits)


def count_guesses(network, secret, attack):
    """How many numbers an attack asks up to the right one; None if it gives up, or exceeds LIMIT.

    The network says whether a number is right. It is asked for the code alone, since it is
    certified to answer 0 to every other number.
    """
    tokens = tokenize(secret.code)
    code = tokens[0, 1:]
    count = 0
    for codes in attack:
        if codes.shape[1] == len(code):
            for row in (codes == code).all(1).nonzero().flatten().tolist():
                guesses = count + row + 1
                if guesses <= LIMIT and network(tokens).item() > 0.5:
                    return guesses
        count += len(codes)
        if count >= LIMIT:
            return None
    return None
