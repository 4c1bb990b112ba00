"""Test-time augmentation: what a network says on average of slightly moved views of a scan."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo_medical.augmentation import Place, moved

_SHIFT = 0.04
"""How far a view is moved, as a share of the side."""
_TURN = math.radians(4)
_ZOOM = 0.04
_GOLDEN = math.pi * (3 - math.sqrt(5))
"""Angle between the directions of two views; any number of them points every way."""


def mean_over_views(
    model: keras.Model, views: int, *, flip: bool
) -> Callable[[zoo.Batch], np.ndarray]:
    """Return what averages a network's outputs over views; the first is the scan as it is.

    Args:
        model: takes `scan`, and gives logits [batch, ...].
        views: how many.
        flip: whether every other view has left and right swapped.
    """

    def predict(inputs: zoo.Batch) -> np.ndarray:
        total: Any = 0.0
        for view in range(views):
            scans = inputs["scan"] if view == 0 else _seen(inputs["scan"], view, flip=flip)
            outputs = model.predict_on_batch({**inputs, "scan": scans})
            total = total + np.asarray(outputs, np.float32)
        return total / np.float32(views)

    return predict


def _seen(scans: np.ndarray, view: int, *, flip: bool) -> np.ndarray:
    """Return scans as a view shows them."""
    direction = _GOLDEN * view
    side = 1.0 if view % 2 else -1.0

    def alike(value: float) -> tf.Tensor:
        return tf.fill([len(scans)], tf.constant(value, tf.float32))

    place = Place(
        angle=alike(side * _TURN),
        zoom=alike(1 + _ZOOM * math.cos(2 * direction)),
        shift_x=alike(_SHIFT * math.cos(direction)),
        shift_y=alike(_SHIFT * math.sin(direction)),
        flip_x=alike(-1.0 if flip and view % 2 else 1.0),
        flip_y=alike(1.0),
    )
    return moved(tf.constant(scans), place).numpy()
