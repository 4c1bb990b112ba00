"""Where transactions come from: the user's files, a TFDS table, or the simulator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
import pyarrow.parquet as pq

from zoo import DatasetInfo, fingerprint, publish_file, setting, tfds_name
from zoo_fraud.loading import Source, TransactionData
from zoo_fraud.schema import Schema, read_schema
from zoo_fraud.simulator import FURTHER_COLUMNS, SCHEMA, Portfolio, simulate
from zoo_fraud.tfds_tables import tfds_as_parquet


@dataclass(frozen=True, kw_only=True)
class Transactions(TransactionData):
    """Transactions in the user's files, or in a TFDS table.

    What is not said of the columns stands in a schema file, or is guessed from their names.
    """

    time: str | None = setting(None, "Column of the time: a date-time, or seconds.")
    entities: tuple[str, ...] | None = setting(
        None, "Columns of what takes part, such as card and terminal; the card comes first."
    )
    amount: str | None = setting(None, "Column of the amount.")
    label: str | None = setting(None, "Column that is 1 for fraud and 0 for legitimate.")
    id: str | None = setting(None, "Column that identifies the transaction.")
    numbers: tuple[str, ...] | None = setting(
        None, "Further columns that are numeric features; none named means all that can be."
    )
    categories: tuple[str, ...] | None = setting(
        None, "Further columns that are categorical features; none named means all that can be."
    )
    ignore: tuple[str, ...] | None = setting(None, "Columns that are no features.")
    time_format: str = setting("", "How times are written, such as %d/%m/%Y %H:%M; else ISO 8601.")
    schema: str = setting(
        "", "TOML file with the columns above; by default FOLDER/schema.toml or FILE.toml."
    )

    title: ClassVar[str] = "transactions"

    def source(self, path: str, cache: Path) -> Source:
        """See :meth:`TransactionData.source`."""
        name = tfds_name(path)
        files = str(tfds_as_parquet(name, cache)) if name else path
        written = read_schema(found) if (found := self._schema_file(path)) else {}
        said = {part.name: getattr(self, part.name) for part in fields(Schema)}
        given = {**written, **{part: value for part, value in said.items() if value is not None}}
        return Source(files, given, self.time_format)

    def settled(self, info: DatasetInfo) -> Self:
        """See :meth:`TransactionData.settled`."""
        parts: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in info.facts["schema"].items()
        }
        return replace(self, **{**parts, "schema": ""})

    def _schema_file(self, path: str) -> Path | None:
        """Return the schema file that was named or lies beside the data."""
        if self.schema:
            return Path(self.schema)
        candidates = (Path(path) / "schema.toml", Path(f"{path}.toml"))
        return next((file for file in candidates if file.is_file()), None)


@dataclass(frozen=True, kw_only=True)
class Simulator(TransactionData, Portfolio):
    """Transactions of simulated cards, see :mod:`zoo_fraud.simulator`."""

    title: ClassVar[str] = "simulated transactions"

    @property
    def origin(self) -> str:
        """See :attr:`TransactionData.origin`."""
        return "generator"

    def training_source(self, seed: int, cache: Path) -> Source:
        """See :meth:`TransactionData.training_source`."""
        cache.mkdir(parents=True, exist_ok=True)
        portfolio = {field.name: getattr(self, field.name) for field in fields(Portfolio)}
        file = cache / f"simulated-{fingerprint(portfolio, seed)}.parquet"
        if not file.exists():
            with publish_file(file) as temporary:
                _write(simulate(self, seed), temporary)
        return self.source(str(file), cache)

    def source(self, path: str, cache: Path) -> Source:
        """See :meth:`TransactionData.source`."""
        return Source(
            path, {**SCHEMA, "categories": FURTHER_COLUMNS if self.further_columns else ()}
        )


def _write(tables: Iterable[pa.Table], target: Path) -> None:
    writer = None
    for table in tables:
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
