"""The bytes of a file -> the text in them, whatever wrote it."""

import codecs
import unicodedata

UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF_32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
# What editors of East Asia wrote before UTF-8; they have digits and signs of two bytes.
LEGACY = ("cp932", "gb18030", "big5", "euc_jp", "euc_kr")
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
# Texts hold none of these control characters, and other files hold many.
CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1a\x1b")) + b"\x7f"
FEW = 0.02  # of a text's bytes or characters may be wrong: one bad byte is no reason to look away
HEAD = 8192  # bytes that show whether a text is one
UNREADABLE = ("Cc", "Cn", "Co", "Cs")  # categories: control, unassigned, private, half a character


def decode(content):
    """The text in a file's bytes: UTF-8, or UTF-16, which Windows PowerShell writes into files."""
    if content.startswith(UTF_16_MARKS):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def readings(content):
    """Every text (list) that a file's bytes may stand for. A file that is not a text has none."""
    if content.startswith(UTF_32_MARKS):  # one of them begins like one of UTF-16
        return [content.decode("utf-32", errors="replace")]
    if content.startswith(UTF_16_MARKS):
        return [content.decode("utf-16", errors="replace")]
    controls = len(content) - len(content.translate(None, CONTROLS))
    if controls > FEW * len(content):
        return _readable(content, WIDE)
    try:
        return [decode(content)]
    except UnicodeDecodeError:
        # Most encodings extend ASCII, so digits stand out, whatever the other bytes mean.
        return [content.decode("ascii", errors="replace"), *_readable(content, LEGACY)]


def _readable(content, encodings):
    texts = []
    for encoding in encodings:
        head = content[:HEAD].decode(encoding, errors="replace")
        if sum(map(_is_wrong, head)) <= FEW * len(head):
            texts.append(content.decode(encoding, errors="replace"))
    return texts


def _is_wrong(character):
    """Whether it is a replacement, or a control, private or unassigned character."""
    if character == "\N{REPLACEMENT CHARACTER}":
        return True
    return unicodedata.category(character) in UNREADABLE and not character.isspace()
