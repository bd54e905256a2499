"""The author's sheet: what solvers will see of a puzzle, on one page, for the author alone."""

import io
import math

import matplotlib
from matplotlib.figure import Figure

from builder.bundle.files import MADE_HERE, write_file
from builder.bundle.texts import draw_examples
from builder.network.model import tokenize
from builder.network.weights import load
from builder.screens.fonts import families_for

PER_ROW = 4  # pictures side by side, at most
MATRIX_SIDE = 2.8  # inches that the matrix of one head is wide, with its labels
PICTURE_SIDE = 4.0  # inches that a picture of several heads is wide
HEADING = 0.5  # inches above the pictures of a number
NARROWEST = 8  # inches
FLAT = 0.1  # the smallest range of values that has all colours, as in guess.py


def draw_sheet(secret, certificate, path):
    """Draws the sheet and saves it as a PNG. Returns the characters of the title that no font has.

    The author's own matplotlib settings don't matter. Raises Failure if the file can't be written.
    """
    families, missing = families_for(secret.title)
    title = secret.title
    for character in missing:
        title = title.replace(character, "□")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["font.family"] = families
        png = _draw(title, load(certificate.weights), _numbers(secret, certificate))
    write_file(path, png)
    return missing


def _numbers(secret, certificate):
    """The numbers on the sheet, and what each of them is: {number: words}."""
    numbers = {secret.code: "the code"}
    if len(secret.code) > 1:
        numbers[secret.code[:-1]] = "the code without its last digit"
    for closest in certificate.hardest_codes[:1]:
        numbers.setdefault(closest, "the closest wrong number")
    numbers.setdefault(draw_examples(secret)[0], "a random wrong number")
    return numbers


def _draw(title, network, numbers):
    """The sheet as a PNG: the numbers one below the other, each with its pictures."""
    pictures, down, across = network.arrangement.tolist()
    side = MATRIX_SIDE
    if down * across > 1:
        side = PICTURE_SIDE
    columns = min(PER_ROW, pictures)
    rows = math.ceil(pictures / columns)
    beside = 1  # numbers side by side
    if pictures == 1:
        beside = 2
    below = math.ceil(len(numbers) / beside)
    width = max(NARROWEST, beside * columns * side)
    height = 2 * HEADING + below * (HEADING + rows * side)
    figure = Figure(figsize=(width, height), layout="constrained")
    heading = f"{title}\nfor your eyes only"
    figure.suptitle(heading, size="x-large", parse_math=False, wrap=True)
    parts = figure.subfigures(below, beside, squeeze=False).flatten()
    for part, (number, what) in zip(parts, numbers.items(), strict=False):  # one may be left over
        axes = part.subplots(rows, columns, squeeze=False).flatten()
        _draw_number(part, axes, network, number, what)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110, metadata={"Comment": MADE_HERE.decode()})
    return png.getvalue()


def _draw_number(part, axes, network, number, what):
    """Draws the pictures that a number shows, with its probability above."""
    tokens = tokenize(number)
    matrices = network.get_attention_matrices(network.embedding(tokens))
    pictures = network.get_pictures(matrices)[0]  # (pictures, rows, columns)
    probability = network(tokens).item()
    part.suptitle(f"{number}: {what}\nprobability {probability:.7g}", size="medium")
    for axis in axes:
        axis.set_axis_off()
    labels = ["CLS", *number]
    for index, picture in enumerate(pictures):
        _draw_picture(axes[index], f"picture {index + 1}", picture)
        if tuple(picture.shape) == (len(labels), len(labels)):  # one head's matrix
            _label_tokens(axes[index], labels)


def _draw_picture(axis, name, picture):
    """Draws a picture (rows, columns) in the colours that guess.py gives it."""
    low = round(picture.min().item(), 2) + 0.0  # no minus before a zero
    high = round(picture.max().item(), 2) + 0.0
    darkest = low
    if high - low < FLAT:
        darkest = min(low, 0.0)
    brightest = max(high, darkest + FLAT)
    axis.imshow(picture.numpy(), "viridis", vmin=darkest, vmax=brightest, interpolation="nearest")
    axis.set_title(f"{name}: {low:.2f} to {high:.2f}", size="small")


def _label_tokens(axis, labels):
    """Names the tokens of a matrix: rows are the tokens that look, columns those looked at."""
    axis.set_axis_on()
    axis.set_xticks(range(len(labels)), labels)
    axis.set_yticks(range(len(labels)), labels)
    size = 8
    if len(labels) >= 10:
        size = 6
    if len(labels) >= 20:
        size = 4
    axis.tick_params(length=0, labelsize=size)
