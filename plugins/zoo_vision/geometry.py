"""Boxes in NumPy, and the letterbox that brings a picture to the model's input and back.

A box is x1, y1, x2, y2 in px, continuous: a box around the pixel in column 3 reaches from
3.0 to 4.0, as in COCO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

import zoo

GREY = 114
"""The value around a letterboxed picture, of 255."""

SMALLEST_SIDE = 2.0
"""Px of the model's input: a box with a shorter side shows nothing to learn from."""


def canvas_of(space: zoo.Space) -> tuple[int, int]:
    """Return height and width of a detector's input, px."""
    return cast("tuple[int, int]", space.inputs["image"].shape[:2])


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return the area of each of `boxes` [..., 4], px²; 0 for one turned inside out."""
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def intersections(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the area shared by boxes `a` and `b`, whose shapes [..., 4] broadcast, px²."""
    return areas(overlap(a, b))


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return what boxes `a` and `b` share; turned inside out where they share nothing.

    Args:
        a: boxes [..., 4].
        b: boxes [..., 4]; the shapes broadcast.
    """
    corners = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    return np.concatenate(corners, axis=-1)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every box in `a` with every box in `b`.

    Args:
        a: boxes [n, 4].
        b: boxes [m, 4].

    Returns:
        shares [n, m]; 0 where both boxes have no area.
    """
    return paired_iou(a[:, None], b[None, :])


def paired_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes whose shapes [..., 4] broadcast."""
    shared = intersections(a, b)
    union = areas(a) + areas(b) - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def clip(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Return boxes [n, 4] cut to a picture of this size, px."""
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


def xywh_of_corners(boxes: np.ndarray) -> np.ndarray:
    """Turn corners [n, 4] into left, top, width, height, as COCO's files have it."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


@dataclass(frozen=True)
class Letterbox:
    """Fits a picture of any size into the middle of a canvas, its aspect kept.

    Attributes:
        width: of the picture, px.
        height: of the picture, px.
        canvas_height: of the model's input, px.
        canvas_width: of the model's input, px.
    """

    width: int
    height: int
    canvas_height: int
    canvas_width: int

    @property
    def scale(self) -> float:
        """Canvas px for one px of the picture, before its size is rounded to whole px."""
        return min(self.canvas_width / self.width, self.canvas_height / self.height)

    @property
    def resized(self) -> tuple[int, int]:
        """Width and height of the picture on the canvas, px."""
        return max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale))

    @property
    def offset_x(self) -> int:
        """Canvas px left of the picture."""
        return (self.canvas_width - self.resized[0]) // 2

    @property
    def offset_y(self) -> int:
        """Canvas px above the picture."""
        return (self.canvas_height - self.resized[1]) // 2

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return the picture on its canvas.

        Args:
            image: uint8 [height, width, 3].

        Returns:
            uint8 [canvas_height, canvas_width, 3].

        Raises:
            ValueError: the picture has another size than the letterbox is for.
        """
        if image.shape != (self.height, self.width, 3):
            expected = (self.height, self.width, 3)
            raise ValueError(f"a letterbox for {expected} was given a picture of {image.shape}")
        canvas = np.full((self.canvas_height, self.canvas_width, 3), GREY, np.uint8)
        method = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        self.content(canvas)[:] = cv2.resize(image, self.resized, interpolation=method)
        return canvas

    def content(self, canvas: np.ndarray) -> np.ndarray:
        """Return the part of `canvas` [canvas_height, canvas_width, ...] that is the picture."""
        width, height = self.resized
        rows = slice(self.offset_y, self.offset_y + height)
        return canvas[rows, self.offset_x : self.offset_x + width]

    def forward(self, boxes: np.ndarray) -> np.ndarray:
        """Bring boxes [n, 4] from the picture to the canvas; float32."""
        return (boxes * self._scales() + self._offsets()).astype(np.float32)

    def backward(self, boxes: np.ndarray) -> np.ndarray:
        """Bring boxes [n, 4] from the canvas to the picture, cut to it; float32."""
        inside = clip((boxes - self._offsets()) / self._scales(), self.width, self.height)
        return inside.astype(np.float32)

    def _scales(self) -> np.ndarray:
        """Return what the pixels were scaled by in x, y, x, y, the rounding included."""
        width, height = self.resized
        return np.tile([width / self.width, height / self.height], 2)

    def _offsets(self) -> np.ndarray:
        return np.tile([self.offset_x, self.offset_y], 2)
