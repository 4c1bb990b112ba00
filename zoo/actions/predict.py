"""Predicts on new files: good results for good files, a line for each bad one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo import bundle as bundles
from zoo.bundle import Bundle
from zoo.cluster import detect, joined
from zoo.components import Batch, Finding, Task
from zoo.data.examples import Columns, all_rows
from zoo.errors import ConfigError, DataError
from zoo.settings import cache_folder
from zoo.storage import jsonable, publish_folder, write_text

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
SUFFIXES = (".jsonl", ".json", ".csv")
"""The formats in which all predictions are written as one file."""


@dataclass(frozen=True)
class Predictions:
    """What a model says of new examples.

    Attributes:
        records: one JSON-able record for each readable example, in order.
        findings: what could not be read, and why.
        columns: the predictions as arrays.
        examples: what was predicted on, as columns.
        bundle: what predicted; its task writes the field's own formats.
    """

    records: list[dict[str, Any]]
    findings: Sequence[Finding]
    columns: Batch
    examples: Batch
    bundle: Bundle

    def write(self, path: Path | str) -> Path:
        """Write the records as a `.jsonl`, `.json` or `.csv` file, or all as a folder.

        Of a task that predicts text, such as translation, a file of another suffix has a line
        of plain text for each example, in order.

        A path without a suffix, or of an empty folder, becomes a folder that appears when
        it is whole: `predictions.jsonl`, `findings.jsonl` with a line for each thing that
        could not be read, `predictions.txt` if they are text, and what the task adds, such as
        the field's own formats.

        Returns:
            the path.

        Raises:
            ConfigError: the suffix is another one, and predictions are no text; or the folder
                is not empty.
            StorageError: it cannot be written.
        """
        path = Path(path)
        check_target(path, self.bundle.task)
        if is_folder(path):
            with publish_folder(path.resolve()) as folder:
                self._fill(folder)
            return path
        writers = {".jsonl": self._lines, ".json": self._json, ".csv": self._csv}
        write_text(path, writers.get(path.suffix, self._text)())
        return path

    def lines(self) -> Iterator[str]:
        """Yield each record as a line of JSON."""
        return _json_lines(self.records)

    def texts(self) -> Iterator[str]:
        """Yield each prediction as a line of plain text; see `Task.plain_text`.

        Raises:
            ConfigError: predictions are no text.
        """
        name = self.bundle.task.plain_text
        check_text(self.bundle.task)
        return (" ".join(str(record[name]).splitlines()) for record in self.records)

    def _fill(self, folder: Path) -> None:
        bundle = self.bundle
        if self.records:
            bundle.task.files(self.examples, self.columns, folder, bundle.preprocessing)
        findings = _json_lines(asdict(finding) for finding in self.findings)
        write_text(folder / "predictions.jsonl", self._lines())
        if bundle.task.plain_text:
            write_text(folder / "predictions.txt", self._text())
        write_text(folder / "findings.jsonl", "".join(f"{line}\n" for line in findings))

    def _lines(self) -> str:
        return "".join(f"{line}\n" for line in self.lines())

    def _text(self) -> str:
        return "".join(f"{line}\n" for line in self.texts())

    def _json(self) -> str:
        return json.dumps(self.records, ensure_ascii=False, indent=1)

    def _csv(self) -> str:
        if not self.records:
            return ""
        text = io.StringIO()
        writer = csv.DictWriter(text, dict.fromkeys(name for each in self.records for name in each))
        writer.writerow({name: _cell(name) for name in writer.fieldnames})
        for record in self.records:
            writer.writerow({name: _cell(value) for name, value in record.items()})
        return text.getvalue()


def is_folder(path: Path) -> bool:
    """Return whether predictions are written as a folder of this name, not as a file."""
    return path.is_dir() or not path.suffix


def check_target(path: Path, task: Task) -> None:
    """Raise `ConfigError` unless a task's predictions can be written under this name."""
    if is_folder(path):
        if path.is_file():
            raise ConfigError(
                f"Cannot write predictions to the folder {path}: a file has this name.",
                hint=f"Choose another name, or one that ends with {', '.join(SUFFIXES)}.",
            )
        if path.is_dir() and any(path.iterdir()):
            raise ConfigError(
                f"Cannot write predictions to the folder {path}: it is not empty.",
                hint="Choose a new folder, or empty this one first.",
            )
    elif path.suffix not in SUFFIXES and not task.plain_text:
        raise ConfigError(
            f"Cannot write predictions as {path.suffix}.",
            hint=f"Name a file with one of {', '.join(SUFFIXES)}, or a folder without a suffix.",
        )


def check_text(task: Task) -> None:
    """Raise `ConfigError` unless a task's predictions are text."""
    if not task.plain_text:
        raise ConfigError(
            "The predictions of this model are no text.",
            hint="Leave --text out: each is then a line of JSON.",
        )


def _cell(value: Any) -> Any:
    """Return a value as a cell of a table that a spreadsheet does not take for a formula.

    Text of the data is not trusted: where it begins like a formula, an apostrophe is put first.
    """
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _json_lines(values: Iterable[Any]) -> Iterator[str]:
    return (json.dumps(jsonable(value), ensure_ascii=False) for value in values)


def predict(
    path: Path | str,
    data: Path | str,
    *,
    settings: Mapping[str, Any],
    explain: bool,
    check: Callable[[Task], None] = lambda task: None,
) -> Predictions:
    """Predict on files with a bundle.

    Args:
        path: of a run or a bundle.
        data: files to predict on.
        settings: of the dataset or the task, by dotted name.
        explain: add what the task says of its reasons.
        check: called with the task before anything is predicted; raises if what it predicts
            is not what is wanted.

    Returns:
        the predictions; none, and a note, if there is nothing in the files.

    Raises:
        DataError: nothing of what is in `data` can be read.
    """
    with joined(detect()):
        bundle = bundles.load(path).with_settings(settings)
        check(bundle.task)
        examples, findings = bundle.dataset.read(str(data), cache=cache_folder())
        if not len(examples) and not findings:
            note = Finding("note", "empty", "There is nothing in it to predict on.", str(data))
            return Predictions([], [note], {}, {}, bundle)
        if not len(examples):
            lines = [f"{finding.where}: {finding.message}" for finding in findings[:10]]
            raise DataError("\n".join([f"Nothing in {data} can be predicted on.", *lines]))
        batch = all_rows(examples)
        columns = bundle.predict(Columns(batch), explain=explain)
        records = [jsonable(record) for record in bundle.task.records(batch, columns)]
        return Predictions(records, findings, columns, batch, bundle)
