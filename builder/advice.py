"""Advice on a puzzle's pictures: what gives them away, and what tells solvers nothing. It never stops a build."""

import torch

from builder.words import listed


def advise(secret):
    """Returns a sentence for each weakness of the pictures; the list is empty if there is none."""
    pictures = secret.pictures
    for_decoys = [*_too_few_for_decoys(pictures, secret.code), *_mirrored(pictures)] if secret.decoys else []
    return [*_shown_too_soon(secret), *_twins(pictures), *_flat(pictures), *for_decoys]


def _shown_too_soon(secret):
    """A cell depends on two tokens alone, so a code without its last digits shows all rows and columns but theirs."""
    size = 1 + len(secret.code)
    lit = secret.pictures.nonzero()[:, 1:]  # the row and the column of each lit cell, counted from 0
    needed = 1 + int(lit.max()) if len(lit) else size  # rows and columns that hold the whole drawing
    spare = min(size - needed, len(secret.code) - 1)  # a code has one digit at least
    if spare:
        lines = listed(range(size - spare + 1, size + 1))
        digits = "its last digit" if spare == 1 else f"its last {spare} digits"
        dark = f"row {lines} and column {lines}" if spare == 1 else f"rows {lines} and columns {lines}"
        yield (
            f"the code without {digits} shows the whole drawing, because {dark} are dark in every picture: "
            f"light a cell in row {size} or column {size}"
        )


def _too_few_for_decoys(pictures, code):
    """One head must tell all places apart by looks that are nearly 0 or 1. In trials some codes of 6 digits failed."""
    if len(pictures) == 1 and len(code) > 5:
        yield "one picture is often too few for decoys with so many digits: if no seed learns it, draw a second picture"


def _mirrored(pictures):
    """With decoys a cell depends on its two digits alone, so a few numbers show every pair of digits there is."""
    for side, axis in (("left and right", 2), ("top and bottom", 1)):
        if torch.equal(pictures.flip(axis), pictures):
            yield (
                f"in every picture, {side} are mirror images: solvers who compare digits see which ones belong "
                "together, so draw something less regular"
            )


def _twins(pictures):
    """Pictures that are all dark or all lit are told of elsewhere."""
    groups = {}
    for name, picture in enumerate(pictures, 1):
        groups.setdefault(tuple(picture.flatten().tolist()), []).append(name)
    for cells, names in groups.items():
        if len(names) > 1 and len(set(cells)) > 1:
            yield f"pictures {listed(names)} are the same: one of them is enough"


def _flat(pictures):
    for how, cell in (("dark", 0), ("lit", 1)):
        names = [name for name, picture in enumerate(pictures, 1) if (picture == cell).all()]
        if len(names) == 1:
            yield f"picture {names[0]} is all {how}: solvers see nothing in it"
        elif names:
            yield f"pictures {listed(names)} are all {how}: solvers see nothing in them"
