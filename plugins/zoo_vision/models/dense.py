"""What dense detectors share: the grid they look from, and boxes as distances from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

STRIDES = (8, 16, 32)
"""Pixels between two points of each level of a feature pyramid."""

BINS = 16
"""Strides, from 0 on, that the distance to a side is a distribution over."""


def rare(classes: int, places: float) -> float:
    """Return the logit with which class heads begin: so few places hold an object at all."""
    return math.log(5 / classes / places)


def grid(height: int, width: int, strides: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the points that a detector looks from, level by level, row by row.

    Args:
        height: of the model's input, px.
        width: of the model's input, px.
        strides: of the levels, px.

    Returns:
        points (x, y) float32 [anchors, 2] and their strides float32 [anchors], px.
    """
    points, of_points = [], []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        level = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride
        points.append(level.astype(np.float32))
        of_points.append(np.full(len(level), stride, np.float32))
    return np.concatenate(points), np.concatenate(of_points)


@keras.saving.register_keras_serializable(package="zoo_vision")
class DistancesToBoxes(keras.layers.Layer):
    """Turns a distribution over each side's distance into corners (arXiv:2006.04388).

    Takes logits [batch, anchors, 4 * bins] of the distances to left, top, right and bottom in
    strides; gives boxes float32 [batch, anchors, 4], corners in px.

    Args:
        height: of the model's input, px.
        width: of the model's input, px.
        strides: of the levels, px.
        bins: of each distribution.
    """

    def __init__(
        self, height: int, width: int, strides: Sequence[int], bins: int, **options: Any
    ) -> None:
        super().__init__(dtype="float32", **{k: v for k, v in options.items() if k != "dtype"})
        self.height, self.width, self.strides, self.bins = height, width, tuple(strides), bins
        self._points, self._of_points = grid(height, width, strides)

    def call(self, logits: Any) -> Any:
        shape = ops.shape(logits)
        logits = ops.reshape(logits, (shape[0], len(self._points), 4, self.bins))
        bins = ops.arange(self.bins, dtype="float32")
        distance = ops.sum(ops.softmax(logits) * bins, axis=-1) * self._of_points[:, None]
        return ops.concatenate(
            [self._points - distance[..., :2], self._points + distance[..., 2:]], axis=-1
        )

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*input_shape[:-1], 4)

    def get_config(self) -> dict[str, Any]:
        sizes = {"height": self.height, "width": self.width}
        return {**super().get_config(), **sizes, "strides": self.strides, "bins": self.bins}
