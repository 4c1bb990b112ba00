"""The npz files of MedMNIST (https://medmnist.com): pictures, labels and official splits.

`train_images`, `val_images` and `test_images` are integers [n, height, width], perhaps with
3 channels, or [n, depth, height, width]; `train_labels` and so on are the numbers of
classes [n, 1], or for several findings at once 0 and 1 [n, findings].
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from zoo import Batch, DataError, object_column
from zoo_medical.data.labels import joined
from zoo_medical.scans.scan import ArrayScan

SUFFIX = ".npz"
_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_LAYOUT = "Expected are the arrays train_images and train_labels, and the like for val and test."


def read(path: Path, classes: Sequence[str], *, multi_label: bool) -> Batch:
    """Return the examples in a file, with `id`, `scan`, `label`, `group` and `split`.

    Args:
        path: of the file.
        classes: names in order of the numbers; the numbers are the names where none are given.
        multi_label: whether an example may have several classes, or none.

    Raises:
        DataError: it is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        problem = f"{path.name} is no npz file of plain arrays that can be read"
        raise DataError(f"{problem} ({type(error).__name__}).", hint=_LAYOUT) from error
    names = _class_names(path, arrays, classes, multi_label=multi_label)
    rows = [
        row
        for split in _SPLITS
        for row in _rows(path, split, arrays, names, multi_label=multi_label)
    ]
    if not rows:
        known = ", ".join(arrays) or "none"
        raise DataError(f"{path.name} holds no pictures, but the arrays {known}.", hint=_LAYOUT)
    ids, scans, labels, splits = zip(*rows, strict=True)
    return {
        "id": object_column(ids),
        "scan": object_column(scans),
        "label": object_column(labels),
        "group": object_column(ids),
        "split": object_column(splits),
    }


def _class_names(
    path: Path, arrays: Mapping[str, np.ndarray], classes: Sequence[str], *, multi_label: bool
) -> list[str]:
    """Return the name of each number, or of each finding.

    Raises:
        DataError: labels are not as they should be.
    """
    found = [_numbers(arrays, split) for split in _SPLITS]
    known = [numbers for numbers in found if numbers is not None and numbers.size]
    widest = max((numbers.shape[1] for numbers in known), default=0)
    if widest > 1 and not multi_label:
        raise DataError(
            f"{path.name} has {widest} labels an example.",
            hint="If several can be true at once: --set data.multi_label=true",
        )
    highest = max((int(numbers.max()) for numbers in known), default=-1)
    lowest = min((int(numbers.min()) for numbers in known), default=0)
    count = widest if multi_label else highest + 1
    if lowest < 0 or (classes and len(classes) < count):
        raise DataError(
            f"{path.name} has {count} classes from {lowest}; data.classes has {len(classes)}.",
            hint="Name all classes, in order of their numbers from 0.",
        )
    return list(classes) or [f"{number:0{len(str(count - 1))}d}" for number in range(count)]


def _numbers(arrays: Mapping[str, np.ndarray], split: str) -> np.ndarray | None:
    """Return the labels of a split, integers [n, labels], or None."""
    numbers = arrays.get(f"{split}_labels")
    if numbers is None or numbers.ndim == 0:
        return None
    return numbers.reshape(len(numbers), -1).astype(np.int64)


def _rows(
    path: Path,
    split: str,
    arrays: Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    multi_label: bool,
) -> Iterator[tuple[str, ArrayScan, str, str]]:
    """Yield name, scan, label and split of each example."""
    images = arrays.get(f"{split}_images")
    if images is None:
        return
    if images.ndim < 3 or images.dtype.kind not in "uif":
        problem = f"{path.name} has {split}_images of shape {images.shape} and type {images.dtype}."
        raise DataError(problem, hint=_LAYOUT)
    if images.shape[-1] not in (1, 3) or images.ndim == 3:
        images = images[..., None]
    labels = [""] * len(images)
    if (numbers := _numbers(arrays, split)) is not None:
        labels = [_label(own, names, multi_label=multi_label) for own in numbers.tolist()]
    if len(labels) != len(images):
        problem = f"{path.name} has {len(images):,} {split}_images and {len(labels):,} labels."
        raise DataError(problem, hint=_LAYOUT)
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"{split}/{row:06d}"
        yield name, ArrayScan(image, name), label, _SPLITS[split]


def _label(numbers: Sequence[int], names: Sequence[str], *, multi_label: bool) -> str:
    if multi_label:
        return joined(name for name, present in zip(names, numbers, strict=False) if present)
    return names[numbers[0]]
