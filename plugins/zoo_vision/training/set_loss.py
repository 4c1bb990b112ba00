"""The loss of detectors that predict a set: each object is matched with one prediction."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from scipy.optimize import linear_sum_assignment

import zoo
from zoo_vision.geometry import canvas_of
from zoo_vision.training.overlaps import generalised_iou

_EPSILON = 1e-7


class SetLoss(keras.losses.Loss):
    """Varifocal loss of classes, L1 and generalised IoU of boxes, in each decoder layer.

    Objects are matched with predictions at least cost (arXiv:2005.12872), in each layer anew.
    Weights are those of D-FINE (arXiv:2410.13842), without its losses of distributions. A
    picture's loss is divided by the mean number of objects a picture has in training, so that
    it is the same in whatever batch or replica it comes.

    The matching runs on the CPU by SciPy and cannot be compiled with XLA.

    Args:
        space: of the model; its outputs name the classes, and the array `objects` is the mean
            number of objects in a picture.
    """

    def __init__(
        self,
        space: zoo.Space,
        *,
        class_gain: float = 1.0,
        distance_gain: float = 5.0,
        overlap_gain: float = 2.0,
    ) -> None:
        super().__init__(name="detection")
        height, width = canvas_of(space)
        self.classes = len(space.classes)
        self.objects = float(space.arrays["objects"])
        self.scale = np.array([width, height, width, height], np.float32)
        self.gains = (class_gain, distance_gain, overlap_gain)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each picture, float32 [batch].

        Args:
            y_true: float32 [batch, boxes, 5], corners in px and class; -1 is padding.
            y_pred: float32 [batch, queries, layers * (4 + classes)].
        """
        layers = y_pred.shape[-1] // (4 + self.classes)
        queries = y_pred.shape[1]
        predictions = ops.reshape(y_pred, (-1, queries, layers, 4 + self.classes))
        predictions = ops.transpose(predictions, (0, 2, 1, 3))
        boxes, logits = predictions[..., :4] / self.scale, predictions[..., 4:]
        corners = ops.expand_dims(y_true[..., :4] / self.scale, 1)
        # A padded row has no class, and so no place among these either.
        of_class = ops.expand_dims(ops.one_hot(ops.cast(y_true[..., 4], "int32"), self.classes), 1)
        matched = _match(self._costs(boxes, logits, corners, of_class), of_class)

        # One-hot in queries, [batch, layers, boxes, queries]: no box in the rows without match.
        chosen = ops.one_hot(matched, queries)
        present = ops.sum(chosen, axis=-1)
        answer = ops.einsum("blmq,blqk->blmk", chosen, boxes)
        distance = ops.sum(ops.abs(_centred(answer) - _centred(corners)), axis=-1)
        overlap, generalised = generalised_iou(answer, corners)
        scores = ops.einsum(
            "blmq,bmc->blqc", chosen * ops.stop_gradient(overlap)[..., None], of_class[:, 0]
        )
        class_gain, distance_gain, overlap_gain = self.gains
        total = class_gain * ops.sum(_varifocal(logits, scores), axis=(1, 2, 3))
        misplaced = distance_gain * distance + overlap_gain * (1.0 - generalised)
        total += ops.sum(present * misplaced, axis=(1, 2))
        return total / self.objects

    def _costs(self, boxes: Any, logits: Any, corners: Any, of_class: Any) -> Any:
        """Return what each match would cost, [batch, layers, boxes, queries]."""
        probability = ops.sigmoid(logits)
        known = 0.25 * (1 - probability) ** 2 * -ops.log(probability + _EPSILON)
        missed = 0.75 * probability**2 * -ops.log(1 - probability + _EPSILON)
        cost = ops.einsum("bmc,blqc->blmq", of_class[:, 0], known - missed)
        boxes, corners = ops.expand_dims(boxes, 2), ops.expand_dims(corners, 3)
        distance = ops.sum(ops.abs(_centred(boxes) - _centred(corners)), axis=-1)
        return 2.0 * cost + 5.0 * distance - 2.0 * generalised_iou(boxes, corners)[1]


def _match(costs: Any, of_class: Any) -> Any:
    """Return the query of each box, int32 [batch, layers, boxes]; -1 for padding."""
    present = ops.sum(of_class[:, 0], axis=-1) > 0
    matched = tf.numpy_function(
        _assign, [tf.stop_gradient(costs), present], tf.int32, stateful=False
    )
    matched.set_shape(costs.shape[:-1])
    return matched


def _assign(costs: np.ndarray, present: np.ndarray) -> np.ndarray:
    costs = np.nan_to_num(costs)
    matched = np.full(costs.shape[:-1], -1, np.int32)
    for picture, rows in enumerate(present):
        for layer, of_layer in enumerate(costs[picture]):
            given, query = linear_sum_assignment(of_layer[rows])
            matched[picture, layer, np.flatnonzero(rows)[given]] = query
    return matched


def _varifocal(logits: Any, scores: Any) -> Any:
    """Return the cross-entropy with `scores`, easy background counting less (arXiv:2008.13367)."""
    probability = ops.stop_gradient(ops.sigmoid(logits))
    weight = ops.where(scores > 0, scores, 0.75 * probability**2)
    return weight * (ops.softplus(logits) - scores * logits)


def _centred(boxes: Any) -> Any:
    low, high = boxes[..., :2], boxes[..., 2:]
    return ops.concatenate([(low + high) / 2, high - low], axis=-1)
