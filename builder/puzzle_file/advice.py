"""Advice on a puzzle's pictures: what gives them away, and what tells solvers nothing.

It never stops a build.
"""

from collections import Counter

from builder.words import listed

RARE = 0.1  # of wrong numbers are symmetric by chance, at most, for symmetry to tell something
SMOOTH = 0.5  # differences between neighbours, against all others, of a picture that is smooth
COARSE = 0.3  # of a picture's variance lies between its tiles, if it can be recognised by them
DIGITS_OF_QR_CODES = 12  # with more, a reader may repair what the last digit spoils (tried: 16)
FEWEST_SMOOTH = 4  # digits; with fewer, a picture is smooth by chance


def advise(secret):
    """A list of sentences, one for each weakness of the pictures."""
    advice = [
        *_shown_too_soon(secret),
        *_shown_in_part(secret),
        *_repeated(secret.pictures),
        *_flat(secret.pictures),
    ]
    if secret.decoys:
        advice += [
            *_seen_in_decoys(secret),
            *_mirrored(secret.pictures),
            *_symmetric(secret),
            *_smooth(secret),
        ]
    return advice


def _shown_too_soon(secret):
    """A cell depends on two tokens alone, so a part of the code shows a part of the picture."""
    digits = len(secret.code)
    background = _commonest(cell for row in _rows(secret.tiles) for cell in row)
    spare = 0
    while spare < digits - 1 and _is_empty(secret.tiles, digits - spare, background):
        spare += 1
    if spare == 0:
        return
    size = 1 + digits
    lines = listed(range(size - spare + 1, size + 1))
    if spare == 1:
        missing, empty = "its last digit", f"row {lines} and column {lines}"
    else:
        missing, empty = f"its last {spare} digits", f"rows {lines} and columns {lines}"
    place = "in every picture"
    if secret.is_tiled:
        place = "in every tile"
    yield (
        f"the code without {missing} shows the whole drawing, because {empty} are "
        f"{_tone(background)} {place}: change a cell in row {size} or column {size}"
    )


def _is_empty(tiles, line, background):
    """Whether nothing is drawn in a row and a column of any tile."""
    for tile in tiles:
        cells = [*tile[line], *(row[line] for row in tile)]
        if set(cells) != {background}:
            return False
    return True


def _shown_in_part(secret):
    """Between the rows and columns of the last digit, a large picture can be recognised."""
    digits = len(secret.code)
    if not secret.is_tiled or digits == 1:
        return
    seen = "a QR code cannot be read then, but a face or a word can be recognised"
    if digits > DIGITS_OF_QR_CODES:
        seen = "a face or a word can be recognised then, and a QR code may be read"
    yield (
        "the code without its last digit, or with a wrong one, shows all tiles but a row and a "
        f"column each, {secret.share_without_last_digit:.0%} of the cells: {seen}"
    )


def _repeated(pictures):
    for picture in sorted(set(pictures)):
        numbers = [number for number, other in enumerate(pictures, 1) if other == picture]
        if len(numbers) > 1 and not _is_flat(picture):  # for those there is another sentence
            yield f"pictures {listed(numbers)} are the same: one of them is enough"


def _flat(pictures):
    for number, picture in enumerate(pictures, 1):
        if _is_flat(picture):
            yield f"picture {number} is all {_tone(picture[0][0])}: solvers see nothing in it"


def _seen_in_decoys(secret):
    """A wrong number's cells are drawn tile by tile, from the tile's own."""
    if not secret.is_tiled:
        return
    for number, own in _tiles_by_picture(secret):
        cells = [cell for row in _rows(own) for cell in row]
        means = [_mean([cell for row in tile for cell in row]) for tile in own]
        if any(cells) and _variance(means) > COARSE * _variance(cells):
            yield (
                f"with decoys every number shows the tiles of picture {number} as bright as they "
                "are, and its tiles are so different that it can be recognised: leave decoys out, "
                "or take a picture with more detail"
            )


def _mirrored(pictures):
    """With decoys a cell depends on two digits alone, so a few numbers show all pairs of digits."""
    for number, picture in enumerate(pictures, 1):
        sides = []
        if picture == tuple(row[::-1] for row in picture):
            sides.append("left and right")
        if picture == picture[::-1]:
            sides.append("top and bottom")
        if sides and not _is_flat(picture):
            yield (
                f"in picture {number}, {listed(sides)} are mirror images: solvers who compare "
                "digits see which ones belong together, so draw something less regular"
            )


def _symmetric(secret):
    """With decoys, cells of wrong digits are drawn, and seldom symmetric."""
    for number, own in _tiles_by_picture(secret):
        picture = secret.pictures[number - 1]
        likelihood = 1
        for tile in own:
            if _is_symmetric(tile):
                likelihood *= _symmetric_by_chance(tile)
        is_whole = _is_symmetric(picture) and not _is_flat(picture)
        if not is_whole and (len(own) == 1 or likelihood > RARE):
            continue
        what = f"picture {number} is"
        if not is_whole:
            what = f"tiles of picture {number} are"
        yield (
            f"{what} symmetric about the main diagonal, from top left to bottom right: wrong "
            "digits seldom look so, which tells solvers the digits of the code, so draw something "
            "less regular"
        )


def _is_symmetric(cells):
    return cells == tuple(zip(*cells, strict=False))


def _symmetric_by_chance(tile):
    """How likely a tile is symmetric if its cells are drawn from its own ones."""
    cells = [cell for row in tile for cell in row]
    shares = [count / len(cells) for count in Counter(cells).values()]
    equal = sum(share**2 for share in shares)
    pairs = len(tile) * (len(tile) - 1) // 2
    return equal**pairs


def _smooth(secret):
    """In a smooth picture, neighbours are more alike than other rows and columns."""
    if len(secret.code) < FEWEST_SMOOTH:
        return
    for number, own in _tiles_by_picture(secret):
        neighbours, others = _differences(own)
        if any(others) and _mean(neighbours) <= SMOOTH * _mean(others):
            yield (
                f"picture {number} is smooth: its neighbouring rows and columns are so much alike "
                "that solvers can put the digits in order; draw sharper contrasts"
            )


def _differences(tiles):
    """How much the lines of two tokens differ: of neighbours, and of all others."""
    size = len(tiles[0])
    neighbours, others = [], []
    for first in range(size):
        for second in range(first + 1, size):
            difference = sum(_difference(tile, first, second) for tile in tiles)
            if second == first + 1:
                neighbours.append(difference)
            else:
                others.append(difference)
    return neighbours, others


def _difference(tile, first, second):
    """Between two tokens' rows, and between their columns."""
    rows = zip(tile[first], tile[second], strict=True)
    columns = [(row[first], row[second]) for row in tile]
    return sum(abs(one - two) for one, two in [*rows, *columns])


def _tiles_by_picture(secret):
    """Each picture's number, counted from 1, and its tiles."""
    heads = len(secret.tiles) // len(secret.pictures)
    for number in range(1, 1 + len(secret.pictures)):
        yield number, secret.tiles[(number - 1) * heads : number * heads]


def _is_flat(picture):
    return len(set(_rows([picture]))) == 1 and len(set(picture[0])) == 1


def _rows(pictures):
    return [row for picture in pictures for row in picture]


def _tone(cell):
    if cell == 0:
        return "dark"
    if cell == 1:
        return "lit"
    return "grey"


def _commonest(values):
    (value, _), *_ = Counter(values).most_common()
    return value


def _mean(values):
    return sum(values) / len(values)


def _variance(values):
    mean = _mean(values)
    return _mean([(value - mean) ** 2 for value in values])
