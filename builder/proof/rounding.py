"""How far the network as computed in float32 can be from its tables: a bound for every code, from the weights alone.

Solvers run the network in float32, on machines that sum in any order. The bound follows Higham, "Accuracy and Stability
of Numerical Algorithms" (2002), chapter 3. In a sum, each term goes through at most k roundings, so the sum is off by
at most gamma_k = k u / (1 - k u) times the sum of the absolute values. That holds in any order, with fused operations
or without. Here u is 2^-24. What is smaller than the smallest normal number, 2^-126, may count as 0 wherever it occurs.

Each layer adds such an error of its own. Every layer behind the softmax is affine, so an error reaches the logit
through the exact product of the layers that follow.

Assumed: IEEE float32 with rounding to nearest; exp is off by at most EXP_ULPS units in the last place, and where that
is below 2^-126 by at most 2^-126. In float64, u and the smallest number are so much smaller that the same bound covers
a network computed in float64, and the tables. In bfloat16, half precision or TF32, u is larger: no bound is given.
"""

import math

import torch
from torch.nn.functional import pad

from builder.network.model import CLS

U = 2.0**-24  # the unit roundoff of float32
EXP_ULPS = 4
SMALLEST = 2.0**-126  # the smallest normal number of float32
LARGEST = 2.0**120  # sums of absolute values below this, ten of them together, overflow in no order


def gamma(k):
    """Higham's gamma_k: the relative error of a value that went through k roundings."""
    return k * U / (1 - k * U)


def rounding_bound(network):
    """The largest possible difference between a logit computed in float32 and its value by the tables, a float.

    The logit is output[1] - output[0], the argument of the sigmoid that the network returns. The bound is infinite
    where a layer could overflow, or where a weight is NaN.
    """
    weights = {name: weight.double() for name, weight in network.state_dict().items()}
    sizes = []  # sums of absolute values

    def layer(name):
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    def product_off(left, right, terms):
        """The error of left @ right.T by rounding, from absolute values. terms: of the whole sum that it is part of."""
        sizes.append(left @ right.T)
        return gamma(terms) * sizes[-1] + 2 * SMALLEST * (1 + left) @ (1 + right).T

    def affine(name, rows, rows_off):
        """A layer's weight, its exact result, and its own error, for rows that are off by rows_off."""
        weight, bias = layer(name)
        left = pad(rows.abs() + rows_off, (0, 1), value=1.0)  # the bias is one product more, with 1
        right = torch.cat([weight.abs(), bias.abs()[:, None]], dim=1)
        return weight, rows @ weight.T + bias, product_off(left, right, left.shape[1])

    tokens, places = weights["embedding.weight"], weights["embedding.position"]
    n, positions = tokens.shape[1], len(places)
    output, output_bias = layer("output")
    projection, projection_bias = layer("projection")
    direction = output[1] - output[0]

    # A row for every token at every position: CLS at position 0, the digits at all others.
    rows = torch.cat([tokens[CLS:] + places[:1], (places[1:, None] + tokens[:CLS]).flatten(0, 1)])
    rows_off = U * rows.abs() + 3 * SMALLEST
    projected = projection_bias.abs()  # how large the projection's result can be
    projected_local = product_off(
        torch.ones(1, dtype=torch.float64), projected[:, None], projection.shape[1] + 1
    )
    bound = 0.0
    for head, project in enumerate(projection.split(n, dim=1)):
        # The score of each row: q . k, with CLS as the one that asks.
        query, (q,), (q_local,) = affine(
            f"attention_matrix_list.{head}.query_layer", rows[:1], rows_off[:1]
        )
        key, k, k_local = affine(f"attention_matrix_list.{head}.key_layer", rows, rows_off)
        q_off = query.abs() @ rows_off[0] + q_local
        k_off = rows_off @ key.abs().T + k_local
        score_off = (
            (k @ query).abs() @ rows_off[0]
            + k.abs() @ q_local
            + rows_off @ (q @ key).abs()
            + k_local @ q.abs()
            + k_off @ q_off
            + product_off(k.abs() + k_off, (q.abs() + q_off)[None], n)[:, 0]
        ).max()
        scores = k @ q
        score_off = score_off + U * (
            scores.max() - scores.min() + 2 * score_off
        )  # the softmax subtracts the largest

        # The mean of what a look at each row brings. Each weight is exp(score) divided by a sum of them: a unit in the
        # last place is up to 2 U, twice. Smaller numbers than SMALLEST may be lost in the weight, the row, the product.
        name = f"attention_output_list.{head}.value_layer"
        value, v, v_local = affine(name, rows, rows_off)
        v_off = rows_off @ value.abs().T + v_local
        v_size = v.abs() + v_off
        mean_local = gamma(4 * EXP_ULPS + 2 * positions + 2) * v_size + 4 * positions * SMALLEST * (
            1 + v_size
        )
        _, second, second_local = affine(name, v, v_off + mean_local)
        second_off = (v_off + mean_local) @ value.abs().T + second_local

        # What reaches the logit. Softmax weights whose scores are off by s move at most tanh(s / 2) of the weight from
        # one place to others.
        to_logit = direction @ project
        through = to_logit @ value
        votes = v @ through
        bound += math.tanh(score_off / 2) * (votes.max() - votes.min())
        bound += (
            rows_off @ (through @ value).abs()
            + (v_local + mean_local) @ through.abs()
            + second_local @ to_logit.abs()
        ).max()
        projected = projected + ((second @ project.T).abs() + second_off @ project.abs().T).amax(0)
        terms = product_off(second.abs() + second_off, project.abs(), projection.shape[1] + 1)
        projected_local = projected_local + terms.amax(0)

    bound += direction.abs() @ projected_local
    last = pad(projected + projected_local, (0, 1), value=1.0)
    bound += product_off(
        last, torch.cat([output.abs(), output_bias.abs()[:, None]], dim=1), n + 1
    ).sum()
    if not all((size <= LARGEST).all() for size in sizes):
        return math.inf
    return float(bound) * (
        1 + 1e-6
    )  # for the float64 in which all this and the tables are computed
