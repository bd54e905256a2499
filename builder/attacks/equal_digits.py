"""Equal digits: ten numbers, 000..., 111... up to 999..., show every digit at every place.

A cell depends on its two tokens and their positions alone. So the cells that a digit shares with
CLS, and the one that it shares with itself, are those that it shows in the code. Without decoys
they are crisp for the right digit of a place, and noise for every other digit.
"""

import torch

from builder.attacks.target import equal_digits

CRISP = 0.01  # cells are at most so far from a tenth


def by_equal_digits(target):
    """Asks the ten numbers, then the code that their cells show, then that at other lengths."""
    codes = equal_digits(target.max_digits)
    yield codes
    distances, digits = distances_from_tenths(target.raw_cells(codes)).min(dim=0)
    is_crisp = (distances <= CRISP).tolist()
    crisp_digits = [*is_crisp, False].index(False)  # before the first place that is noise
    for length in [crisp_digits, *range(target.max_digits, 0, -1)]:
        if length > 0:
            yield digits[None, :length]


def distances_from_tenths(cells):
    """How far the cells of a digit are from tenths between 0 and 1, the worst of them.

    cells: of numbers of equal digits, (heads, 10, 1 + digits, 1 + digits). Returns (10, digits).
    """
    seen_by_cls = cells[:, :, 0, 1:]
    seeing_cls = cells[:, :, 1:, 0]
    seeing_itself = cells.diagonal(dim1=2, dim2=3)[:, :, 1:]
    own = torch.cat([seen_by_cls, seeing_cls, seeing_itself])  # (3 * heads, 10, digits)
    tenths = (10 * own.clamp(0, 1)).round() / 10
    return (own - tenths).abs().amax(0)
