"""The solvers' README and starter notebook, made for each bundle from readme.md and start.ipynb."""

import json
import random
from pathlib import Path
from string import Template

from builder.bundle.checksum import NO_CHECK_SUM, seal
from builder.network.codes import count_codes, max_digits_of
from builder.puzzle_file.code import DIGITS
from builder.puzzle_file.texts import SPELLED_OUT
from builder.words import counted

HERE = Path(__file__).parent
EXAMPLES = 5
JUMBLE = "Wrong numbers show a jumble, or a part of the pictures."
JUMBLE_WITH_DECOYS = """\
Wrong numbers show pictures just as clear, which mean nothing or are a part of the right ones. Only
the probability tells."""
SHOWN = """\
You see how probable it is that your number is right, and a picture for each head: its raw
attention matrix. Rows are the tokens that look, columns those looked at. Each picture has its own
scale."""
SHOWN_IN_TILES = """\
You see how probable it is that your number is right, and what the heads show: their raw attention
matrices are put together, side by side and without gaps. In a matrix, rows are the tokens that
look, columns those looked at. Each picture has its own scale."""
HINTS = """
## Hints

Open them one by one. In an editor, each stands far below its title.
"""
FAR = "\n" * 40  # in an editor, a hint isn't on one screen with the title of the one before


def make_readme(secret, network):
    """The README (bytes) for solvers of a secret.

    network: the network that the bundle holds; every size is read off it.
    """
    max_digits = max_digits_of(network)
    first, second, third, *_ = draw_examples(secret)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return fill(
        "readme.md",
        title=secret.title,
        story=_story(secret),
        first=first,
        second=second,
        third=third,
        digits=lengths(max_digits),
        shown=what_is_shown(network),
        wrong=wrong_numbers(secret),
        pictures=_pictures(network),
        heads=counted(len(network.attention_matrix_list), "head"),
        n_hidden=network.projection.out_features,
        parameters=f"{parameters:,}",
        inputs=f"{count_codes(max_digits):,}",
        longest=counted(max_digits, "digit"),
        hints=_hints(secret.hints),
    )


def make_notebook(secret, network):
    """The notebook (bytes, nbformat 4.5) that solvers may start from; see make_readme."""
    first, _, _, fourth, fifth = draw_examples(secret)
    title = json.dumps(secret.title, ensure_ascii=False)[1:-1]  # inside the quotes of a JSON string
    tiles = ""
    if _has_tiles(network):
        tiles = f" A picture is made of {_tiling(network)}."
    return fill("start.ipynb", title=title, first=first, fourth=fourth, fifth=fifth, tiles=tiles)


def lengths(max_digits):
    """How many digits a number may have, in words."""
    return f"1 to {max_digits} digits" if max_digits > 1 else "1 digit"


def what_is_shown(network):
    """What solvers are told about probabilities and pictures."""
    return SHOWN_IN_TILES if _has_tiles(network) else SHOWN


def wrong_numbers(secret):
    """What solvers are told about the pictures of wrong numbers."""
    return JUMBLE_WITH_DECOYS if secret.decoys else JUMBLE


def _story(secret):
    """The author's words above the instructions."""
    parts = [secret.story]
    if secret.difficulty:
        parts.append(f"How hard it is: {secret.difficulty}")
    if secret.hints:
        parts.append(f"Stuck? At the end of this page: {counted(len(secret.hints), 'hint')}.")
    return "\n\n".join(parts)


def _has_tiles(network):
    """Whether a picture is put together from several heads."""
    _, down, across = network.arrangement.tolist()
    return down * across > 1


def _pictures(network):
    """How many pictures there are, and what each is made of."""
    pictures = network.arrangement[0].item()
    if _has_tiles(network):
        return f"{pictures}, made of {_tiling(network)}"
    if pictures == 1:
        return "1, the matrix of the head"
    return f"{pictures}, each the matrix of one head"


def _tiling(network):
    """The heads that make a picture, and their order."""
    pictures, down, across = network.arrangement.tolist()
    tiling = f"{down} x {across} heads (rows x columns), row by row"
    if pictures > 1:
        tiling = f"{tiling}, one picture after the other"
    return tiling


def _hints(hints):
    """The author's hints, each closed on a rendered page, and below an empty page in an editor."""
    if not hints:
        return ""
    parts = [HINTS]
    for number, hint in enumerate(hints, 1):
        title = f"<summary>Hint {number}</summary>"
        parts.append(f"<details>\n{title}\n{FAR}{hint}\n\n</details>\n")
    return "\n".join(parts)


def fill(template, **values):
    """A template of this folder with these values and with its check sum: bytes."""
    text = Template((HERE / template).read_text(encoding="utf-8"))
    return seal(text.substitute(values, check_sum=NO_CHECK_SUM))


def draw_examples(secret):
    """Five wrong codes to try. None is a part of the code, contains it, or is an anagram of it.

    Their lengths depend on max_digits alone: the first and the last two have max_digits digits, the
    others one and two fewer. The draw depends on the pictures and the code. To repeat it, a solver
    would have to know the pictures, and whoever knows them has found the code. With editions that
    is another team's, so `examples_from` stands in for the code there.
    """
    cells = [[[round(10 * cell) for cell in row] for row in rows] for rows in secret.pictures]
    dice = random.Random(f"{secret.examples_from or secret.code}, {cells}")
    # A wrong digit alone would tell that the code lacks it, so examples have 3 digits if they can.
    shortest = min(3, secret.max_digits)
    examples = []
    while len(examples) < EXAMPLES:
        length = secret.max_digits
        if len(examples) < 3:
            length = max(shortest, length - len(examples))
        example = "".join(dice.choices(DIGITS, k=length))
        if example not in examples and not _hints_at(example, secret.code):
            examples.append(example)
    return examples


def _hints_at(example, code):
    if example in code or sorted(example) == sorted(code):
        return True
    return len(code) >= SPELLED_OUT and code in example
