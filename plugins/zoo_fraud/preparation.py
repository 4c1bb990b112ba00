"""From the user's files to transactions in standard form, and which columns are of use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ibis
import numpy as np

from zoo import Finding, fingerprint, publish_file
from zoo_fraud.reading import OWN, BadRow, Intake, Table, write_standard
from zoo_fraud.schema import Schema

_SAMPLE = 100_000
_MOST_VALUES = 1_000


@dataclass(frozen=True)
class Standard:
    """Transactions in standard form, as a file in the cache.

    Attributes:
        path: the file.
        schema: of the user's table.
        intake: what was noticed, such as rows that are not in it.
    """

    path: Path
    schema: Schema
    intake: Intake


def standardise(
    connection: Any, table: Table, schema: Schema, cache: Path, time_format: str
) -> Standard:
    """Convert a table to the standard form, unless that was done before."""
    files = [str(file) for file in table.files]
    key = fingerprint(table.content, files, asdict(schema), time_format)
    path, listed = cache / f"transactions-{key}.parquet", cache / f"transactions-{key}.json"
    if not (path.exists() and listed.exists()):
        intake = write_standard(connection, table, schema, path, time_format)
        bad = [{**vars(row), "file": str(row.file)} for row in intake.bad]
        with publish_file(listed) as temporary:
            temporary.write_text(json.dumps([bad, intake.bad_count, intake.unsorted]))
    bad, bad_count, unsorted = json.loads(listed.read_text())
    rows = [BadRow(**{**row, "file": Path(row["file"])}) for row in bad]
    return Standard(path, schema, Intake(rows, bad_count, unsorted))


def settle(
    connection: Any, standard: Standard, given: Mapping[str, Any]
) -> tuple[Schema, list[Finding]]:
    """Leave out further columns that cannot be features, unless the user named them.

    Returns:
        the schema of the rest, and a note for each column left out.
    """
    schema, findings = standard.schema, []
    rows = connection.read_parquet(str(standard.path))
    reasons: dict[str, str] = {}
    if given.get("numbers") is None and schema.numbers:
        reasons |= _useless_numbers(rows, schema)
    if given.get("categories") is None and schema.categories:
        reasons |= _useless_categories(rows, schema)
    for column, reason in reasons.items():
        findings.append(
            Finding(
                "note",
                "unused-column",
                f"{column} is not used: {reason}.",
                where=column,
                hint="To use it, name it in data.numbers, data.categories or data.entities.",
            )
        )
    return schema.without(reasons), findings


def _useless_numbers(rows: ibis.Table, schema: Schema) -> dict[str, str]:
    """Find columns that are constant, or never go down as time goes on.

    From the latter a model would learn the dates of the frauds it saw.
    """
    step = max(1, rows.count().execute() // _SAMPLE)
    names = [OWN + name for name in schema.numbers]
    sample = rows.filter(rows.row % step == 0).select("time", *names).to_pyarrow()
    time = sample["time"].to_numpy()
    found = {}
    for name in names:
        values = sample[name].to_numpy()
        in_order = values[np.lexsort((values, time))]
        steps = np.diff(in_order[~np.isnan(in_order)])
        if not np.any(steps):
            found[name.removeprefix(OWN)] = "it has one value or none"
        elif schema.time and np.all(steps >= 0):
            found[name.removeprefix(OWN)] = "it only grows with time"
    return found


def _useless_categories(rows: ibis.Table, schema: Schema) -> dict[str, str]:
    counts = rows.aggregate(**{name: rows[OWN + name].nunique() for name in schema.categories})
    return {
        name: f"it has {count:,} different values"
        for name, count in counts.to_pyarrow().to_pylist()[0].items()
        if count > _MOST_VALUES
    }
