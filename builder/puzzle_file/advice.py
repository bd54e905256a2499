"""Advice on a puzzle's pictures: what gives them away, and what tells solvers nothing. It never stops a build."""

from builder.words import listed


def advise(secret):
    """Returns a sentence for each weakness of the pictures; the list is empty if there is none."""
    mirrored = _mirrored(secret.pictures) if secret.decoys else ()
    return [
        *_shown_too_soon(secret),
        *_repeated(secret.pictures),
        *_flat(secret.pictures),
        *mirrored,
    ]


def _shown_too_soon(secret):
    """A cell depends on two tokens alone, so a code without its last digits shows all rows and columns but theirs."""
    size = 1 + len(secret.code)
    lit = [(row, column) for picture in secret.pictures for row, column in _lit_cells(picture)]
    needed = 1 + max(
        map(max, lit), default=size - 1
    )  # rows and columns that hold the whole drawing
    spare = min(size - needed, len(secret.code) - 1)  # a code has one digit at least
    if spare:
        lines = listed(range(size - spare + 1, size + 1))
        digits = "its last digit" if spare == 1 else f"its last {spare} digits"
        dark = (
            f"row {lines} and column {lines}" if spare == 1 else f"rows {lines} and columns {lines}"
        )
        yield (
            f"the code without {digits} shows the whole drawing, because {dark} are dark in every picture: "
            f"light a cell in row {size} or column {size}"
        )


def _mirrored(pictures):
    """With decoys a cell depends on its two digits alone, so a few numbers show every pair of digits there is."""
    flipped_rows = tuple(tuple(row[::-1] for row in picture) for picture in pictures)
    upside_down = tuple(picture[::-1] for picture in pictures)
    for sides, flipped in (("left and right", flipped_rows), ("top and bottom", upside_down)):
        if flipped == pictures:
            yield (
                f"in every picture, {sides} are mirror images: solvers who compare digits see which ones belong "
                "together, so draw something less regular"
            )


def _repeated(pictures):
    for picture in sorted(set(pictures)):
        numbers = [number for number, other in enumerate(pictures, 1) if other == picture]
        if (
            len(numbers) > 1 and 0 < len(_lit_cells(picture)) < len(picture) ** 2
        ):  # flat ones are told of elsewhere
            yield f"pictures {listed(numbers)} are the same: one of them is enough"


def _flat(pictures):
    for number, picture in enumerate(pictures, 1):
        cells = {*sum(picture, ())}
        if len(cells) == 1:
            yield f"picture {number} is all {'lit' if cells == {1} else 'dark'}: solvers see nothing in it"


def _lit_cells(picture):
    """The rows and columns of the lit cells, counted from 0."""
    return [
        (row, column)
        for row, cells in enumerate(picture)
        for column, cell in enumerate(cells)
        if cell
    ]
