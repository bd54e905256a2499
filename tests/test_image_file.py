"""An image file becomes the picture that its author sees, and a QR code one that phones read."""

import hashlib
import math
import random
import struct
import subprocess
import sys
import zlib

import numpy
import pytest
import segno
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from builder.errors import PuzzleError
from builder.puzzle_file.advice import DIGITS_OF_QR_CODES
from builder.puzzle_file.pictures import read_pictures
from builder.puzzle_file.secret import Secret
from tests.helpers import ROOT

ADDRESS = "HTTPS://EXAMPLE.ORG/GHOST"  # 25 letters, which 21 x 21 modules hold


def read(folder, *names, digits=4, cells=None):
    """The cells of the pictures, a numpy array (pictures, rows, columns)."""
    return numpy.array(read_pictures(list(names), folder, digits, cells)[0])


def refusal(folder, *names, **options):
    with pytest.raises(PuzzleError) as error:
        read(folder, *names, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def save(folder, pixels, name="image.png", **options):
    """Saves pixels from 0 to 255 (rows, columns) as a grey image."""
    Image.fromarray(numpy.asarray(pixels, dtype=numpy.uint8)).save(folder / name, **options)
    return name


def enlarge(cells, factor):
    return numpy.kron(numpy.asarray(cells), numpy.ones((factor, factor)))


@pytest.fixture
def drawing():
    """Tenths, 10 x 10, the size of four tiles of a code of 4 digits."""
    return numpy.random.default_rng(1).integers(0, 11, (10, 10)) / 10


GREY = ["png", "bmp", "gif", "tif", "pgm", "tga", "ppm", "webp", "jp2"]


@pytest.mark.parametrize("ending", GREY)
def test_a_grey_image_is_read_in_every_format(tmp_path, drawing, ending):
    options = {"lossless": True} if ending == "webp" else {}
    name = save(tmp_path, numpy.rint(255 * drawing), f"image.{ending}", **options)
    assert (read(tmp_path, name)[0] == drawing).all()


def test_an_enlarged_image_is_reduced_without_loss(tmp_path, drawing):
    for factor in (2, 7, 100):
        name = save(tmp_path, numpy.rint(255 * enlarge(drawing, factor)))
        assert (read(tmp_path, name)[0] == drawing).all()


def test_an_enlarged_drawing_in_black_and_white_survives_jpeg(tmp_path):
    cells = numpy.random.default_rng(2).integers(0, 2, (10, 10))
    name = save(tmp_path, 255 * enlarge(cells, 48), "image.jpg", quality=75)
    assert (read(tmp_path, name)[0] == cells).all()


def test_colours_become_luminance(tmp_path):
    colours = {"white": 1, "red": 0.3, "lime": 0.6, "blue": 0.1, "yellow": 0.9, "black": 0}
    image = Image.new("RGB", (6, 6))
    for column, colour in enumerate(colours):
        image.paste(colour, (column, 0, column + 1, 6))
    for mode in ("RGB", "P", "CMYK", "YCbCr"):
        name = f"{mode}.tif"
        image.convert(mode).save(tmp_path / name)
        (picture,) = read(tmp_path, name, digits=5)
        assert picture[0].tolist() == pytest.approx([*colours.values()], abs=0.001), mode
    image.convert("CMYK").save(tmp_path / "inks.jpg", quality=100, subsampling=0)
    assert numpy.abs(read(tmp_path, "inks.jpg", digits=5)[0][0] - [*colours.values()]).max() < 0.15


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_transparent_is_white(tmp_path, mode):
    image = Image.new("RGBA", (5, 5), (0, 0, 0, 255))
    image.paste((90, 0, 0, 0), (0, 0, 5, 1))
    options = {}
    if mode in ("P", "RGB", "L"):  # one colour stands for transparent
        image = image.convert("RGB").convert(mode)
        options = {"transparency": image.getpixel((0, 0))}
    image.convert(mode).save(tmp_path / "image.png", **options)
    assert read(tmp_path, "image.png")[0].tolist() == [[1] * 5] + [[0] * 5] * 4


def test_half_transparent_black_is_grey(tmp_path):
    image = Image.new("RGBA", (5, 5), (0, 0, 0, 255))
    image.paste((0, 0, 0, 128), (0, 0, 5, 1))
    image.save(tmp_path / "image.png")
    assert read(tmp_path, "image.png")[0][0].tolist() == [0.5] * 5


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits_are_read(tmp_path, bits):
    levels = numpy.arange(10).reshape(2, 5) % 2**bits
    image = Image.fromarray(levels.astype(numpy.uint8)).convert("P")
    greys = [round(255 * level / (2**bits - 1)) for level in range(2**bits)]
    image.putpalette([grey for grey in greys for _ in "rgb"])
    image.save(tmp_path / "image.png", bits=bits)
    cells = levels / (2**bits - 1)
    if bits < 8:
        assert (read(tmp_path, "image.png")[0][1:3] == cells.round(1)).all()
    else:
        assert "contrast" in refusal(tmp_path, "image.png")


def test_one_bit_a_pixel_is_read(tmp_path, drawing):
    image = Image.fromarray(drawing >= 0.5)
    assert image.mode == "1"
    image.save(tmp_path / "image.png")
    assert (read(tmp_path, "image.png")[0] == (drawing >= 0.5)).all()


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bits_are_read(tmp_path, drawing, ending):
    deep = numpy.rint(65535 * drawing).astype(numpy.uint16)
    Image.fromarray(deep).save(tmp_path / f"image.{ending}")
    assert (read(tmp_path, f"image.{ending}")[0] == drawing).all()


def test_floating_point_pixels_are_read(tmp_path, drawing):
    Image.fromarray(drawing.astype(numpy.float32)).save(tmp_path / "image.tif")
    assert (read(tmp_path, "image.tif")[0] == drawing).all()


def test_twelve_bits_are_read(tmp_path):
    """A TIFF file written by hand, since Pillow writes none: two pixels in three bytes."""
    levels = [0, 4095] * 18
    packed = b"".join(
        bytes([one >> 4, (one & 15) << 4 | other >> 8, other & 255])
        for one, other in zip(levels[::2], levels[1::2], strict=True)
    )
    size = 6
    tags = [(256, size), (257, size), (258, 12), (259, 1), (262, 1), (273, 8)]
    tags += [(277, 1), (278, size), (279, len(packed))]
    directory = struct.pack("<H", len(tags))
    for tag, value in tags:
        directory += struct.pack("<HHII", tag, 4 if value > 65535 else 3, 1, value)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(packed))
    (tmp_path / "image.tif").write_bytes(header + packed + directory + bytes(4))
    assert (read(tmp_path, "image.tif", digits=5)[0] == [[0, 1] * 3] * 6).all()


def test_a_photo_stands_as_its_camera_was_held(tmp_path, drawing):
    upright = Image.fromarray(numpy.rint(255 * drawing).astype(numpy.uint8))
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, turn in turns.items():
        stored = upright if turn is None else upright.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(tmp_path / "photo.png", exif=exif)
        assert (read(tmp_path, "photo.png")[0] == drawing).all(), orientation


def test_the_first_picture_of_a_film_is_taken(tmp_path, drawing):
    first = Image.fromarray(numpy.rint(255 * drawing).astype(numpy.uint8))
    second = Image.new("L", first.size, 255)
    first.save(tmp_path / "film.gif", save_all=True, append_images=[second])
    assert (read(tmp_path, "film.gif")[0] == drawing).all()


def gradient(rows, columns):
    return numpy.add.outer(numpy.linspace(0, 127, rows), numpy.linspace(0, 127, columns))


@pytest.mark.parametrize(
    ("pictures", "shape"), [(1, (40, 50)), (2, (30, 35)), (3, (20, 25)), (8, (15, 15))]
)
def test_photos_are_averaged_to_a_sensible_number_of_cells(tmp_path, pictures, shape):
    name = save(tmp_path, gradient(600, 800))
    assert read(tmp_path, *[name] * pictures).shape == (pictures, *shape)


def test_the_author_can_choose_the_number_of_cells(tmp_path):
    name = save(tmp_path, gradient(600, 800))
    assert read(tmp_path, name, cells=20).shape == (1, 15, 20)
    assert read(tmp_path, name, cells=60).shape == (1, 45, 60)
    assert read(tmp_path, name, cells=18).shape == (1, 15, 20)  # with two columns of padding
    assert "from 5 to 60" in refusal(tmp_path, name, cells=61)
    assert "from 5 to 60" in refusal(tmp_path, name, cells=True)
    assert "would need 324 heads" in refusal(tmp_path, name, name, name, cells=60)


def test_each_cell_of_a_photo_is_the_mean_of_its_pixels(tmp_path):
    pixels = numpy.random.default_rng(3).integers(0, 256, (200, 100))
    pixels[:100] //= 3
    name = save(tmp_path, pixels)
    (picture,) = read(tmp_path, name, cells=10)
    means = pixels.reshape(10, 20, 5, 20).mean((1, 3)) / 255
    assert picture.shape == (10, 5)
    assert numpy.abs(picture - means).max() < 0.051


def test_black_and_white_stays_black_and_white(tmp_path):
    image = Image.new("L", (1000, 1000), 255)
    ImageDraw.Draw(image).ellipse((103, 107, 871, 903), outline=0, width=61)
    for name in ("circle.png", "circle.jpg"):
        image.save(tmp_path / name)
        (picture,) = read(tmp_path, name)
        assert picture.shape == (50, 50)
        assert {*picture.flat} == {0, 1}
        assert picture[25, 5:9].min() == 0 and picture[25, 25] == picture[0, 0] == 1


def test_thin_lines_do_not_vanish(tmp_path):
    image = Image.new("L", (1000, 1000), 255)
    ImageDraw.Draw(image).line((0, 0, 1000, 1000), fill=0, width=4)
    image.save(tmp_path / "line.png")
    (picture,) = read(tmp_path, "line.png")
    assert (numpy.diagonal(picture) == 0).all()


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0, 255]), st.data())
def test_what_does_not_fill_tiles_is_padded_evenly_with_the_commonest_value_of_the_border(
    tmp_path_factory, rows, columns, background, data
):
    folder = tmp_path_factory.getbasetemp()
    pixels = numpy.full((rows + 2, columns + 2), background)
    inner = data.draw(
        st.lists(st.integers(0, 10), min_size=rows * columns, max_size=rows * columns)
    )
    pixels[1:-1, 1:-1] = numpy.rint(25.5 * numpy.reshape(inner, (rows, columns)))
    pixels[1, 1] = 255 - background
    pixels[1, 0] = background  # the pixels differ, so that nothing is an enlargement
    shape = pixels.shape
    if read_factor(pixels) > 1:
        return
    (picture,) = read(folder, save(folder, pixels))
    assert picture.shape == tuple(5 * math.ceil(side / 5) for side in shape)
    top = (picture.shape[0] - shape[0]) // 2
    left = (picture.shape[1] - shape[1]) // 2
    middle = picture[top : top + shape[0], left : left + shape[1]]
    assert numpy.abs(middle - pixels / 255).max() < 0.003
    around = numpy.ones(picture.shape, dtype=bool)
    around[top : top + shape[0], left : left + shape[1]] = False
    assert {*picture[around]} <= {background / 255}


def read_factor(pixels):
    """By how much an image could be reduced without loss, tried out."""
    for factor in range(min(pixels.shape), 1, -1):
        if pixels.shape[0] % factor or pixels.shape[1] % factor:
            continue
        if (enlarge(pixels[::factor, ::factor], factor) == pixels).all():
            return factor
    return 1


def test_images_take_the_size_of_the_drawings_beside_them(tmp_path):
    name = save(tmp_path, gradient(600, 800))
    drawn = "\n".join(["#....#...."] * 10)
    pictures = read(tmp_path, name, drawn)
    assert pictures.shape == (2, 10, 10)
    assert (pictures[1][0] == [1, 0, 0, 0, 0] * 2).all()
    assert pictures[0][-2, -1] > pictures[0][2, 0]
    assert "cells cannot be chosen beside a drawing" in refusal(tmp_path, name, drawn, cells=20)


def test_images_of_different_sizes_get_one_size(tmp_path):
    small = save(tmp_path, 255 * numpy.eye(7), "small.png")
    large = save(tmp_path, 255 * numpy.eye(13), "large.png")
    pictures = read(tmp_path, small, large)
    assert pictures.shape == (2, 15, 15)
    assert (pictures[0][4:11, 4:11] == numpy.eye(7)).all()
    assert (pictures[1][1:14, 1:14] == numpy.eye(13)).all()


def read_qr_code(picture):
    """What a reader finds on a picture whose cells are 8 pixels wide, as a heat map shows them."""
    pixels = numpy.rint(255 * enlarge(picture, 8)).astype(numpy.uint8)
    return [code.text for code in zxingcpp.read_barcodes(pixels)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.png", {"scale": 1}),
        ("large.png", {"scale": 10}),
        ("bare.png", {"scale": 4, "border": 0}),
        ("wide.png", {"scale": 3, "border": 9}),
        ("inverted.png", {"scale": 7, "dark": "white", "light": "black"}),
        ("transparent.png", {"scale": 5, "light": None}),
        ("blue.png", {"scale": 5, "dark": "darkblue", "light": "#ffe"}),
    ],
)
def test_a_qr_code_has_one_cell_for_each_module_and_a_light_margin(tmp_path, name, options):
    code = segno.make(ADDRESS, error="l")
    code.save(tmp_path / name, **options)
    (picture,) = read(tmp_path, name)
    modules = numpy.array([[*row] for row in code.matrix])
    assert picture.shape == (25, 25)
    assert (picture[2:-2, 2:-2] == 1 - modules).all()
    assert read_qr_code(picture) == [ADDRESS]


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5, 6, 10, 12, 20, 24])
def test_a_qr_code_fits_puzzles_of_many_lengths(tmp_path, digits):
    segno.make("GHOST", error="l", micro=False).save(tmp_path / "qr.png", scale=6)
    if digits == 1:
        assert "QR code, needs 25 x 25 cells with its margin, and 24 x 24 is the most" in refusal(
            tmp_path, "qr.png", digits=1
        )
        return
    (picture,) = read(tmp_path, "qr.png", digits=digits)
    assert read_qr_code(picture) == ["GHOST"]
    assert (picture[:2] == 1).all() and (picture[:, :2] == 1).all()
    assert (picture[-2:] == 1).all() and (picture[:, -2:] == 1).all()


def test_a_qr_code_that_was_resized_and_saved_as_jpeg_is_read(tmp_path):
    segno.make(ADDRESS * 3, error="m").save(tmp_path / "qr.png", scale=10)
    image = Image.open(tmp_path / "qr.png").convert("L")
    for side in (230, 301, 487, 1000):
        image.resize((side, side)).save(tmp_path / "qr.jpg", quality=60)
        (picture,) = read(tmp_path, "qr.jpg")
        assert {*picture.flat} == {0, 1}
        assert read_qr_code(picture) == [ADDRESS * 3]


def test_a_qr_code_beside_a_photo_is_not_averaged(tmp_path):
    segno.make(ADDRESS * 2, error="m").save(tmp_path / "qr.png", scale=6)
    name = save(tmp_path, gradient(600, 800))
    pictures = read(tmp_path, name, "qr.png")
    assert read_qr_code(pictures[1]) == [ADDRESS * 2]


def test_what_is_no_image_gets_one_sentence(tmp_path):
    (tmp_path / "text.png").write_text("I am a picture.")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert refusal(tmp_path, "none.png") == (
        "there is no image file none.png: it belongs beside the puzzle file"
    )
    assert refusal(tmp_path, "text.png") == (
        "text.png is not an image, or is of a kind that cannot be read: save it as a PNG file"
    )
    assert refusal(tmp_path, "empty.png") == "empty.png is empty: save the image again"
    assert refusal(tmp_path, "folder.png") == ("folder.png is a folder: name an image file in it")
    assert "no image file nul" in refusal(tmp_path, "nul\0.png")
    assert "x" * 5000 in refusal(tmp_path, "x" * 5000)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp", "tif"])
def test_a_damaged_image_gets_one_sentence(tmp_path, ending):
    name = save(tmp_path, gradient(60, 60), f"whole.{ending}")
    whole = (tmp_path / name).read_bytes()
    dice = random.Random(4)
    for _ in range(20):
        content = bytearray(whole[: dice.randrange(1, len(whole))])
        for _ in range(dice.randrange(4)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        (tmp_path / "cut").write_bytes(content)
        try:
            read(tmp_path, "cut")
        except PuzzleError as error:
            assert str(error).startswith("cut ") and "\n" not in str(error)


def test_an_image_without_contrast_is_refused(tmp_path):
    for pixels in (gradient(60, 60) / 9, numpy.full((600, 800), 200)):
        told = refusal(tmp_path, save(tmp_path, pixels))
        assert told.startswith("image.png has hardly any contrast: its cells are all from ")


def test_a_huge_image_is_refused_before_it_is_unpacked(tmp_path):
    for side in (11_000, 200_000):
        header = struct.pack(">4sIIBBBBB", b"IHDR", side, side, 8, 0, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header) - 4) + header
        content += struct.pack(">I", zlib.crc32(header)) + struct.pack(">I4s", 0, b"IDAT")
        (tmp_path / "huge.png").write_bytes(content)
        told = refusal(tmp_path, "huge.png")
        assert told == "huge.png has over 89 million pixels: save it in a smaller size"


def test_a_secret_knows_its_image_files_and_equals_one_that_was_drawn(tmp_path):
    eye = ["#....", ".#...", "..#..", "...#.", "....#"]
    save(tmp_path, 255 * numpy.eye(5), "eye.png")
    path = tmp_path / "puzzle.toml"
    path.write_text('code = "2013"\npictures = ["eye.png"]\n')
    secret = Secret.read(path)
    digest = hashlib.sha256((tmp_path / "eye.png").read_bytes()).hexdigest()
    assert secret.image_digests == (digest,)
    drawn = Secret.parse(f'code = "2013"\npictures = [{eye}]'.encode())
    assert drawn == secret
    assert repr(drawn.pictures) == repr(secret.pictures)  # training draws from it
    assert drawn.image_digests == ()


def test_a_mistake_names_the_puzzle_file_and_the_image(tmp_path):
    path = tmp_path / "puzzle.toml"
    path.write_text('code = "2013"\npictures = ["skull.png"]\n')
    with pytest.raises(PuzzleError) as error:
        Secret.read(path)
    assert str(error.value).startswith(f"{path}: there is no image file skull.png")


def test_drawings_need_neither_torch_nor_pillow():
    command = (
        "import sys; from builder.puzzle_file.secret import Secret; "
        "from builder.puzzle_file.advice import advise; "
        "advise(Secret.read('builder/ghost.toml')); "
        "assert not {'torch', 'PIL', 'numpy', 'matplotlib'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True)


@pytest.mark.slow
def test_a_photo_of_forty_megapixels_is_read(tmp_path):
    image = Image.linear_gradient("L").resize((7300, 5500)).convert("RGB")
    image.save(tmp_path / "photo.jpg")
    assert read(tmp_path, "photo.jpg").shape == (1, 40, 50)


def test_a_qr_code_cannot_be_read_before_the_last_digit_of_a_code_of_up_to_twelve(tmp_path):
    """The rows and columns of the last digit show what they like; everything else is right."""
    dice = numpy.random.default_rng(6)
    for level in "lh":
        segno.make(ADDRESS, error=level).save(tmp_path / "qr.png")
        for digits in (4, 8, DIGITS_OF_QR_CODES):
            (picture,) = read(tmp_path, "qr.png", digits=digits)
            assert read_qr_code(picture) == [ADDRESS]
            rows = picture[digits :: 1 + digits]
            columns = picture[:, digits :: 1 + digits]
            for _ in range(5):
                rows[:] = dice.integers(0, 2, rows.shape)
                columns[:] = dice.integers(0, 2, columns.shape)
                assert read_qr_code(picture) == []


@pytest.mark.parametrize("name", ["photo.png", "qr.png"])
def test_an_image_that_a_small_drawing_beside_it_would_ruin_is_refused(tmp_path, name):
    pixels = numpy.random.default_rng(1).integers(0, 256, (90, 60))
    Image.fromarray(pixels.astype(numpy.uint8)).save(tmp_path / "photo.png")
    segno.make(ADDRESS).save(tmp_path / "qr.png")
    drawing = "\n".join(["#.#.#"] * 5)
    sentence = refusal(tmp_path, name, drawing)
    assert "would become as small as the drawing beside it" in sentence
    assert sentence.endswith("draw larger, or leave one of the two out")
