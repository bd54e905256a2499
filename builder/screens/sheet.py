"""The author's sheet: what solvers will see of a puzzle, on one page, for the author alone."""

import io

import torch
from matplotlib.figure import Figure

from builder.bundle.files import MADE_HERE, write_files
from builder.bundle.texts import draw_examples
from builder.network.model import tokenize
from builder.network.weights import load

PER_ROW = 4  # pictures side by side, at most
SIDE = 2.8  # inches that a picture is wide, with its labels
HEADING = 0.5  # inches above the pictures of a number


def draw_sheet(secret, certificate, path):
    """Draws the sheet and saves it as a PNG. Raises Failure."""
    network, numbers = load(certificate.weights), _numbers(secret, certificate)
    columns = min(PER_ROW, len(secret.pictures))
    rows = -(-len(secret.pictures) // columns)
    height = HEADING + len(numbers) * (HEADING + rows * SIDE)
    figure = Figure(figsize=(max(8, columns * SIDE), height), layout="constrained")
    figure.suptitle(
        f"{secret.title}: for your eyes only", weight="bold", parse_math=False, wrap=True
    )
    parts = figure.subfigures(len(numbers), squeeze=False)[:, 0]
    for part, (number, what) in zip(parts, numbers.items(), strict=True):
        tokens = tokenize(number)
        probability = network(tokens).item()
        matrices = torch.cat(
            network.get_attention_matrices(network.embedding(tokens))
        )  # (heads, tokens, tokens)
        part.suptitle(f"{number}: {what}; probability {probability:.7g}", size="medium")
        axes = list(part.subplots(rows, columns, squeeze=False).flat)
        for axis in axes[len(matrices) :]:
            axis.set_axis_off()
        for head, (axis, matrix) in enumerate(zip(axes, matrices.tolist(), strict=False), 1):
            _draw_matrix(axis, f"picture {head}", matrix, ["CLS", *number])
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110, metadata={"Comment": MADE_HERE.decode()})
    write_files(path.parent, {path.name: png.getvalue()})


def _numbers(secret, certificate):
    """The numbers on the sheet, and what each of them is: {number: words}."""
    example = draw_examples(secret)[0]
    numbers = {example: "a random wrong number"}
    numbers |= {code: "the closest wrong number" for code in certificate.hardest_codes[:1]}
    numbers |= {secret.code[:-1]: "the code without its last digit", secret.code: "the code"}
    return {number: what for number, what in reversed(numbers.items()) if number}


def _draw_matrix(axis, title, matrix, tokens):
    """Draws one picture: rows are the tokens that look, columns those looked at."""
    low, high = (
        round(end(map(end, matrix)), 2) + 0.0 for end in (min, max)
    )  # no minus before a zero
    axis.imshow(matrix, cmap="viridis", vmin=min(low, 0), vmax=max(high, 1))
    axis.set_xticks(range(len(tokens)), tokens)
    axis.set_yticks(range(len(tokens)), tokens)
    axis.tick_params(length=0, labelsize=8 if len(tokens) < 10 else 6)
    axis.set_title(f"{title}: {low:.2f} to {high:.2f}", size="small")
