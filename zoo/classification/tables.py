"""Reads tables in CSV, TSV and JSON Lines files, and finds out which column says what."""

from __future__ import annotations

import csv
import glob
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TextIO

from zoo.classification.labelled import OFFICIAL
from zoo.components import Finding, setting
from zoo.errors import DataError, nearest

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*_DELIMITERS, ".jsonl")
"""Of the files that are read as tables, in small letters."""


class TableRow(NamedTuple):
    """A row as it was found.

    Attributes:
        file: the table.
        line: its number in the file, from 1.
        values: texts by column, empty where missing.
    """

    file: Path
    line: int
    values: Mapping[str, str]

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.file.name}:{self.line}"

    def get(self, column: str, default: str = "") -> str:
        """Return what stands in a column, or the default where nothing does."""
        return self.values.get(column, "") or default


@dataclass(frozen=True, kw_only=True)
class NamedColumns:
    """The settings that say which column of a table says what.

    A dataset inherits from it beside :class:`zoo.LabelledData`.

    Class attributes:
        usual_columns: for each such setting the names by which the column is found where
            none is given, the most telling first, in small letters with `_` between words.
    """

    usual_columns: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    label_column: str = setting("", "Column of the class, if its name does not tell.")
    group_column: str = setting(
        "",
        "Column whose equal values must not be in two random splits, such as a patient, "
        "speaker or customer.",
    )
    split_column: str = setting("", "Column of the official split, if its name does not tell.")

    def named_columns(self) -> dict[str, str]:
        """Return the columns that are named, by setting."""
        settings = {name: getattr(self, name) for name in self.usual_columns}
        return {name: column for name, column in settings.items() if column}

    def naming(self, columns: Iterable[str]) -> Self:
        """Return the same with those of a table's columns named that go by a usual name."""
        named = self.named_columns()
        present = {_plain(each): each for each in columns if each not in named.values()}
        for name, usual in self.usual_columns.items():
            known = [each for each in usual if each in present]
            if name not in named and known:
                named[name] = present.pop(known[0])
        return replace(self, **named)

    def official_splits(self, rows: Sequence[TableRow]) -> tuple[list[str], list[Finding]]:
        """Return the official split of each row, by its column or else by the name of its file."""
        if not self.split_column:
            return [OFFICIAL.get(row.file.stem.lower(), "") for row in rows], []
        given = [row.get(self.split_column) for row in rows]
        findings = [
            Finding(
                "warning",
                "unknown-split",
                f"{name!r} is none of train, validation and test.",
                f"column {self.split_column}",
            )
            for name in dict.fromkeys(given)
            if name and name.lower() not in OFFICIAL
        ]
        return [OFFICIAL.get(name.lower(), "") for name in given], findings

    def needed(self, name: str, columns: Iterable[str]) -> str:
        """Return the column of a setting.

        Raises:
            DataError: it is not named, and none of the table's columns goes by a usual name.
        """
        if column := getattr(self, name):
            return column
        what = name.removesuffix("_column")
        raise DataError(
            f"No column of the table is called {what} or the like; it has {', '.join(columns)}.",
            hint=f"Say which it is: --set data.{name}=NAME",
        )


def columns_of(rows: Sequence[TableRow]) -> list[str]:
    """Return the names of the columns that any of the rows has, in order."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def read_rows(path: str, required: Sequence[str]) -> tuple[list[TableRow], list[Finding]]:
    """Read all rows at a file, folder or glob.

    Args:
        path: of the files.
        required: columns without which a file cannot be used.

    Returns:
        the rows that can be read, and a finding for each file or row that cannot.

    Raises:
        DataError: there is no file.
    """
    rows: list[TableRow] = []
    findings: list[Finding] = []
    for file in _files(path):
        try:
            for line, values in _lines(file, required):
                row = TableRow(file, line, values if isinstance(values, Mapping) else {})
                if isinstance(values, str):
                    findings.append(Finding("warning", "bad-row", values, row.place))
                else:
                    rows.append(row)
        except (DataError, OSError) as error:
            findings.append(Finding("warning", "bad-file", f"{error}", str(file)))
    return rows, findings


def _plain(name: str) -> str:
    """Return a column's name in small letters, with `_` between its words."""
    return re.sub(r"\W+", "_", name.strip().lower())


def _files(path: str) -> list[Path]:
    place = Path(path).expanduser()
    if place.is_dir():
        found = [each for each in place.rglob("*") if each.suffix.lower() in SUFFIXES]
    else:
        found = [place] if place.exists() else list(map(Path, glob.glob(str(place))))
    if not found:
        raise DataError(
            f"There is no {', '.join(SUFFIXES)} file at {path}.",
            hint="Give a file, a folder, or a glob in quotes.",
        )
    return sorted(found)


def _lines(path: Path, required: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    """Yield the number of each line, and its values or what is wrong with it."""
    # Bytes that are no UTF-8 spoil the row they are in, and not the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        found = _json_lines(file) if path.suffix.lower() == ".jsonl" else _table(file, path)
        for line, values in found:
            if isinstance(values, str):
                yield line, values
                continue
            missing = [name for name in required if name not in values]
            if missing:
                raise DataError(
                    f"{path.name} has no column {missing[0]!r}.",
                    hint=nearest(missing[0], values),
                )
            readable = all(map(_is_utf8, values.values()))
            yield line, values if readable else "It is not UTF-8."


def _table(file: TextIO, path: Path) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    reader = csv.reader(file, delimiter=_DELIMITERS.get(path.suffix.lower(), ","))
    try:
        names = next(reader, [])
        if not all(map(_is_utf8, names)):
            raise DataError(f"{path.name} is no table: its first line is not UTF-8.")
        for values in reader:
            if len(values) == len(names):
                yield reader.line_num, dict(zip(names, map(str.strip, values), strict=True))
            elif values:
                yield reader.line_num, f"It has {len(values)} fields, expected {len(names)}."
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}.") from error


def _json_lines(file: TextIO) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            yield number, f"It is not JSON: {error}."
            continue
        if isinstance(values, Mapping):
            yield number, {name: _text(value) for name, value in values.items()}
        else:
            yield number, "It is not a JSON object."


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
