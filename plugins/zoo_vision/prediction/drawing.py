"""Boxes drawn on pictures, and pictures written to files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import zoo

PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""RGB colours that the colour-blind can tell apart (Okabe and Ito, 2008)."""

Box = tuple[float, float, float, float]


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[str],
    classes: Sequence[int] | np.ndarray,
    *,
    scores: Sequence[float] | np.ndarray | None = None,
    width: int | None = None,
) -> np.ndarray:
    """Return a picture with boxes and their labels drawn on it.

    Args:
        image: uint8 [height, width, 3].
        boxes: corners [n, 4], px.
        labels: n words; an empty one draws the box alone.
        classes: n numbers; equal ones have equal colours, in every picture.
        scores: n numbers to write after the words; the highest is drawn last, so on top.
        width: of the lines, px; by default it grows with the picture.

    Returns:
        uint8 [height, width, 3].
    """
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    line = width or max(2, round(max(picture.size) / 400))
    order = range(len(boxes)) if scores is None else np.argsort(scores, kind="stable")
    for row in order:
        box, colour = _drawable(boxes[row], picture.size), PALETTE[int(classes[row]) % len(PALETTE)]
        # The dark rim keeps the line visible on a ground of its own colour.
        draw.rectangle(_grown(box, 1), outline=(0, 0, 0), width=line + 2)
        draw.rectangle(box, outline=colour, width=line)
        text = labels[row] if scores is None else f"{labels[row]} {scores[row]:.2f}".strip()
        if text:
            _write(draw, text, box, colour, picture.size)
    return np.asarray(picture)


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write uint8 [height, width, 3] as JPEG or PNG, whichever the path's suffix says.

    Raises:
        StorageError: it cannot be written; an earlier file of the name is unchanged.
    """
    with zoo.publish_file(path) as temporary:
        Image.fromarray(image).save(temporary, quality=90)


def _drawable(box: np.ndarray, size: tuple[int, int]) -> Box:
    """Return the first and last pixel of a box in x and y, within the picture."""
    left, right = np.clip([box[0], box[2] - 1], 0, size[0] - 1).round().tolist()
    top, bottom = np.clip([box[1], box[3] - 1], 0, size[1] - 1).round().tolist()
    return left, top, max(left, right), max(top, bottom)


def _grown(box: Box, pixels: int) -> Box:
    left, top, right, bottom = box
    return left - pixels, top - pixels, right + pixels, bottom + pixels


def _write(
    draw: ImageDraw.ImageDraw,
    text: str,
    box: Box,
    colour: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    """Write on a plate above the box, or on the box where the picture ends above it."""
    font = _font(max(11, round(max(size) / 50)))
    plate_width = round(font.getlength(text)) + 4
    plate_height = sum(font.getmetrics())
    x = max(0, min(box[0], size[0] - plate_width))
    y = box[1] - plate_height if box[1] >= plate_height else box[1]
    draw.rectangle((x, y, x + plate_width, y + plate_height), fill=colour)
    red, green, blue = colour
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 110
    draw.text((x + 2, y), text, font=font, fill=(0, 0, 0) if bright else (255, 255, 255))


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with Matplotlib and writes more than ASCII."""
    return ImageFont.truetype(
        Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size
    )
