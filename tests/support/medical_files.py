"""Scans as other programs write them: DICOM by pydicom, NIfTI by nibabel, pictures by Pillow."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

NAME = "Doe^Jane"
"""A patient's name, which must not be found anywhere but in the file."""
NUMBER = "MRN-4711"
"""A patient's number, which must not be found anywhere either."""


def write_picture(path: Path, array: np.ndarray, **options: Any) -> Path:
    """Write a picture; the suffix says in which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Write a NIfTI file as its array stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def write_dicom(path: Path, pixels: np.ndarray, **elements: Any) -> Path:
    """Write a grey DICOM file of unsigned 16 bits, or of what `elements` say.

    Args:
        path: of the file.
        pixels: uint16 or int16 [height, width] or [frames, height, width]; uint8 [.., 3].
        elements: further elements of the header by keyword; None takes one out.
    """
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8
    height, width = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    frames = pixels.shape[0] if pixels.ndim == (4 if colour else 3) else 1
    header = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "PatientName": NAME,
        "PatientID": NUMBER,
        "Rows": height,
        "Columns": width,
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": 8 * pixels.dtype.itemsize,
        "BitsStored": 8 * pixels.dtype.itemsize,
        "HighBit": 8 * pixels.dtype.itemsize - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **({"PlanarConfiguration": 0} if colour else {}),
        **({"NumberOfFrames": frames} if frames > 1 else {}),
        **elements,
    }
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = header["SOPInstanceUID"]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in header.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def item(**elements: Any) -> Dataset:
    """Return an item of a sequence."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def picture(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Return a grey picture that is like no other, uint8 [height, width]."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6), np.uint8))
    return np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a CSV file with the columns of all rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names, restval="")
        table.writeheader()
        table.writerows(rows)
    return path


def place_of(row: int) -> np.ndarray:
    """Return where the lesion of a scan lies, bool [32, 32]."""
    rows, columns = np.indices((32, 32))
    return (rows - 10 - row % 13) ** 2 + (columns - 10 - row % 11) ** 2 < 25


def save_scan(path: Path, row: int, *, lesion: bool) -> None:
    """Write a noisy grey picture that nothing else is like."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(row).integers(60, 140, (32, 32))
    pixels = np.where(place_of(row) & bool(lesion), pixels + 90, pixels)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def save_mask(path: Path, row: int) -> None:
    """Write where the lesion of that picture lies, as 0 and 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(place_of(row).astype(np.uint8)).save(path)
