"""Outlines of what lies in a generated scene: the shapes of each class, and clutter.

A shape is a list of closed curves [points, 2] around the origin, within a circle of radius
1. What lies within an even number of them is outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Curves: TypeAlias = list[np.ndarray]


def _polar(radius: np.ndarray | float, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _turn(points: int) -> np.ndarray:
    return np.arange(points) * (2 * np.pi / points)


def _rotation(angle: float) -> np.ndarray:
    """Return the matrix [2, 2] that turns by an angle in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def _disc(rng: np.random.Generator) -> Curves:
    return [_polar(1.0, _turn(48))]


def _ring(rng: np.random.Generator) -> Curves:
    return [_polar(1.0, _turn(48)), _polar(rng.uniform(0.5, 0.75), _turn(48))]


def _triangle(rng: np.random.Generator) -> Curves:
    return [_polar(1.0, _turn(3))]


def _rectangle(rng: np.random.Generator) -> Curves:
    return [_polar(1.0, _turn(4))]


def _star(rng: np.random.Generator) -> Curves:
    points = int(rng.integers(5, 8))
    return [_polar(np.tile([1.0, rng.uniform(0.38, 0.5)], points), _turn(2 * points))]


def _cross(rng: np.random.Generator) -> Curves:
    arm = rng.uniform(0.22, 0.36)
    quarter = np.array([[1, -arm], [1, arm], [arm, arm]])
    return [np.concatenate([quarter @ _rotation(angle).T for angle in _turn(4)])]


def _blob(rng: np.random.Generator) -> Curves:
    """A closed curve with bays: clutter."""
    angle = _turn(48)
    waves = (2 + rng.integers(0, 4, 3))[:, None] * angle + rng.uniform(0, 2 * np.pi, (3, 1))
    radius = 1 + (rng.uniform(0.2, 0.45, (3, 1)) * np.sin(waves)).sum(axis=0)
    return [_polar(np.maximum(radius, 0.15) / radius.max(), angle)]


def _bar(rng: np.random.Generator) -> Curves:
    """A line with a width: clutter."""
    half = rng.uniform(0.03, 0.1)
    return [np.array([[-1, -half], [1, -half], [1, half], [-1, half]])]


def _arc(rng: np.random.Generator) -> Curves:
    """A piece of a thin ring: clutter."""
    angle = np.linspace(0, rng.uniform(0.3, 1.1) * np.pi, 24)
    inner = rng.uniform(0.75, 0.92)
    return [np.concatenate([_polar(1.0, angle), _polar(inner, angle[::-1])])]


_SHAPES: dict[str, Callable[[np.random.Generator], Curves]] = {
    "disc": _disc,
    "ring": _ring,
    "triangle": _triangle,
    "rectangle": _rectangle,
    "star": _star,
    "cross": _cross,
}
_CLUTTER = (_blob, _bar, _arc)

CLASSES: tuple[str, ...] = tuple(_SHAPES)
"""Names of the classes, by index."""

CLUTTER_LABELS: tuple[int, ...] = tuple(-1 - kind for kind in range(len(_CLUTTER)))
"""What stands for clutter where a class index is expected."""


def outline(rng: np.random.Generator, label: int, size: float, bent: float = 0.5) -> Curves:
    """Draw a shape of a class, or clutter: turned, and stretched along some direction.

    Args:
        rng: draws it.
        label: class index, or one of `CLUTTER_LABELS`.
        size: in pixels, before it is stretched.
        bent: logarithm of the largest ratio of length to width.

    Returns:
        closed curves in pixels, around the origin.
    """
    shape = list(_SHAPES.values())[label] if label >= 0 else _CLUTTER[-label - 1]
    stretch = np.exp(rng.uniform(-bent, bent) / 2)
    first, second = (_rotation(angle) for angle in rng.uniform(0, 2 * np.pi, 2))
    transform = size / 2 * second @ np.diag([stretch, 1 / stretch]) @ first
    return [curve @ transform.T for curve in shape(rng)]
