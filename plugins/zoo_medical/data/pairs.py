"""Finds the mask of each scan in folders, by their names.

DATA/images/a.png            DATA/masks/a.png
DATA/train/images/a.png      DATA/train/masks/a.png
DATA/images/train/a.png      DATA/masks/train/a.png
DATA/imagesTr/a_0000.nii.gz  DATA/labelsTr/a.nii.gz
DATA/a.nii.gz                DATA/a_mask.nii.gz, a_seg.nii.gz ...
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from zoo_medical.scans.files import stem

_MASKS = {
    "annotation", "annotations", "ground_truth", "groundtruth", "gt", "label", "labels",
    "labelstr", "labelsts", "mask", "masks", "seg", "segs", "segmentation", "segmentations",
}  # fmt: skip
"""What folders of masks are called, in small letters."""
_SCANS = {"image", "images", "imagestr", "imagests", "img", "imgs", "scan", "scans", "volumes"}
_MASK_END = re.compile(r"[_\-. ](mask|masks|seg|segmentation|label|labels|gt|annotation)$", re.I)
_SCAN_END = re.compile(r"[_\-. ](image|img|scan|0000)$", re.I)


def is_mask(name: str) -> bool:
    """Return whether a file is a mask, by its own name or that of a folder above it.

    Args:
        name: path from the root of the data.
    """
    path = PurePosixPath(name)
    folders = {part.lower() for part in path.parts[:-1]}
    return bool(folders & _MASKS) or bool(_MASK_END.search(stem(path)))


def paired(names: Iterable[str]) -> dict[str, str]:
    """Return the mask of each scan that has one, both by the paths from the root of the data."""
    masks: dict[str, str] = {}
    scans: dict[str, str] = {}
    for name in names:
        (masks if is_mask(name) else scans).setdefault(_key(name), name)
    return {scan: masks[key] for key, scan in scans.items() if key in masks}


def _key(name: str) -> str:
    """Return what a scan and its mask have in common."""
    path = PurePosixPath(name)
    folders = [part for part in path.parts[:-1] if part.lower() not in _MASKS | _SCANS]
    plain = _SCAN_END.sub("", _MASK_END.sub("", stem(path)))
    return "/".join([*folders, plain])
