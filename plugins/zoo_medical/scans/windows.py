"""Brings the values of a scanner, such as Hounsfield units, to the range from 0 to 1."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Shape = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

_ROBUST = 0.5, 99.5
"""Percentiles of a volume that become 0 and 1: single bright voxels do not darken the rest."""


class Window(NamedTuple):
    """Which values are shown, and how, as DICOM PS3.3 C.11.2.1 has it.

    Attributes:
        centre: the value that is shown in the middle of the range.
        width: how many values are told apart, above 0; below 1 the exact line counts.
        shape: the function between the ends; `LINEAR` is the usual one.
    """

    centre: float
    width: float
    shape: Shape = "LINEAR"

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return values as float32 from 0 to 1."""
        values = values.astype(np.float64)
        if self.shape == "SIGMOID":
            shown = 1 / (1 + np.exp(-4 * (values - self.centre) / self.width))
        elif self.shape == "LINEAR_EXACT" or self.width < 1:
            shown = (values - self.centre) / self.width + 0.5
        elif self.width == 1:  # a step, as there are no values in between
            shown = np.where(values > self.centre - 0.5, 1.0, 0.0)
        else:
            shown = (values - (self.centre - 0.5)) / (self.width - 1) + 0.5
        return np.clip(shown, 0, 1).astype(np.float32)


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return values with `low` brought to 0 and `high` to 1, cut there, as float32."""
    span = high - low
    if span <= 0:
        return np.zeros(values.shape, np.float32)
    return np.clip((values.astype(np.float64) - low) / span, 0, 1).astype(np.float32)


def robust_range(values: np.ndarray) -> tuple[float, float]:
    """Return the values that become 0 and 1 where nothing else says so.

    These are percentiles, or the extremes where the percentiles are one value.
    """
    low, high = (float(each) for each in np.percentile(values, _ROBUST))
    return (low, high) if high > low else (float(values.min()), float(values.max()))
