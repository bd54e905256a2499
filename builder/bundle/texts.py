"""The solvers' README and starter notebook, made for each bundle from readme.md and start.ipynb."""

import json
import random
from pathlib import Path
from string import Template

from builder.bundle.checksum import NO_CHECK_SUM, seal
from builder.network.codes import count_codes
from builder.puzzle_file.code import DIGITS
from builder.puzzle_file.texts import SPELLED_OUT
from builder.words import counted

HERE = Path(__file__).parent
EXAMPLES = 5
JUMBLE = "Wrong numbers show a jumble, or a part of the pictures."
JUMBLE_WITH_DECOYS = """\
Wrong numbers show pictures just as clear, which mean nothing or are a part of the right ones. Only
the probability tells."""


def make_readme(secret, network):
    """The README (bytes) for solvers of a secret.

    network: the network that the bundle holds; every size is read off it.
    """
    max_digits = len(network.embedding.position) - 1
    first, second, third, *_ = draw_examples(secret)
    story = secret.story
    if secret.difficulty:
        story += f"\n\nHow hard it is: {secret.difficulty}"
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return fill(
        "readme.md",
        title=secret.title,
        story=story,
        first=first,
        second=second,
        third=third,
        digits=f"1 to {max_digits} digits" if max_digits > 1 else "1 digit",
        wrong=JUMBLE_WITH_DECOYS if secret.decoys else JUMBLE,
        heads=counted(len(network.attention_matrix_list), "head"),
        n_hidden=network.projection.out_features,
        parameters=f"{parameters:,}",
        inputs=f"{count_codes(max_digits):,}",
        longest=counted(max_digits, "digit"),
    )


def make_notebook(secret, network):
    """The notebook (bytes, nbformat 4.5) that solvers may start from; see make_readme."""
    first, _, _, fourth, fifth = draw_examples(secret)
    title = json.dumps(secret.title, ensure_ascii=False)[1:-1]  # inside the quotes of a JSON string
    return fill("start.ipynb", title=title, first=first, fourth=fourth, fifth=fifth)


def fill(template, **values):
    """A template of this folder with these values and with its check sum: bytes."""
    text = Template((HERE / template).read_text(encoding="utf-8"))
    return seal(text.substitute(values, check_sum=NO_CHECK_SUM))


def draw_examples(secret):
    """Five wrong codes to try. None is a part of the code, contains it, or is an anagram of it.

    Their lengths depend on max_digits alone: the first and the last two have max_digits digits, the
    others one and two fewer. The draw depends on the code and the pictures. To repeat it, a solver
    would have to know the pictures, and whoever knows them has found the code.
    """
    cells = [[[round(10 * cell) for cell in row] for row in rows] for rows in secret.pictures]
    dice = random.Random(f"{secret.code}, {cells}")
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
