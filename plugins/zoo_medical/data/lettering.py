"""Looks for text that was written into a picture, such as a name on an ultrasound.

Letters are small spots that are about as bright, or as dark, as anything, stand out from
what is around them, are of one height, and stand in a row. What a body looks like hardly
ever does. Text of less than some 8 pixels, faint text, and text on a busy ground is not
found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

_LEAST_SIDE = 64
"""Side of a picture below which no text can be read, px."""
_HEIGHT = 5, 0.1
"""Least height of a letter, px, and its largest as a share of the picture."""
_WIDEST = 1.8
"""Width of a letter, or of some that touch, in its heights."""
_FILLED = 0.15, 0.9
"""Share of its box that a letter covers; a box that is full is no letter."""
_LETTERS = 5
"""Letters in a row from which they are text."""
_ALIKE = 0.35
"""Share by which the heights of letters in a row differ, and by which they stand off it."""
_GAP = 1.2
"""Between letters of a row, in their heights."""
_CONTRAST = 0.35
"""Difference between a letter and what is around it, 1 for black against white."""

_BUSY = 3000
"""Spots from which a picture is too busy to look for letters."""


class Spot(NamedTuple):
    """Where something that may be a letter stands, px."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """Of its box."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Between top and bottom."""
        return (self.top + self.bottom) / 2


def shows_text(values: np.ndarray) -> bool:
    """Return whether a row of letters seems to be written into a picture.

    Args:
        values: from 0 to 1, [height, width, channels]; of a volume, such as the frames of a
            film, the mean along its depth is looked at.
    """
    flat = values.mean(axis=0) if values.ndim == 4 else values
    if min(flat.shape[:2]) < _LEAST_SIDE:
        return False
    grey = flat.max(axis=-1)
    return any(_has_row(_letters(ground)) for ground in (grey, 1 - grey))


def _letters(grey: np.ndarray) -> list[Spot]:
    """Return spots of the brightest value that stand out from what is around them."""
    bright = grey >= grey.max() - _CONTRAST
    if grey.max() - np.median(grey) < _CONTRAST or bright.mean() > 0.2:
        return []
    tallest = max(_HEIGHT[1] * grey.shape[0], 2 * _HEIGHT[0])
    numbers, count = ndimage.label(bright, np.ones((3, 3)))
    found: list[Spot] = []
    if count > _BUSY:
        return found
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1):
        spot = Spot(rows.start, rows.stop, columns.start, columns.stop)
        width = spot.right - spot.left
        if not _HEIGHT[0] <= spot.height <= tallest or width > _WIDEST * spot.height:
            continue
        own = numbers[rows, columns] == number
        around = grey[rows, columns][~own]
        filled = own.mean()
        upright_bar = width <= spot.height / 3  # such as I, l and 1
        if not (_FILLED[0] <= filled and (filled <= _FILLED[1] or upright_bar)):
            continue
        if not len(around) or grey.max() - np.median(around) > _CONTRAST:
            found.append(spot)
    return found


def _has_row(spots: list[Spot]) -> bool:
    """Return whether enough spots of one height stand beside each other."""
    spots = sorted(spots, key=lambda spot: spot.left)
    for first in spots:
        count, last = 1, first
        for spot in spots:
            tall = max(first.height, spot.height)
            if (
                0 <= spot.left - last.right + 1 <= _GAP * tall
                and abs(spot.height - first.height) <= _ALIKE * tall
                and abs(spot.middle - first.middle) <= _ALIKE * tall
            ):
                count, last = count + 1, spot
        if count >= _LETTERS:
            return True
    return False
