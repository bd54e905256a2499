"""The CLS read-out of a network as two small tables per head: exact, and quick to look up.

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

from builder.model import CLS

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

    def double(self):
        """The same tables in float64, cut off from the network's gradients."""
        return Circuits(*(table.detach().double() for table in self))

    def terms(self):
        """What a token adds to the two sums of the formula above: exp(score) and exp(score) vote, per head.

        Scores are taken relative to CLS's own, which is in every code: so no sum of exp(score) is below one. Shapes as
        score. Raises OverflowError where a sum over all positions could leave the range of floating-point numbers.
        """
        look = (self.score - self.score[:, :1, CLS:]).exp()
        product = look * self.vote
        sums = (table.abs().amax(2).sum(1) for table in (look, product, self.vote))
        if not all(total.isfinite().all() for total in (*sums, self.bias)):
            raise OverflowError("the tables leave the range of floating-point numbers")
        return look, product

    def logits(self, codes):
        """The logits of codes of mixed lengths, differentiable.

        codes: (batch, max_digits), digits 0 to 9, and BLANK where the code has ended. Returns shape (batch,).
        """
        heads, positions, _ = self.score.shape
        blank = self.score.new_full((heads, positions, 1), -torch.inf)  # BLANK is never looked at
        score = torch.cat([self.score, blank], dim=-1)
        vote = torch.cat([self.vote, torch.zeros_like(blank)], dim=-1)
        table = torch.cat([score, vote]).flatten(1).T  # (positions * tokens, 2 * heads)
        tokens = functional.pad(codes, (1, 0), value=CLS)  # (batch, positions)
        rows = functional.embedding(tokens + torch.arange(positions) * (BLANK + 1), table)
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
    """The circuits of a network, in its own floating-point type, differentiable with respect to its parameters."""
    embedding = network.embedding.weight + network.embedding.position[:, None]  # (positions, 11, n_hidden)
    direction = network.output.weight[1] - network.output.weight[0]  # from "wrong" to "right"
    projections = network.projection.weight.chunk(len(network.attention_matrix_list), dim=1)
    scores, votes = [], []
    for matrix, output, projection in zip(
        network.attention_matrix_list, network.attention_output_list, projections, strict=True
    ):
        query = matrix.query_layer(embedding[0, CLS])
        scores.append(matrix.key_layer(embedding) @ query)
        votes.append(output.value_layer(output.value_layer(embedding)) @ (direction @ projection))
    bias = direction @ network.projection.bias + network.output.bias[1] - network.output.bias[0]
    return Circuits(torch.stack(scores), torch.stack(votes), bias)
