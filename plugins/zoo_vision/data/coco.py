"""Reads the COCO format: one JSON file for each split.

See https://cocodataset.org/#format-data. Boxes are x, y, width, height in pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo import DataError, Finding
from zoo_vision.data.annotations import (
    Annotations,
    Gathered,
    ImageIndex,
    Record,
    finite_box,
    read_text,
    relative_name,
    split_in,
)
from zoo_vision.images import MAX_PIXELS, ImageFile

_HEAD = 65_536
_KEYS = re.compile(r'"(images|annotations|categories)"\s*:')
_NAMES = re.compile(r"coco|instances|annotations", re.IGNORECASE)


def find(path: Path) -> list[Path]:
    """Return the COCO files that a path stands for: itself, or those in a folder.

    Where there are `instances_*.json`, as COCO has them beside captions and keypoints,
    these alone count.
    """
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" else []
    candidates = sorted({*path.glob("*.json"), *path.glob("*/*.json")})
    files = [file for file in candidates if _is_coco(file)]
    return [file for file in files if file.name.startswith("instances")] or files


def read(path: Path, files: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> Annotations:
    """Read COCO files.

    Pictures are looked for beside the file, in `images`, in folders named as the file or its
    split, and then anywhere below the root. Categories of all files are taken together by
    name, in order of their ids in the first file that has them.

    Args:
        path: of the dataset: a file or a folder.
        files: what :func:`find` found there.
        max_pixels: of a picture.

    Raises:
        DataError: no file can be read.
    """
    files = sorted(files, key=lambda file: (split_in(file.stem) != "train", file))
    root = _root(path)
    reader = _Reader(root, ImageIndex(root), max_pixels)
    failures: list[DataError] = []
    for file in files:
        try:
            reader.read(file, _split(file, root) if path.is_dir() else "")
        except DataError as error:
            failures.append(error)
            reader.findings.append(Finding("error", "broken-labels", error.message, str(file)))
    if len(failures) == len(files):
        raise failures[0]
    return Annotations("coco", tuple(reader.classes), reader.records, reader.findings)


def _is_coco(file: Path) -> bool:
    """Return whether a file holds COCO labels, or is named as if it ought to."""
    if _NAMES.search(file.name) or file.parent.name == "annotations":
        return True
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return bool(_KEYS.search(stream.read(_HEAD)))
    except OSError:
        return False


def _root(path: Path) -> Path:
    """Return the folder that the data lie in: around `annotations` if the file is in such."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _split(file: Path, root: Path) -> str:
    return split_in(file.stem) or (split_in(file.parent.name) if file.parent != root else "")


@dataclass
class _Reader:
    """Takes file after file together."""

    root: Path
    index: ImageIndex
    max_pixels: int
    classes: dict[str, int] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def read(self, file: Path, split: str) -> None:
        """Add the pictures of a file.

        Raises:
            DataError: it is no COCO file.
        """
        content = _parse(file)
        images = list(_tables(content, "images", file))
        categories = self._categories(content, file)
        marked: dict[Any, Gathered] = {
            image["id"]: Gathered("annotation") for image in images if _is_id(image.get("id"))
        }
        for number, annotation in enumerate(_tables(content, "annotations", file), start=1):
            name = annotation.get("id", number)
            if problem := self._add(annotation, name, categories, marked):
                place = f"{file}, annotation {name}"
                self.findings.append(Finding("warning", "broken-object", problem, place))
        folders = _image_folders(file)
        for image in images:
            self._add_image(image, marked, folders, file, split)

    def _categories(self, content: Mapping[str, Any], file: Path) -> dict[Any, int]:
        """Return the place of each category id."""
        places = {}
        listed = [each for each in _tables(content, "categories", file) if _is_id(each.get("id"))]
        for category in sorted(listed, key=lambda each: str(each["id"]).zfill(20)):
            name = str(category.get("name", category["id"]))
            places[category["id"]] = self.classes.setdefault(name, len(self.classes))
        return places

    def _add(
        self,
        annotation: Mapping[str, Any],
        name: Any,
        categories: Mapping[Any, int],
        marked: Mapping[Any, Gathered],
    ) -> str:
        """Add one annotation to its picture and return what is wrong with it, if anything."""
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not _has(marked, image):
            return f"Its image_id {image!r} is not among the images."
        if not _has(categories, category):
            return f"Its category_id {category!r} is not among the categories."
        given = annotation.get("bbox")
        box = finite_box(given) if isinstance(given, Sequence) else None
        if box is None:
            return f"Its bbox is {given!r}, expected four numbers [x, y, width, height]."
        x, y, width, height = box
        number = name if isinstance(name, int) and 0 <= name < 2**63 else len(marked[image].rows)
        corners = (x, y, x + width, y + height)
        marked[image].add(corners, categories[category], bool(annotation.get("iscrowd")), number)
        return ""

    def _add_image(
        self,
        image: Mapping[str, Any],
        marked: Mapping[Any, Gathered],
        folders: Sequence[Path],
        file: Path,
        split: str,
    ) -> None:
        name = str(image.get("file_name", ""))
        path = self.index.find(name, folders) if name else None
        if path is None or not _has(marked, image.get("id")):
            problem = f"Its picture {name!r} is not there." if name else "It has no file_name."
            if path is not None:
                problem = f"Its id is {image.get('id')!r}, expected a number."
            place = f"{file}, image {image.get('id')}"
            self.findings.append(Finding("warning", "missing-image", problem, place))
            return
        size = (image.get("width"), image.get("height"))
        self.records.append(
            Record(
                id=relative_name(path, self.root),
                picture=ImageFile(path, self.max_pixels),
                objects=marked[image["id"]].objects(),
                split=split,
                labels=str(file),
                size=size if all(isinstance(side, int) and side > 0 for side in size) else None,  # type: ignore[arg-type]
            )
        )


def _is_id(key: Any) -> bool:
    return isinstance(key, int | str)


def _has(table: Mapping[Any, Any], key: Any) -> bool:
    return _is_id(key) and key in table


def _parse(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}.",
            hint="The file may be cut off; copy or export it again.",
        ) from error
    except ValueError as error:
        raise DataError(
            f"{file} is not valid JSON: {error}.", hint="Mend that number, or export it again."
        ) from error
    except RecursionError as error:
        raise DataError(
            f"{file} is nested too deeply for COCO labels.", hint="Give the labels' own file."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(
            f"{file} is not in the COCO format: it has no list `images`.",
            hint="Expected an object with images, annotations and categories.",
        )
    return content


def _tables(content: Mapping[str, Any], key: str, file: Path) -> Iterator[dict[str, Any]]:
    listed = content.get(key, [])
    if not isinstance(listed, list):
        raise DataError(
            f"{file} is not in the COCO format: `{key}` is no list.",
            hint="Expected an object with images, annotations and categories.",
        )
    return (each for each in listed if isinstance(each, dict))


def _image_folders(file: Path) -> list[Path]:
    """Return where the pictures of a COCO file usually are."""
    split = re.sub(r"^instances_|_annotations.*$", "", file.stem)
    bases = (file.parent, file.parent.parent)
    names = ("", "images", split, f"images/{split}", split_in(split) or split)
    return [base / name for base in bases for name in dict.fromkeys(names)]
