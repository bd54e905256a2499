"""The solvers' README, made for each bundle from the template readme.md, and the edition line that it ends with.

The edition line holds two digests: one of the text above it, and one of the weights that the text was made for. They
tell, without the puzzle file, whether somebody edited the text, and whether text and weights are from one build.
"""

import random
import re
from hashlib import sha256
from pathlib import Path
from string import Template

from builder.proof.codes import count_codes
from builder.secret import DIGITS, SPELLED_OUT

TEMPLATE = Path(__file__).with_name("readme.md")
EDITION = re.compile(rb"\nEdition ([0-9a-f]{8})-([0-9a-f]{8})\n\Z")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")  # what opens and closes a block of code in Markdown


def make_readme(secret, network, weights):
    """The README (bytes) for solvers of a secret.

    network: the network that the bundle holds; every fact is read off it. weights: the bytes of its file.
    """
    heads, max_digits = len(network.attention_matrix_list), len(network.embedding.position) - 1
    first, second, third = draw_examples(secret, max_digits, weights)
    difficulty = f"\n\nHow hard it is: {secret.difficulty}" if secret.difficulty else ""
    text = (
        Template(TEMPLATE.read_text(encoding="utf-8"))
        .substitute(
            title=secret.title,
            story=_close_fence(secret.story) + difficulty,
            first=first,
            second=second,
            third=third,
            digits=f"1 to {max_digits} digits" if max_digits > 1 else "1 digit",
            max_digits=max_digits,
            heads=heads,
            n_hidden=network.projection.out_features,
            parameters=f"{sum(parameter.numel() for parameter in network.parameters()):,}",
            inputs=f"{count_codes(max_digits):,}",
        )
        .encode()
    )
    return text + f"\nEdition {_digest(text)}-{_digest(weights)}\n".encode()


def is_untouched(readme):
    """Whether a README (bytes) is still as a build wrote it."""
    edition = EDITION.search(readme)
    return edition is not None and edition[1].decode() == _digest(readme[: edition.start()])


def is_made_for(readme, weights):
    """Whether a README was written in the build that wrote these weights; both are bytes."""
    edition = EDITION.search(readme)
    return edition is not None and edition[2].decode() == _digest(weights)


def draw_examples(secret, max_digits, weights):
    """Three wrong codes that solvers may try: none is the secret, an anagram, a part of it, or longer and holds it.

    Their lengths depend on max_digits alone. The draw depends on the pictures, which solvers don't know, so nobody can
    repeat it to read the code back.
    """
    pictures = str(secret.pictures).encode()
    dice = random.Random(sha256(b"|".join([secret.code.encode(), pictures, weights])).digest())
    examples = []
    while len(examples) < 3:
        # An example is no part of the code. With one digit, it would tell that the code has no such digit.
        length = max(max_digits - len(examples), min(3, max_digits))
        code = "".join(dice.choices(DIGITS, k=length))
        if code not in examples and not _hints_at(code, secret.code):
            examples.append(code)
    return examples


def _hints_at(example, code):
    holds_code = len(code) >= SPELLED_OUT and code in example
    return example in code or sorted(example) == sorted(code) or holds_code


def _close_fence(story):
    """The story, and the end of a block of code that it leaves open, which would swallow all that follows."""
    fence = ""
    for line in story.split("\n"):
        marks, rest = FENCE.match(line).groups() if FENCE.match(line) else ("", "")
        if not fence and not (marks.startswith("`") and "`" in rest):
            fence = marks
        elif fence and marks.startswith(fence) and not rest.strip():
            fence = ""
    return f"{story}\n{fence}" if fence else story


def _digest(content):
    return sha256(content).hexdigest()[:8]
