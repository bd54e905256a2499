"""An answer shows the same square picture on every console and on paper."""

import io
import re

import cv2
import numpy
import pytest
import segno
import torch
import zxingcpp
from matplotlib import colormaps
from matplotlib.image import imread
from rich.console import Console

from builder.network.model import tokenize
from builder.network.weights import load
from builder.puzzle_file.secret import Secret
from builder.training.train import train
from puzzle import heatmap as script
from puzzle.guess import Answer, ask
from puzzle.heatmap import ASCII_SHADES, COLOURS, SHADES, Heatmap, Sheet, save_sheet, show

PRINTED = "HTTPS://EXAMPLE.ORG/GHOST"


def answer(number, *pictures, probability=0.0, heads_each=1):
    """An answer with these pictures, lists of rows."""
    pictures = [torch.tensor(picture) for picture in pictures]
    matrices = [picture for picture in pictures for _ in range(heads_each)]
    return Answer(number, probability, matrices, pictures)


def diagonal(number, heads=3, probability=0.0):
    """An answer with a lit diagonal in each picture."""
    return answer(number, *[torch.eye(1 + len(number)).tolist()] * heads, probability=probability)


ANSWER = answer("40", [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [0.0, 0.2, 0.0]], [[-2.0, 2.0, 2.0]] * 3)


def console(width=60, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    return Console(file=file, width=width, highlight=False, legacy_windows=False, **options)


def in_colour(width):
    return console(width, force_terminal=True, color_system="truecolor")


def shown(given, on=None):
    """What a console shows of an answer or a heatmap, lines without the blanks at their ends."""
    on = on or console()
    if isinstance(given, Answer):
        show(on, given)
    else:
        on.print(given)
    on.file.flush()
    text = on.file.buffer.getvalue().decode(on.file.encoding)
    return re.sub(" +$", "", text, flags=re.MULTILINE)


def copied(text):
    """What is left of coloured output when it is copied as text."""
    return re.sub(" +$", "", re.sub(r"\x1b\[[\d;]*m", "", text), flags=re.MULTILINE)


BLOCKS = """\
40: probability 0

head 1        head 2
    C 4 0         C 4 0
CLS   ▄▄██    CLS   ████
  4 ██▄▄        4   ████
  0   ▁▁        0   ████
0.00 to 1.00  -2.00 to 2.00

"""


def test_a_pipe_gets_shades():
    assert shown(ANSWER) == BLOCKS


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1"])
def test_a_console_without_unicode_gets_digits(encoding):
    text = shown(ANSWER, console(encoding=encoding))
    assert text.isascii()
    assert "CLS ..4488    CLS ..8888\n  4 8844..      4 ..8888\n  0 ..11..  " in text


def test_no_color_gets_shades():
    plain = shown(ANSWER, console(force_terminal=True, color_system="truecolor", no_color=True))
    assert copied(plain) == BLOCKS
    assert not re.search(r"\x1b\[[\d;]*[34]8[;m]", plain)


@pytest.mark.parametrize("colours", ["standard", "truecolor"])
def test_copied_colours_are_the_same_picture_in_shades(colours):
    text = shown(ANSWER, console(force_terminal=True, color_system=colours))
    assert copied(text) == BLOCKS
    assert bool(re.search(r"\x1b\[[\d;]*48;[\d;]*m", text)) == (colours == "truecolor")


def pixels(heatmap, width):
    """The picture that a heatmap is on a console with colours: a pixel is a column and half a line.

    An array (2 x lines, columns, 3). Where no cell is, it is white.
    """
    on = in_colour(width)
    lines = on.render_lines(heatmap, on.options.update(width=width), pad=True)
    image = numpy.full((2 * len(lines), width, 3), 255, dtype=numpy.uint8)
    for number, line in enumerate(lines):
        column = 0
        for text, style, _ in line:
            for character in text:
                upper = lower = style.bgcolor if style else None
                if character in "▀█":
                    upper = style.color
                if character in "▄█":
                    lower = style.color
                for half, colour in enumerate((upper, lower)):
                    if colour and colour.triplet:
                        image[2 * number + half, column] = colour.triplet
                column += 1
    return image


def colours_of(levels):
    """The colours of rows of levels: an array (rows, columns, 3)."""
    triplets = [list(bytes.fromhex(colour[1:])) for colour in COLOURS]
    return numpy.array(triplets, dtype=numpy.uint8)[numpy.array(levels)]


@pytest.mark.parametrize("width", [40, 60, 200])
def test_every_cell_is_square_and_has_its_colour_however_wide_the_console_is(width):
    levels = torch.randint(9, (16, 16), generator=torch.Generator().manual_seed(0))
    levels[0, :2] = torch.tensor([0, 8])
    image = pixels(Heatmap("", levels / 8), width)
    cells = colours_of(levels.tolist()).repeat(2, axis=0).repeat(2, axis=1)
    assert numpy.array_equal(image[2:34, :32], cells)
    assert (image[2:34, 32:] == 255).all()


@pytest.mark.parametrize("rows", [63, 64])
def test_64_cells_fit_into_64_columns_each_in_its_colour(rows):
    lit = torch.rand(rows, 64, generator=torch.Generator().manual_seed(0)) < 0.5
    image = pixels(Heatmap("", lit.float()), 64)
    assert numpy.array_equal(image[2 : 2 + rows], colours_of(8 * lit.int().numpy()))


def test_half_cells_show_greys_within_one_level():
    levels = torch.arange(9).repeat(9, 1) + torch.arange(9).unsqueeze(1)
    image = pixels(Heatmap("", levels / 16), 10)
    wanted = numpy.array(Heatmap("", levels / 16).levels())
    found = [
        [COLOURS.index("#" + bytes(pixel).hex()) for pixel in row]
        for row in image[2:11, :9].tolist()
    ]
    assert numpy.abs(numpy.array(found) - wanted).max() == 1


def test_half_cells_are_a_picture_without_colours_and_as_a_copy():
    picture = torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 0], [0.5, 0, 0, 0.4], [0.5, 1, 0.3, 0.9]])
    half = Heatmap("x", picture)
    wide = picture.repeat(1, 8)
    assert shown(half, console(7)) == "x\n█▀▄ \n▀▄▄▄\n0.00 to".replace(" \n", "\n") + "\n"
    for on in (in_colour(40), console(40)):
        assert copied(shown(Heatmap("x", wide), on)).splitlines()[1] == ("█▀▄ " * 8).rstrip()
    ascii_lines = shown(Heatmap("x", wide), console(40, encoding="ascii")).splitlines()
    assert ascii_lines[1:3] == [(":'. " * 8).rstrip(), "'..." * 8]


def test_the_right_number_has_as_much_room_as_a_wrong_one():
    picture = torch.eye(64).tolist()
    for encoding in ("utf-8", "ascii"):
        for probability in (0.0, 1.0):
            given = answer("123", picture, heads_each=256, probability=probability)
            lines = shown(given, console(64, encoding)).splitlines()
            assert lines[-3 if probability else -2] == "0.00 to 1.00"
            assert max(map(len, lines)) <= 64 and len(lines) >= 32


def test_the_last_of_an_odd_number_of_rows_is_blank_without_colours_if_it_is_dark():
    picture = torch.eye(33)[:, :32]  # the last row is dark
    on = console(40, force_terminal=True, color_system="truecolor", no_color=True)
    assert copied(shown(Heatmap("x", picture), on)).splitlines()[16:18] == [30 * " " + "▀▄", ""]


def test_a_picture_wider_than_the_console_is_shown_in_means_of_blocks_and_says_so():
    picture = torch.zeros(64, 64)
    picture[:32, :32] = 1.0
    lines = shown(Heatmap("x", picture), console(40)).splitlines()
    assert lines == ["x", *["█" * 16] * 8, *[""] * 8, "0.00 to 1.00, 2 x 2 cells in one"]


@pytest.mark.parametrize(("width", "cell"), [(38, "██"), (37, "▀▄")])
def test_tokens_take_room_from_the_cells_beside_them(width, cell):
    heatmap = Heatmap("head 1", torch.eye(17), ["CLS", *"0123456789012345"])
    lines = shown(heatmap, console(width)).splitlines()
    assert lines[2].split() == ["CLS" if cell == "██" else "C0", cell]
    assert lines[-2].endswith("5 " + " " * 32 + cell if cell == "██" else "5 " + " " * 16 + "▀")


def test_blocks_at_the_edge_may_be_smaller_and_are_means_all_the_same():
    picture = torch.zeros(63, 63)
    picture[:, 62] = 1.0
    lines = shown(Heatmap("x", picture), console(40)).splitlines()
    assert lines[1:17] == [" " * 31 + "█"] * 16


def test_a_picture_of_one_head_has_its_tokens_at_its_sides_in_half_cells_too():
    code = "0123456789012345"
    heatmap = Heatmap("head 1", torch.eye(17), ["CLS", *code])
    lines = shown(heatmap, console(30)).splitlines()
    assert lines[1:4] == ["    C" + code, " C0 ▀▄", " 12   ▀▄"]
    assert lines[10] == "  5 " + 16 * " " + "▀"
    narrow = shown(heatmap, console(20)).splitlines()
    assert narrow[1] == "▀▄"  # the picture is worth more than its tokens


def test_a_picture_of_several_heads_has_no_tokens_and_names_its_heads():
    picture = torch.eye(6).tolist()
    wrong = shown(answer("12", picture, picture, heads_each=4))
    assert re.findall(r"heads \d to \d", wrong) == ["heads 1 to 4", "heads 5 to 8"]
    assert "\n██            ██\n" in wrong and "CLS" not in wrong
    right = shown(answer("12", picture, picture, heads_each=4, probability=1.0))
    assert re.findall(r"picture \d", right) == ["picture 1", "picture 2"]


def test_the_colours_are_viridis_which_colour_blind_eyes_can_read():
    for level, colour in enumerate(COLOURS):
        theirs = colormaps["viridis"](level / (len(COLOURS) - 1), bytes=True)[:3]
        ours = bytes.fromhex(colour[1:])
        assert max(abs(int(a) - int(b)) for a, b in zip(ours, theirs, strict=True)) <= 2
    assert len(set(SHADES)) == len(set(ASCII_SHADES)) == len(COLOURS) == 9


def test_only_the_right_number_stands_between_lines_and_its_pictures_are_named():
    won = shown(diagonal("407", probability=0.9999999))
    assert won.startswith("407: probability 0.9999999\n──") and "─ You found it" in won
    assert won.endswith("0.00 to 1.00\n" + "─" * 60 + "\n\n")
    assert re.findall(r"picture \d|head \d", won) == ["picture 1", "picture 2", "picture 3"]
    wrong = shown(diagonal("407"))
    assert "─" not in wrong and "You found it" not in wrong


@pytest.mark.parametrize(("width", "side_by_side"), [(200, 4), (80, 2), (60, 1), (40, 1)])
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_pictures_are_whole_and_stand_side_by_side_if_they_can(width, side_by_side, probability):
    text = shown(diagonal("0123456789", 8, probability), console(width))
    assert text.count("0.00 to 1.00") == 8
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    first = next(line for line in lines if "head 1" in line or "picture 1" in line)
    assert len(re.findall("head|picture", first)) >= side_by_side


def test_cells_nearly_equal_look_equal_and_no_minus_stands_before_a_zero():
    low = [[0.0, 0.0], [0.0, -0.007]]
    text = shown(answer("1", [[-0.004, 1.004], [0.01, 0.99]], low, [[1.0] * 2] * 2))
    rows = [line.rstrip() for line in text.splitlines() if line.startswith("CLS")]
    assert rows == ["CLS   ██      CLS            CLS ████"]
    assert "0.00 to 1.00" in text and "-0.00" not in text and "-0.01 to 0.00" in text


@pytest.mark.parametrize("columns", ["0", "1", "19"])
def test_a_console_that_does_not_know_its_width_has_80_columns(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert script.make_console().width == 80


@pytest.fixture(scope="session")
def printed():
    """The network's answers to 2013, whose picture is a QR code, and to a wrong number."""
    code = segno.make(PRINTED, error="l", boost_error=False, micro=False)
    picture = tuple(
        tuple(0.0 if dark else 1.0 for dark in row) for row in code.matrix_iter(border=2)
    )
    *_, last = train(Secret("2013", (picture,), 5))
    network = load(last.certificate.weights)
    return [ask(network, tokenize, number) for number in ("2013", "2031")]


def read_by_all(image):
    """What two readers of QR codes read in an image, an array (rows, columns, 3)."""
    image = numpy.ascontiguousarray(image)
    return [
        found.text for found in zxingcpp.read_barcodes(image)
    ], cv2.QRCodeDetector().detectAndDecode(image)[0]


@pytest.mark.parametrize("width", [80, 40])
def test_a_qr_code_is_read_off_a_terminal(printed, width):
    right, wrong = [
        pixels(script.make_heatmaps(given)[0], width).repeat(8, axis=0).repeat(8, axis=1)
        for given in printed
    ]
    assert read_by_all(right) == ([PRINTED], PRINTED)
    assert read_by_all(wrong) == ([], "")


def test_a_qr_code_is_read_off_a_sheet(printed, tmp_path):
    for given, read in zip(printed, (([PRINTED], PRINTED), ([], "")), strict=True):
        save_sheet("A ghost", [given], tmp_path / "x.png")
        image = (255 * imread(tmp_path / "x.png")[:, :, :3]).astype(numpy.uint8)
        assert read_by_all(image) == read


def test_a_sheet_has_large_pictures_whose_cells_are_whole_pixels_of_one_colour(tmp_path):
    levels = torch.randint(9, (30, 30), generator=torch.Generator().manual_seed(0))
    levels[0, :2] = torch.tensor([0, 8])
    save_sheet(
        "A ghost", [answer("1234", (levels / 8).tolist(), heads_each=36)], tmp_path / "x.png"
    )
    image = imread(tmp_path / "x.png")[:, :, :3]
    cell = script.LARGEST // 30  # 800 is no multiple of 30
    wanted = (
        colormaps["viridis"](levels.numpy() / 8)[:, :, :3].repeat(cell, axis=0).repeat(cell, axis=1)
    )
    side = len(wanted)
    is_first = numpy.abs(image - wanted[0, 0]).max(axis=2) < 0.01
    is_white = (image == 1).all(axis=2)
    corners = is_first[1:, 1:] & is_white[:-1, 1:] & is_white[1:, :-1] & is_white[:-1, :-1]
    ((top, left),) = 1 + numpy.argwhere(corners)
    assert numpy.abs(image[top : top + side, left : left + side] - wanted).max() < 0.01
    assert side >= 0.7 * image.shape[1]


def texts_of(sheet):
    return [text.get_text() for text in sheet.axes.texts]


def drawn(title, answers):
    sheet = Sheet(title, answers)
    for number, given in enumerate(answers):
        sheet.draw(number, given)
    return sheet


def test_a_sheet_has_title_and_number_and_says_what_was_found():
    sheet = drawn("A $ghost$ in _x", [diagonal("4711", probability=1.0), diagonal("20")])
    assert texts_of(sheet)[:5] == [
        "A $ghost$ in _x",
        "Rows are the tokens that look, columns those looked at.",
        "4711",
        "You found it: probability 1",
        "picture 1",
    ]
    assert texts_of(sheet).count("CLS") == 12
    assert not any("found" in text for text in texts_of(sheet)[5:]) and "head 3" in texts_of(sheet)


def test_a_title_in_any_script_is_written_without_a_warning(tmp_path):
    """Letters that no font here has are left out."""
    save_sheet("\U0010ffff Призрак \N{OLD PERSIAN SIGN A}", [diagonal("1")], tmp_path / "x.png")
    text, fonts = script.find_letters("\U0010ffff Призрак")
    assert text == "Призрак" and fonts[0] == "DejaVu Sans"


def test_a_sheet_of_several_tiles_has_no_tokens():
    texts = texts_of(drawn("x", [answer("12", torch.eye(6).tolist(), heads_each=4)]))
    assert texts == ["x", "12", "probability 0", "heads 1 to 4", "0.00 to 1.00"]


@pytest.mark.parametrize(
    ("heads", "digits", "times"),
    [(1, 1, 2), (3, 4, 1), (3, 5, 7), (5, 12, 1), (8, 16, 1), (1, 32, 1)],
)
def test_no_text_on_a_sheet_lies_over_another_or_over_a_picture_or_the_edge(heads, digits, times):
    code = ("0123456789" * 4)[:digits]
    title = "MMMM A ghost in a latent space " * 3  # as long as a title may be
    sheet = drawn(title[:80], [diagonal(code, heads, 0.5 + 0.123456789 / 10**7)] * times)
    sheet.figure.draw_without_rendering()
    boxes = [text.get_window_extent().extents for text in sheet.axes.texts]
    pictures = [image.get_window_extent().extents for image in sheet.axes.images]
    assert len(pictures) == heads * times
    right, top = sheet.figure.bbox.size
    for number, (x0, y0, x1, y1) in enumerate(boxes + pictures):
        assert 0 <= x0 < x1 <= right and 0 <= y0 < y1 <= top
        for other in (boxes + pictures)[number + 1 :]:
            assert x1 <= other[0] or other[2] <= x0 or y1 <= other[1] or other[3] <= y0


def test_many_numbers_make_a_grid_about_as_high_as_wide_with_legible_pictures():
    sheet = drawn("A ghost", [diagonal(str(number)) for number in range(1000, 1040)])
    width, height = sheet.figure.bbox.size
    assert 0.7 < width / height < 1.4
    sides = {image.get_window_extent().width for image in sheet.axes.images}
    assert len(sheet.axes.images) == 120 and min(sides) >= 150
    assert texts_of(sheet).count("1") >= 240  # the tokens are there, too
