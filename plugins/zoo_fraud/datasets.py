"""Where transactions come from: the user's files, a TFDS table, or the simulator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from zoo import Columns, ConfigError, Data, DataError, Dataset, DatasetInfo, Finding, setting
from zoo_fraud import checks
from zoo_fraud.feature_files import Features, FeatureSettings, compute
from zoo_fraud.features import Family
from zoo_fraud.preparation import Standard, settle, standardise
from zoo_fraud.reading import (
    OWN,
    Table,
    bad_rows_error,
    beside,
    connect,
    content_key,
    open_table,
)
from zoo_fraud.schema import Schema, missing_columns, read_schema, resolve
from zoo_fraud.simulator import Portfolio, simulate
from zoo_fraud.splits import Split, SplitSettings, Transactions as SplitTransactions, split
from zoo_fraud.tfds_tables import PREFIX, tfds_as_parquet


class Source(NamedTuple):
    """A table and what its user says of it.

    Attributes:
        path: a file, folder or glob.
        given: the part of each column, as :func:`zoo_fraud.schema.resolve` takes it.
        time_format: how times are written; empty for ISO 8601.
    """

    path: str
    given: Mapping[str, Any]
    time_format: str = ""


@dataclass(frozen=True, kw_only=True)
class TransactionData(Dataset, SplitSettings):
    """Transactions with features of their history, split by time.

    An example has `number` float32 [numbers], NaN where missing; `category` [categories],
    texts, empty where missing; `label` int8; `id`; `time` datetime64[s]; `card`; `amount`
    float64; `day` int32, since 1 January 1970. `info.facts` names the numbers and
    categories, and holds the schema.
    """

    card_features: tuple[Family, ...] = setting(
        ("counts", "amounts", "frauds"), "What features tell of the card."
    )
    other_features: tuple[Family, ...] = setting(
        ("frauds", "shares", "traces"), "What features tell of each other entity."
    )
    calendar: bool = setting(True, "Whether the time of day and week is a feature.")
    pairs: bool = setting(False, "Whether it is one how well a card knows the other entities.")
    windows_days: tuple[int, ...] = setting((1, 7, 30), "Lengths of the windows, in days.")
    label_share: float = setting(
        1.0,
        "Share of transactions whose label becomes known; the others neither train nor count "
        "as known frauds, but validate and test.",
        minimum=0,
        maximum=1,
    )
    history: str = setting("", "Earlier transactions to look back on when reading new files.")
    memory_gb: float = setting(4.0, "Memory for computing features; the rest goes to disk.")

    @abstractmethod
    def source(self, path: str, cache: Path) -> Source:
        """Return what `path` stands for."""

    def training_source(self, seed: int, cache: Path) -> Source:
        """Return what to train on."""
        if not self.path:
            raise DataError("No data are given.", hint="Say which: --data FILE, FOLDER or GLOB.")
        return self.source(self.path, cache)

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        prepared = self._prepare(seed, cache / _FOLDER)
        if prepared.intake.bad_count:
            raise bad_rows_error(prepared.intake)
        return self._split(prepared, seed)

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """See :meth:`zoo.Dataset.check`."""
        prepared = self._prepare(seed, cache / _FOLDER)
        try:
            return list(self._split(prepared, seed).findings)
        except DataError as error:
            problem = Finding("error", "unusable", error.message, prepared.source, error.hint)
            return [*prepared.findings, problem]

    def read(self, path: str, *, cache: Path) -> tuple[Columns, list[Finding]]:
        """Read transactions to predict on; see :meth:`zoo.Dataset.read`.

        Columns must be those of training, but for the label and the id, which may be
        missing; others are ignored. The columns have `label` if every row has one.
        """
        cache = cache / _FOLDER
        source = self.source(path, cache)
        with connect(cache, self.memory_gb) as connection:
            table = open_table(connection, source.path, cache)
            schema, _ = resolve(table.kinds, _without_missing(source.given, table), path)
            new = standardise(connection, table, schema, cache, time_format=source.time_format)
            past = None
            if self.history:
                earlier = open_table(connection, self.source(self.history, cache).path, cache)
                past = standardise(
                    connection, earlier, schema, cache, time_format=source.time_format
                )
            schema, _ = settle(connection, new, source.given)
            settings = self._feature_settings(seed=0)
            features = compute(connection, new, schema, settings, cache, history=past)
        ...
