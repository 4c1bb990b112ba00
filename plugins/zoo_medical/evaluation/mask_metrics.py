"""How well masks agree: Dice, intersection over union, and the Hausdorff distance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

import zoo

_PERCENTILE = 95
_LISTED = 12
"""Classes, at most, that have metrics of their own."""


class MaskScores:
    """How well predicted masks agree with the true ones, for each scan and class.

    A class that occurs in neither mask of a scan says nothing and is left out there.

    Args:
        truth: of each scan, int [*sizes]; the place of each pixel's class, 0 for background.
        found: the predicted masks, of the same sizes.
        spacings: of each scan, mm along each axis.
        classes: names, in the order of the numbers from 1 on.
    """

    def __init__(
        self,
        truth: Sequence[np.ndarray],
        found: Sequence[np.ndarray],
        spacings: Sequence[Sequence[float]],
        classes: Sequence[str],
    ) -> None:
        self.classes = tuple(classes)
        self._truth, self._found, self._spacings = truth, found, spacings
        counts = [_counts(*pair, len(self.classes)) for pair in zip(truth, found, strict=True)]
        self._counts = np.array(counts, np.float64).reshape(-1, len(self.classes), 3)

    @property
    def dice(self) -> np.ndarray:
        """Twice the intersection over the sum of both, float64 [scans, classes]; or NaN."""
        both, true, found = np.moveaxis(self._counts, -1, 0)
        with np.errstate(invalid="ignore"):
            return 2 * both / (true + found)

    @property
    def iou(self) -> np.ndarray:
        """The intersection over the union, float64 [scans, classes]; or NaN."""
        both, true, found = np.moveaxis(self._counts, -1, 0)
        with np.errstate(invalid="ignore"):
            return both / (true + found - both)

    @cached_property
    def hausdorff(self) -> np.ndarray:
        """The 95 % Hausdorff distance, mm, float64 [scans, classes].

        NaN where the class does not occur; the diagonal of the scan where it was missed.
        """
        rows = zip(self._truth, self._found, self._spacings, strict=True)
        distances = [
            [
                hausdorff_95(true == place, found == place, spacing)
                for place in range(1, len(self.classes) + 1)
            ]
            for true, found, spacing in rows
        ]
        return np.array(distances, np.float64).reshape(-1, len(self.classes))

    @property
    def occurrences(self) -> np.ndarray:
        """In how many scans each class occurs, int64 [classes]."""
        return np.count_nonzero(self._counts[..., 1], axis=0)

    @property
    def misses(self) -> np.ndarray:
        """In how many of these nothing of it was found, int64 [classes]."""
        true, both = self._counts[..., 1], self._counts[..., 0]
        return np.count_nonzero((true > 0) & (both == 0), axis=0)

    def metrics(self) -> list[zoo.Metric]:
        """Return the mean of each score over scans and then over classes, and of each class."""
        found = [
            zoo.Metric("dice", "Dice", lambda weights: mean(self.dice, weights)),
            zoo.Metric("iou", "Intersection over union", lambda weights: mean(self.iou, weights)),
            zoo.Metric(
                "hausdorff_95",
                "95 % Hausdorff distance, mm",
                lambda weights: mean(self.hausdorff, weights),
                higher_is_better=False,
            ),
        ]
        if 1 < len(self.classes) <= _LISTED:
            found += self._by_class()
        return found

    def _by_class(self) -> Iterator[zoo.Metric]:
        for place, name in enumerate(self.classes):
            part = slice(place, place + 1)
            yield zoo.Metric(
                f"dice_{name}",
                f"Dice of {name}",
                lambda weights, part=part: mean(self.dice[:, part], weights),  # type: ignore[misc]
            )


def mean(scores: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean over classes of each one's mean over the scans that have a score.

    Args:
        scores: float64 [scans, classes], NaN where there is none.
        weights: how often each scan counts [scans].
    """
    there = np.isfinite(scores) * np.asarray(weights, np.float64)[:, None]
    total = there.sum(axis=0)
    sums = (np.where(np.isfinite(scores), scores, 0.0) * there).sum(axis=0)
    known = total > 0
    return float((sums[known] / total[known]).mean()) if known.any() else math.nan


def _counts(true: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Return pixels in both masks, in the true and in the found one, int64 [classes, 3]."""
    size = classes + 1
    pairs = np.bincount(true.ravel().astype(np.int64) * size + found.ravel(), minlength=size**2)
    table = pairs.reshape(size, size)
    return np.stack([np.diag(table), table.sum(axis=1), table.sum(axis=0)], axis=1)[1:]


def hausdorff_95(true: np.ndarray, found: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the larger of the 95th percentiles of distances from one surface to the other.

    As MONAI has it. A surface is what erosion takes away, also at the edge of the scan.

    Args:
        true: bool [*sizes].
        found: bool [*sizes].
        spacing: mm along each axis.

    Returns:
        mm; NaN if there is nothing to be found, the scan's diagonal if nothing is found.
    """
    if not true.any():
        return math.nan
    if not found.any():
        return float(np.linalg.norm(np.array(true.shape) * np.array(spacing)))
    surfaces = [_surface(each) * np.array(spacing) for each in (true, found)]
    away = [KDTree(other).query(own)[0] for own, other in (surfaces, surfaces[::-1])]
    return float(max(np.percentile(each, _PERCENTILE) for each in away))


def _surface(mask: np.ndarray) -> np.ndarray:
    """Return the places of a mask's surface, int64 [n, axes]."""
    return np.argwhere(mask & ~binary_erosion(mask))
