"""What a scan and a mask are to the rest of the plugin; both are cheap to hold.

A picture is [height, width, channels], a volume [depth, height, width, channels]; channels
come last: one for grey, three for colour, up to 16 of a NIfTI file. Of a volume in a known
orientation, depth runs towards the patient's head, height towards the back and width towards
the left side, as in a stack of axial slices on a light box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from zoo import DataError, publish_file


class Scan(Protocol):
    """Something that can be read as a picture or a volume."""

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """What it is called in messages; never what its header says of a patient."""
        ...

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it is read from; none if it is in memory or drawn."""
        ...

    @property
    def spacing(self) -> tuple[float, ...]:
        """Millimetres from one pixel to the next along each axis but channels.

        Ones where the file does not say.

        Raises:
            DataError: it cannot be read.
        """
        ...

    def read(self) -> np.ndarray:
        """Return what is to be seen, float32 from 0 to 1.

        Returns:
            [height, width, channels] or [depth, height, width, channels].

        Raises:
            DataError: it cannot be read; the message says why.
        """
        ...

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """Write a mask in the scan's own geometry.

        Args:
            path: where to; the usual suffix of such masks is added where it is missing.
            mask: integers [height, width] or [depth, height, width], as the scan is read.

        Returns:
            the file: a PNG of a picture, a NIfTI file of a volume.
        """
        ...


class MaskRef(Protocol):
    """Something that says which class each pixel of a scan is of."""

    def __hash__(self) -> int: ...

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        ...

    def read(self) -> np.ndarray:
        """Return the place of each pixel's class, 0 for background.

        Returns:
            uint8 [height, width] or [depth, height, width], as the scan is read.

        Raises:
            DataError: it cannot be read; the message says why.
        """
        ...


@dataclass(frozen=True)
class OneFile:
    """A scan or mask that one file holds.

    Attributes:
        path: of the file.
    """

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)


@dataclass(frozen=True, eq=False)
class ArrayScan:
    """A scan in memory.

    Attributes:
        array: [height, width, channels] or [depth, height, width, channels]; floats from 0
            to 1, or integers, whose full range counts.
        name: what it is called.
        given_spacing: millimetres along each axis but channels; empty where unknown.
        paths: the files that it was read from.
    """

    array: np.ndarray = field(repr=False)
    name: str = "array"
    given_spacing: tuple[float, ...] = ()
    paths: tuple[Path, ...] = ()

    @property
    def spacing(self) -> tuple[float, ...]:
        """See :attr:`Scan.spacing`."""
        return self.given_spacing or (1.0,) * (self.array.ndim - 1)

    def read(self) -> np.ndarray:
        """See :meth:`Scan.read`."""
        return unit_range(self.array)

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """See :meth:`Scan.write_like`."""
        return write_mask(path, mask, spacing_affine(self.spacing))


@dataclass(frozen=True, eq=False)
class ArrayMask:
    """A mask in memory.

    Attributes:
        array: integers [height, width] or [depth, height, width].
        paths: the files that it was read from.
    """

    array: np.ndarray = field(repr=False)
    paths: tuple[Path, ...] = ()

    def read(self) -> np.ndarray:
        """See :meth:`MaskRef.read`."""
        return self.array.astype(np.uint8)


@dataclass(frozen=True)
class Slice:
    """One slice of a volume, which is read as a picture.

    Attributes:
        volume: the whole.
        index: of the slice, along the depth.
    """

    volume: Scan
    index: int

    @property
    def name(self) -> str:
        """The volume's name and the number of the slice."""
        return f"{self.volume.name} slice {self.index}"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the volume."""
        return self.volume.paths

    @property
    def spacing(self) -> tuple[float, ...]:
        """See :attr:`Scan.spacing`."""
        return self.volume.spacing[1:]

    def read(self) -> np.ndarray:
        """See :meth:`Scan.read`."""
        return _whole(self.volume, _changed(self.paths))[self.index]

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """See :meth:`Scan.write_like`; it is a picture, without the volume's place in space."""
        return write_mask(path, mask, spacing_affine(self.volume.spacing))


@dataclass(frozen=True)
class MaskSlice:
    """One slice of the mask of a volume.

    Attributes:
        volume: the whole.
        index: of the slice, along the depth.
    """

    volume: MaskRef
    index: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the volume."""
        return self.volume.paths

    def read(self) -> np.ndarray:
        """See :meth:`MaskRef.read`."""
        return _whole(self.volume, _changed(self.paths))[self.index]


def put_together(
    scans: Sequence[Scan], masks: Sequence[np.ndarray]
) -> Iterator[tuple[int, Scan, np.ndarray]]:
    """Yield scans with their masks, and for the slices of a volume the volume with its mask.

    Slices that are not among the scans are background.

    Yields:
        the row of the scan or of the first of its slices, the scan, and the mask.
    """
    slices: dict[Scan, list[int]] = {}
    for row, scan in enumerate(scans):
        if isinstance(scan, Slice):
            slices.setdefault(scan.volume, []).append(row)
    for row, scan in enumerate(scans):
        if not isinstance(scan, Slice):
            yield row, scan, masks[row]
        elif row == slices[scan.volume][0]:
            depth = len(_whole(scan.volume, _changed(scan.paths)))
            mask = np.zeros((depth, *masks[row].shape), np.uint8)
            for place in slices[scan.volume]:
                own = scans[place]
                assert isinstance(own, Slice)
                mask[own.index] = masks[place]
            yield row, scan.volume, mask


@lru_cache(maxsize=4)
def _whole(volume: Scan | MaskRef, changed: tuple[int, ...]) -> np.ndarray:
    """Return a volume that was read, as its slices are often asked for one after the other."""
    whole = volume.read()
    whole.flags.writeable = False
    return whole


def _changed(paths: tuple[Path, ...]) -> tuple[int, ...]:
    """Return when files were last changed, so that what is kept of others is not used."""
    return tuple(path.stat().st_mtime_ns for path in paths if path.exists())


def unit_range(array: np.ndarray) -> np.ndarray:
    """Return integers scaled by their full range, and floats as they are, as float32."""
    if array.dtype == bool or array.dtype.kind == "f":
        return array.astype(np.float32)
    limits = np.iinfo(array.dtype)
    low, span = float(limits.min), float(limits.max) - float(limits.min)
    return ((array.astype(np.float64) - low) / span).astype(np.float32)


def spacing_affine(spacing: tuple[float, ...]) -> np.ndarray:
    """Return the matrix that takes depth, height and width to millimetres, float64 [4, 4].

    World axes point right, forward and up, as in NIfTI files; the origin is the first pixel.

    Args:
        spacing: of a volume, millimetres; other numbers than three count as ones.
    """
    depth, height, width = spacing if len(spacing) == 3 else (1.0, 1.0, 1.0)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = depth, -height, -width, 1
    return affine


def write_mask(path: Path, mask: np.ndarray, affine: np.ndarray) -> Path:
    """Write a mask as a PNG, or that of a volume as a NIfTI file.

    Args:
        path: where to, with or without suffix.
        mask: integers from 0 to 255, [height, width] or [depth, height, width].
        affine: from depth, height and width to millimetres, [4, 4]; for volumes.

    Returns:
        the file.
    """
    values = mask.astype(np.uint8)
    if values.ndim == 2:
        from PIL import Image

        target = with_suffix(path, ".png")
        with publish_file(target) as temporary:
            Image.fromarray(values).save(temporary)
        return target
    import nibabel

    # Files hold width first.
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine[:, [2, 1, 0, 3]])
    target = with_suffix(path, ".nii.gz")
    with publish_file(target) as temporary:
        nibabel.save(image, temporary)
    return target


def with_suffix(path: Path, suffix: str, *others: str) -> Path:
    """Return a path that ends with a suffix, added where neither it nor another is there."""
    ends = path.name.lower().endswith((suffix, *others))
    return path if ends else path.with_name(path.name + suffix)


def unreadable(name: str, problem: str, hint: str = "") -> DataError:
    """Return the error about a scan or mask that cannot be read."""
    return DataError(f"{name} {problem}", hint=hint or "Copy or export it again, or remove it.")
