"""Reads the YOLO format: a text file for each picture, and a YAML file that names the classes.

See https://docs.ultralytics.com/datasets/detect. A line holds a class and a box as shares
of the picture: centre, width and height; or a polygon, whose extent becomes the box. A
picture without a text file has no objects.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from zoo import DataError, Finding
from zoo_vision.data.annotations import (
    Annotations,
    Gathered,
    Objects,
    Record,
    files_in,
    images_in,
    read_text,
    relative_name,
    split_of,
)
from zoo_vision.images import MAX_PIXELS, SUFFIXES, ImageFile, in_threads

_YAML = (".yaml", ".yml")
_MOST_CLASSES = 100_000
_KEYS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt")
_FAR_OUTSIDE = 2.0
"""A share beyond this is taken for a number of pixels."""


def find(path: Path) -> list[Path]:
    """Return what makes a path a YOLO dataset: its YAML file, or else its text files."""
    if path.is_file():
        return [path] if path.suffix.lower() in _YAML else []
    described = [
        file
        for file in sorted(path.iterdir())
        if file.suffix.lower() in _YAML and _describes_data(file)
    ]
    return described or [file for file in _text_files(path) if _labels_an_image(file)]


def read(path: Path, files: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> Annotations:
    """Read a YOLO dataset.

    Args:
        path: a YAML file with `names` and `train`, `val`, `test`; a folder with one; or a
            folder of pictures with text files in `labels` folders or beside them.
        files: what :func:`find` found there.
        max_pixels: of a picture.

    Raises:
        DataError: there is no class or no picture, or the YAML file cannot be read.
    """
    described = files[0].suffix.lower() in _YAML
    if described and len(files) > 1:
        raise DataError(
            f"{path} has several data files: {', '.join(file.name for file in files)}.",
            hint=f"Choose one: --data {files[0]}",
        )
    root = path if path.is_dir() else path.parent
    names, images, findings = _described(files[0]) if described else _bare(root)
    if described:
        findings += _outside(files[0], [image for image, _ in images])
    root = _common_root(root, [image for image, _ in images])
    labels = [_label_file(image) for image, _ in images]
    records = []
    classes = list(names)
    for (image, split), file, parsed in zip(
        images, labels, in_threads(lambda each: _parse(each, len(names)), labels), strict=True
    ):
        findings += parsed.findings
        if parsed.objects is None:
            continue
        highest = int(parsed.objects.classes.max(initial=-1))
        classes += [str(place) for place in range(len(classes), highest + 1)]
        records.append(
            Record(
                id=relative_name(image, root),
                picture=ImageFile(image, max_pixels),
                objects=parsed.objects,
                split=split,
                labels=str(file),
            )
        )
    findings += _without_image(root, set(labels))
    return Annotations("yolo", tuple(classes), records, findings, seen_only=not names)


# What belongs to the dataset -------------------------------------------------------------


def _describes_data(file: Path) -> bool:
    """Return whether a YAML file is about a dataset, or broken and named as if it were."""
    try:
        content = _yaml(file)
    except DataError:
        return file.stem in ("data", "dataset")
    return "names" in content or "nc" in content


class _PlainLoader(yaml.SafeLoader):
    """Makes plain values alone, and no aliases, a few of which make a value without end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.constructor.ConstructorError(None, None, "aliases are not read", mark)
        return super().compose_node(parent, index)


def _yaml(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.load(read_text(file), _PlainLoader)
    except RecursionError as error:
        raise DataError(
            f"{file} is nested too deeply for a YOLO dataset.", hint="Give the dataset's own file."
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise DataError(
            f"{file}{line}: not valid YAML: {problem}.", hint="Mend that line, or export it again."
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{file} holds no table.", hint="Expected names, train and val.")
    return content


def _described(file: Path) -> tuple[list[str], list[tuple[Path, str]], list[Finding]]:
    """Return the classes, the pictures with their splits, and what is missing."""
    content = _yaml(file)
    base = _base(file, content.get("path"))
    images: list[tuple[Path, str]] = []
    findings = []
    for key, split in _KEYS.items():
        entries = content.get(key) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            listed = _images_of(base, str(entry))
            images += [(image, split) for image in listed]
            if not listed:
                problem = f"`{key}: {entry}` stands for no picture."
                findings.append(Finding("warning", "missing-image", problem, str(file)))
    if not images:
        images = [(image, split_of(image, base)) for image in images_in(base)]
    names = _names(content, file)
    return names, images, findings


def _names(content: Mapping[str, Any], file: Path) -> list[str]:
    """Return the classes; `names` is a list, or a table from class number to name."""
    names = content.get("names")
    if isinstance(names, list):
        return [str(name) for name in names]
    if isinstance(names, dict) and all(isinstance(key, int) and key >= 0 for key in names):
        count = max(names, default=-1) + 1
    elif names is None and isinstance(content.get("nc"), int):
        names, count = {}, content["nc"]
    else:
        raise DataError(
            f"{file}: `names` is {names!r}, expected a list of class names or a table by number.",
            hint="For example: names: [cat, dog]",
        )
    if count > _MOST_CLASSES:
        raise DataError(
            f"{file} has {count:,} classes, expected at most {_MOST_CLASSES:,}.",
            hint="Mend the highest number in `names`, or `nc`.",
        )
    return [str(names.get(number, number)) for number in range(count)]


def _base(file: Path, path: Any) -> Path:
    """Return the folder that the entries are relative to.

    `path` may have been written on another machine, or relative to another folder.
    """
    candidates = [file.parent / str(path), file.parent.parent / str(path)] if path else []
    return next((folder for folder in candidates if folder.is_dir()), file.parent)


def _images_of(base: Path, entry: str) -> list[Path]:
    """Return the pictures of an entry: a folder, a list in a text file, or a glob.

    Some exporters write `../train/images` where `train/images` is meant.
    """
    for given in (entry, entry.removeprefix("../"), entry.lstrip("/")):
        place = base / given
        if place.is_dir():
            return images_in(place)
        if place.is_file() and place.suffix == ".txt":
            lines = read_text(place).splitlines()
            return [_listed(place.parent, base, line.strip()) for line in lines if line.strip()]
        if matches := sorted(glob.glob(str(place), recursive=True)):
            return [Path(match) for match in matches if Path(match).suffix.lower() in SUFFIXES]
    return []


def _listed(folder: Path, base: Path, line: str) -> Path:
    return next((path for path in (folder / line, base / line) if path.is_file()), base / line)


def _bare(root: Path) -> tuple[list[str], list[tuple[Path, str]], list[Finding]]:
    """Return classes and pictures of a folder without a YAML file."""
    lists = [file for file in files_in(root) if file.name == "classes.txt"]
    names = [line.strip() for file in lists[:1] for line in read_text(file).splitlines()]
    images = [(image, split_of(image, root)) for image in images_in(root)]
    return [name for name in names if name], images, []


def _outside(file: Path, images: Sequence[Path]) -> list[Finding]:
    """Say if the data file leads to pictures far from itself: it may come from a stranger."""
    near = Path(os.path.normpath(file.parent.absolute().parent))
    far = [
        image
        for image in images
        if not Path(os.path.normpath(image.absolute())).is_relative_to(near)
    ]
    if not far:
        return []
    problem = f"It names {len(far):,} pictures outside {near}, such as {far[0]}."
    hint = "If you do not know where the file comes from, look at what it names."
    return [Finding("warning", "outside-folder", problem, str(file), hint)]


def _common_root(root: Path, images: Sequence[Path]) -> Path:
    """Return the folder that names are relative to: the root, or what all pictures share."""
    outside = [image for image in images if not image.is_relative_to(root)]
    if not outside:
        return root
    shared = outside[0].parent
    while not all(image.is_relative_to(shared) for image in images):
        shared = shared.parent
    return shared


# Label files -----------------------------------------------------------------------------


class _Parsed(NamedTuple):
    """What a text file holds; no objects at all if it cannot be read."""

    objects: Objects | None
    findings: list[Finding]


def _label_file(image: Path) -> Path:
    """Return where the labels of a picture are: `labels` takes the place of `images`."""
    parts = list(image.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _parse(file: Path, classes: int) -> _Parsed:
    gathered, findings = Gathered("line", relative=True), []
    try:
        text = file.read_text("utf-8-sig") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{file} cannot be read as text: {error}."
        return _Parsed(None, [Finding("warning", "broken-labels", problem, str(file))])
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            place, box = _object(words, classes)
        except ValueError as error:
            where = f"{file}, line {number}"
            findings.append(Finding("warning", "broken-object", f"{error}.", where))
            continue
        gathered.add(box, place, False, number)
    return _Parsed(gathered.objects(), findings)


def _object(words: Sequence[str], classes: int) -> tuple[int, list[float]]:
    """Return class and box of a line.

    Raises:
        ValueError: the line holds something else.
    """
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        raise ValueError(f"{' '.join(words)[:80]!r} is not a line of numbers") from None
    if len(values) != 5 and (len(values) < 7 or len(values) % 2 == 0):
        raise ValueError(f"The line has {len(values)} numbers, expected a class and a box of 4")
    place, shape = values[0], values[1:]
    if not np.isfinite(values).all() or place != int(place) or place < 0:
        raise ValueError(f"The class is {words[0]}, expected a whole number, and finite shares")
    if place >= (classes or _MOST_CLASSES):
        named = f"only 0 to {classes - 1} have a name" if classes else "that is too high a number"
        raise ValueError(f"The class is {words[0]}, but {named}")
    if np.abs(shape).max() > _FAR_OUTSIDE:
        raise ValueError("The box is not given as shares of width and height, from 0 to 1")
    if len(shape) == 4:
        centre, half = shape[:2], shape[2:] / 2
        return int(place), [*(centre - half), *(centre + half)]
    points = shape.reshape(-1, 2)
    return int(place), [*points.min(0), *points.max(0)]


def _text_files(root: Path) -> Iterator[Path]:
    return (
        file
        for file in files_in(root)
        if file.suffix.lower() == ".txt"
        and file.name.lower() not in _NO_LABELS
        and "ImageSets" not in file.parts
    )


def _labels_an_image(file: Path) -> bool:
    """Return whether a text file stands where labels do: in `labels`, or beside a picture."""
    return "labels" in file.parts or any(
        file.with_suffix(suffix).exists() for suffix in (".jpg", ".png", ".jpeg", ".JPG", ".bmp")
    )


def _without_image(root: Path, labels: set[Path]) -> list[Finding]:
    return [
        Finding("warning", "missing-image", "The label file has no picture.", str(file))
        for file in _text_files(root)
        if "labels" in file.parts and file not in labels
    ]
