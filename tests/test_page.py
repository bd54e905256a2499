"""The page for solvers: its script computes what the network does, and it gives nothing away."""

import base64
import hashlib
import html.parser
import json
import random
import re
from dataclasses import replace

import pytest
import torch
from py_mini_racer import mini_racer

from builder.bundle import bundle
from builder.bundle.checksum import is_untouched
from builder.bundle.page import make_page
from builder.network.model import NeuralNetwork
from builder.puzzle_file.secret import Secret
from tests.helpers import PUZZLE, trained

SHAPES = {  # n_hidden, arrangement, max_digits
    "one head": (10, (1, 1, 1), 1),
    "tiles of several pictures": (12, (2, 3, 4), 6),
    "sixteen digits": (18, (16, 1, 1), 16),
    "thirty-two digits": (44, (2, 1, 1), 32),
}
MARKUP = '</title></script><b onclick="x">&amp;\'{{weights}} $story ${code}'

# The engine has no atob, which every browser has.
ATOB = """
function atob(text) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const digits = Array.from(text.replace(/[\\s=]/g, ""), (letter) => letters.indexOf(letter));
  let bytes = "";
  for (let i = 0; i + 1 < digits.length; i += 4) {
    const [a, b, c, d] = digits.slice(i, i + 4);
    bytes += String.fromCharCode((a << 2) | (b >> 4));
    if (c !== undefined) bytes += String.fromCharCode(((b & 15) << 4) | (c >> 2));
    if (d !== undefined) bytes += String.fromCharCode(((c & 3) << 6) | d);
  }
  return bytes;
}
"""
ASK = """
function ask(code) {
  const tokens = tokenize(code);
  const matrices = get_attention_matrices(network, embedding(network.embedding, tokens));
  return [forward(network, tokens), get_pictures(network, matrices)];
}
"""


class Page(html.parser.HTMLParser):
    """A page as a browser reads it: elements as (name, attributes), and the text in each."""

    def __init__(self, content):
        super().__init__()
        self.elements = []
        self.texts = []  # what stands after a start tag, up to the next tag
        self.is_inside = False
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        self.texts.append("")
        self.is_inside = True

    def handle_endtag(self, name):
        self.is_inside = False

    def handle_data(self, text):
        if self.is_inside:
            self.texts[-1] += text

    def find(self, name):
        """The attributes and texts of all elements of a name."""
        return [
            (attributes, text)
            for (found, attributes), text in zip(self.elements, self.texts, strict=True)
            if found == name
        ]


class Script:
    """The network's script, taken out of a page and run by an engine."""

    def __init__(self, engine, content):
        (weights, text), (_, network), _ = Page(content).find("script")
        dataset = {name.removeprefix("data-"): value for name, value in weights.items()}
        element = json.dumps({"textContent": text, "dataset": dataset})
        self.engine = engine
        self.engine.eval(ATOB + network + ASK + f"const network = load({element});")

    def run(self, expression):
        """The value of an expression."""
        return json.loads(self.engine.eval(f"JSON.stringify({expression})"))

    def ask(self, codes):
        """The script's answers, (codes), and its pictures, (codes, pictures, rows, columns)."""
        answers = self.run(f"{json.dumps(codes)}.map(ask)")
        probabilities, pictures = zip(*answers, strict=True)
        return torch.tensor(probabilities, dtype=float), torch.tensor(pictures, dtype=float)


@pytest.fixture
def engine():
    with mini_racer() as engine:
        yield engine


@torch.no_grad()
def ask(network, codes):
    """The network's own answers and pictures of codes of one length, as of Script.ask."""
    tokens = torch.tensor([[10, *map(int, code)] for code in codes])
    matrices = network.get_attention_matrices(network.embedding(tokens))
    return network(tokens), network.get_pictures(matrices)


def compare(network, script, codes):
    """How far the script and the network differ at most: in answers, and in cells."""
    found, shown = script.ask(codes)
    answers, pictures = ask(network, codes)
    assert shown.shape == pictures.shape
    return (found - answers).abs().max().item(), (shown - pictures).abs().max().item()


def untrained(n_hidden, arrangement, max_digits):
    """A network of random weights that answers neither 0 nor 1."""
    torch.manual_seed(n_hidden)
    pictures, down, across = arrangement
    network = NeuralNetwork(n_hidden, pictures * down * across, max_digits)
    network.arrangement[:] = torch.tensor(arrangement)
    return network


def all_codes(digits):
    return [f"{number:0{digits}}" for number in range(10**digits)]


# The network is the truth.


def test_the_script_answers_every_shorter_number_of_the_default_puzzle_as_the_network_does(
    network, engine, ghost
):
    script = Script(engine, (PUZZLE / bundle.PAGE).read_bytes())
    for digits in (1, 2, 3, 4):
        codes = all_codes(digits)
        answers = script.run(f"{json.dumps(codes)}.map((code) => forward(network, tokenize(code)))")
        assert [code for code, answer in zip(codes, answers, strict=True) if answer != 0] == [
            code for code in [ghost.code] if code in codes
        ]
        assert (torch.tensor(answers) - ask(network, codes)[0]).abs().max() < 1e-6


def test_the_script_shows_what_the_network_shows(network, engine, ghost):
    script = Script(engine, (PUZZLE / bundle.PAGE).read_bytes())
    dice = random.Random(0)
    for digits in (1, 2, 3, 4, 5):
        codes = ["".join(dice.choices("0123456789", k=digits)) for _ in range(200)]
        answers, cells = compare(network, script, codes)
        assert answers < 1e-6 and cells < 1e-5
    found, shown = script.ask([ghost.code])
    assert found.item() > 1 - 1e-6
    assert (shown[0] - torch.tensor(ghost.pictures)).abs().max() < 0.01


@pytest.mark.parametrize("shape", SHAPES)
def test_the_script_computes_what_the_network_does_whatever_its_sizes(shape, engine):
    """Untrained networks: their answers lie between 0 and 1, so every step counts."""
    n_hidden, arrangement, max_digits = SHAPES[shape]
    network = untrained(n_hidden, arrangement, max_digits)
    script = Script(engine, make_page(Secret("7", (((1.0,),),), max_digits), network))
    dice = random.Random(0)
    for digits in {1, 1 + max_digits // 2, max_digits}:
        codes = ["".join(dice.choices("0123456789", k=digits)) for _ in range(20)]
        answers, cells = compare(network, script, codes)
        assert answers < 1e-6 and cells < 1e-5
        assert ((ask(network, codes)[0] - 0.5).abs() < 0.4).all()


def drawn(rows, columns, pictures=1):
    """Pictures of random tenths."""
    dice = random.Random(rows)
    return tuple(
        tuple(tuple(dice.randint(0, 10) / 10 for _ in range(columns)) for _ in range(rows))
        for _ in range(pictures)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "secret",
    [
        Secret("20475", drawn(6, 6, 3), 8, decoys=True),
        Secret("4071", drawn(25, 15, 2), 5),
        Secret("3141592653589793", drawn(17, 17, 4), 16),
        Secret("27182818284590452353602874713526", drawn(33, 33), 32),
    ],
    ids=["decoys", "tiles", "sixteen digits", "thirty-two digits"],
)
def test_the_script_answers_exactly_0_to_the_wrong_numbers_of_other_puzzles(secret, engine):
    network = trained(secret)
    script = Script(engine, make_page(secret, network))
    found, shown = script.ask([secret.code])
    assert found.item() > 1 - 1e-6
    assert (shown[0] - torch.tensor(secret.pictures)).abs().max() < 0.01
    dice = random.Random(0)
    for digits in range(1, secret.max_digits + 1):
        codes = {"".join(dice.choices("0123456789", k=digits)) for _ in range(100)}
        if digits == len(secret.code):  # the nearest ones: one digit changed, two exchanged
            codes |= {
                secret.code[:place] + digit + secret.code[place + 1 :]
                for place in range(digits)
                for digit in "0123456789"
            }
            codes |= {"".join(dice.sample(secret.code, digits)) for _ in range(100)}
        codes = sorted(codes - {secret.code})
        found, shown = script.ask(codes)
        assert (found == 0).all()
        answers, pictures = ask(network, codes)
        assert (found - answers).abs().max() < 1e-6
        assert (shown - pictures).abs().max() < 1e-5


# What the page holds.


def test_the_committed_page_is_the_one_of_its_weights_and_small(ghost, network):
    committed = (PUZZLE / bundle.PAGE).read_bytes()
    assert committed == make_page(ghost, network)
    assert len(committed) <= 60_000


def test_the_page_loads_nothing_and_allows_no_script_but_its_own(ghost, network):
    page = Page(make_page(ghost, network))
    (policy,) = [
        attributes["content"]
        for attributes, _ in page.find("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert allowed.pop("img-src") == "data:"
    for kind, name in (("script-src", "script"), ("style-src", "style")):
        texts = [text for attributes, text in page.find(name) if "type" not in attributes]
        hashes = [hashlib.sha256(text.encode()).digest() for text in texts]
        assert allowed.pop(kind).split() == [
            f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes
        ]
    assert allowed == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    for _, attributes in page.elements:
        assert "src" not in attributes and not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "data:").startswith("data:")
    script = page.find("script")[-1][1]
    for word in ("localStorage", "sessionStorage", "cookie", "indexedDB", "fetch", "innerHTML"):
        assert word not in script


def test_markup_in_the_authors_texts_is_text(ghost, network):
    plain = Page(make_page(replace(ghost, hints=("x", "y"), difficulty="z"), network))
    secret = replace(
        ghost, title=MARKUP, story=f"{MARKUP}\n\n{MARKUP}", difficulty=MARKUP, hints=(MARKUP, "y")
    )
    page = Page(make_page(secret, network))
    names = [name for name, _ in page.elements]
    expected = [name for name, _ in plain.elements]
    expected.insert(expected.index("p"), "p")  # its story has two paragraphs
    assert names == expected
    assert [text for _, text in page.find("title")] == [MARKUP]
    assert [text.strip() for _, text in page.find("h1")] == [MARKUP]
    paragraphs = [text.strip() for _, text in page.find("p")]
    assert paragraphs[:3] == [MARKUP, MARKUP, f"How hard it is: {MARKUP}"]
    assert MARKUP in paragraphs[3:]  # the hint


def test_hints_are_closed_and_in_order(ghost, network):
    page = Page(make_page(replace(ghost, hints=("look", "think")), network))
    hints = [attributes for attributes, _ in page.find("details")]
    assert hints == [{"class": "hint"}] * 2
    assert [text for _, text in page.find("summary")] == ["Hint 1", "Hint 2"]
    paragraphs = [text for _, text in page.find("p")]
    assert paragraphs.index("look") < paragraphs.index("think")
    assert not Page(make_page(ghost, network)).find("details")


def test_the_page_depends_on_the_weights_and_on_what_solvers_read_alone(ghost, network):
    page = make_page(ghost, network)
    other = replace(ghost, code="98765", pictures=ghost.pictures[::-1], examples_from="x")
    assert make_page(other, network) == page
    assert make_page(replace(ghost, title="Another"), network) != page
    assert make_page(replace(ghost, decoys=True), network) != page
    texts = re.sub(rb'<script id="weights".*?</script>', b"", page, flags=re.DOTALL)
    assert ghost.code.encode() not in texts


def test_an_edit_by_hand_is_noticed_and_other_line_ends_are_none(ghost, network):
    page = make_page(ghost, network)
    assert is_untouched(page) and is_untouched(page.replace(b"\n", b"\r\n"))
    assert not is_untouched(page.replace(b"Try a number", b"Try any number"))
    assert not is_untouched(page.replace(b"exp(value", b"exp2(value"))


# For people.


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The contrast ratio of two colours as WCAG 2 defines it, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_enough_in_light_and_dark_and_on_paper(ghost, network):
    ((_, style),) = Page(make_page(ghost, network)).find("style")
    themes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    light, dark, paper = themes
    for theme in (light, dark, light | paper):
        for ground in ("paper", "sheet"):
            for text in ("ink", "soft", "found", "wrong", "action"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
            assert contrast(theme["line"], theme[ground]) >= 3
        assert contrast(theme["on-action"], theme["action"]) >= 4.5
