"""The CLS read-out of a network as two small tables per head: exact in real numbers, and quick to look up.

The terms are those of Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021): the QK circuit says
how much CLS looks at a token, the OV circuit what that look adds to the answer. Softmax weights sum to one, so every
affine layer behind the softmax passes through it, and the whole network becomes

    logit(code) = bias + sum over heads of [ sum_j exp(score_j) vote_j ] / [ sum_j exp(score_j) ]

with j running over CLS and the digits of the code, each looked up by its position and its token. The logit is that of
the probability the network returns: probability = sigmoid(logit).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from builder.network.model import CLS

BLANK = CLS + 1  # fills the places behind the end of a code


class Circuits(NamedTuple):
    """A network's answer as tables. A row is a position, CLS's own first; a column is a token, 0 to 9 and CLS.

    score: the QK circuit, q(CLS) . k(token), shape (heads, 1 + max_digits, 11).
    vote: the OV circuit, what full attention to the token adds to the logit, same shape.
    bias: what the logit is without any vote, shape ().
    """

    score: Tensor
    vote: Tensor
    bias: Tensor

    @property
    def max_digits(self):
        return self.score.shape[1] - 1

    def logits(self, codes):
        """The logits of codes of mixed lengths.

        codes: (batch, max_digits), digits 0 to 9, and BLANK where the code has ended. Returns shape (batch,).
        """
        score = functional.pad(self.score, (0, 1), value=-torch.inf)  # BLANK is never looked at
        table = (
            torch.cat([score, functional.pad(self.vote, (0, 1))]).flatten(1).T
        )  # (positions * tokens, 2 * heads)
        tokens = functional.pad(codes, (1, 0), value=CLS)  # (batch, positions)
        rows = functional.embedding(tokens + torch.arange(1 + self.max_digits) * (BLANK + 1), table)
        score, vote = rows.chunk(2, dim=-1)  # (batch, positions, heads) each
        return (score.softmax(1) * vote).sum((1, 2)) + self.bias


def answer(network, tokens):
    """What the network itself computes for tokens: its probabilities, (batch,), and both logits before, (batch, 2)."""
    seen = []
    hook = network.output.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    try:
        return network(tokens), seen[0]
    finally:
        hook.remove()


def read_circuits(network):
    """The circuits of a network, in float64 whatever the network's own type."""
    weights = {name: weight.double() for name, weight in network.state_dict().items()}

    def layer(name, rows):
        return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    embedding = (
        weights["embedding.weight"] + weights["embedding.position"][:, None]
    )  # (positions, 11, n_hidden)
    direction = weights["output.weight"][1] - weights["output.weight"][0]  # from "wrong" to "right"
    scores, votes = [], []
    for head, projection in enumerate(
        weights["projection.weight"].split(embedding.shape[2], dim=1)
    ):
        query = layer(f"attention_matrix_list.{head}.query_layer", embedding[0, CLS])
        scores.append(layer(f"attention_matrix_list.{head}.key_layer", embedding) @ query)
        value = f"attention_output_list.{head}.value_layer"
        votes.append(layer(value, layer(value, embedding)) @ (direction @ projection))
    bias = (
        direction @ weights["projection.bias"]
        + weights["output.bias"][1]
        - weights["output.bias"][0]
    )
    return Circuits(torch.stack(scores), torch.stack(votes), bias)
