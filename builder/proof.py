"""The proof sheet: everything about one build on one page, for the author's eyes only."""

import io
import math

import torch
from matplotlib.figure import Figure

from builder.bundle import write_whole
from builder.certify import CELL, RIGHT, WRONG, load
from builder.circuits import read_circuits
from builder.keyspace import scan
from builder.model import tokenize
from puzzle.guess import draw_matrix

BINS = 200


def draw_proof(secret, rounds, certificate, path):
    """Draws the sheet and saves it as a PNG.

    Above, per head: the picture wanted, the matrix learned, and the matrix for the hardest wrong code.
    Below: the training curves of the last attempt, and a histogram of the logits of all inputs.
    rounds: the Rounds of training. path: where to; its folder is made if need be. Raises OSError.
    """
    network = load(certificate.weights)
    heads, hardest = len(secret.pictures), certificate.hardest_codes[0]
    figure = Figure(figsize=(max(12, 3.2 * heads), 14), layout="constrained")
    figure.suptitle(f"Proof sheet: {secret.code}, {certificate.looked_at:,} inputs tried")
    above, below = figure.subfigures(2, 1, height_ratios=[3, 1.6])

    rows = [
        (secret.code, "wanted", secret.pictures, {"vmin": 0, "vmax": 1}),
        (secret.code, "learned", matrices(network, secret.code), {"vmin": 0, "vmax": 1}),
        (hardest, f"for {hardest}, the hardest wrong", matrices(network, hardest), {}),
    ]
    for axes, (code, title, pictures, limits) in zip(above.subplots(3, heads, squeeze=False), rows, strict=True):
        for head, (axis, picture) in enumerate(zip(axes, pictures, strict=True), 1):
            image = draw_matrix(axis, picture.tolist(), ["CLS", *code], f"head {head} {title}", **limits)
            above.colorbar(image, ax=axis, fraction=0.046)

    curves, histogram = below.subplots(1, 2)
    draw_curves(curves, [r for r in rounds if r.seed == rounds[-1].seed])
    draw_histogram(histogram, network, secret, certificate)

    sheet = io.BytesIO()
    figure.savefig(sheet, format="png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, sheet.getvalue())


def matrices(network, code):
    """What the heads show for a code, (heads, tokens, tokens)."""
    with torch.no_grad():
        return torch.cat(network.get_attention_matrices(network.embedding(tokenize(code))))


def draw_curves(axis, rounds):
    """The curves that must fall, each with its limit, over the steps of an attempt."""
    steps = [r.step for r in rounds]
    curves = {
        "hardest wrong probability": ([r.hardest_probability for r in rounds], WRONG),
        "1 - secret's probability": ([1 - r.probability for r in rounds], 1 - RIGHT),
        "worst cell": ([r.worst_cell for r in rounds], CELL),
    }
    for i, (name, (values, limit)) in enumerate(curves.items()):
        axis.semilogy(steps, values, color=f"C{i}", marker=".", label=name)
        axis.axhline(limit, color=f"C{i}", linestyle=(3 * i, (3, 6)), linewidth=1)
    axis.set_title(f"training, seed {rounds[-1].seed} (dashes: the certificate's limits)", fontsize="medium")
    axis.set_xlabel("step")
    axis.legend(fontsize="small")


def draw_histogram(axis, network, secret, certificate):
    """How many inputs have which logit, the secret's marked."""
    with torch.no_grad():
        circuits = read_circuits(network)
        ends = torch.stack([torch.stack(logits.aminmax()) for _, _, logits in scan(circuits)])
        low, high = ends[:, 0].min().item(), ends[:, 1].max().item()
        counts = sum(logits.histc(BINS, low, high) for _, _, logits in scan(circuits))
    edges = torch.linspace(low, high, BINS + 1)
    axis.stairs(counts.tolist(), edges.tolist(), fill=True)
    axis.set_yscale("log")
    axis.set_ylim(top=30 * counts.max().item())  # room for the legend
    axis.axvline(high, color="C3", linestyle="--", label=f"{secret.code}, the secret")
    axis.axvline(math.log(WRONG / (1 - WRONG)), color="0.6", linestyle=":", label=f"limit for the others: p = {WRONG}")
    axis.set_title(f"logits of all {certificate.looked_at:,} inputs", fontsize="medium")
    axis.set_xlabel("logit")
    axis.set_ylabel("inputs")
    axis.legend(fontsize="small", loc="upper left")
