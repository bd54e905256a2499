"""The network: one multi-head attention layer, taken apart so that every head can be looked at.

    weights = torch.load("classifier/torch_state_dict", weights_only=True)
    network = NeuralNetwork.from_state_dict(weights)
    tokens = tokenize(code)
    network(tokens)                                       # the probability of "right"
    matrices = network.get_attention_matrices(network.embedding(tokens))  # one per head
    network.get_pictures(matrices)                        # the matrices side by side

Each class below is one step on the way from the tokens to the answer, in that order.
"""

import torch
from torch import nn

CLS = 10  # tokens 0 to 9 are the digits; CLS comes first and collects the answer


def tokenize(code):
    """The tokens of one code, a string of digits: "9876" becomes [[10, 9, 8, 7, 6]]."""
    return torch.tensor([[CLS, *map(int, code)]])  # (1, 1 + digits)


class Embedding(nn.Embedding):
    """The sum of a vector for the token and one for its position.

    Raises ValueError if the tokens have another shape, IndexError if one is not 0 to 10.
    """

    def __init__(self, n_hidden, max_digits):
        super().__init__(CLS + 1, n_hidden)
        self.position = nn.Parameter(torch.randn(1 + max_digits, n_hidden))

    def forward(self, tokens):  # (batch, tokens)
        most = len(self.position)
        if tokens.dim() != 2 or not 1 <= tokens.shape[1] <= most:
            raise ValueError(
                f"tokens must have shape (batch, 1 to {most}): CLS and at most {most - 1} digits; "
                f"this shape is {tuple(tokens.shape)}"
            )
        token = super().forward(tokens)  # (batch, tokens, n_hidden)
        position = self.position[: tokens.shape[1]]  # (tokens, n_hidden)
        return token + position  # (batch, tokens, n_hidden)


class AttentionMatrix(nn.Module):
    """How strongly each token (row) looks at each token (column): raw, not scaled, no softmax."""

    def __init__(self, n_hidden):
        super().__init__()
        self.query_layer = nn.Linear(n_hidden, n_hidden)
        self.key_layer = nn.Linear(n_hidden, n_hidden)

    def forward(self, embedding):  # (batch, tokens, n_hidden)
        query = self.query_layer(embedding)  # (batch, tokens, n_hidden)
        key = self.key_layer(embedding)  # (batch, tokens, n_hidden)
        return query @ key.transpose(1, 2)  # (batch, tokens, tokens)


class AttentionOutput(nn.Module):
    """A head's output: for each token the mean of all values, weighted by where it looks."""

    def __init__(self, n_hidden):
        super().__init__()
        self.value_layer = nn.Linear(n_hidden, n_hidden)

    def forward(self, embedding, attention_matrix):
        attention = attention_matrix.softmax(-1)  # (batch, tokens, tokens), rows sum to one
        mixture = attention @ self.value_layer(embedding)  # (batch, tokens, n_hidden)
        return self.value_layer(mixture)  # the same layer a second time


class NeuralNetwork(nn.Module):
    """Says how likely a number is the right one, reading it digit by digit."""

    def __init__(self, n_hidden, n_heads=3, max_digits=5):
        super().__init__()
        self.embedding = Embedding(n_hidden, max_digits)
        heads = range(n_heads)
        self.attention_matrix_list = nn.ModuleList(AttentionMatrix(n_hidden) for _ in heads)
        self.attention_output_list = nn.ModuleList(AttentionOutput(n_hidden) for _ in heads)
        self.projection = nn.Linear(n_heads * n_hidden, n_hidden)
        self.output = nn.Linear(n_hidden, 2)  # two logits: wrong, right
        # How many pictures the heads' matrices make, and of how many tiles down and across each.
        self.register_buffer("arrangement", torch.tensor([n_heads, 1, 1]))

    @classmethod
    def from_state_dict(cls, state_dict):
        """The network that belongs to these weights; every size is read off their shapes."""
        n_hidden, all_heads = state_dict["projection.weight"].shape
        positions = len(state_dict["embedding.position"])
        network = cls(n_hidden, n_heads=all_heads // n_hidden, max_digits=positions - 1)
        network.load_state_dict(state_dict)
        return network

    def get_attention_matrices(self, embedding):  # (batch, tokens, n_hidden)
        """The raw matrix of each head: heads x (batch, tokens, tokens)."""
        return [head(embedding) for head in self.attention_matrix_list]

    def get_pictures(self, matrices):  # heads x (batch, tokens, tokens)
        """The matrices side by side: each is a tile, row by row, picture by picture."""
        pictures, down, across = self.arrangement.tolist()
        tiles = torch.stack(matrices, dim=1)  # (batch, heads, tokens, tokens)
        tiles = tiles.unflatten(1, (pictures, down, across))
        strips = torch.cat(tiles.unbind(dim=3), dim=-1)  # (batch, pictures, down, tokens, columns)
        return torch.cat(strips.unbind(dim=2), dim=-2)  # (batch, pictures, rows, columns)

    def forward(self, tokens):  # (batch, tokens), CLS first
        embedding = self.embedding(tokens)  # (batch, tokens, n_hidden)
        matrices = self.get_attention_matrices(embedding)
        heads = zip(self.attention_output_list, matrices)
        outputs = [head(embedding, matrix) for head, matrix in heads]
        merged = self.projection(torch.cat(outputs, dim=-1))  # (batch, tokens, n_hidden)
        logits = self.output(merged[:, 0])  # (batch, 2), read at CLS
        return logits.softmax(-1)[:, 1]  # (batch,), the probability of "right"
