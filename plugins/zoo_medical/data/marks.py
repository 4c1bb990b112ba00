"""What is marked in masks: their numbers, and the classes that these stand for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo import DataError, fingerprint
from zoo_medical.data.looks import Look
from zoo_medical.scans.masks import MaskFile
from zoo_medical.scans.nifti import SUFFIXES as NIFTI, NiftiFile
from zoo_medical.scans.scan import MaskRef, MaskSlice, Scan

_DESCRIPTION = "dataset.json"
_MOST_VALUES = 64
"""Different numbers in masks beyond which these are no classes."""
_NEAR = 0.1
"""Share of the spacing by which affines may differ."""


class Marks(NamedTuple):
    """What is marked in masks.

    Attributes:
        classes: names.
        values: the number that stands for each.
    """

    classes: tuple[str, ...]
    values: tuple[int, ...]


def marks_in(present: set[int], classes: tuple[str, ...], values: tuple[int, ...]) -> Marks:
    """Return what the numbers in masks stand for.

    Args:
        present: all numbers that occur.
        classes: names, if the user gave them.
        values: the number of each class, if the user gave them.

    Raises:
        DataError: there are none or too many, or they are not as many as classes.
    """
    found, count = tuple(sorted(present - {0})), len(classes)
    if not (found or values):
        hint = "Give masks in which something has another number than 0."
        raise DataError("Nothing is marked in any of the masks.", hint=hint)
    hint = "Say which numbers stand for which: --set 'data.mask_values=[1, 2]'"
    if len(found) > _MOST_VALUES and not values:
        message = f"The masks hold {len(found)} different numbers, as after JPEG or interpolation; "
        raise DataError(f"{message}expected one a class.", hint=hint)
    numbers = values or found
    if not values and count and found[-1] <= count:
        numbers = tuple(range(1, count + 1))
    if count and count != len(numbers):
        shown = ", ".join(map(str, numbers))
        raise DataError(f"The masks hold {shown}, and data.classes has {count} names.", hint=hint)
    names = tuple(map(str, numbers)) if len(numbers) > 1 else ("foreground",)
    return Marks(classes or names, numbers)


def described_marks(folder: Path) -> Marks | None:
    """Return what a `dataset.json` says is marked, as nnU-Net and the Decathlon have it.

    Its `labels` are names by number, or numbers by name.

    Args:
        folder: the root of the data.

    Returns:
        the classes in order of their numbers, or None if there is no such file.
    """
    try:
        said = json.loads((folder / _DESCRIPTION).read_text("utf-8-sig"))["labels"]
        pairs = [
            (int(key), str(value)) if str(key).isdigit() else (int(value), str(key))
            for key, value in said.items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    marked = sorted(pair for pair in pairs if pair[0] > 0)
    if not marked:
        return None
    values, names = zip(*marked, strict=True)
    return Marks(names, values)


@dataclass(frozen=True)
class MaskLook:
    """What is known of a mask, or of one slice of it.

    Attributes:
        present: the numbers in it.
        content: a hash of them.
    """

    present: tuple[int, ...]
    content: str


def look_at_mask(
    found: tuple[Scan, str, tuple[Look, ...]],
) -> tuple[MaskLook, ...] | DataError | None:
    """Return what is known of the mask of a scan, None without one, or what is wrong with it."""
    scan, file, looks = found
    if not file:
        return None
    path = Path(file)
    try:
        numbers = MaskFile(path).numbers()
    except DataError as error:
        return error
    several = looks[0].place is not None
    shape = (len(looks), *looks[0].shape[:-1]) if several else looks[0].shape[:-1]
    if numbers.shape != shape:
        sizes = " x ".join(map(str, numbers.shape)), " x ".join(map(str, shape))
        return DataError(
            f"The mask {path.name} has {sizes[0]} pixels and its scan {sizes[1]}.",
            hint="Give the mask the size of its scan, without interpolation.",
        )
    if not _in_one_place(scan, path):
        return DataError(
            f"The mask {path.name} lies elsewhere than its scan: their affines differ.",
            hint="Resample the mask to the scan.",
        )
    parts = numbers if several else numbers[None]
    return tuple(MaskLook(tuple(np.unique(part).tolist()), fingerprint(part)) for part in parts)


def _in_one_place(scan: Scan, mask: Path) -> bool:
    """Return whether a mask lies where its scan does, as far as their files tell."""
    if not (isinstance(scan, NiftiFile) and mask.name.lower().endswith(NIFTI)):
        return True
    own, other = scan.geometry, NiftiFile(mask).geometry
    return np.allclose(own.read_affine, other.read_affine, atol=_NEAR * min(own.spacing))


def mask_in(file: str, marks: Marks, place: int | None) -> MaskRef:
    """Return the mask in a file, or its slice at a place along the depth."""
    whole = MaskFile(Path(file), marks.values)
    return whole if place is None else MaskSlice(whole, place)
