"""Pictures as references: cheap to hold, read when an example is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import zoo
from PIL import Image, ImageOps

_FORMATS = ("PNG", "JPEG")


class Picture(Protocol):
    """Something that can be read as a picture."""

    def read(self) -> np.ndarray:
        """Return the upright picture, uint8 [height, width, 3], RGB.

        Raises:
            DataError: it cannot be read; the message says why.
        """
        ...


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file."""

    path: Path

    def read(self) -> np.ndarray:
        """See :meth:`Picture.read`."""
        try:
            with Image.open(self.path, formats=_FORMATS) as image:
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise zoo.DataError(
                f"{self.path.name} cannot be read as a picture: {error}.",
                hint="Copy or download it again, or remove it.",
            ) from error


@dataclass(frozen=True)
class Texture:
    """A texture that is drawn when it is read; equal fields, equal picture.

    Attributes:
        kind: checks, dots, rings or stripes.
        seed: decides size, direction, colours and noise.
        side: width and height, px.
    """

    kind: str
    seed: int
    side: int

    def read(self) -> np.ndarray:
        """See :meth:`Picture.read`."""
        rng = np.random.default_rng(self.seed)
        angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.6)
        y, x = (np.mgrid[: self.side, : self.side] + rng.uniform(0, self.side, (2, 1, 1))) * scale
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        height = _HEIGHTS[self.kind](u, v, rng) + rng.normal(0, 0.25, u.shape)
        dark, light = rng.uniform(0, 110, 3), rng.uniform(110, 255, 3)
        share = 1 / (1 + np.exp(-4 * height[..., None]))
        return (dark + (light - dark) * share).astype(np.uint8)


def _checks(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sign(np.sin(u / 2) * np.sin(v / 2))


def _dots(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.cos(u / 2) + np.cos(v / 2) - 0.6


def _rings(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    across, along = rng.uniform(0.3, 0.7, 2)
    centre_u, centre_v = np.quantile(u, across), np.quantile(v, along)
    return np.sin(np.hypot(u - centre_u, v - centre_v) / 2)


def _stripes(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sin(u / 2)


_HEIGHTS = {"checks": _checks, "dots": _dots, "rings": _rings, "stripes": _stripes}
