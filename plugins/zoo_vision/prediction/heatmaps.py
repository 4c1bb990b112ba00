"""Why a detector sees a box: heat maps by D-RISE (Petsiuk et al., arXiv:2006.03204).

Parts of the picture are greyed out at random, many times over. Where the box is found well
when a part shows and badly when it does not, that part counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from zoo_vision.geometry import GREY, iou

CELLS = 16
"""Cells of a mask along the longer side of the picture."""

VISIBLE = 0.5
"""The share of cells that a mask leaves visible."""

Detect = Callable[[np.ndarray], Iterable[np.ndarray]]
"""From uint8 [n, height, width, 3] to n arrays [boxes, 6]: corners in px, score, class."""


def box_heatmaps(
    detect: Detect,
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    *,
    masks: int = 300,
    seed: int = 0,
    batch_size: int = 16,
) -> np.ndarray:
    """Return how much each part of a picture counts for each box.

    A masked picture weighs as much as the best detection in it: score times intersection
    over union, among those of the box's class. The map is the mean mask under these
    weights, less what the mean weight would give, which takes out most of the noise of
    few masks.

    Args:
        detect: the detector, whatever it is.
        image: uint8 [height, width, 3], as the detector takes it.
        boxes: corners [k, 4], px of `image`.
        classes: int [k].
        masks: how many; more give a smoother map.
        seed: decides the masks.
        batch_size: pictures for one call of `detect`; the last call may have fewer.

    Returns:
        float32 [k, height, width], 0 to 1; all 0 for a box that no mask changes.
    """
    height, width = image.shape[:2]
    weighted = np.zeros((len(boxes), height * width), np.float32)
    visible = np.zeros(height * width, np.float32)
    total = np.zeros(len(boxes), np.float32)
    for shown in _masks(height, width, masks, seed, batch_size):
        masked = GREY + shown[..., None] * (image.astype(np.float32) - GREY)
        weights = _similarities(detect(masked.round().astype(np.uint8)), boxes, classes)
        weighted += weights @ shown.reshape(len(shown), -1)
        visible += shown.reshape(len(shown), -1).sum(axis=0)
        total += weights.sum(axis=1)
    heat = np.maximum(weighted - np.outer(total / masks, visible), 0)
    peak = heat.max(axis=1, keepdims=True, initial=0)
    scaled = np.divide(heat, peak, out=np.zeros_like(heat), where=peak > 1e-4)
    return scaled.reshape(len(boxes), height, width)


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a picture with a heat map laid over it.

    Args:
        image: uint8 [height, width, 3].
        heat: float32, 0 to 1, of any size; stretched to the picture.

    Returns:
        uint8 [height, width, 3].
    """
    heat = cv2.resize(heat, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap((255 * heat).round().astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = 0.2 + 0.5 * heat[..., None]
    return ((1 - opacity) * image + opacity * colours[..., ::-1]).round().astype(np.uint8)


def _masks(height: int, width: int, count: int, seed: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield float32 [n, height, width], 1 where the picture shows, until there are `count`.

    A mask is a coarse grid of cells, made smooth and shifted by less than a cell.
    """
    random = np.random.default_rng(seed)
    cell = -(-max(height, width) // CELLS)
    rows, columns = -(-height // cell) + 1, -(-width // cell) + 1
    for start in range(0, count, batch_size):
        grids = random.random((min(batch_size, count - start), rows, columns)) < VISIBLE
        shifts = random.integers(0, cell, (len(grids), 2))
        yield np.stack(
            [
                cv2.resize(
                    grid.astype(np.float32),
                    (columns * cell, rows * cell),
                    interpolation=cv2.INTER_LINEAR,
                )[top : top + height, left : left + width]
                for grid, (top, left) in zip(grids, shifts, strict=True)
            ]
        )


def _similarities(
    found: Iterable[np.ndarray], boxes: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Return float32 [k, pictures]: how well each box is found in each picture."""
    columns = []
    for rows in found:
        alike = iou(boxes, rows[:, :4]) * rows[:, 4] * (classes[:, None] == rows[:, 5])
        columns.append(alike.max(axis=1, initial=0))
    return np.stack(columns, axis=1).astype(np.float32)
