"""How far a network computed in float32 can be from exact arithmetic, from the weights alone.

Solvers run the network in float32, on machines that add up in any order. Two bounds are found
here: one for the logit of every code, and one for each cell of the heads' matrices.

**A sum of products.** In "Accuracy and Stability of Numerical Algorithms" (2002), chapter 3,
Higham shows: if each term of a sum goes through at most k roundings, then the sum is off by at
most gamma_k = k u / (1 - k u) times the sum of the terms' sizes, in any order, with fused
operations or without. Here u is 2^-24. For k products each term has one rounding of its own, and
at most k - 1 when it is added.

Only products that are not 0 count. Adding an exact 0 never rounds. So an order of summation is a
tree whose leaves are the products, and each addition with a side that holds zeros alone gives its
other side, unchanged. Without these additions it is a tree of the k products that are not 0, with
k - 1 additions. A product is exactly 0 if one of its factors is, fused with an addition or not. A
bias is one more product, with 1.

**Small numbers.** What is smaller than the smallest normal number, 2^-126, may count as 0 wherever
it occurs: in both factors of a product, the product, and the sum that it is added to.

**Layers.** Each layer adds such an error of its own. All other parts of the network are affine
once the softmax is known, so an error passes through the exact product of the layers that follow.

    exact   the value in real numbers
    own     at least the error that the layer itself adds
    error   at least the whole error, |computed - exact|
    size    |exact| + error, at least |computed|; 0 only if the computed value is exactly 0

A row is what the layers read: token + position. There is one for CLS at position 0, and one for
every digit at every other position (`embed`). n is n_hidden.

Assumed: IEEE float32 with rounding to nearest; exp is off by at most EXP_ULPS units in the last
place, and below 2^-126 by at most 2^-126. In float64, u and the smallest number are so much
smaller that the same bounds cover a network computed in float64, and what is computed here and in
`circuits` (FLOAT64). In bfloat16, half precision or TF32, u is larger: no bound is given.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from builder.network.model import CLS

U = 2.0**-24  # the unit roundoff of float32
EXP_ULPS = 4
SMALLEST = 2.0**-126  # the smallest normal number of float32
# Numbers whose sizes add up to this overflow in no order, nor does the difference of two such sums.
LARGEST = 2.0**120
FLOAT64 = 1 + 1e-6  # for the float64 in which the bounds and the tables are computed


class Rounded(NamedTuple):
    """A result of a layer: its exact values, and how far computed ones can be from them."""

    exact: Tensor
    own: Tensor
    error: Tensor

    @property
    def size(self):
        return self.exact.abs() + self.error


class Layer(NamedTuple):
    """A linear layer, or the same layer of all heads: weight (..., out, in) and bias (..., out)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, rows):
        """The Rounded result for Rounded rows (..., rows, in), shape (..., rows, out)."""
        own = self.own_error(rows.size)
        return Rounded(
            exact=rows.exact @ self.weight.mT + self.bias[..., None, :],
            own=own,
            error=rows.error @ self.weight.abs().mT + own,
        )

    def own_error(self, size):
        """The error that the layer adds, for rows of these sizes."""
        weight_and_bias = torch.cat([self.weight, self.bias[..., None]], dim=-1)
        return product_error(pad(size, (0, 1), value=1.0), weight_and_bias.abs())


class Weights(NamedTuple):
    """The weights of a network in float64, those of all heads together: see `read_weights`.

    tokens: (11, n). places: (1 + max_digits, n). query, key, value: of all heads. projection,
    output: as in the network.
    """

    tokens: Tensor
    places: Tensor
    query: Layer
    key: Layer
    value: Layer
    projection: Layer
    output: Layer


def read_weights(network):
    """The Weights of a network."""
    weights = {name: tensor.double() for name, tensor in network.state_dict().items()}

    def layer(name):
        return Layer(weights[f"{name}.weight"], weights[f"{name}.bias"])

    def layers(kind, name):
        by_head = [layer(f"{kind}.{head}.{name}") for head in range(heads)]
        return Layer(*(torch.stack(parts) for parts in zip(*by_head, strict=True)))

    heads = len(network.attention_matrix_list)
    return Weights(
        tokens=weights["embedding.weight"],
        places=weights["embedding.position"],
        query=layers("attention_matrix_list", "query_layer"),
        key=layers("attention_matrix_list", "key_layer"),
        value=layers("attention_output_list", "value_layer"),
        projection=layer("projection"),
        output=layer("output"),
    )


def rounding_bound(network):
    """How far a logit computed in float32 can be from its value by the tables, a float.

    The logit is output[1] - output[0], the argument of the sigmoid that the network returns. The
    bound is infinite if a number in between could overflow, or if a weight is infinite or NaN.
    """
    try:
        bound = logit_error(read_weights(network))
    except OverflowError:
        return math.inf
    return bound.item() * FLOAT64


def gamma(k):
    """Higham's gamma_k, the relative error of a value that went through k roundings."""
    return k * U / (1 - k * U)


def check(size):
    """Raises OverflowError if a number of one of these sizes could overflow, or is NaN."""
    if not (size <= LARGEST).all():
        raise OverflowError("a number in the network could be too large for float32")


def product_error(left, right, terms=None):
    """The error of left @ right.mT by rounding, (..., i, j).

    left: sizes (..., i, k). right: sizes (..., j, k). terms: how many products are not 0 in the
    whole sum that this is a part of; by default it is the whole.
    """
    size = left @ right.mT
    check(size)
    own_terms = (left != 0).double() @ (right != 0).double().mT
    if terms is None:
        terms = own_terms
    if not (terms * U <= 0.5).all():
        raise OverflowError("the network has too many hidden numbers to bound its rounding")
    # The smallest number is lost in a factor, then it counts as often as the other factor says, in
    # a product, or in a sum.
    lost = SMALLEST * (left.sum(-1)[..., :, None] + right.sum(-1)[..., None, :] + 2 * terms)
    error = gamma(terms) * size + (1 + gamma(terms)) * lost
    return torch.where(own_terms > 0, error, 0.0)


def embed(weights):
    """The rows, (1 + 10 * max_digits, n): CLS, then the digits at position 1, at position 2, ..."""
    digits = (weights.places[1:, None] + weights.tokens[:CLS]).flatten(0, 1)
    exact = torch.cat([weights.tokens[CLS:] + weights.places[:1], digits])
    check(exact.abs())
    # The sum of x and -x is exactly 0, so an exact 0 has no error.
    error = torch.where(exact == 0, 0.0, U * exact.abs() + 3 * SMALLEST)
    return Rounded(exact, error, error)


def score_error(weights, query, key, rows):
    """The error of the scores q . k, (heads, queries, rows): as in logits, and as in cells.

    query: the Rounded results of the query layer for the first rows. key: of the key layer for all.
    """
    asking_error = rows.error[: query.exact.shape[1]]
    return (
        asking_error @ (key.exact @ weights.query.weight).abs().mT
        + query.own @ key.exact.abs().mT
        + (query.exact @ weights.key.weight).abs() @ rows.error.mT
        + query.exact.abs() @ key.own.mT
        + query.error @ key.error.mT
        + product_error(query.size, key.size)
    )


class Reach(NamedTuple):
    """What reaches the logit, by head: (heads, 1, n) each, to be multiplied and added up over n.

    from_second: of the second value layer's results. from_first: of the first's, and of their
    mean. from_row: of the rows.
    """

    from_second: Tensor
    from_first: Tensor
    from_row: Tensor


def find_reach(weights):
    heads, n = weights.value.bias.shape
    direction = weights.output.weight[1] - weights.output.weight[0]
    from_second = (direction @ weights.projection.weight).view(heads, 1, n)
    from_first = from_second @ weights.value.weight
    return Reach(from_second, from_first, from_first @ weights.value.weight)


def logit_error(weights):
    """The bound on the logit's error, shape (). Raises OverflowError if there is none."""
    rows = embed(weights)
    reach = find_reach(weights)
    by_attention = attention_error(weights, rows, reach)
    by_values, second = value_error(weights, rows, reach)
    return by_attention + by_values + output_error(weights, second)


def attention_error(weights, rows, reach):
    """How far scores that are off can move the logit, shape ()."""
    query = weights.query(Rounded(*(part[:1] for part in rows)))  # CLS asks
    key = weights.key(rows)
    scores = (query.exact @ key.exact.mT)[:, 0]  # (heads, rows)
    error = score_error(weights, query, key, rows)[:, 0].amax(1)
    # The softmax subtracts the largest score, which is a rounding more.
    spread = scores.amax(1) - scores.amin(1) + 2 * error
    error = error + U * spread + SMALLEST
    # If scores are off by s, at most tanh(s / 2) of the softmax moves from some rows to others.
    votes = (reach.from_row @ rows.exact.mT)[:, 0]  # but for a constant
    return (torch.tanh(error / 2) * (votes.amax(1) - votes.amin(1))).sum()


def value_error(weights, rows, reach):
    """How far the values can move the logit, shape (), and the Rounded results of the second layer.

    The results are (heads, rows, n). Those for CLS are a mean of them, so they are off by no more
    than the worst row.
    """
    first = weights.value(rows)
    mean = average(first, positions=len(weights.places))
    second = weights.value(mean)
    by_row = (
        reach.from_row.abs() @ rows.error.mT
        + reach.from_first.abs() @ (first.own + mean.own).mT
        + reach.from_second.abs() @ second.own.mT
    )
    return by_row.amax((1, 2)).sum(), second


def average(value, positions):
    """The Rounded mean of values (heads, rows, n): for each row, what it contributes to the mean.

    The softmax's weights are exp(score) divided by a sum of them. A unit in the last place is up to
    2 u, and exp occurs twice. The sum and the mean have a term for each position.
    """
    roundings = 4 * EXP_ULPS + 2 * positions + 2
    own = gamma(roundings) * value.size + 4 * positions * SMALLEST * (1 + value.size)
    # A number that is exactly 0 in all rows is exactly 0 in their mean.
    is_used = (value.size != 0).any(1, keepdim=True)
    own = torch.where(is_used, own, 0.0)
    return Rounded(value.exact, own, value.error + own)


def output_error(weights, second):
    """How far the roundings of projection and output layer can move the logit, shape ().

    second: the Rounded results of the second value layer, (heads, rows, n). The projection reads
    those of all heads side by side. Each head's part of a sum is at most as large, and as far off,
    as that of its worst row.
    """
    heads, _, n = second.exact.shape
    bias = weights.projection.bias.abs()
    by_head = weights.projection.weight.view(n, heads, n).transpose(0, 1)
    check((second.size @ by_head.abs().mT).amax(1).sum(0) + bias)
    is_used = (second.size != 0).any(1)[:, None, :] & (by_head != 0)  # (heads, n, n)
    terms = is_used.double().sum((0, 2)) + (bias != 0)
    own = product_error(second.size, by_head.abs(), terms).amax(1).sum(0)
    own += product_error(torch.ones(1, 1).double(), bias[:, None], terms)[0]

    size_by_head = (second.exact @ by_head.mT).abs() + second.error @ by_head.abs().mT
    size = size_by_head.amax(1).sum(0) + bias + own
    direction = weights.output.weight[1] - weights.output.weight[0]
    return direction.abs() @ own + weights.output.own_error(size[None]).sum()
