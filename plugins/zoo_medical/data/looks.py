"""What is remembered of a scan that was read once, to split and to check by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from zoo import Batch, fingerprint, near_copies, object_column
from zoo_medical.scans.dicom import DicomScan, identifying_tags, says_burned_in
from zoo_medical.scans.scan import Scan, Slice

_THUMBNAIL = 32
"""Side of a thumbnail, in pixels."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Look:
    """What is known of a scan, or of one slice of a volume.

    Attributes:
        shape: of the pixels, [height, width, channels] or with the depth before.
        spacing: millimetres along each axis but channels.
        content: a hash of the values, whatever the file's name and kind.
        thumbnail: uint8 [side, side], in grey; of a volume the mean along its depth.
        constant: whether all values are equal.
        place: of the slice along the depth; None for a whole scan.
        tags: keywords of the tags of a DICOM header that tell who the patient is.
        burned_in: whether the header says that such things are written into the pixels.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    content: str
    thumbnail: np.ndarray
    constant: bool
    place: int | None = None
    tags: tuple[str, ...] = ()
    burned_in: bool = False


def looks_at(scan: Scan, values: np.ndarray, *, by_slice: bool) -> tuple[Look, ...]:
    """Return what is remembered of a scan, or of each slice of a volume.

    Args:
        scan: what was read.
        values: what `scan.read()` returned.
        by_slice: whether each slice of a volume is an example of its own.
    """
    several = by_slice and values.ndim == 4
    spacing = scan.spacing[1:] if several else scan.spacing
    of_dicom = isinstance(scan, DicomScan)
    tags = identifying_tags(scan.paths[0]) if of_dicom else ()
    burned_in = of_dicom and says_burned_in(scan.paths[0])
    return tuple(
        Look(
            shape=part.shape,
            spacing=spacing,
            content=fingerprint(part),
            thumbnail=_thumbnail(part),
            constant=float(np.ptp(part)) == 0,
            place=place if several else None,
            tags=tags,
            burned_in=burned_in,
        )
        for place, part in enumerate(values if several else values[None])
    )


def looks_of(scan: Scan, *, by_slice: bool) -> tuple[Look, ...]:
    """Read a scan, and return what :func:`looks_at` does."""
    return looks_at(scan, scan.read(), by_slice=by_slice)


def one_look_each(columns: Batch) -> Batch:
    """Return examples with a row, and one look, for each slice that is an example.

    The slices of a volume are of its group.

    Args:
        columns: of scans, with `id`, `scan`, and `looks` as :func:`looks_at` returns them; and
            perhaps `mask_look`, as many things as looks, or None.
    """
    counts = [len(looks) for looks in columns["looks"]]
    rows = np.repeat(np.arange(len(counts)), counts)
    found = {name: column[rows] for name, column in columns.items() if name != "looks"}
    looks = [look for own in columns["looks"] for look in own]
    cut = zip(found["scan"], found["id"], looks, strict=True)
    scans, names = zip(*(_slice(scan, name, look.place) for scan, name, look in cut), strict=True)
    found["scan"], found["id"] = object_column(scans), object_column(names)
    found["content"] = object_column(look.content for look in looks)
    found["look"] = object_column(looks)
    if "mask_look" in columns:
        marked = zip(columns["mask_look"], counts, strict=True)
        found["mask_look"] = object_column(
            each for own, count in marked for each in (own or [None] * count)
        )
    return found


def copies_among(looks: Iterable[Look], groups: np.ndarray) -> np.ndarray:
    """Return pairs of rows that show nearly the same, int64 [pairs, 2].

    What is all of one value is no copy of another such scan. Slices of one group look alike
    anyway, and stay together anyway.
    """
    looks = list(looks)
    pairs = near_copies(np.stack([look.thumbnail for look in looks]))
    constant = np.array([look.constant for look in looks], bool)
    sliced = np.array([look.place is not None for look in looks], bool)
    first, second = pairs[:, 0], pairs[:, 1]
    siblings = sliced[first] & sliced[second] & (groups[first] == groups[second])
    return pairs[~(constant[first] | constant[second] | siblings)]


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return `function` of each item in order, worked out by several threads."""
    with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 1)) as threads:
        return list(threads.map(function, items))


def _slice(scan: Scan, name: str, place: int | None) -> tuple[Scan, str]:
    return (scan, name) if place is None else (Slice(scan, place), f"{name}#{place:04d}")


def _thumbnail(values: np.ndarray) -> np.ndarray:
    grey = values.mean(axis=-1)
    flat = grey.mean(axis=0) if grey.ndim == 3 else grey
    image = Image.fromarray((np.clip(flat, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.array(image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX))
