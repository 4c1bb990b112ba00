"""Pictures of scans with maps laid over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

import zoo
from zoo_medical.preprocessing import resized

MAPS = ("gradcam", "occlusion")
"""Columns of predictions that hold maps."""

_LEAST = 224
"""Shorter side of a picture with a map, px: smaller scans are enlarged."""


def overlay(seen: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a scan with a map laid over it; of a volume the slice where the map is strongest.

    Args:
        seen: uint8 [height, width, channels], or with a depth.
        heat: float, 0 to 1, as many axes as sizes of the scan; stretched to it.

    Returns:
        uint8 [height, width, 3], enlarged to 224 px if it is smaller.
    """
    heat = resized(heat[..., None].astype(np.float32), seen.shape[:-1])[..., 0]
    if heat.ndim == 3:
        depth = int(heat.sum(axis=(1, 2)).argmax())
        seen, heat = seen[depth], heat[depth]
    picture = as_picture(seen)
    size = picture.shape[:2]
    heat = np.clip(resized(heat[..., None], size)[..., 0], 0, 1)
    colours = matplotlib.colormaps["inferno"](heat)[..., :3]
    opacity = 0.6 * heat[..., None] ** 0.7
    return (255 * ((1 - opacity) * picture + opacity * colours)).round().astype(np.uint8)


def as_picture(seen: np.ndarray) -> np.ndarray:
    """Return a scan in colour, enlarged if it is small; of a volume the middle slice.

    Args:
        seen: uint8 [height, width, channels], or with a depth.

    Returns:
        float32 [height, width, 3], 0 to 1.
    """
    if seen.ndim == 4:
        seen = seen[len(seen) // 2]
    factor = max(1, -(-_LEAST // min(seen.shape[:2])))
    size = [factor * side for side in seen.shape[:2]]
    picture = resized(seen.astype(np.float32) / 255, size)
    return np.repeat(picture[..., :1], 3, axis=-1) if picture.shape[-1] != 3 else picture


def as_record(predictions: zoo.Batch, row: int) -> dict[str, Any]:
    """Return a row's maps as they stand in a record; empty if it was not explained."""
    if "gradcam" not in predictions:
        return {}
    return {name: np.round(predictions[name][row], 4) for name in MAPS}


def write_overlays(batch: zoo.Batch, predictions: zoo.Batch, folder: Path) -> None:
    """Write the maps of each scan over it, as ID-gradcam.png and ID-occlusion.png."""
    folder.mkdir()
    for row, name in enumerate(batch["id"]):
        for kind in MAPS:
            heat = predictions[kind][row]
            strongest = float(heat.max())
            shown = overlay(predictions["seen"][row], heat / strongest if strongest else heat)
            Image.fromarray(shown).save(folder / f"{file_name(str(name), row)}-{kind}.png")


def file_name(name: str, row: int) -> str:
    """Return a name of a file for an example; the row's number keeps equal ones apart."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    return f"{row:05d}-{kept[-80:]}"
