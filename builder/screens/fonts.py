"""Fonts that have the characters of a text in any script."""

import logging

from matplotlib import font_manager, ft2font

USUAL = "DejaVu Sans"  # comes with matplotlib
PLACEHOLDERS = ("Last Resort", ".LastResort")  # fonts that have every character, as a box

# A family that has no regular weight is shown in another one, which an author need not hear of.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def families_for(text):
    """Font families that together show a text, the usual one first, and what no font has.

    Returns a list of names, and a string of the missing characters in the order of the text.
    """
    families = []
    missing = "".join(dict.fromkeys(text))  # each character once
    for name in dict.fromkeys([USUAL, *(font.name for font in font_manager.fontManager.ttflist)]):
        if name.startswith(PLACEHOLDERS):
            continue
        known = _characters(name)
        left = "".join(character for character in missing if ord(character) not in known)
        if left != missing or name == USUAL:
            families.append(name)
            missing = left
        if not missing:
            break
    return families, missing


def _characters(family):
    """The code points that a font family has."""
    try:
        return ft2font.FT2Font(font_manager.findfont(family)).get_charmap().keys()
    except (OSError, RuntimeError):  # the font file is damaged, or no longer there
        return set()
