"""The loss of dense detectors: class, place and outline of every prediction at once."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

import zoo
from zoo_vision.spaces import classes_of
from zoo_vision.training.assignment import assign

_EPSILON = 1e-9


class DenseLoss(keras.losses.Loss):
    """Binary cross-entropy of classes, CIoU of boxes and distribution focal loss of distances.

    As in YOLOv8: targets come from task-aligned assignment (arXiv:2108.07755), boxes learn by
    complete IoU (arXiv:1911.08287) and distances by their distribution (arXiv:2006.04388).
    Each picture is divided by the mean number of objects a picture has in training and not
    by its batch, so that a picture's loss is the same in whatever batch or replica it comes.

    Args:
        space: of the model; its outputs name the classes, and the array `objects` is the mean
            number of objects in a picture.
        points: where each prediction looks from, float32 [anchors, 2], px.
        strides: px between two points of the same level, float32 [anchors].
        bins: of each distance's distribution, whose logits are the last columns of the
            predictions; 0 if the model has none.
    """

    def __init__(
        self,
        space: zoo.Space,
        points: np.ndarray,
        strides: np.ndarray,
        bins: int = 16,
        *,
        box_gain: float = 7.5,
        class_gain: float = 0.5,
        distance_gain: float = 1.5,
    ) -> None:
        super().__init__(name="detection")
        self.classes = len(classes_of(space))
        self.objects = float(space.arrays["objects"])
        self.points = np.asarray(points, np.float32)
        self.strides = np.asarray(strides, np.float32)
        self.bins = bins
        self.gains = (box_gain, class_gain, distance_gain)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each picture, float32 [batch].

        Args:
            y_true: float32 [batch, boxes, 5], corners in px and class; -1 is padding.
            y_pred: float32 [batch, anchors, 4 + classes + 4 * bins].
        """
        boxes, logits = y_pred[..., :4], y_pred[..., 4 : 4 + self.classes]
        targets = assign(
            ops.stop_gradient(boxes),
            ops.stop_gradient(ops.sigmoid(logits)),
            ops.convert_to_tensor(self.points),
            ops.convert_to_tensor(self.strides / 2),
            y_true,
        )
        scores = ops.one_hot(targets.classes, self.classes) * targets.weight[..., None]
        box_gain, class_gain, distance_gain = self.gains
        cross_entropy = ops.softplus(logits) - scores * logits
        total = class_gain * ops.sum(cross_entropy, axis=(1, 2))
        misplaced = (1.0 - complete_iou(targets.boxes, boxes)) * targets.weight
        total += box_gain * ops.sum(misplaced, axis=1)
        if self.bins:
            blurred = self._distance_loss(targets.boxes, y_pred[..., 4 + self.classes :])
            total += distance_gain * ops.sum(blurred * targets.weight, axis=1)
        return total / self.objects

    def _distance_loss(self, boxes: Any, distributions: Any) -> Any:
        """Return the cross-entropy of the two bins next to each true distance, mean of 4."""
        shape = ops.shape(distributions)
        logits = ops.reshape(distributions, (shape[0], shape[1], 4, self.bins))
        points, strides = self.points, self.strides[:, None]
        distance = ops.concatenate(
            [(points - boxes[..., :2]) / strides, (boxes[..., 2:] - points) / strides], axis=-1
        )
        distance = ops.clip(distance, 0.0, self.bins - 1 - 0.01)
        # A distance between two bins belongs to both: a triangle of width 1 about it.
        bins = ops.arange(self.bins, dtype="float32")
        share = ops.relu(1.0 - ops.abs(distance[..., None] - bins))
        return -ops.mean(ops.sum(share * ops.log_softmax(logits), axis=-1), axis=-1)


def complete_iou(first: Any, second: Any) -> Any:
    """Return the complete IoU of boxes [..., 4] with their partners (arXiv:1911.08287)."""
    low = ops.maximum(first[..., :2], second[..., :2])
    high = ops.minimum(first[..., 2:], second[..., 2:])
    side = ops.maximum(high - low, 0.0)
    both = side[..., 0] * side[..., 1]
    first_size, second_size = _size(first), _size(second)
    union = first_size[..., 0] * first_size[..., 1] + second_size[..., 0] * second_size[..., 1]
    iou = both / (union - both + _EPSILON)
    hull = ops.maximum(first[..., 2:], second[..., 2:]) - ops.minimum(
        first[..., :2], second[..., :2]
    )
    apart = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    distance = ops.sum(apart**2, axis=-1) / (ops.sum(hull**2, axis=-1) + _EPSILON)
    slant = _slant(first_size) - _slant(second_size)
    shape = (4 / math.pi**2) * slant**2
    importance = ops.stop_gradient(shape / (shape - iou + 1.0 + _EPSILON))
    return iou - distance - importance * shape


def _size(boxes: Any) -> Any:
    return ops.maximum(boxes[..., 2:] - boxes[..., :2], _EPSILON)


def _slant(size: Any) -> Any:
    return ops.arctan(size[..., 0] / (size[..., 1] + _EPSILON))
