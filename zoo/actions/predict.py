"""Predicts on new files: good results for good files, a line for each bad one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import bundle as bundles
from zoo.components import Batch, Finding
from zoo.data.examples import all_rows
from zoo.errors import ConfigError, DataError
from zoo.settings import cache_folder
from zoo.storage import write_text

SUFFIXES = (".jsonl", ".json", ".csv")
"""The formats in which predictions are written."""


@dataclass(frozen=True)
class Predictions:
    """What a model says of new examples.

    Attributes:
        records: one JSON-able record for each readable example, in order.
        findings: what could not be read, and why.
        columns: the predictions as arrays.
    """

    records: list[dict[str, Any]]
    findings: Sequence[Finding]
    columns: Batch

    def write(self, path: Path) -> Path:
        """Write the records as `.jsonl`, `.json` or `.csv`.

        Raises:
            ConfigError: the suffix is another one.
            StorageError: the file cannot be written.
        """
        check_suffix(path)
        writers = {".jsonl": self._lines, ".json": self._json, ".csv": self._csv}
        write_text(path, writers[path.suffix]())
        return path

    def lines(self) -> Iterator[str]:
        """Yield each record as a line of JSON."""
        return (json.dumps(record, ensure_ascii=False) for record in self.records)

    def _lines(self) -> str:
        return "".join(f"{line}\n" for line in self.lines())

    def _json(self) -> str:
        return json.dumps(self.records, ensure_ascii=False, indent=1)

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.records[0]) if self.records else [])
        writer.writeheader()
        for record in self.records:
            writer.writerow(
                {
                    name: json.dumps(value, ensure_ascii=False)
                    if isinstance(value, list | dict)
                    else value
                    for name, value in record.items()
                }
            )
        return text.getvalue()


def check_suffix(path: Path) -> None:
    """Raise `ConfigError` unless predictions can be written under this name."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"Cannot write predictions as {path.suffix or 'a file without a suffix'}.",
            hint=f"Name the file with one of {', '.join(SUFFIXES)}.",
        )


def predict(
    path: Path | str, data: Path | str, *, settings: Mapping[str, Any], explain: bool
) -> Predictions:
    """Predict on files with a bundle.

    Args:
        path: of a run or a bundle.
        data: files to predict on.
        settings: of the bundle's dataset, by name.
        explain: add what the task says of its reasons.

    Raises:
        DataError: nothing in `data` can be read.
    """
    bundle = bundles.load(path).with_dataset(**settings)
    examples, findings = bundle.dataset.read(str(data), cache=cache_folder())
    if not len(examples):
        lines = [f"{finding.where}: {finding.message}" for finding in findings[:10]]
        raise DataError("\n".join([f"Nothing in {data} can be predicted on.", *lines]))
    columns = bundle.predict(examples, explain=explain)
    records = list(bundle.task.records(all_rows(examples), columns))
    return Predictions(records, findings, columns)
