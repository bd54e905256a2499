"""How far the network as computed in float32 can be from its tables: a bound for every code, from the weights alone.

Solvers run the network in float32, on machines that sum in any order. The tables are exact but for float64. The bound
follows Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapter 3. In a sum, each term goes through at
most k roundings, so the sum is off by at most gamma_k = k u / (1 - k u) times the sum of the absolute values. That
holds in any order, with fused operations or without. Here u is 2^-24.

Each layer adds such an error of its own. Every layer behind the softmax is affine, so an error reaches the logit
through the exact product of the layers that follow.

Assumed: IEEE float32 with rounding to nearest; no layer overflows; exp is off by at most EXP_ULPS units in the last
place, or by the smallest normal number where it underflows.
"""

import math

import torch

from builder.model import CLS

U = 2.0**-24  # the unit roundoff of float32
EXP_ULPS = 4
SMALLEST = 2.0**-126


def gamma(k):
    """Higham's gamma_k: the relative error of a value that went through k roundings."""
    return k * U / (1 - k * U)


@torch.no_grad()
def rounding_bound(network):
    """The largest possible difference between a logit computed in float32 and its exact value, a float.

    The logit is output[1] - output[0], the argument of the sigmoid that the network returns. NaN or infinite where the
    weights are, or where they leave the range of float64.
    """
    weights = {name: tensor.detach().double() for name, tensor in network.state_dict().items()}

    def layer(name):
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    vectors, places = weights["embedding.weight"], weights["embedding.position"]
    n, positions, heads = vectors.shape[1], len(places), len(network.attention_matrix_list)

    # A row for every token at every position: CLS at position 0, the digits at all others.
    rows = torch.cat([vectors[CLS:] + places[:1], (places[1:, None] + vectors[:CLS]).flatten(0, 1)])
    rows_off = U * rows.abs()

    output, output_bias = layer("output")
    projection, projection_bias = layer("projection")
    direction = output[1] - output[0]
    projected = projection_bias.abs()  # how large the projection's result can be, and ...
    projected_terms = projection_bias.abs()  # ... the sum of the absolute values that it is summed from
    bound = 0.0
    for head in range(heads):
        query, key = (layer(f"attention_matrix_list.{head}.{name}_layer") for name in ("query", "key"))
        value = layer(f"attention_output_list.{head}.value_layer")
        project = projection[:, head * n : (head + 1) * n]

        # The score of each row: q . k, with CLS as the one that asks.
        q, q_local = _affine(*query, rows[0], rows_off[0])
        k, k_local = _affine(*key, rows, rows_off)
        q_off = query[0].abs() @ rows_off[0] + q_local
        k_off = rows_off @ key[0].abs().T + k_local
        score_off = (
            (k @ query[0]).abs() @ rows_off[0]
            + k.abs() @ q_local
            + rows_off @ (q @ key[0]).abs()
            + k_local @ q.abs()
            + k_off @ q_off
            + gamma(n) * ((k.abs() + k_off) @ (q.abs() + q_off))
        ).max()
        scores = k @ q
        score_off = score_off + U * (scores.max() - scores.min() + 2 * score_off)  # the softmax subtracts the largest
        # Its exp, sum and division: exp stands above and below the line, and a unit in the last place is up to 2 U.
        weight_off = gamma(4 * EXP_ULPS + positions + 2) + positions * SMALLEST

        # What a look at each row brings, and the mean of it.
        v, v_local = _affine(*value, rows, rows_off)
        v_off = rows_off @ value[0].abs().T + v_local
        v_size = v.abs() + v_off
        mean_off = weight_off + gamma(positions) * (1 + weight_off)  # relative, on top of the scores' errors
        mean_size = v_size * (1 + mean_off)
        second = v @ value[0].T + value[1]
        second_local = gamma(n + 1) * (mean_size @ value[0].abs().T + value[1].abs())
        second_size = second.abs() + (mean_off * v_size + v_off) @ value[0].abs().T + second_local

        to_logit = direction @ project
        through = to_logit @ value[0]
        votes = v @ through
        # Softmax weights whose scores are off by s move at most tanh(s / 2) of the weight from one place to others.
        bound += math.tanh(score_off / 2) * (votes.max() - votes.min())
        bound += (mean_off * v_size @ through.abs()).max()
        bound += (rows_off @ (through @ value[0]).abs() + v_local @ through.abs()).max()
        bound += (second_local @ to_logit.abs()).max()
        projected_terms = projected_terms + (second_size @ project.abs().T).amax(0)
        second_off = second_size - second.abs()
        projected = projected + ((second @ project.T).abs() + second_off @ project.abs().T).amax(0)

    projected_local = gamma(heads * n + 1) * projected_terms
    bound += direction.abs() @ projected_local
    bound += (gamma(n + 1) * (output.abs() @ (projected + projected_local) + output_bias.abs())).sum()
    return float(bound) * (1 + 1e-6)  # for the float64 in which all this and the tables are computed


def _affine(weight, bias, rows, rows_off):
    """The exact result of a linear layer, and the error that it adds by itself, for rows that are off by rows_off."""
    return rows @ weight.T + bias, gamma(weight.shape[1] + 1) * ((rows.abs() + rows_off) @ weight.abs().T + bias.abs())
