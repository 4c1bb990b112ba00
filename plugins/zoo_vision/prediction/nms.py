"""From a detector's raw outputs to its distinct detections."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

LOWEST_SCORE = 0.001
"""Detections below it are never kept; COCO's precision-recall curves begin here."""


def distinct_detections(outputs: Any, classes: int, *, overlap: float, most: int) -> np.ndarray:
    """Keep the best of the detections of one class that cover one another.

    Args:
        outputs: float32 [batch, anchors, 4 + classes + any]; corners, class logits, and what
            else the model gives.
        classes: how many there are.
        overlap: IoU above which the worse of two detections of a class is dropped.
        most: detections kept of a picture.

    Returns:
        float32 [batch, most, 6]: corners, score and class, best first; score 0 is padding.
    """
    boxes, scores = outputs[..., :4], tf.sigmoid(outputs[..., 4 : 4 + classes])
    kept = tf.image.combined_non_max_suppression(
        boxes[:, :, None],
        scores,
        max_output_size_per_class=most,
        max_total_size=most,
        iou_threshold=overlap,
        score_threshold=LOWEST_SCORE,
        clip_boxes=False,
    )
    rest = tf.stack([kept.nmsed_scores, kept.nmsed_classes], axis=-1)
    return tf.concat([kept.nmsed_boxes, rest], axis=-1).numpy()
