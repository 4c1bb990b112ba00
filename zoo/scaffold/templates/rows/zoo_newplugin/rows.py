"""Tables with an example a row, in CSV, TSV and JSON Lines files.

DATA.csv                                     split at random
DATA/train.csv, validation.csv, test.csv     official splits, by the names of files
"""

from __future__ import annotations

import csv
import glob
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import zoo

from zoo_newplugin.labelled import Found, LabelledData

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_SUFFIXES = (*_DELIMITERS, ".jsonl")
_OFFICIAL = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


class Row(NamedTuple):
    """A row as it was found.

    Attributes:
        place: file and line.
        split: official split of its file, or empty.
        values: texts by column, empty where missing.
    """

    place: str
    split: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Parsed:
    """What the model looks at in each row.

    Attributes:
        columns: by name, for all rows, with `content`, which is equal for copies.
        problems: why a row cannot be used, by its number.
        findings: what there is to say of the columns.
        facts: further facts for `DatasetInfo.facts`.
    """

    columns: zoo.Batch
    problems: Mapping[int, str]
    findings: Sequence[zoo.Finding] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExamplesInRows(LabelledData):
    """An example a row."""

    label: str = zoo.setting("label", "Column that names the class.")
    id: str = zoo.setting("", "Column that names the example; its file and line by default.")
    group_column: str = zoo.setting(
        "", "Column whose equal values must not be in two random splits, such as a customer."
    )

    @property
    @abstractmethod
    def required(self) -> tuple[str, ...]:
        """Columns that every file must have."""

    @abstractmethod
    def parse(self, rows: Sequence[Row]) -> Parsed:
        """Return what the model looks at in each of one or more rows."""

    @property
    def layout(self) -> str:
        columns = ", ".join((*self.required, self.label))
        return f"Give CSV, TSV or JSONL files with the columns {columns}, or name others."

    def find(self, path: str, *, labelled: bool) -> Found:
        about = filter(None, (self.label, self.id, self.group_column)) if labelled else ()
        rows, findings = read_rows(path, (*self.required, *about))
        parsed = self.parse(rows) if rows else Parsed({}, {})
        findings += parsed.findings
        for number, problem in parsed.problems.items():
            findings.append(zoo.Finding("warning", "bad-row", problem, rows[number].place))
        good = [number for number in range(len(rows)) if number not in parsed.problems]
        if not good:
            reasons = [f"{each.where}: {each.message}" for each in findings[: self.shown]]
            raise zoo.DataError(
                "\n".join([f"No row at {path} can be used.", *reasons]), hint=self.layout
            )
        kept = [rows[number] for number in good]
        ids = [row.values.get(self.id, row.place) for row in kept]
        groups = self.group_names(ids)
        if self.group_column:
            groups = zoo.object_column(row.values.get(self.group_column, row.place) for row in kept)
        columns = {
            "id": zoo.object_column(ids),
            "label": zoo.object_column(row.values.get(self.label, "") for row in kept),
            "group": groups,
            "split": zoo.object_column(row.split for row in kept),
            **{name: column[good] for name, column in parsed.columns.items()},
        }
        return Found(columns=columns, findings=findings, facts=parsed.facts)


def read_rows(path: str, required: Sequence[str]) -> tuple[list[Row], list[zoo.Finding]]:
    """Read all rows at a file, folder or glob.

    Args:
        path: of the files.
        required: columns without which a file cannot be used.

    Returns:
        the rows that can be read, and a finding for each file or row that cannot.

    Raises:
        DataError: there is no file.
    """
    rows: list[Row] = []
    findings: list[zoo.Finding] = []
    for file in _files(path):
        split = _OFFICIAL.get(file.stem.lower(), "")
        try:
            for line, values in _lines(file, required):
                place = f"{file.name}:{line}"
                if isinstance(values, str):
                    findings.append(zoo.Finding("warning", "bad-row", values, place))
                else:
                    rows.append(Row(place, split, values))
        except (zoo.DataError, OSError) as error:
            findings.append(zoo.Finding("warning", "bad-file", f"{error}", str(file)))
    return rows, findings


def _files(path: str) -> list[Path]:
    place = Path(path).expanduser()
    if place.is_dir():
        found = [each for each in place.rglob("*") if each.suffix.lower() in _SUFFIXES]
    else:
        found = [place] if place.exists() else list(map(Path, glob.glob(str(place))))
    if not found:
        raise zoo.DataError(
            f"There is no {', '.join(_SUFFIXES)} file at {path}.",
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
                raise zoo.DataError(
                    f"{path.name} has no column {missing[0]!r}.",
                    hint=zoo.nearest(missing[0], values),
                )
            readable = all(map(_is_utf8, values.values()))
            yield line, values if readable else "It is not UTF-8."


def _table(file: TextIO, path: Path) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    reader = csv.reader(file, delimiter=_DELIMITERS.get(path.suffix.lower(), ","))
    try:
        names = next(reader, [])
        if not all(map(_is_utf8, names)):
            raise zoo.DataError(f"{path.name} is no table: its first line is not UTF-8.")
        for values in reader:
            if len(values) == len(names):
                yield reader.line_num, dict(zip(names, map(str.strip, values), strict=True))
            elif values:
                yield reader.line_num, f"It has {len(values)} fields, expected {len(names)}."
    except csv.Error as error:
        raise zoo.DataError(f"{path.name}, line {reader.line_num}: {error}.") from error


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
