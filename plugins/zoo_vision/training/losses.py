"""The loss of dense detectors: class, place and outline of every prediction at once."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

import zoo
from zoo_vision.training.assignment import assign
from zoo_vision.training.overlaps import complete_iou


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
        self.classes = len(space.classes)
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
