"""The proof sheet: what solvers will see of a puzzle, on one page, for the author's eyes only."""

import io
import math
import textwrap

import torch
from matplotlib.figure import Figure

from builder.bundle.files import write_whole
from builder.bundle.readme import draw_examples
from builder.model import tokenize
from builder.proof.weights import load
from builder.words import counted

PER_ROW = 4  # pictures side by side, at most
SMALL, LARGE = 2.1, 3.1  # inches that a picture is wide: of few tokens, and of 17
LEFT, RIGHT, ABOVE, BELOW = 0.55, 0.15, 0.35, 0.35  # inches around a picture, for its labels
MARGIN, HEADING, LINE = 0.4, 0.4, 0.19  # inches
NARROWEST = 8.0  # inches: room for the headings
CURVES, AXIS = 1.9, 0.5  # inches that the training curves are high, and their axis with its label
FLOOR = 1e-8  # smaller values are drawn here: curves have a logarithmic scale, which has no 0
DPI = 110


class Page:
    """A figure that is filled from top to bottom. Every length is in inches; y is how high it is still empty."""

    def __init__(self, width, height):
        self.width, self.height, self.y = width, height, height - MARGIN
        self.figure = Figure(figsize=(width, height), dpi=DPI)
        self.canvas = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        self.canvas.set_axis_off()

    def heading(self, text, size=11):
        self.y -= HEADING
        self._write(self.width / 2, self.y + HEADING / 3, text, size, ha="center", weight="bold")

    def line(self, text, x=MARGIN, **how):
        self.y -= LINE
        self._write(x, self.y + LINE / 3, text, 9, **how)

    def matrix(self, left, side, matrix, tokens, title):
        """Draws one picture with its labels at the left end of the empty part: rows look, columns are looked at.

        It has no matplotlib axes of its own: the ticks of many axes take seconds.
        """
        left, top, cell, size = left + LEFT, self.y - ABOVE, side / len(tokens), 8 if len(tokens) < 10 else 7
        self.canvas.imshow(matrix.tolist(), extent=(left, left + side, top - side, top), aspect="auto", cmap="viridis")
        self.canvas.set(xlim=(0, self.width), ylim=(0, self.height))  # which imshow has changed
        self._write(left + side / 2, top + 0.08, title, 9, ha="center")
        for place, token in enumerate(tokens):
            middle = (place + 0.5) * cell
            self._write(left - 0.06, top - middle, token, size, ha="right", va="center_baseline")
            self._write(left + middle, top - side - 0.06, token, size, ha="center", va="top")

    def _write(self, x, y, text, size, **how):
        self.canvas.text(x, y, text, fontsize=size, parse_math=False, **how)

    def axes(self, left, width, height):
        """Axes at the top of the empty part."""
        place = (left / self.width, (self.y - height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place)


def draw_proof(secret, certificate, path, rounds=(), attacks=()):
    """Draws the sheet and saves it as a PNG; its folder is made if need be. Raises Failure.

    rounds: the Rounds of training, for its curves. attacks: sentences on how soon solvers find the code. Where one is
    empty, its part of the sheet is left out.
    """
    png = io.BytesIO()
    draw_sheet(secret, certificate, rounds, attacks).savefig(png, format="png")
    write_whole(path, png.getvalue())


def draw_sheet(secret, certificate, rounds=(), attacks=()):
    """The sheet as a matplotlib Figure."""
    network = load(certificate.weights)
    numbers = _numbers(secret, certificate)
    n_heads, tokens = len(secret.pictures), 1 + max(map(len, numbers))
    n_rows = math.ceil(n_heads / PER_ROW)
    per_row = math.ceil(n_heads / n_rows)
    side = SMALL + (LARGE - SMALL) * max(0, tokens - 5) / 12
    row = ABOVE + side + BELOW
    width = max(NARROWEST, 2 * MARGIN + per_row * (LEFT + side + RIGHT))
    lines = [line for sentence in attacks for line in textwrap.wrap(sentence, int(13 * width)) or [""]]

    height = 2 * MARGIN + 2 * HEADING + len(numbers) * (HEADING + LINE + n_rows * row)
    height += (HEADING + len(lines) * LINE if lines else 0) + (HEADING + CURVES + AXIS if rounds else 0)
    page = Page(width, height)
    page.heading(f"Proof sheet for {secret.code}, for your eyes only", size=14)
    page.heading(f"{counted(certificate.inputs, 'input')}; {'certified' if certificate.holds else 'NOT CERTIFIED'}")

    for number, what in numbers.items():
        probability, matrices = _ask(network, number)
        page.heading(f"{number}: {what}")
        page.line(f"probability {probability:.7g}", x=width / 2, ha="center")
        for start in range(0, n_heads, per_row):
            heads = range(start, min(start + per_row, n_heads))
            left = (width - len(heads) * (LEFT + side + RIGHT)) / 2
            for place, head in enumerate(heads):
                title = f"head {head + 1}: {_range(matrices[head])}"
                page.matrix(left + place * (LEFT + side + RIGHT), side, matrices[head], ["CLS", *number], title)
            page.y -= row

    if lines:
        page.heading("How soon solvers find it")
        for line in lines:
            page.line(line)
    if rounds:
        page.heading(f"Training, seed {rounds[-1].seed}")
        _draw_curves(page.axes(width / 2 - 2.5, 5, CURVES), [r for r in rounds if r.seed == rounds[-1].seed])
    return page.figure


def _numbers(secret, certificate):
    """The numbers on the sheet, and what each of them is: {number: words}."""
    chosen = [(secret.code, "the code")]
    if len(secret.code) > 1:
        chosen.append((secret.code[:-1], "the code without its last digit"))
    if certificate.hardest_codes:
        chosen.append((certificate.hardest_codes[0], "the closest wrong number"))
    chosen.append((draw_examples(secret, secret.max_digits, certificate.weights)[0], "a wrong number drawn by lot"))
    numbers = {}
    for number, what in chosen:
        numbers[number] = f"{numbers[number]} and {what}" if number in numbers else what
    return numbers


@torch.no_grad()
def _ask(network, number):
    """The probability of a number, and what the heads show for it, (heads, tokens, tokens)."""
    tokens = tokenize(number)
    return network(tokens).item(), torch.cat(network.get_attention_matrices(network.embedding(tokens)))


def _range(matrix):
    low, high = (round(value.item(), 2) + 0.0 for value in matrix.aminmax())  # no minus before a zero
    return f"{low:.2f} to {high:.2f}"


def _draw_curves(axis, rounds):
    """What must fall during training, over the steps of the last attempt."""
    curves = {
        "the closest wrong number's probability": [r.hardest_probability for r in rounds],
        "1 - the code's probability": [1 - r.probability for r in rounds],
        "the worst cell's distance": [r.worst_cell for r in rounds],
    }
    for name, values in curves.items():
        axis.semilogy([r.step for r in rounds], [max(value, FLOOR) for value in values], linewidth=1, label=name)
    axis.tick_params(labelsize=8)
    axis.set_xlabel("step", fontsize=8)
    axis.legend(fontsize=7)
