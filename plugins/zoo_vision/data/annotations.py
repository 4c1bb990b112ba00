"""Pictures with what is marked in them, as every format of labels is read into."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path

import numpy as np

from zoo import DataError, Finding
from zoo_vision.images import SUFFIXES, Picture

_SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Objects:
    """What is marked in one picture, as its label file has it.

    Attributes:
        boxes: float64 [n, 4], x1, y1, x2, y2; in pixels, or shares of width and height.
        classes: int64 [n], places in :attr:`Annotations.classes`.
        crowd: bool [n], regions in which nothing is wanted and nothing is wrong.
        numbers: int64 [n], where each stands in the label file.
        unit: what the numbers count, such as `line`.
        relative: whether boxes are shares.
    """

    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray
    numbers: np.ndarray
    unit: str = "object"
    relative: bool = False


@dataclass(frozen=True)
class Record:
    """A picture and what is marked in it.

    Attributes:
        id: a stable name: the path relative to the root of the data.
        picture: the picture.
        objects: what is marked in it; None if nobody looked.
        split: the official split it belongs to, or empty.
        labels: the label file, for messages.
        size: width and height of the picture as the label file says; None if it does not.
    """

    id: str
    picture: Picture
    objects: Objects | None = None
    split: str = ""
    labels: str = ""
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Annotations:
    """All pictures of a dataset.

    Attributes:
        format: in which they were labelled.
        classes: names; the places of all objects' classes.
        records: the pictures.
        findings: what could not be read.
        seen_only: whether the classes are those that were met, and not a label map.
    """

    format: str
    classes: tuple[str, ...]
    records: Sequence[Record]
    findings: Sequence[Finding] = ()
    seen_only: bool = False


@dataclass
class Gathered:
    """Objects of one picture while its label file is read."""

    unit: str = "object"
    relative: bool = False
    rows: list[tuple[Sequence[float], int, bool, int]] = field(default_factory=list)

    def add(self, box: Sequence[float], place: int, crowd: bool, number: int) -> None:
        """Add an object: its box, class, whether it is a crowd, and its number in the file."""
        self.rows.append((box, place, crowd, number))

    def objects(self) -> Objects:
        """Return them as arrays."""
        boxes, classes, crowd, numbers = zip(*self.rows, strict=True) if self.rows else [()] * 4
        return Objects(
            np.array(boxes, np.float64).reshape(-1, 4),
            np.array(classes, np.int64),
            np.array(crowd, bool),
            np.array(numbers, np.int64),
            self.unit,
            self.relative,
        )


class Places(dict[str, int]):
    """Gives each new class name the next place."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]

    def in_order(self, records: Iterable[Record]) -> tuple[tuple[str, ...], list[Record]]:
        """Return the names in alphabetical order, and the records with places in it."""
        names = sorted(self)
        place = np.zeros(len(self), np.int64)
        for rank, name in enumerate(names):
            place[self[name]] = rank
        return tuple(names), [_replaced(record, place) for record in records]


def _replaced(record: Record, place: np.ndarray) -> Record:
    if record.objects is None:
        return record
    objects = replace(record.objects, classes=place[record.objects.classes])
    return replace(record, objects=objects)


class ImageIndex:
    """Finds pictures by what a label file calls them, in the folders below a root.

    Args:
        root: of the data.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def by_name(self) -> Mapping[str, list[Path]]:
        """All pictures by file name."""
        return self._all(lambda path: path.name)

    @cached_property
    def by_stem(self) -> Mapping[str, list[Path]]:
        """All pictures by file name without suffix."""
        return self._all(lambda path: path.stem)

    def find(self, name: str, folders: Sequence[Path]) -> Path | None:
        """Return the picture of a name, looking in `folders` first and then anywhere.

        Anywhere means where exactly one picture fits best: has the same name, and the
        longest part of the folders above it in common. A name that leads out of the root and
        of `folders` does not count: labels may come from a stranger.
        """
        parts = name.replace("\\", "/")
        places = [Path(os.path.normpath(folder)) for folder in (self.root, *folders)]
        for folder in folders:
            path = Path(os.path.normpath(folder / parts))
            if path.is_file() and any(path.is_relative_to(place) for place in places):
                return path
        return self._nearest(parts, self.by_name.get(parts.rpartition("/")[2], []))

    def find_stem(self, stem: str, folders: Sequence[Path]) -> Path | None:
        """Return the picture of a name without suffix; see :meth:`find`."""
        candidates = self.by_stem.get(stem, [])
        for folder in folders:
            if inside := [path for path in candidates if path.parent == folder]:
                return inside[0]
        return candidates[0] if len(candidates) == 1 else None

    def _nearest(self, name: str, candidates: Sequence[Path]) -> Path | None:
        wanted = name.split("/")[::-1]

        def in_common(path: Path) -> int:
            pairs = zip(wanted, reversed(path.parts), strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        ranked = sorted(candidates, key=in_common, reverse=True)
        if len(ranked) > 1 and in_common(ranked[0]) == in_common(ranked[1]):
            return None
        return ranked[0] if ranked else None

    def _all(self, key: Callable[[Path], str]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in images_in(self.root):
            found.setdefault(key(path), []).append(path)
        return found


def images_in(folder: Path) -> list[Path]:
    """Return all files below a folder that are named as pictures, in order of path."""
    return [path for path in files_in(folder) if path.suffix.lower() in SUFFIXES]


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder but hidden ones, in order of path."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(found)


def split_in(name: str) -> str:
    """Return the split that a file or folder is named after, or an empty text.

    >>> split_in("instances_val2017"), split_in("train"), split_in("contest")
    ('validation', 'train', '')
    """
    words = re.findall(r"[a-z]+", name.lower())
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), "")


def split_of(path: Path, root: Path) -> str:
    """Return the split that a folder between `root` and the file is named after."""
    folders = Path(relative_name(path, root)).parts[:-1]
    return next((split for name in folders if (split := split_in(name))), "")


def relative_name(path: Path, root: Path) -> str:
    """Return the path relative to the root, or as it is if it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def read_bytes(path: Path) -> bytes:
    """Return the content of a label file.

    Raises:
        DataError: it cannot be read or is empty.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", hint="Check its permissions and its disk."
        ) from error
    if not content.strip():
        raise DataError(f"{path} is empty.", hint="Copy or export it again.")
    return content


def read_text(path: Path) -> str:
    """Return the text of a label file.

    Raises:
        DataError: it cannot be read, is empty or not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start}).", hint="Save it again as UTF-8."
        ) from error


def finite_box(values: Sequence[object]) -> list[float] | None:
    """Return four finite numbers as they are, or None if the values are something else."""
    try:
        box = [float(value) for value in values]  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return box if len(box) == 4 and np.isfinite(box).all() else None
