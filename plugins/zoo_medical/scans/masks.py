"""Masks in files, whose numbers are brought to the places of classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zoo_medical.scans import dicom, nifti, pictures
from zoo_medical.scans.scan import OneFile, unreadable


@dataclass(frozen=True)
class MaskFile(OneFile):
    """A mask in a picture or a NIfTI file.

    Attributes:
        path: of the file.
        values: the number that stands for each class; 0 is background.
    """

    values: tuple[int, ...] = (1,)

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.MaskRef.read`."""
        numbers = self.numbers()
        places = places_of(numbers, self.values)
        if unknown := unknown_values(np.unique(numbers).tolist(), self.values):
            shown = ", ".join(map(str, unknown[:5]))
            known = ", ".join(map(str, self.values))
            problem = f"is a mask that holds {shown}; expected 0, {known}."
            raise unreadable(self.path.name, problem, "Correct it, or data.mask_values.")
        return places

    def numbers(self) -> np.ndarray:
        """Return the numbers in the file, int64 [height, width] or [depth, height, width].

        Raises:
            DataError: it cannot be read, or is no mask.
        """
        if self.path.name.lower().endswith(nifti.SUFFIXES):
            return nifti.NiftiFile(self.path).numbers()
        if dicom.is_dicom(self.path):
            problem = "is a DICOM file; masks are read from pictures and NIfTI files."
            raise unreadable(self.path.name, problem, "Convert it, for example with dcmqi.")
        return pictures.read_indices(pictures.opener(self.path), self.path.name)


def places_of(numbers: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return the place of each number in `values`, from 1 on, as uint8; 0 for all others."""
    places = np.zeros(numbers.shape, np.uint8)
    for place, value in enumerate(values, start=1):
        places[numbers == value] = place
    return places


def unknown_values(present: Iterable[int], values: Sequence[int]) -> list[int]:
    """Return which of the numbers that are present are neither background nor in `values`."""
    known = {0, *values}
    return [each for each in present if each not in known]
