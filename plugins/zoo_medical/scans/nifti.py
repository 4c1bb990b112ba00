"""NIfTI files (https://nifti.nimh.nih.gov), read by nibabel.

However a volume is stored, it is read in one orientation: depth towards the head, height
towards the back, width towards the left side of the patient. One with a single slice is a
picture. Values are brought to 0 to 1 by a window, or else by robust percentiles of each
channel; a fourth axis holds channels.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
from nibabel import orientations

from zoo import publish_file
from zoo_medical.scans.scan import OneFile, unreadable, with_suffix
from zoo_medical.scans.windows import Window, robust_range, stretched

# It prints what it mends in a header.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

SUFFIXES = (".nii", ".nii.gz")
"""How the names of NIfTI files end, in small letters."""

_AXES = ("S", "P", "L")
"""Where depth, height and width run to: superior, posterior, left."""
_COLOURS = ("R", "G", "B")
_MOST_CHANNELS = 16
"""Channels beyond which the fourth axis is taken for time."""
_MOST_VALUES = 2**30


class Geometry(NamedTuple):
    """Where a volume lies in space.

    Attributes:
        shape: of the file's first three axes.
        affine: from the file's axes to millimetres, float64 [4, 4].
    """

    shape: tuple[int, ...]
    affine: np.ndarray

    @property
    def turn(self) -> np.ndarray:
        """How nibabel turns the file's axes to depth, height and width [3, 2]."""
        own = orientations.io_orientation(self.affine)
        return orientations.ornt_transform(own, orientations.axcodes2ornt(_AXES))

    @property
    def turn_back(self) -> np.ndarray:
        """The opposite of `turn`."""
        own = orientations.io_orientation(self.affine)
        return orientations.ornt_transform(orientations.axcodes2ornt(_AXES), own)

    @property
    def read_affine(self) -> np.ndarray:
        """From depth, height and width to millimetres, float64 [4, 4]."""
        return self.affine @ orientations.inv_ornt_aff(self.turn, self.shape)

    @property
    def flat(self) -> int | None:
        """The first of depth, height and width along which there is one place; None if none."""
        sizes = [0, 0, 0]
        for axis, place in enumerate(self.turn[:, 0].astype(int)):
            sizes[place] = self.shape[axis]
        return sizes.index(1) if 1 in sizes else None

    @property
    def spacing(self) -> tuple[float, ...]:
        """Millimetres along depth, height and width, without the axis that is flat."""
        sizes = np.linalg.norm(self.read_affine[:3, :3], axis=0).tolist()
        return tuple(size for axis, size in enumerate(sizes) if axis != self.flat)


@dataclass(frozen=True)
class NiftiFile(OneFile):
    """A volume in a file.

    Attributes:
        path: of the file.
        window: centre and width of the values that are shown; None for percentiles.
    """

    window: tuple[float, float] | None = None

    @property
    def geometry(self) -> Geometry:
        """Where it lies in space, by its header alone.

        Raises:
            DataError: it cannot be read.
        """
        return _geometry(_opened(self.path))

    @property
    def spacing(self) -> tuple[float, ...]:
        """See :attr:`zoo_medical.scans.scan.Scan.spacing`."""
        return self.geometry.spacing

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.Scan.read`."""
        values, coloured = self._turned()
        if coloured:
            return (values / 255).astype(np.float32)
        if self.window:
            return Window(*self.window)(values)
        channels = [stretched(each, *robust_range(each)) for each in np.moveaxis(values, -1, 0)]
        return np.stack(channels, axis=-1)

    def numbers(self) -> np.ndarray:
        """Return the numbers of a mask, int64 [depth, height, width] or [height, width].

        Raises:
            DataError: it cannot be read, has channels or numbers that are not whole.
        """
        values, _ = self._turned()
        if values.shape[-1] != 1:
            raise unreadable(self.name, f"is a mask with {values.shape[-1]} channels; expected 1.")
        whole = np.rint(values[..., 0])
        if np.abs(values[..., 0] - whole).max(initial=0) > 1e-3:
            hint = "Save it with a number for each class; do not interpolate masks."
            raise unreadable(self.name, "is a mask whose numbers are not whole.", hint)
        return whole.astype(np.int64)

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """Write a mask with the file's own affine and order of axes.

        See :meth:`zoo_medical.scans.scan.Scan.write_like`.
        """
        like = _opened(self.path)
        geometry = _geometry(like)
        values = mask.astype(np.uint8)
        if geometry.flat is not None:
            values = np.expand_dims(values, geometry.flat)
        stored = orientations.apply_orientation(values, geometry.turn_back)
        image = nibabel.Nifti1Image(np.ascontiguousarray(stored), geometry.affine)
        for kind in ("qform", "sform"):
            code = int(like.header[f"{kind}_code"]) if f"{kind}_code" in like.header else 0
            getattr(image, f"set_{kind}")(geometry.affine, code)
        target = with_suffix(path, ".nii.gz", ".nii")
        with publish_file(target) as temporary:
            nibabel.save(image, temporary)
        return target

    def _turned(self) -> tuple[np.ndarray, bool]:
        """Return finite values with channels last, and whether they are colours."""
        image = _opened(self.path)
        geometry = _geometry(image)
        try:
            values, coloured = _values(image)
        except Exception as error:  # nibabel stumbles on damaged files in many ways
            problem = f"is cut off or damaged ({type(error).__name__})."
            raise unreadable(self.name, problem) from error
        values = values.reshape(*geometry.shape, -1)
        if values.shape[-1] > _MOST_CHANNELS:
            problem = f"has {values.shape[-1]} volumes, as one over time does; expected at most "
            raise unreadable(
                self.name, f"{problem}{_MOST_CHANNELS} channels.", "Cut it into its volumes."
            )
        if not np.isfinite(values).all():
            finite = values[np.isfinite(values)]
            values = np.where(np.isfinite(values), values, finite.min() if len(finite) else 0)
        turned = orientations.apply_orientation(values, geometry.turn)
        return (turned if geometry.flat is None else turned.take(0, geometry.flat)), coloured


def _opened(path: Path) -> Any:
    """Return an image of nibabel, of which only the header is read.

    Raises:
        DataError: it is no NIfTI file, or too large.
    """
    try:
        image: Any = nibabel.load(path)
    except FileNotFoundError as error:
        raise unreadable(path.name, "does not exist.") from error
    except Exception as error:  # as above
        problem = f"is no NIfTI file, or is damaged in its header ({type(error).__name__})."
        raise unreadable(path.name, problem) from error
    if math.prod(image.shape) > _MOST_VALUES:
        shape = " x ".join(map(str, image.shape))
        problem = f"has {shape} values; expected at most {_MOST_VALUES:,}."
        raise unreadable(path.name, problem, "Cut it into parts.")
    return image


def _geometry(image: Any) -> Geometry:
    """Return where an image lies in space; axes that it lacks have one place."""
    shape = (*image.shape, 1, 1, 1)[:3]
    affine = np.asarray(image.affine, np.float64)
    axes = orientations.io_orientation(affine)[:, 0]
    if not np.isfinite(affine).all() or np.isnan(axes).any():
        # An axis without length or direction: take the file's axes as NIfTI means them.
        affine = np.diag([*_sizes(image), 1.0])
    return Geometry(tuple(map(int, shape)), affine)


def _sizes(image: Any) -> list[float]:
    zooms = [float(each) for each in (*image.header.get_zooms()[:3], 1, 1, 1)[:3]]
    return [each if np.isfinite(each) and each > 0 else 1.0 for each in zooms]


def _values(image: Any) -> tuple[np.ndarray, bool]:
    """Return values with the file's slope and intercept, and whether they are colours."""
    kind = image.get_data_dtype()
    if kind.fields:
        stored = np.asarray(image.dataobj)
        colours = [stored[name] for name in _COLOURS]
        return np.stack(colours, axis=-1).astype(np.float64), True
    return np.asarray(image.dataobj, np.float64), False
