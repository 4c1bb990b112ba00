"""Paints generated scenes: backgrounds, things with a look, and what a camera does to them.

A canvas is float32 [3, height, width], RGB, from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from zoo_vision.scenes.shapes import Curves

_LEAST_INSIDE = 0.45
"""Share of a thing that the picture's border may not cut off."""
_MARGIN = 2
"""Free pixels around a thing, so that its rim is found."""
_SUBPIXEL_BITS = 8
_FAINT = 0.02
"""Strength below which a scale of noise is left out."""
_HALF = 128
"""Coverage from which a pixel counts as drawn."""


class Look(NamedTuple):
    """How a thing is painted.

    Attributes:
        step: how its colour differs from what is behind it, of a range of 1; float [3].
        opacity: 1 hides what is behind.
        texture: `plain`, `noise`, `stripes` or `checks`.
        texture_strength: amplitude of the texture.
        fineness: periods of the texture across the thing.
        angle: direction of texture and light, in radians.
        light: strength of shading along that direction.
        bulge: strength of shading from the centre to the rim; either sign.
        rim: how much lighter the rim is; 0 means none.
        rim_width: in pixels.
    """

    step: np.ndarray
    opacity: float
    texture: str
    texture_strength: float
    fineness: float
    angle: float
    light: float
    bulge: float
    rim: float
    rim_width: int


@dataclass(frozen=True, eq=False)
class Thing:
    """An object, or clutter, at its place in a scene.

    Attributes:
        label: class index; negative for clutter.
        left: first column of `coverage` in the picture.
        top: first row of it.
        coverage: how much of each pixel it covers, uint8 [rows, columns], 255 for all.
        centre: x and y in the picture, pixels.
        radius: half its size, pixels.
        look: how it is painted.
        texture_seed: of its texture.
    """

    label: int
    left: int
    top: int
    coverage: np.ndarray
    centre: np.ndarray
    radius: float
    look: Look
    texture_seed: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Where `coverage` is in the picture."""
        rows, columns = self.coverage.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)

    @property
    def drawn(self) -> np.ndarray:
        """The pixels that it covers by half or more, bool [rows, columns]."""
        return self.coverage >= _HALF

    def box(self) -> tuple[int, int, int, int]:
        """Return the extents of the drawn pixels: x1, y1, x2, y2."""
        columns = self.left + np.flatnonzero(self.drawn.any(axis=0))
        rows = self.top + np.flatnonzero(self.drawn.any(axis=1))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def random_look(rng: np.random.Generator) -> Look:
    contrast = rng.uniform(0.12, 0.7)
    direction = rng.choice([-1.0, 1.0]) + rng.normal(0, 0.5, 3)
    return Look(
        step=contrast * direction / np.linalg.norm(direction) * np.sqrt(3),
        opacity=rng.uniform(0.5, 1.0) if rng.random() < 0.3 else 1.0,
        texture=("plain", "noise", "noise", "stripes", "checks")[rng.integers(5)],
        texture_strength=rng.uniform(0.05, 0.25),
        fineness=rng.uniform(2, 7),
        angle=rng.uniform(0, 2 * np.pi),
        light=rng.uniform(0, 0.15),
        bulge=rng.uniform(-0.25, 0.25) if rng.random() < 0.5 else 0.0,
        rim=rng.uniform(-0.4, 0.4) if rng.random() < 0.3 else 0.0,
        rim_width=int(rng.integers(1, 4)),
    )


def draw(
    curves: Curves,
    centre: np.ndarray,
    canvas_size: tuple[int, int],
    *,
    label: int,
    look: Look,
    texture_seed: int,
) -> Thing | None:
    """Draw a thing, smooth at its edges, or return None if the border cuts off too much.

    Args:
        curves: its outline around the origin, pixels.
        centre: its place, x and y, pixels.
        canvas_size: height and width, pixels.
        label: see :class:`Thing`, as for the others.
        look: how it is painted.
        texture_seed: of its texture.
    """
    height, width = canvas_size
    reach = np.abs(np.concatenate(curves)).max(axis=0)
    corner = np.floor(centre - reach).astype(int) - _MARGIN
    size = np.ceil(2 * reach).astype(int) + 2 * _MARGIN + 1
    whole = np.zeros((size[1], size[0]), np.uint8)
    points = [np.round((curve + centre - corner - 0.5) * 2**_SUBPIXEL_BITS) for curve in curves]
    cv2.fillPoly(whole, [p.astype(np.int32) for p in points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)

    left, top = np.maximum(corner, 0)
    right, bottom = np.minimum(corner + size, (width, height))
    coverage = whole[top - corner[1] : bottom - corner[1], left - corner[0] : right - corner[0]]
    thing = Thing(
        label=label,
        left=int(left),
        top=int(top),
        coverage=coverage,
        centre=centre,
        radius=float(reach.max()),
        look=look,
        texture_seed=texture_seed,
    )
    drawn = np.count_nonzero(thing.drawn)
    enough = drawn and drawn >= _LEAST_INSIDE * np.count_nonzero(whole >= _HALF)
    return thing if enough else None


def _noise(rng: np.random.Generator, height: int, width: int, roughness: float) -> np.ndarray:
    """Return random hills at all scales, float32 [height, width], of variance 1.

    Args:
        rng: draws them.
        height: of the field, pixels.
        width: of the field, pixels.
        roughness: how much of the height each finer scale keeps, from 0 (smooth) to 1.
    """
    field: np.ndarray = np.zeros((1, 1), np.float32)
    strength = 1.0
    for octave in reversed(range(int(np.log2(max(height, width, 2))))):
        rows, columns = max(height >> octave, 2), max(width >> octave, 2)
        field = cv2.resize(field, (columns, rows), interpolation=cv2.INTER_LINEAR)
        if strength > _FAINT:
            field = field + np.float32(strength) * rng.standard_normal((rows, columns), np.float32)
        strength *= roughness
    mean, deviation = cv2.meanStdDev(field)
    return (field - np.float32(mean[0, 0])) / np.float32(max(deviation[0, 0], 1e-6))


def _grid(
    height: int, width: int, centre: tuple[float, float], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far pixels are right of and below a point, float32 [1, w] and [h, 1]."""
    x = (np.arange(width)[None, :] + 0.5 - centre[0]) / scale
    y = (np.arange(height)[:, None] + 0.5 - centre[1]) / scale
    return x.astype(np.float32), y.astype(np.float32)


def _colour(channels: np.ndarray) -> np.ndarray:
    """Return RGB values as float32 [3, 1, 1]."""
    return np.asarray(channels, np.float32)[:, None, None]


def background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Paint hills, a slope and, in half of the scenes, regions with edges."""
    ground = np.clip(rng.uniform(0.15, 0.85) + rng.normal(0, 0.12, 3), 0.05, 0.95)
    hills = _noise(rng, height, width, rng.uniform(0.3, 0.9))
    hill_colour = rng.uniform(0.01, 0.12) * (1 + rng.normal(0, 0.3, 3))
    angle = rng.uniform(0, 2 * np.pi)
    x, y = _grid(height, width, (width / 2, height / 2), max(height, width) / 2)
    slope = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    slope_colour = rng.normal(0, 0.06, 3)
    canvas = _colour(ground) + _colour(hill_colour) * hills + _colour(slope_colour) * slope
    if rng.random() < 0.5:
        heights = _noise(rng, height, width, rng.uniform(0.2, 0.6))
        regions = np.clip((heights - np.float32(rng.uniform(-1, 1))) * 8, 0, 1)
        canvas += _colour(rng.normal(0, 0.12, 3)) * regions
    return canvas


def paint(canvas: np.ndarray, thing: Thing) -> None:
    """Paint a thing over the canvas, in place."""
    look, behind = thing.look, canvas[:, *thing.window]
    ground = np.clip(behind.mean(axis=(1, 2)), 0, 1)
    colour = ground + look.step
    # A colour that does not exist would be clipped to one like the ground.
    colour = np.where((colour < 0) | (colour > 1), ground - look.step, colour)
    alpha = thing.coverage * np.float32(look.opacity / 255)
    behind += (_colour(colour) + _relief(thing) - behind) * alpha


def _relief(thing: Thing) -> np.ndarray:
    """Return how much lighter than its colour each pixel of a thing is, float32 [h, w]."""
    look = thing.look
    rows, columns = thing.coverage.shape
    centre_x, centre_y = thing.centre - (thing.left, thing.top)
    x, y = _grid(rows, columns, (centre_x, centre_y), thing.radius)
    cosine, sine = np.float32(np.cos(look.angle)), np.float32(np.sin(look.angle))
    along, across = cosine * x + sine * y, cosine * y - sine * x
    relief: np.ndarray = np.float32(look.light) * along + np.float32(look.bulge) * (
        x * x + y * y - 0.5
    )
    strength, waves = np.float32(look.texture_strength), np.float32(look.fineness * np.pi)
    if look.texture == "noise":
        rng = np.random.default_rng(thing.texture_seed)
        relief += strength * _noise(rng, rows, columns, 0.75)
    elif look.texture == "stripes":
        relief += strength * np.sin(waves * along)
    elif look.texture == "checks":
        relief += strength * np.sign(np.sin(waves * along) * np.sin(waves * across))
    if look.rim:
        kernel = np.ones((2 * look.rim_width + 1,) * 2, np.uint8)
        rim = thing.coverage - cv2.erode(thing.coverage, kernel)
        relief += rim * np.float32(look.rim / 255)
    return relief


def photograph(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Turn a canvas into uint8 [height, width, 3] as a camera does.

    Some pictures are grey, the others have a cast of colour; some are blurred, darker
    towards the corners, and most are noisy.
    """
    _, height, width = canvas.shape
    cast = rng.uniform(0.85, 1.15, 3)
    grey = rng.random() < 0.15
    dark = rng.uniform(0, 0.5) if rng.random() < 0.4 else 0.0
    blur = rng.uniform(0.4, 1.3) if rng.random() < 0.5 else 0.0
    noise = rng.uniform(0, 0.05) if rng.random() < 0.7 else 0.0

    canvas = canvas.mean(axis=0, keepdims=True) if grey else canvas * _colour(cast)
    if dark:
        x, y = _grid(height, width, (width / 2, height / 2), np.hypot(width, height) / 2)
        canvas *= 1 - np.float32(dark) * (x * x + y * y)
    if blur:
        canvas = np.stack([cv2.GaussianBlur(channel, (0, 0), blur) for channel in canvas])
    if noise:
        canvas += np.float32(noise) * rng.standard_normal((height, width), np.float32)
    picture = np.clip(canvas * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(picture[0, :, :, None], 3, axis=2) if grey else cv2.merge(list(picture))
