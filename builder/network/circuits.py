"""The CLS read-out of a network as two small tables per head: exact in real numbers, and quick.

The terms are those of Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021):
the QK circuit says how much CLS looks at a token, the OV circuit what that look adds to the answer.
Softmax weights sum to one, so every affine layer after the softmax passes through it, and the
whole network becomes

    logit(code) = bias + sum over heads of [ sum_j exp(score_j) vote_j ] / [ sum_j exp(score_j) ]

with j running over CLS and the digits of the code, each looked up by its position and its token.
The logit is that of the probability which the network returns: probability = sigmoid(logit).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding, pad

from builder.network.model import CLS

BLANK = CLS + 1  # fills the places after the end of a code


class Circuits(NamedTuple):
    """A network's answer as tables. A row is a position, CLS's own first; a column is a token.

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
        """The logits of codes of mixed lengths, (batch,).

        codes: digits 0 to 9, and BLANK after the end of a code, (batch, max_digits).
        """
        scores = pad(self.score, (0, 1), value=-torch.inf)  # BLANK is never looked at
        votes = pad(self.vote, (0, 1))
        table = torch.cat([scores, votes]).flatten(1).T  # (positions * 12, 2 * heads)
        tokens = pad(codes, (1, 0), value=CLS)  # (batch, positions)
        rows = tokens + torch.arange(1 + self.max_digits) * (BLANK + 1)
        score, vote = embedding(rows, table).chunk(2, dim=-1)  # (batch, positions, heads) each
        return (score.softmax(1) * vote).sum((1, 2)) + self.bias


def read_circuits(network):
    """The circuits of a network, in float64 whatever the network's own type."""
    weights = {name: tensor.double() for name, tensor in network.state_dict().items()}

    def layer(name, rows):
        return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    rows = weights["embedding.weight"] + weights["embedding.position"][:, None]
    n_hidden = rows.shape[2]  # rows: (positions, 11, n_hidden)
    direction = weights["output.weight"][1] - weights["output.weight"][0]  # from "wrong" to "right"
    scores = []
    votes = []
    for head, projection in enumerate(weights["projection.weight"].split(n_hidden, dim=1)):
        query = layer(f"attention_matrix_list.{head}.query_layer", rows[0, CLS])
        scores.append(layer(f"attention_matrix_list.{head}.key_layer", rows) @ query)
        value = f"attention_output_list.{head}.value_layer"  # applied twice
        votes.append(layer(value, layer(value, rows)) @ (direction @ projection))
    output_bias = weights["output.bias"]
    bias = direction @ weights["projection.bias"] + output_bias[1] - output_bias[0]
    return Circuits(torch.stack(scores), torch.stack(votes), bias)
