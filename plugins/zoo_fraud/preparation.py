"""From the user's files to features on disk: each step is kept and found again by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zoo import Columns, Finding
from zoo_fraud.features import VERSION, features
from zoo_fraud.reading import OWN, BadRows, Table, reading, write, write_standard
from zoo_fraud.schema import Schema

_SAMPLE = 100_000
_MOST_VALUES = 1_000


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """What decides the features beside the transactions.

    Attributes:
        windows_days: lengths of the windows.
        delay_days: the age at which labels are known.
        select: names or patterns of features.
        label_share: share of transactions whose label ever becomes known.
        seed: decides which.
    """

    windows_days: tuple[int, ...]
    delay_days: int
    select: tuple[str, ...]
    label_share: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Standard:
    """Transactions in standard form, as a file in the cache.

    Attributes:
        path: the file.
        schema: of the user's table.
        bad: rows that are not in it.
    """

    path: Path
    schema: Schema
    bad: BadRows


@dataclass(frozen=True)
class Features:
    """Features of transactions, as a file in the cache.

    Its columns are `id`, `time`, `day`, `amount`, `label`, `known` and `card`, then `numbers`
    and `categories`, each by the user's name for it or that of the feature. Rows are in
    order of time.
    """

    path: Path
    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Read some columns whole."""
        with reading(self.path):
            return pq.read_table(self.path, columns=list(names))

    def read(self, rows: np.ndarray) -> Columns:
        """Read examples.

        Args:
            rows: their places, ascending int64 [n].

        Returns:
            `number` float32 [n, numbers], NaN where missing; `category` object [n,
            categories], texts, empty where missing; `label` int8, -1 where not known;
            `id` and `card`, texts; `time` datetime64[s]; `day` int32, since 1970; `amount`
            float64.
        """
        found = _allocate(len(rows), len(self.numbers), len(self.categories))
        with reading(self.path), pq.ParquetFile(self.path) as file:
            start = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                begin, end = np.searchsorted(rows, [start, start + size])
                if begin < end:
                    table = file.read_row_group(group).take(pa.array(rows[begin:end] - start))
                    self._fill(found, slice(begin, end), table)
                start += size
        return Columns(found)

    def _fill(self, found: dict[str, np.ndarray], place: slice, table: pa.Table) -> None:
        for column, name in enumerate(self.numbers):
            found["number"][place, column] = table[name].to_numpy()
        for column, name in enumerate(self.categories):
            found["category"][place, column] = _texts(table[name])
        found["id"][place] = _texts(table["id"])
        found["card"][place] = _texts(table["card"])
        found["label"][place] = pc.fill_null(table["label"], -1).to_numpy()
        found["time"][place] = table["time"].to_numpy().astype("datetime64[s]")
        for name in ("day", "amount"):
            found[name][place] = table[name].to_numpy()
