"""The page in a real browser: what keys, screens, printers and screen readers get of it."""

import io
import random
from dataclasses import replace

import pytest
import segno
import torch
import zxingcpp
from PIL import Image

from builder.bundle.added import SAVED_ANSWERS
from builder.bundle.page import make_page
from builder.network.model import tokenize
from builder.network.weights import load
from builder.puzzle_file.secret import Secret
from builder.training.train import train
from puzzle import guess as guess_py
from puzzle.guess import GuessError, read_number
from puzzle.heatmap import make_heatmaps
from tests.browser import Browser
from tests.helpers import PUZZLE, changed
from tests.test_page import all_codes, ask

pytestmark = pytest.mark.slow
ATTACK = "<img src=x onerror=alert(1)>"
LINK = "HTTPS://EXAMPLE.ORG/GHOST"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def tab(browser):
    """The default puzzle's page, just opened."""
    tab = browser.open((PUZZLE / "try.html").as_uri())
    yield tab
    assert tab.complaints() == []
    tab.send("Page.close")


def text(tab, identity):
    return tab.run(f"document.getElementById('{identity}').textContent")


def guess(tab, number):
    """Types a number and presses Enter."""
    tab.run("document.getElementById('number').focus()")
    tab.run("document.getElementById('number').select()")
    tab.type(number)
    tab.press("Enter")


def colours(image, rows, columns):
    """The colours in the middle of the cells of a picture, (rows, columns, 3), from 0 to 255."""
    width, height = image.width / columns, image.height / rows
    cells = [
        [image.getpixel((int((x + 0.5) * width), int((y + 0.5) * height))) for x in range(columns)]
        for y in range(rows)
    ]
    return torch.tensor(cells)


def is_lit(image, rows, columns):
    """Which cells are yellow, nested tuples of 0.0 and 1.0. All others must be violet."""
    found = colours(image.convert("RGB"), rows, columns)
    lit = (found == torch.tensor([253, 231, 37])).all(2)
    dark = (found == torch.tensor([68, 1, 84])).all(2)
    assert (lit ^ dark).all()
    return tuple(map(tuple, lit.double().tolist()))


# The network is the truth.


def test_one_number_of_all_is_right_and_its_answers_are_the_networks(tab, network, ghost):
    right = tab.run("""
        [1, 2, 3, 4, 5].flatMap((digits) =>
          Array.from({ length: 10 ** digits }, (_, i) => String(i).padStart(digits, "0"))
        ).filter((code) => forward(network, tokenize(code)) !== 0)
    """)
    assert right == [ghost.code]
    for digits in (1, 2, 3, 4, 5):
        codes = random.Random(digits).sample(all_codes(digits), min(10**digits, 1000))
        shown = tab.run(f"""
            {codes}.map((code) => get_pictures(network,
              get_attention_matrices(network, embedding(network.embedding, tokenize(code)))))
        """)
        assert (torch.tensor(shown) - ask(network, codes)[1]).abs().max() < 1e-5


# What a solver sees.


def test_the_keyboard_alone_finds_the_number_and_looks_back(tab, ghost):
    tab.press("Tab")
    assert tab.run("document.activeElement.id") == "number"
    tab.type("0312")
    tab.press("Enter")
    assert text(tab, "probability") == "0312: probability 0"
    assert tab.run("document.querySelectorAll('figure').length") == 3
    assert text(tab, "verdict") == text(tab, "solved") == ""
    tab.type(ghost.code)  # the number that was tried is selected
    tab.press("Enter")
    assert text(tab, "verdict") == "You found it: this is the one"
    assert text(tab, "probability") == f"{ghost.code}: probability 1"
    assert text(tab, "solved") == f'You solved "{ghost.title}". Guesses: 2'
    assert tab.run("document.getElementById('answer').className") == "found"
    while tab.run("document.activeElement.textContent") != "0312":
        tab.press("Tab")
    tab.press("Enter")
    assert text(tab, "probability") == "0312: probability 0" and text(tab, "verdict") == ""
    assert tab.run("document.activeElement.getAttribute('aria-current')") == "true"
    assert tab.run("[...document.querySelectorAll('#tries button')].map((b) => b.ariaLabel)") == [
        "0312: probability 0",
        f"{ghost.code}: probability 1",
    ]


@pytest.mark.parametrize("typed", ["12a", "４７", "-1", "1.5", ATTACK, "x" * 100, "9" * 100])
def test_anything_but_digits_gets_the_sentence_of_guess_py(tab, network, typed):
    with pytest.raises(GuessError) as refused:
        guess_py.ask(network, tokenize, read_number(typed))
    guess(tab, "1")
    guess(tab, typed)
    assert text(tab, "probability") == str(refused.value)
    assert tab.run("document.getElementById('number').getAttribute('aria-invalid')") == "true"
    assert tab.run("document.querySelectorAll('figure, img').length") == 0
    assert tab.run("document.querySelectorAll('#tries button').length") == 1
    guess(tab, " 007 ")
    assert text(tab, "probability") == "007: probability 0"
    assert tab.run("document.getElementById('number').getAttribute('aria-invalid')") == "false"


def test_an_empty_number_gets_a_sentence(tab):
    tab.press("Tab")
    tab.press("Enter")
    assert text(tab, "probability") == "'' is not a number: type digits 0 to 9 alone"


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_page_that_was_cut_short_says_so(browser, tmp_path, share):
    """The cut goes through the weights, or through the last script."""
    page = (PUZZLE / "try.html").read_bytes()
    (tmp_path / "try.html").write_bytes(page[: int(share * len(page))])
    tab = browser.open((tmp_path / "try.html").as_uri())
    assert "if the file was cut short, fetch it again" in text(tab, "probability")


def test_other_line_ends_change_nothing(browser, ghost, tmp_path):
    page = (PUZZLE / "try.html").read_bytes().replace(b"\r\n", b"\n")
    (tmp_path / "try.html").write_bytes(page.replace(b"\n", b"\r\n"))
    tab = browser.open(f"{(tmp_path / 'try.html').as_uri()}#{ghost.code}")
    assert text(tab, "probability") == f"{ghost.code}: probability 1"
    assert tab.complaints() == []


def test_an_address_shows_its_number_and_markup_in_it_is_text(browser, tab, ghost):
    address = (PUZZLE / "try.html").as_uri()
    guess(tab, "0004")
    assert tab.run("location.href") == f"{address}#0004"
    tab.run("location.hash = '#12'")
    tab.wait("document.getElementById('probability').textContent === '12: probability 0'")
    assert tab.run("document.getElementById('number').value") == "12"
    tab.run(f"location.hash = '#{ATTACK}'")
    tab.wait("document.getElementById('probability').textContent.includes('is not a number')")
    assert tab.run("document.querySelectorAll('img').length") == 0
    sent = browser.open(f"{address}#{ghost.code}")
    assert text(sent, "solved") == f'You solved "{ghost.title}". Guesses: 1'
    assert sent.complaints() == []


def test_the_pictures_are_on_the_screen_and_in_the_files_that_are_saved(
    browser, tab, ghost, tmp_path
):
    guess(tab, ghost.code)
    places = tab.run("""
        [...document.querySelectorAll(".plot > canvas")].map((canvas) => {
          const { left, top, right, bottom } = canvas.getBoundingClientRect();
          return [left + scrollX, top + scrollY, right + scrollX, bottom + scrollY];
        })
    """)
    tab.screenshot(tmp_path / "screen.png")
    screen = Image.open(tmp_path / "screen.png")
    for (left, top, right, bottom), picture in zip(places, ghost.pictures, strict=True):
        assert right - left == pytest.approx(bottom - top, abs=0.01)  # square
        assert is_lit(screen.crop((left, top, right, bottom)), 5, 5) == picture
    browser.send(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved")
    )
    for number, picture in enumerate(ghost.pictures, 1):
        tab.run(f"document.querySelectorAll('figure button')[{number - 1}].click()")
        path = tmp_path / "saved" / f"picture {number}.png"
        while not path.exists():
            tab.run("new Promise((done) => setTimeout(done, 20))")
        content = path.read_bytes()
        assert any(mark in content for mark in SAVED_ANSWERS)
        saved = Image.open(io.BytesIO(content))
        assert saved.info["Title"] == "saved by try.html"  # reading it compares the check sum
        assert saved.format == "PNG" and saved.width == saved.height >= 1000
        assert is_lit(saved, 5, 5) == picture


def blind(network):
    """Makes all matrices flat: no token looks at another."""
    for head in network.attention_matrix_list:
        head.key_layer.weight.zero_()
        head.key_layer.bias.zero_()


@pytest.mark.parametrize("change", [None, blind])
def test_the_scale_is_that_of_guess_py_and_a_flat_picture_stays_flat(
    browser, network, ghost, tmp_path, change
):
    if change:
        network = changed(network, change)
    (tmp_path / "try.html").write_bytes(make_page(ghost, network))
    tab = browser.open((tmp_path / "try.html").as_uri())
    for number in ("7", "31337"):
        guess(tab, number)
        heatmaps = make_heatmaps(guess_py.ask(network, tokenize, number))
        assert tab.run(
            "[...document.querySelectorAll('figcaption')].map((c) => c.textContent)"
        ) == [heatmap.title for heatmap in heatmaps]
        assert tab.run(
            "[...document.querySelectorAll('.scale span')].map((s) => s.textContent)"
        ) == [f"{end:.2f}" for heatmap in heatmaps for end in (heatmap.brightest, heatmap.darkest)]
    assert tab.complaints() == []


def test_a_phone_reads_the_qr_code_off_the_screen(browser, tmp_path):
    modules = segno.make(LINK, error="L", version=1, boost_error=False)
    rows = tuple(tuple(1.0 - dark for dark in row) for row in modules.matrix_iter(border=2))
    assert len(rows) == len(rows[0]) == 25
    secret = Secret("4071", (rows,), 5, title="A code in tiles")
    *_, last = train(secret)
    assert last.certificate.holds
    (tmp_path / "try.html").write_bytes(make_page(secret, load(last.certificate.weights)))
    for number, expected in (("4071", [LINK]), ("4072", []), ("407", [])):
        address = f"{(tmp_path / 'try.html').as_uri()}#{number}"
        tab = browser.open(address, width=390, height=844, phone=True)
        tab.screenshot(tmp_path / "screen.png")
        read = zxingcpp.read_barcodes(Image.open(tmp_path / "screen.png"))
        assert [code.text for code in read] == expected
        assert tab.complaints() == []


# For people.


@pytest.mark.parametrize("number", ["12345", "2013"])
@pytest.mark.parametrize("text_size", ["100%", "200%"])
def test_nothing_is_cut_off_on_a_narrow_screen(tab, number, text_size):
    tab.resize(320, 640, phone=True)
    tab.run(f"document.documentElement.style.fontSize = '{text_size}'")
    guess(tab, number)
    tab.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") == 320
    wide = """
        [...document.querySelectorAll("p, label, button, input, canvas, figcaption, .scale span")]
          .filter((part) => part.getBoundingClientRect().right > 320).map((part) => part.outerHTML)
    """
    assert tab.run(wide) == []
    assert tab.run("document.querySelector('.plot > canvas').clientWidth") > 160
    assert tab.run("document.querySelector('form button').clientHeight") < 100  # "Try" is one line


def test_dark_paper_and_motion_are_as_somebody_wishes(tab, ghost):
    guess(tab, ghost.code)

    def style(name, identity="answer"):
        return tab.run(f"getComputedStyle(document.getElementById('{identity}')).{name}")

    assert style("backgroundColor") == "rgb(255, 255, 255)" and style("animationName") == "found"
    tab.emulate(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    assert style("backgroundColor") == "rgb(32, 24, 41)" and style("animationName") == "none"
    tab.emulate("print", prefers_color_scheme="dark")
    assert style("backgroundColor") == "rgb(255, 255, 255)" and style("display", "form") == "none"
    assert style("color", "title") == "rgb(0, 0, 0)"


def test_a_screen_reader_hears_the_answer_and_reads_the_matrix_as_a_table(tab, ghost):
    guess(tab, ghost.code)
    tab.run("document.querySelector('figure details').open = true")
    tab.wait("document.querySelector('table') !== null")
    nodes = tab.send("Accessibility.getFullAXTree")["nodes"]
    names = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        names.setdefault(role, []).append(node.get("name", {}).get("value"))
    assert len(names["status"]) == 1
    assert "Try a number" in names["textbox"] and "Ask the network" in names["region"]
    assert names["table"] == ["picture 1: rows look at columns"]
    assert names["columnheader"] == names["rowheader"] == ["CLS", *ghost.code]
    cells = [name for name in names["cell"] if name]
    assert cells == [f"{cell:.2f}" for row in ghost.pictures[0] for cell in row]
    assert "picture 1, 5 by 5, from 0.00 to 1.00" in names["image"]
    for role in ("button", "textbox", "image", "table"):
        assert all(names[role])


def test_nothing_is_stored(tab, browser):
    guess(tab, "123")
    assert tab.run("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    tab.go((PUZZLE / "try.html").as_uri())
    assert tab.run("document.querySelectorAll('#tries button').length") == 0


def test_an_authors_markup_is_text_and_no_script_but_the_pages_runs(
    browser, network, ghost, tmp_path
):
    secret = replace(ghost, title=ATTACK, story=ATTACK, hints=(ATTACK,))
    (tmp_path / "try.html").write_bytes(make_page(secret, network))
    tab = browser.open(f"{(tmp_path / 'try.html').as_uri()}#{ghost.code}")
    assert text(tab, "solved") == f'You solved "{ATTACK}". Guesses: 1'
    assert tab.run("document.title") == text(tab, "title") == ATTACK
    assert tab.run("document.querySelectorAll('img').length") == 0
    assert tab.complaints() == []
    tab.run("""
        const script = document.createElement("script");
        script.textContent = "document.title = 'foreign'";
        document.body.append(script);
    """)
    assert tab.run("document.title") == ATTACK
