"""How well boxes fit one another, in Keras operations that gradients pass through.

Boxes are [..., 4], corners in any unit; the shapes of both arguments broadcast.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops

_EPSILON = 1e-7


def iou(first: Any, second: Any) -> Any:
    """Return the intersection over union."""
    return _iou_and_union(first, second)[0]


def generalised_iou(first: Any, second: Any) -> tuple[Any, Any]:
    """Return the IoU and the generalised IoU (arXiv:1902.09630)."""
    overlap, union = _iou_and_union(first, second)
    hull = _area(_hull(first, second))
    return overlap, overlap - (hull - union) / (hull + _EPSILON)


def complete_iou(first: Any, second: Any) -> Any:
    """Return the complete IoU (arXiv:1911.08287)."""
    overlap, _ = _iou_and_union(first, second)
    apart = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    diagonal = ops.sum(_hull(first, second) ** 2, axis=-1)
    distance = ops.sum(apart**2, axis=-1) / (diagonal + _EPSILON)
    shape = (4 / math.pi**2) * (_slant(_sides(first)) - _slant(_sides(second))) ** 2
    importance = ops.stop_gradient(shape / (shape - overlap + 1.0 + _EPSILON))
    return overlap - distance - importance * shape


def _iou_and_union(first: Any, second: Any) -> tuple[Any, Any]:
    low = ops.maximum(first[..., :2], second[..., :2])
    high = ops.minimum(first[..., 2:], second[..., 2:])
    both = _area(ops.maximum(high - low, 0.0))
    union = _area(_sides(first)) + _area(_sides(second)) - both
    return both / (union + _EPSILON), union


def _sides(boxes: Any) -> Any:
    return ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)


def _hull(first: Any, second: Any) -> Any:
    """Return the sides of the smallest box around both."""
    high = ops.maximum(first[..., 2:], second[..., 2:])
    return high - ops.minimum(first[..., :2], second[..., :2])


def _area(sides: Any) -> Any:
    return sides[..., 0] * sides[..., 1]


def _slant(sides: Any) -> Any:
    return ops.arctan(sides[..., 0] / (sides[..., 1] + _EPSILON))
