"""What a report shows of masks: each class, small and large ones, and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

import zoo
from zoo_medical.evaluation.mask_metrics import MaskScores, mean
from zoo_medical.explanation.overlays import as_picture

_WORST = 8
_GROUPS = 5
_COLOURS = np.array(
    [
        [0.90, 0.62, 0.00],
        [0.34, 0.71, 0.91],
        [0.00, 0.62, 0.45],
        [0.94, 0.89, 0.26],
        [0.84, 0.37, 0.00],
        [0.80, 0.47, 0.65],
    ],
    np.float32,
)
"""Of the classes, in turn; told apart by most who are colour-blind (Okabe and Ito)."""


def by_class(scores: MaskScores) -> zoo.Figure:
    """List how well each class is found."""
    ones = np.ones(len(scores.dice), np.int64)
    rows = [
        [
            name,
            int(scores.occurrences[place]),
            int(scores.misses[place]),
            *(
                mean(each[:, place : place + 1], ones)
                for each in (scores.dice, scores.iou, scores.hausdorff)
            ),
        ]
        for place, name in enumerate(scores.classes)
    ]
    return zoo.charts.table(
        "Classes",
        "Means over the scans in which a class occurs or was found. Missed: scans with the class "
        "in which no pixel of it was found; there the distance is the diagonal of the scan.",
        ["class", "scans", "missed", "Dice", "IoU", "95 % Hausdorff, mm"],
        rows,
    )


def by_size(scores: MaskScores, masks: Sequence[np.ndarray]) -> zoo.Figure:
    """Draw Dice over the size of what is to be found."""
    series = {}
    for place, name in enumerate(scores.classes):
        sizes = np.array([np.count_nonzero(mask == place + 1) for mask in masks])
        there = np.flatnonzero(sizes)
        order = there[np.argsort(sizes[there], kind="stable")]
        groups = [part for part in np.array_split(order, _GROUPS) if len(part)]
        series[name] = (
            [float(sizes[part].mean()) for part in groups],
            [float(scores.dice[part, place].mean()) for part in groups],
        )
    return zoo.charts.line_chart(
        "Dice by size",
        f"Scans in up to {_GROUPS} groups of equally many, by how large a class is in them.",
        series,
        x_label="mean size, pixels",
        y_label="mean Dice",
        y_range=(0.0, 1.02),
    )


def worst(
    truth: zoo.Batch, masks: Sequence[np.ndarray], predictions: zoo.Batch, scores: MaskScores
) -> zoo.Figure:
    """Show the scans with the lowest Dice, the true mask beside the predicted one."""
    dice = np.array([_mean_of_known(each) for each in scores.dice])
    order = [row for row in np.argsort(dice, kind="stable") if np.isfinite(dice[row])]
    images, labels = [], []
    for row in order[:_WORST]:
        scan, found = truth["scan"][row].read(), predictions["mask"][row]
        place = _telling_slice(masks[row], found)
        for mask, title in ((masks[row], "true"), (found, f"found, Dice {dice[row]:.2f}")):
            images.append(_outlined(_slice(scan, place), _slice(mask, place)))
            labels.append(f"{truth['id'][row]}: {title}")
    return zoo.charts.image_grid(
        "Worst scans",
        "Those with the lowest Dice; of volumes the slice in which the masks differ most. Is the "
        "true mask right?",
        images,
        labels,
    )


def write_overlay(path: Path, scan: np.ndarray, mask: np.ndarray) -> None:
    """Write a picture of a scan with the outlines of its mask; of a volume its fullest slice.

    Args:
        path: of a PNG file.
        scan: float32 [*sizes, channels], 0 to 1.
        mask: int [*sizes].
    """
    place = _telling_slice(mask, np.zeros_like(mask))
    picture = _outlined(_slice(scan, place), _slice(mask, place))
    Image.fromarray((255 * picture).round().astype(np.uint8)).save(path)


def _telling_slice(one: np.ndarray, other: np.ndarray) -> int | None:
    """Return the slice of a volume in which two masks differ most; None for pictures."""
    if one.ndim == 2:
        return None
    return int(np.count_nonzero(one != other, axis=(1, 2)).argmax())


def _slice(array: np.ndarray, place: int | None) -> np.ndarray:
    return array if place is None else array[place]


def _outlined(scan: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a scan with the outline of each class of its mask, float32 [height, width, 3]."""
    picture = as_picture((255 * np.clip(scan, 0, 1)).round().astype(np.uint8)).copy()
    factor = picture.shape[0] // mask.shape[0]
    large = np.kron(mask, np.ones((factor, factor), mask.dtype)) if factor > 1 else mask
    for place in np.unique(large[large > 0]):
        inside = large == place
        picture[binary_dilation(inside) & ~inside] = _COLOURS[(place - 1) % len(_COLOURS)]
    return picture


def _mean_of_known(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
