"""Which predictions learn which box: task-aligned assignment (TOOD, arXiv:2108.07755)."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from zoo_vision.training.overlaps import iou

_EPSILON = 1e-9


class Assignment(NamedTuple):
    """What each of a picture's predictions has to learn.

    Attributes:
        weight: float32 [batch, anchors]; how good an answer the prediction may become, 0 for
            background. It is the target of the class score.
        boxes: float32 [batch, anchors, 4]; the box to predict, px; any where the weight is 0.
        classes: int32 [batch, anchors]; its class.
    """

    weight: Any
    boxes: Any
    classes: Any


def assign(
    boxes: Any,
    scores: Any,
    points: Any,
    reach: Any,
    truth: Any,
    *,
    candidates: int = 10,
    score_power: float = 0.5,
    overlap_power: float = 6.0,
) -> Assignment:
    """Give each true box the predictions that fit it best in class and place at once.

    Args:
        boxes: predicted, float32 [batch, anchors, 4], corners in px.
        scores: predicted class probabilities, float32 [batch, anchors, classes].
        points: where each prediction looks from, float32 [anchors, 2], px.
        reach: how far from its point a prediction may take a box that does not hold the point,
            float32 [anchors], px: half a stride, so that no box is too small for all points.
        truth: corners in px and class, float32 [batch, boxes, 5]; class -1 is padding.
        candidates: predictions given to a box at most.
        score_power: weight of the class score in the alignment, alpha in the paper.
        overlap_power: weight of the overlap, beta in the paper.
    """
    corners, labels = truth[..., :4], ops.cast(truth[..., 4], "int32")
    overlap = iou(ops.expand_dims(corners, 2), ops.expand_dims(boxes, 1))
    of_class = ops.one_hot(labels, ops.shape(scores)[-1])  # a padded row has no class
    alignment = ops.einsum("bmc,bac->bma", of_class, scores) ** score_power
    alignment = alignment * overlap**overlap_power
    alignment = ops.where(_within_reach(corners, points, reach), alignment, 0.0)

    lowest = ops.top_k(alignment, min(candidates, int(points.shape[0])))[0][..., -1:]
    chosen = ops.logical_and(alignment >= lowest, alignment > 0.0)
    # A prediction that several boxes want goes to the one it overlaps most.
    owner = ops.argmax(ops.where(chosen, overlap, -1.0), axis=1)
    boxes_of_picture = ops.expand_dims(ops.arange(ops.shape(truth)[1], dtype="int32"), 1)
    chosen = ops.logical_and(
        chosen, ops.expand_dims(ops.cast(owner, "int32"), 1) == boxes_of_picture
    )

    # The best prediction of a box has its overlap as target, the others less, in proportion.
    alignment = ops.where(chosen, alignment, 0.0)
    best_alignment = ops.max(alignment, axis=2, keepdims=True)
    best_overlap = ops.max(ops.where(chosen, overlap, 0.0), axis=2, keepdims=True)
    weight = ops.max(alignment * best_overlap / (best_alignment + _EPSILON), axis=1)
    return Assignment(
        ops.stop_gradient(weight),
        ops.stop_gradient(ops.take_along_axis(corners, ops.expand_dims(owner, 2), axis=1)),
        ops.take_along_axis(labels, owner, axis=1),
    )


def _within_reach(corners: Any, points: Any, reach: Any) -> Any:
    """Return [batch, boxes, anchors]: whether the point is in the box, or near a small one."""
    centre = (corners[..., :2] + corners[..., 2:]) / 2
    half = (corners[..., 2:] - corners[..., :2]) / 2
    away = ops.abs(ops.expand_dims(centre, 2) - points)
    allowed = ops.maximum(ops.expand_dims(half, 2), ops.expand_dims(reach, 1))
    return ops.all(away < allowed, axis=-1)
