"""What the space of a detector says: its canvas and its classes."""

from __future__ import annotations

from typing import cast

import zoo


def canvas_of(space: zoo.Space) -> tuple[int, int]:
    """Return height and width of the model's input, px."""
    return cast("tuple[int, int]", space.inputs["image"].shape[:2])


def classes_of(space: zoo.Space) -> tuple[str, ...]:
    """Return the names of the classes that the detector tells apart, in order."""
    return space.outputs["detections"].names[4:]
