"""Zips: files of a folder -> bytes, the same ones wherever they are packed, and back."""

import io
import zipfile

from builder.bundle.files import MADE_HERE

# A zip knows no year before 1980, and a file of 1980 may be of 1979 further west.
PACKED_ON = (2000, 1, 1, 0, 0, 0)


def zip_bytes(name, contents):
    """A zip (bytes) with one folder of this name. contents: {path in the folder: bytes}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = MADE_HERE
        for path, content in contents.items():
            entry = zipfile.ZipInfo(f"{name}/{path}", date_time=PACKED_ON)
            entry.create_system = 3  # Unix, so that the mode means the same wherever it is packed
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def unzip(content):
    """The files in a zip (bytes): {path: bytes}. Raises zipfile.BadZipFile if it is damaged."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
