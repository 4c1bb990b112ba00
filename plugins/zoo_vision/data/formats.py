"""Finds out in which format a path is labelled, and reads it."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Literal

from zoo import DataError, tfds_name
from zoo_vision.data import coco, tfds_boxes, voc, yolo
from zoo_vision.data.annotations import Annotations, Record, images_in, relative_name
from zoo_vision.images import MAX_PIXELS, SUFFIXES, ImageFile

Format = Literal["auto", "coco", "voc", "yolo", "images"]

_FORMATS: Mapping[str, ModuleType] = {"coco": coco, "voc": voc, "yolo": yolo}
_LOOKED_FOR = (
    "COCO: a .json file with images, annotations and categories, in the folder or one below; "
    "VOC: .xml files, in Annotations or beside the pictures; "
    "YOLO: a .yaml file with names, or .txt files in labels or beside the pictures"
)


def read(
    path: str,
    format: Format,
    cache: Path,
    *,
    voc_offset: float = 0.0,
    max_pixels: int = MAX_PIXELS,
) -> Annotations:
    """Read labelled or bare pictures.

    Args:
        path: a file, folder, glob of pictures, or `tfds:NAME`.
        format: of the labels; `images` reads none.
        cache: a folder for copies.
        voc_offset: see :func:`zoo_vision.data.voc.read`.
        max_pixels: of a picture.

    Raises:
        DataError: there is nothing of this format, or labels of several formats.
    """
    if name := tfds_name(path):
        return tfds_boxes.read(name, cache, max_pixels=max_pixels)
    place = Path(path).expanduser()
    found = _label_files(place, format)
    if not found:
        return _bare_images(path, max_pixels)
    if len(found) > 1:
        seen = ", ".join(f"{name} ({files[0]})" for name, files in found.items())
        raise DataError(
            f"{path} holds labels of several formats: {seen}.",
            hint=f"Choose one: --set data.format={next(iter(found))}",
        )
    ((name, files),) = found.items()
    options = {"offset": voc_offset} if name == "voc" else {}
    return _FORMATS[name].read(place, files, max_pixels=max_pixels, **options)


def _label_files(place: Path, format: Format) -> dict[str, list[Path]]:
    """Return the label files of each format that a path has, or of the one that was chosen.

    Raises:
        DataError: there are none of the chosen format.
    """
    if format == "images":
        return {}
    if format != "auto":
        if place.exists() and (files := _FORMATS[format].find(place)):
            return {format: files}
        raise DataError(
            f"{place} holds no {format.upper()} labels.", hint=f"Looked for {_LOOKED_FOR}."
        )
    if not place.exists() or place.suffix.lower() in SUFFIXES:
        return {}
    return {name: files for name, each in _FORMATS.items() if (files := each.find(place))}


def no_labels(path: str) -> DataError:
    """Return the error for data that must be labelled and are not."""
    return DataError(f"{path} holds pictures but no labels.", hint=f"Looked for {_LOOKED_FOR}.")


def _bare_images(path: str, max_pixels: int) -> Annotations:
    place = Path(path).expanduser()
    if place.is_dir():
        root, images = place, images_in(place)
    elif place.exists():
        root, images = place.parent, [place]
    else:
        matches = [Path(match) for match in sorted(glob.glob(str(place), recursive=True))]
        images = [match for match in matches if match.suffix.lower() in SUFFIXES]
        root = _fixed_part(place)
    if not images:
        what = "holds neither pictures nor labels" if place.exists() else "does not exist"
        raise DataError(
            f"{path} {what}.",
            hint=f"Give a folder, a picture or a quoted glob. Looked for {_LOOKED_FOR}; "
            f"pictures: {' '.join(SUFFIXES)}.",
        )
    records = [
        Record(id=relative_name(image, root), picture=ImageFile(image, max_pixels))
        for image in images
    ]
    return Annotations("images", (), records)


def _fixed_part(pattern: Path) -> Path:
    """Return the folders of a glob before its first wildcard."""
    fixed = [part for part in (pattern, *pattern.parents) if not glob.has_magic(str(part))]
    return fixed[0]
