"""The page for solvers, try.html: the network in plain JavaScript, filled with its weights."""

import base64
import hashlib
import html
import re
from pathlib import Path

import torch

from builder.bundle.checksum import NO_CHECK_SUM, seal
from builder.bundle.texts import lengths, what_is_shown, wrong_numbers
from builder.network.codes import max_digits_of

TEMPLATE = Path(__file__).parent / "try.html"
PLACE = re.compile(r"\{\{(\w+)\}\}")
SCRIPTS = re.compile(r"<script>(.*?)</script>", re.DOTALL)
STYLES = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def make_page(secret, network):
    """The page (bytes) for solvers of a secret.

    network: the network that the bundle holds. The page depends on its weights and on the texts
    that solvers read, and on nothing else of the secret.
    """
    template = TEMPLATE.read_text(encoding="utf-8")
    max_digits = max_digits_of(network)
    sizes = (network.projection.out_features, len(network.attention_matrix_list), max_digits)
    values = {
        "policy": _policy(template),
        "title": html.escape(secret.title),
        "story": _story(secret),
        "hints": _hints(secret.hints),
        "digits": lengths(max_digits),
        "wrong": wrong_numbers(secret),
        "shown": what_is_shown(network),
        "sizes": " ".join(map(str, sizes)),
        "arrangement": " ".join(map(str, network.arrangement.tolist())),
        "weights": _weights(network),
        "check_sum": NO_CHECK_SUM,
    }

    def value(place):
        return values[place[1]]

    return seal(PLACE.sub(value, template))


def _policy(template):
    """The Content-Security-Policy: nothing is loaded, and no script runs but the page's own."""
    scripts = " ".join(_hash(script) for script in SCRIPTS.findall(template))
    styles = " ".join(_hash(style) for style in STYLES.findall(template))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text):
    """How a policy names a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _story(secret):
    """The story's paragraphs, and how hard the puzzle is, as HTML."""
    paragraphs = re.split(r"\n\s*\n", secret.story.strip())
    if secret.difficulty:
        paragraphs.append(f"How hard it is: {secret.difficulty}")
    return "\n".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)


def _hints(hints):
    """The hints as HTML, each closed until somebody opens it."""
    lines = []
    for number, hint in enumerate(hints, 1):
        title = f"<summary>Hint {number}</summary>"
        lines.append(f'<details class="hint">{title}<p>{html.escape(hint)}</p></details>')
    return "\n".join(lines)


def _weights(network):
    """All weights in base64, as little-endian float32, in the order of network.parameters()."""
    numbers = torch.cat([weight.detach().flatten() for weight in network.parameters()])
    content = numbers.numpy().astype("<f4").tobytes()
    return base64.encodebytes(content).decode().rstrip("\n")
