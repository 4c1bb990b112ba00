"""Files in folders: a folder for each class, within one for each split if there are such.

DATA/cats/a.png                 split at random
DATA/train/cats/a.png           official splits: train, validation and test
DATA/a.png                      no class: only to predict on
"""

from __future__ import annotations

import glob
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import zoo

from zoo_newplugin.labelled import Found, LabelledData

_OFFICIAL = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


class File(Protocol):
    """A file that holds one example; cheap to hold."""

    def read(self) -> np.ndarray:
        """Return what is in it.

        Raises:
            DataError: it cannot be read; the message says why.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class FilesInFolders(LabelledData):
    """An example a file.

    Class attributes:
        column: the name of the examples' column of files.
        suffixes: of the files that are read, in small letters.
    """

    column: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def file(self, path: Path) -> File:
        """Return an example's file."""

    def facts(self) -> Mapping[str, Any]:
        """Return further facts for `DatasetInfo.facts`."""
        return {}

    @property
    def layout(self) -> str:
        return f"Put files ({', '.join(self.suffixes)}) into a folder for each class."

    def find(self, path: str, *, labelled: bool) -> Found:
        root, paths = files_at(path)
        of_kind = [each for each in paths if each.suffix.lower() in self.suffixes]
        files = [self.file(each) for each in of_kind]
        with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 1)) as threads:
            looks = list(threads.map(_look, files))
        findings = list(_others(len(paths) - len(of_kind), path, self.suffixes))
        names, good, known = [], [], []
        for place, file, look in zip(of_kind, files, looks, strict=True):
            if isinstance(look, zoo.DataError):
                found = zoo.Finding("warning", "bad-file", look.message, str(place), look.hint)
                findings.append(found)
            else:
                names.append(place.relative_to(root).as_posix())
                good.append(file)
                known.append(look)
        if not good:
            reasons = [f"{each.where}: {each.message}" for each in findings[: self.shown]]
            raise zoo.DataError(
                "\n".join([f"No file at {path} can be used.", *reasons]), hint=self.layout
            )
        splits, labels = zip(*map(_split_and_class, names), strict=True)
        columns = {
            "id": zoo.object_column(names),
            "label": zoo.object_column(labels),
            "group": self.group_names(names),
            "split": zoo.object_column(splits),
            "content": zoo.object_column(look.content for look in known),
            "length": np.array([look.length for look in known], np.int64),
            self.column: zoo.object_column(good),
        }
        return Found(columns=columns, findings=findings, facts=self.facts())


@dataclass(frozen=True)
class Look:
    """What is known of a file that can be read.

    Attributes:
        content: a hash of what is in it, whatever its name and format.
        length: of the first axis: rows, samples or points in time.
    """

    content: str
    length: int


def _look(file: File) -> Look | zoo.DataError:
    """Read a file once, and return what is known of it or what is wrong with it."""
    try:
        array = file.read()
    except zoo.DataError as error:
        return error
    return Look(zoo.fingerprint(array), len(array))


def files_at(path: str) -> tuple[Path, list[Path]]:
    """Return all files at a file, folder or glob, and the folder that names begin in."""
    place = Path(path).expanduser()
    if place.is_dir():
        found: Iterable[Path] = place.rglob("*")
    elif place.exists():
        return place.parent, [place]
    else:
        found = map(Path, glob.glob(str(place), recursive=True))
    files = sorted(each for each in found if each.is_file() and not each.name.startswith("."))
    if not files:
        raise zoo.DataError(
            f"There is no file at {path}.", hint="Give a file, a folder, or a glob in quotes."
        )
    root = place if place.is_dir() else Path(os.path.commonpath([each.parent for each in files]))
    return root, files


def _others(count: int, path: str, suffixes: tuple[str, ...]) -> Iterable[zoo.Finding]:
    if count:
        message = f"{count:,} files of another kind are left out; {', '.join(suffixes)} are read."
        yield zoo.Finding("note", "other-files", message, path)


def _split_and_class(name: str) -> tuple[str, str]:
    """Return the official split and the class of a file by its folders, empty where unknown."""
    folders = name.split("/")[:-1]
    split = _OFFICIAL.get(folders[0].lower(), "") if folders else ""
    folders = folders[1:] if split else folders
    return split, folders[0] if folders else ""
