"""Finds out in which format a path is labelled, and reads it."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from zoo import DataError
from zoo_vision.data import coco, tfds_boxes, voc, yolo
from zoo_vision.data.annotations import Annotations, Record, images_in, relative_name
from zoo_vision.images import MAX_PIXELS, SUFFIXES, ImageFile

Format = Literal["auto", "coco", "voc", "yolo", "images"]

_FINDERS: Mapping[str, Callable[[Path], list[Path]]] = {
    "coco": coco.find,
    "voc": voc.find,
    "yolo": yolo.find,
}
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
    if path.startswith(tfds_boxes.PREFIX):
        return tfds_boxes.read(path, cache, max_pixels=max_pixels)
    place = Path(path).expanduser()
    if format == "auto":
        format = found_format(path)
    elif format != "images" and not (place.exists() and _FINDERS[format](place)):
        raise DataError(
            f"{path} holds no {format.upper()} labels.", hint=f"Looked for {_LOOKED_FOR}."
        )
    if format == "coco":
        return coco.read(place, max_pixels=max_pixels)
    if format == "voc":
        return voc.read(place, offset=voc_offset, max_pixels=max_pixels)
    if format == "yolo":
        return yolo.read(place, max_pixels=max_pixels)
    return _bare_images(path, max_pixels)


def found_format(path: str) -> Format:
    """Return the format in which a path is labelled; `images` if it is not.

    Raises:
        DataError: there is nothing, or labels of several formats.
    """
    place = Path(path).expanduser()
    if not place.exists() or place.suffix.lower() in SUFFIXES:
        return "images"
    found = {name: files for name, find in _FINDERS.items() if (files := find(place))}
    if len(found) > 1:
        seen = ", ".join(f"{name} ({files[0]})" for name, files in found.items())
        raise DataError(
            f"{path} holds labels of several formats: {seen}.",
            hint=f"Choose one: --set data.format={next(iter(found))}",
        )
    return next(iter(found), "images")  # type: ignore[arg-type]


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
