"""Files with an example each, of classes that folders or a table name.

DATA/cats/a.png                 split at random
DATA/train/cats/a.png           official splits: train, validation and test
DATA/a.png                      no class: only to predict on
DATA.csv                        a table whose rows name a file, its class and more
"""

from __future__ import annotations

import glob
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from zoo.classification import tables
from zoo.classification.labelled import OFFICIAL, FoundExamples, LabelledData
from zoo.classification.tables import NamedColumns
from zoo.components import Batch, DatasetInfo, Finding, setting
from zoo.data.examples import object_column
from zoo.errors import DataError
from zoo.storage import fingerprint

_OWN = {"id", "label", "group", "split", "content", "length"}
"""Columns of examples that a table's further columns cannot replace."""


class ExampleFile(Protocol):
    """A file that holds one example; cheap to hold."""

    def read(self) -> np.ndarray:
        """Return what is in it.

        Raises:
            DataError: it cannot be read; the message says why.
        """
        ...


@dataclass(frozen=True)
class ListedFile:
    """A file, and what its folders or a table say of it.

    Attributes:
        path: of the file.
        name: what the example is called.
        label: name of its class, empty where unknown.
        group: what it must not be parted from, empty where unknown.
        split: its official split, or empty.
        facts: what else a table says of it, by column.
    """

    path: Path
    name: str
    label: str = ""
    group: str = ""
    split: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileListing:
    """The files at a path, before any is opened.

    Attributes:
        entries: a file each.
        findings: what there is to say of the others.
        columns: the columns of the table that names them, by setting.
    """

    entries: Sequence[ListedFile]
    findings: Sequence[Finding]
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What is known of a file that can be read.

    Attributes:
        content: a hash of what is in it, whatever its name and format.
        length: of the first axis: rows, samples or points in time.
        about: what the file itself says of its example; see :meth:`LabelledFiles.about`.
    """

    content: str
    length: int
    about: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LabelledFiles(NamedColumns, LabelledData):
    """An example a file, in a folder for each class or named by a table.

    Where the path is a table, a CSV, TSV or JSONL file, its files count from its own folder,
    and may lack the suffix. Its further columns become columns of the examples.

    Class attributes:
        column: the name of the examples' column of files.
        suffixes: of the files that are read, in small letters.
    """

    column: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    usual_columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "file_column": (
            *("path", "file", "filename", "file_name", "filepath", "file_path"),
            *("image", "image_path", "image_id", "image_index"),
            *("audio", "audio_path", "audio_filepath"),
        ),
        "label_column": ("label", "class", "category", "diagnosis", "dx", "command", "keyword"),
        "group_column": (
            *("group", "patient", "patient_id", "subject", "subject_id"),
            *("speaker", "speaker_id", "client_id"),
        ),
        "split_column": ("split", "subset", "partition"),
    }

    file_column: str = setting("", "Column of the file, if its name does not tell.")

    @abstractmethod
    def file(self, path: Path) -> ExampleFile:
        """Return an example's file."""

    def accepts(self, path: Path) -> bool:
        """Return whether a path in a folder is one of an example, by its name."""
        return path.name.lower().endswith(self.suffixes)

    def about(self, file: ExampleFile, content: np.ndarray) -> Mapping[str, Any]:
        """Return what a file itself says of its example, by column, such as in its header.

        `group` says what it must not be parted from. What a table says comes first. It is
        called in threads, once for each file when data are loaded.

        Args:
            file: the example's.
            content: what `file.read()` returned.

        Raises:
            DataError: that part of it cannot be read; the file is then left out.
        """
        return {}

    def facts(self) -> Mapping[str, Any]:
        """Return further facts for `DatasetInfo.facts`."""
        return {}

    @property
    def layout(self) -> str:
        return (
            f"Put files ({', '.join(self.suffixes)}) into a folder for each class, or give a "
            f"table ({', '.join(tables.SUFFIXES)}) that names files and their classes."
        )

    def paths(self, path: str) -> list[Path]:
        """Return the files of examples at a path, readable or not."""
        return [entry.path for entry in self.listing(path, labelled=False).entries]

    def find(self, path: str, *, labelled: bool) -> FoundExamples:
        listing = self.listing(path, labelled=labelled)
        files = [self.file(entry.path) for entry in listing.entries]
        with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 1)) as threads:
            looks = list(threads.map(self._look, (each.path for each in listing.entries), files))
        findings = list(listing.findings)
        good: list[tuple[ListedFile, ExampleFile, Look]] = []
        for entry, file, look in zip(listing.entries, files, looks, strict=True):
            if isinstance(look, Look):
                good.append((entry, file, look))
            else:
                place = str(entry.path)
                findings.append(Finding("warning", "bad-file", look.message, place, look.hint))
        if not good:
            reasons = [f"{each.where}: {each.message}" for each in findings[: self.shown]]
            raise DataError(
                "\n".join([f"No file at {path} can be used.", *reasons]), hint=self.layout
            )
        facts = {**self.facts(), "columns": dict(listing.columns)}
        return FoundExamples(columns=self._columns(good), findings=findings, facts=facts)

    def settled(self, info: DatasetInfo) -> Self:
        return replace(super().settled(info), **info.facts.get("columns", {}))

    def listing(self, path: str, *, labelled: bool) -> FileListing:
        """Return the files at a path before any is opened, of folders or of a table.

        Args:
            path: of the user's files.
            labelled: whether a table has to say what class they are of.

        Raises:
            DataError: there is no file, or a table does not say what it has to.
        """
        given = Path(path)
        if given.suffix.lower() in tables.SUFFIXES and not self.accepts(given):
            return self._in_table(path, labelled=labelled)
        return self._in_folders(path)

    def _in_folders(self, path: str) -> FileListing:
        root, paths = _files_at(path)
        accepted = [each for each in paths if self.accepts(each)]
        entries = []
        for place in accepted:
            name = place.relative_to(root).as_posix()
            split, label = _split_and_class(name)
            entries.append(ListedFile(place, name, label, split=split))
        findings = []
        if others := len(paths) - len(accepted):
            message = f"{others:,} files of another kind are left out; "
            message += f"{', '.join(self.suffixes)} are read."
            findings.append(Finding("note", "other-files", message, path))
        return FileListing(entries, findings)

    def _in_table(self, path: str, *, labelled: bool) -> FileListing:
        required = self.named_columns().values() if labelled else filter(None, [self.file_column])
        rows, findings = tables.read_rows(path, list(required))
        if not rows:
            return FileListing([], findings)
        columns = tables.columns_of(rows)
        named = self.naming(columns)
        named.needed("file_column", columns)
        if labelled:
            named.needed("label_column", columns)
        used = named.named_columns()
        taken = ", ".join(f"{key.removesuffix('_column')}: {each}" for key, each in used.items())
        findings.append(Finding("note", "columns", f"Columns of the table are {taken}.", path))
        entries, more = named.entries(rows)
        # The next table may name its files in another column.
        kept = {key: each for key, each in used.items() if key != "file_column"}
        return FileListing(entries, [*findings, *more], kept)

    def entries(self, rows: Sequence[tables.TableRow]) -> tuple[list[ListedFile], list[Finding]]:
        """Return the files that rows name, and a finding for each that names none."""
        splits, findings = self.official_splits(rows)
        used = set(self.named_columns().values())
        entries = []
        for row, split in zip(rows, splits, strict=True):
            name = row.get(self.file_column)
            if not name:
                findings.append(Finding("warning", "bad-row", "It names no file.", row.place))
                continue
            further = {key: value for key, value in row.values.items() if key not in used}
            label, group = row.get(self.label_column), row.get(self.group_column)
            entries.append(ListedFile(self._path(row, name), name, label, group, split, further))
        return entries, findings

    def _path(self, row: tables.TableRow, name: str) -> Path:
        """Return the file that a row names, with or without its suffix."""
        path = row.file.parent / name
        spelled = [path, *(path.with_name(path.name + suffix) for suffix in self.suffixes)]
        return next((each for each in spelled if each.exists()), path)

    def _look(self, path: Path, file: ExampleFile) -> Look | DataError:
        """Read a file once, and return what is known of it or what is wrong with it."""
        if not path.exists():
            return DataError(f"There is no file {path.name}.", hint="Files count from the table.")
        try:
            content = file.read()
            about = self.about(file, content)
        except DataError as error:
            return error
        return Look(fingerprint(content), len(content), about)

    def _columns(self, good: Sequence[tuple[ListedFile, ExampleFile, Look]]) -> Batch:
        entries, files, looks = zip(*good, strict=True)
        names = [entry.name for entry in entries]
        groups = [each.group or str(look.about.get("group", "")) for each, _, look in good]
        facts = [{**look.about, **entry.facts} for entry, _, look in good]
        further = dict.fromkeys(name for each in facts for name in each)
        return {
            **{
                name: object_column(each.get(name, "") for each in facts)
                for name in further
                if name not in (*_OWN, self.column)
            },
            "id": object_column(names),
            "label": object_column(entry.label for entry in entries),
            "group": self.groups(names, groups),
            "split": object_column(entry.split for entry in entries),
            "content": object_column(look.content for look in looks),
            "length": np.array([look.length for look in looks], np.int64),
            self.column: object_column(files),
        }


def _files_at(path: str) -> tuple[Path, list[Path]]:
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
        raise DataError(
            f"There is no file at {path}.", hint="Give a file, a folder, or a glob in quotes."
        )
    root = place if place.is_dir() else Path(os.path.commonpath([each.parent for each in files]))
    return root, files


def _split_and_class(name: str) -> tuple[str, str]:
    """Return the official split and the class of a file by its folders, empty where unknown."""
    folders = name.split("/")[:-1]
    split = OFFICIAL.get(folders[0].lower(), "") if folders else ""
    folders = folders[1:] if split else folders
    return split, folders[0] if folders else ""
