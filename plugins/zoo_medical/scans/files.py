"""Opens scans by what their files are called, or begin with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np

from zoo_medical.scans import dicom, nifti, pictures
from zoo_medical.scans.dicom import DicomScan, series_in
from zoo_medical.scans.nifti import NiftiFile
from zoo_medical.scans.pictures import PictureFile
from zoo_medical.scans.scan import Scan, unreadable

SUFFIXES = (*dicom.SUFFIXES, *nifti.SUFFIXES, *pictures.SUFFIXES)
"""How the names of scans end, in small letters; DICOM files may have no suffix."""


def is_scan(path: Path) -> bool:
    """Return whether a file is a scan by its name, or by its content if it has no suffix."""
    return path.name.lower().endswith(SUFFIXES) or dicom.is_dicom(path)


def scan_of(path: Path, window: tuple[float, float] | None = None) -> Scan:
    """Return the scan in a file.

    Args:
        path: of the file.
        window: centre and width of the values of DICOM and NIfTI files that are shown.
    """
    name = path.name.lower()
    if name.endswith(nifti.SUFFIXES):
        return NiftiFile(path, window)
    if name.endswith(pictures.SUFFIXES):
        return PictureFile(path)
    return DicomScan((path,), window)


def stem(path: PurePath) -> str:
    """Return a file's name without the suffixes that scans have."""
    lower = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if lower.endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


@dataclass(frozen=True)
class NoScan:
    """What is called a scan and is none.

    Attributes:
        path: where it is.
        problem: what is wrong, as a sentence about it.
        hint: what to do about it.
    """

    path: Path
    problem: str
    hint: str = ""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.name

    @property
    def paths(self) -> tuple[Path, ...]:
        """None."""
        return ()

    @property
    def spacing(self) -> tuple[float, ...]:
        """See :meth:`read`."""
        raise unreadable(self.name, self.problem, self.hint)

    def read(self) -> np.ndarray:
        """Raise the DataError that says what is wrong."""
        raise unreadable(self.name, self.problem, self.hint)

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """See :meth:`read`."""
        raise unreadable(self.name, self.problem, self.hint)


def series_of(place: Path, window: tuple[float, float] | None = None) -> Scan:
    """Return the series of slices in a folder, or that which a file belongs to.

    Args:
        place: a folder that holds one series, or a file of any series.
        window: see :func:`scan_of`.
    """
    folder = place if place.is_dir() else place.parent
    found = series_in([each for each in files_in(folder) if dicom.is_dicom(each)], window)
    if place.is_dir():
        if len(found) != 1:
            problem = f"is a folder with {len(found)} DICOM series; expected one."
            return NoScan(place, problem, "Put each series into a folder of its own.")
        return replace(found[0], title=place.name)
    own = [each for each in found if place in each.files]
    return own[0] if own else scan_of(place, window)


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder itself, but hidden ones, in order of name."""
    return sorted(
        each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")
    )
