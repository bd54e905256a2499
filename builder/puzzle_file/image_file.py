"""An image file -> how light its pixels are. Only here and below are Pillow and numpy needed."""

import hashlib
import io
import warnings
from pathlib import Path

import numpy
from PIL import Image, ImageOps, UnidentifiedImageError

from builder.errors import PuzzleError

MAX_BYTES = 500_000_000
BITS_PER_SAMPLE = 258  # a tag of TIFF files


def read_image(name, folder):
    """How light each pixel of an image file is, and the file's digest.

    name: the file's path as the author wrote it, in the folder of the puzzle file.
    Returns floats from 0 (black) to 1 (white), (rows, columns), and the SHA-256 digest in
    hexadecimal digits. Transparency is white, and a photo stands as its camera was held.
    Raises PuzzleError if the file is missing or can't be read as an image.
    """
    content = _read_bytes(name, Path(folder, name).expanduser())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files are not for authors
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content)) as image:
                bits = _bits_per_sample(image)
                pixels = _luminance(ImageOps.exif_transpose(image), bits)
        except UnidentifiedImageError as error:
            raise PuzzleError(
                f"{name} is not an image, or is of a kind that cannot be read: "
                "save it as a PNG file"
            ) from error
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            millions = Image.MAX_IMAGE_PIXELS // 1_000_000
            raise PuzzleError(
                f"{name} has over {millions} million pixels: save it in a smaller size"
            ) from error
        except Exception as error:  # a damaged file can raise anything in a decoder
            raise PuzzleError(f"{name} is damaged: save it again, as a PNG file") from error
    return pixels, hashlib.sha256(content).hexdigest()


def _read_bytes(name, path):
    try:
        if path.is_dir():
            raise PuzzleError(f"{name} is a folder: name an image file in it")
        if path.stat().st_size > MAX_BYTES:
            raise PuzzleError(
                f"{name} is larger than {MAX_BYTES // 1_000_000} megabytes: "
                "save it in a smaller size"
            )
        content = path.read_bytes()
    except (FileNotFoundError, ValueError) as error:  # a name with a NUL in it is a ValueError
        raise PuzzleError(
            f"there is no image file {name}: it belongs beside the puzzle file"
        ) from error
    except OSError as error:
        raise PuzzleError(f"{name} cannot be read: {error.strerror}") from error
    if not content:
        raise PuzzleError(f"{name} is empty: save the image again")
    return content


def _bits_per_sample(image):
    """Bits of a value in an image with more than 8; TIFF files of cameras and scanners have 12."""
    tags = dict(getattr(image, "tag_v2", {}))
    (bits, *_) = tags.get(BITS_PER_SAMPLE, (16,))
    return min(bits, 16)


def _luminance(image, bits):
    if image.mode.startswith(("I", "F")):
        return _deep_luminance(image, bits)
    if image.mode == "LAB":
        grey = image.getchannel("L")
    elif image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("L", image.size, 255)
        grey = Image.composite(image.convert("L"), white, image.getchannel("A"))
    else:
        # From inks and other colours to red, green and blue, and from those to grey.
        grey = image.convert("RGB").convert("L")
    return numpy.asarray(grey, dtype=numpy.float32) / 255


def _deep_luminance(image, bits):
    """As _luminance, of an image with more than 8 bits a pixel, which has no colours."""
    pixels = numpy.nan_to_num(numpy.asarray(image, dtype=numpy.float32))
    white = 2**bits - 1
    if image.mode == "F":
        white = 1
    # Whoever made the file may have meant another white, if a pixel is lighter than this one.
    pixels = (pixels / max(white, pixels.max())).clip(0, 1)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        pixels[numpy.asarray(image) == transparent] = 1
    return pixels
