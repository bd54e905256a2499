"""The solvers' README and starter notebook, made for each bundle from the templates readme.md and start.ipynb."""

import json
import random
import re
import zlib
from pathlib import Path
from string import Template

from builder.network.codes import count_codes
from builder.puzzle_file.code import DIGITS
from builder.puzzle_file.texts import SPELLED_OUT
from builder.words import counted

HERE = Path(__file__).parent
CHECK_SUM = re.compile(
    r"(?<=check sum, )0x[0-9a-f]{8}(?=, )"
)  # in the last sentence of what a build makes
JUMBLE = "Wrong numbers show a jumble, or a part of the pictures."
JUMBLE_WITH_DECOYS = """\
Wrong numbers show pictures just as clear, which mean nothing or are a part of the right ones. Only the probability
tells."""


def make_readme(secret, network, weights):
    """The README (bytes) for solvers of a secret.

    network: the network that the bundle holds; every fact is read off it. weights: the bytes of its file.
    """
    max_digits = len(network.embedding.position) - 1
    first, second, third, *_ = draw_examples(secret, max_digits, weights)
    difficulty = f"\n\nHow hard it is: {secret.difficulty}" if secret.difficulty else ""
    return fill(
        "readme.md",
        title=secret.title,
        story=secret.story + difficulty,
        first=first,
        second=second,
        third=third,
        digits=f"1 to {max_digits} digits" if max_digits > 1 else "1 digit",
        wrong=JUMBLE_WITH_DECOYS if secret.decoys else JUMBLE,
        heads=counted(len(network.attention_matrix_list), "head"),
        n_hidden=network.projection.out_features,
        parameters=f"{sum(parameter.numel() for parameter in network.parameters()):,}",
        inputs=f"{count_codes(max_digits):,}",
        longest=counted(max_digits, "digit"),
    )


def make_notebook(secret, network, weights):
    """The notebook (bytes, nbformat 4.5) that solvers may start from. Arguments as of make_readme."""
    first, _, _, fourth, fifth = draw_examples(secret, len(network.embedding.position) - 1, weights)
    title = json.dumps(secret.title, ensure_ascii=False)[1:-1]  # inside the quotes of a JSON string
    return fill("start.ipynb", title=title, first=first, fourth=fourth, fifth=fifth)


def fill(template, **values):
    """A template of this folder with these values and with its check sum: bytes."""
    text = Template((HERE / template).read_text(encoding="utf-8")).substitute(
        values, check_sum=f"0x{0:08x}"
    )
    return CHECK_SUM.sub(_check_sum(text), text).encode()


def is_untouched(content):
    """Whether a file (bytes) that fill made is still as it was."""
    text = content.decode(errors="replace")
    found = CHECK_SUM.findall(text)
    return bool(found) and found[-1] == _check_sum(text)


def _check_sum(text):
    return f"0x{zlib.crc32(CHECK_SUM.sub('', text).encode()):08x}"


def draw_examples(secret, max_digits, weights):
    """Five wrong codes for solvers to try. None is a part of the code or an anagram of it, and none contains it.

    Their lengths depend on max_digits alone: the first and the last two have max_digits digits, the others one and two
    fewer. The draw depends on the pictures, which solvers don't know, so nobody can repeat it to read the code back.
    """
    dice = random.Random(f"{secret.code}, {secret.pictures}".encode() + weights)
    examples = []
    while len(examples) < 5:
        # A wrong digit alone would tell that the code lacks it, so examples have 3 digits where they can.
        shorter = len(examples) if len(examples) < 3 else 0
        code = "".join(dice.choices(DIGITS, k=max(max_digits - shorter, min(3, max_digits))))
        if code not in examples and not _hints_at(code, secret.code):
            examples.append(code)
    return examples


def _hints_at(example, code):
    holds_code = len(code) >= SPELLED_OUT and code in example
    return example in code or sorted(example) == sorted(code) or holds_code
