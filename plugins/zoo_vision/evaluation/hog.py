"""Histograms of oriented gradients in an image pyramid, and windows that slide over it.

After Dalal and Triggs, *Histograms of Oriented Gradients for Human Detection*, CVPR 2005.
As in later detectors, a histogram is normalised by the energy of the cells around it, and
each cell has its mean colour and gradient too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from zoo_vision.geometry import clip

CELL = 4
"""Side of a cell, in pixels of a level."""

_BINS = 9
_CLIP = 0.2
"""Largest share of the energy around it that a bin counts; weakens single strong edges."""
_CONTEXT = 1
"""Cells around a window that it sees too."""
_BEYOND = 4
"""Cells by which the picture is continued at its border, for objects that are cut by it."""


class Level(NamedTuple):
    """A picture at one size.

    Attributes:
        zoom: pixels of the picture for one of the level; x and y differ by rounding.
        size: width and height of the picture, in pixels.
        cells: float32 [rows, columns, channels], see :func:`describe`.
    """

    zoom: np.ndarray
    size: tuple[int, int]
    cells: np.ndarray


def level(image: np.ndarray, long_side: float) -> Level:
    """Describe a picture at another size.

    Args:
        image: uint8 [height, width, 3], RGB.
        long_side: of the level, in pixels.
    """
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    resized = max(round(width * scale), CELL), max(round(height * scale), CELL)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cells = describe(cv2.resize(image, resized, interpolation=method))
    border = [(_BEYOND, _BEYOND), (_BEYOND, _BEYOND), (0, 0)]
    zoom = np.array([width, height]) / resized
    return Level(zoom, (width, height), np.pad(cells, border, mode="edge"))


def describe(image: np.ndarray) -> np.ndarray:
    """Return what is in each cell of a picture.

    Args:
        image: uint8 [height, width, 3], RGB.

    Returns:
        float32 [rows, columns, 13]: histogram of orientations, mean gradient, and mean
        colour in CIELAB; of whole cells only.
    """
    rows, columns = image.shape[0] // CELL, image.shape[1] // CELL
    image = image[: rows * CELL, : columns * CELL]
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) / 100
    light = cv2.copyMakeBorder(lab[..., 0], 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    along, down = light[1:-1, 2:] - light[1:-1, :-2], light[2:, 1:-1] - light[:-2, 1:-1]
    strength, angle = cv2.cartToPolar(along, down)
    # Opposite directions count alike; each gradient is shared by the two nearest bins.
    place = np.mod(angle * np.float32(_BINS / np.pi), _BINS)
    offsets = np.abs(place - np.arange(_BINS, dtype=np.float32)[:, None, None])
    shares = np.maximum(1 - np.minimum(offsets, _BINS - offsets), 0) * strength
    channels = [*shares, strength, *np.moveaxis(lab, 2, 0)]
    means = [cv2.resize(c, (columns, rows), interpolation=cv2.INTER_AREA) for c in channels]
    cells = np.stack(means, axis=-1)
    histograms = cells[..., :_BINS]
    energy = cv2.boxFilter((histograms**2).sum(axis=2), -1, (3, 3), borderType=cv2.BORDER_REPLICATE)
    histograms /= np.sqrt(energy + 1e-4)[..., None]
    np.minimum(histograms, _CLIP, out=histograms)
    histograms *= 1 / _CLIP
    return cells


@dataclass(frozen=True, eq=False)
class Window:
    """What slides over levels to find objects of one class and aspect.

    Attributes:
        label: the class.
        shape: rows and columns, in cells.
        shortest: long side of the smallest levels it slides over, in pixels.
        longest: long side of the largest.
        weights: of what it sees, float32 [rows, columns, channels], context included; None
            before it is trained.
        bias: added to the weighted sum.
    """

    label: int
    shape: tuple[int, int]
    shortest: float
    longest: float
    weights: np.ndarray | None = None
    bias: float = 0.0

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns that it sees, in cells."""
        return self.shape[0] + 2 * _CONTEXT, self.shape[1] + 2 * _CONTEXT

    def boxes(self, level: Level) -> np.ndarray:
        """Return where the window can be, in the picture's pixels, float32 [places, 4]."""
        rows, columns = self._places(level)
        first = _CONTEXT - _BEYOND
        top, left = np.indices((rows, columns)).reshape(2, -1) + first
        corners = np.stack([left, top, left + self.shape[1], top + self.shape[0]], axis=1)
        boxes = corners * np.tile(CELL * level.zoom, 2)
        return clip(boxes.astype(np.float32), *level.size)

    def views(self, level: Level, places: np.ndarray) -> np.ndarray:
        """Return what the window sees at some of its places, float32 [places, size]."""
        views = sliding_window_view(level.cells, self.extent, axis=(0, 1))
        row, column = np.unravel_index(places, views.shape[:2])
        size = math.prod(views.shape[2:])
        return np.moveaxis(views[row, column], 1, -1).reshape(len(places), size)

    def margins(self, level: Level) -> np.ndarray:
        """Return how sure it is of an object at each of its places, float32 [places]."""
        rows, columns = self._places(level)
        margins = np.full((rows, columns), self.bias, np.float32)
        if self.weights is not None:
            for row, column in np.ndindex(self.extent):
                seen = level.cells[row : row + rows, column : column + columns]
                margins += seen @ self.weights[row, column]
        return margins.ravel()

    def _places(self, level: Level) -> tuple[int, int]:
        rows = max(level.cells.shape[0] - self.extent[0] + 1, 0)
        return rows, max(level.cells.shape[1] - self.extent[1] + 1, 0)


def slide(
    image: np.ndarray, windows: Iterable[Window], long_sides: Iterable[float]
) -> Iterator[tuple[int, Window, Level]]:
    """Yield each window, with its number, on each level that is of its size.

    Args:
        image: uint8 [height, width, 3], RGB.
        windows: what slides.
        long_sides: of all levels, in pixels.
    """
    for long_side in long_sides:
        sized = [
            (number, window)
            for number, window in enumerate(windows)
            if window.shortest <= long_side <= window.longest
        ]
        if sized:
            current = level(image, long_side)
            yield from ((number, window, current) for number, window in sized)
