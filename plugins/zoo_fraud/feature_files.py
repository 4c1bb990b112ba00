"""Features of transactions, computed once and kept in the cache as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zoo import Columns, fingerprint
from zoo_fraud.features import VERSION, Family, features
from zoo_fraud.preparation import Standard
from zoo_fraud.reading import OWN, reading, write
from zoo_fraud.schema import Schema

_ALWAYS = ("id", "time", "day", "exact_amount", "label", "known", "card", "content", "asked")
_EXAMPLE = ("id", "time", "day", "exact_amount", "label", "card")


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """What decides the features beside the transactions.

    Attributes:
        card_families: what is told of the card.
        other_families: what is told of each other entity.
        calendar: whether the time of day and week is a feature.
        pairs: whether it is one how well a card knows the other entities.
        windows_days: lengths of the windows.
        delay_days: the age at which labels are known.
        label_share: share of transactions whose label ever becomes known.
        seed: decides which.
    """

    card_families: tuple[Family, ...]
    other_families: tuple[Family, ...]
    calendar: bool
    pairs: bool
    windows_days: tuple[int, ...]
    delay_days: int
    label_share: float = 1.0
    seed: int = 0

    def families(self, entities: Sequence[str]) -> dict[str, tuple[Family, ...]]:
        """Return what is told of each entity, the card first."""
        others = dict.fromkeys(entities[1:], self.other_families)
        return {**dict.fromkeys(entities[:1], self.card_families), **others}


@dataclass(frozen=True)
class Features:
    """Features of transactions as a Parquet file, in order of time.

    Its columns are those of transactions in standard form, but for further entities and
    with `exact_amount` for the amount; `known`, the label if it ever becomes known; `asked`,
    false for transactions that are only looked back on; and the features, float32.

    Attributes:
        path: the file.
        numbers: its numeric columns that are features.
        categories: its text columns that are features.
    """

    path: Path
    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    def names(self, columns: Sequence[str]) -> list[str]:
        """Return what `numbers` or `categories` are called; the user's as in their table."""
        plain = [column.removeprefix(OWN) for column in columns]
        return [
            column if name != column and name in self.numbers else name
            for column, name in zip(columns, plain, strict=True)
        ]

    @property
    def rows(self) -> int:
        """How many transactions there are."""
        return int(pq.read_metadata(self.path).num_rows)

    def own(self, examples: Columns) -> dict[str, np.ndarray]:
        """Return the user's further columns among `examples`, by their name."""
        columns = examples.columns
        found = {name: columns["number"][:, k] for k, name in enumerate(self.numbers)}
        found |= {name: columns["category"][:, k] for k, name in enumerate(self.categories)}
        return {k.removeprefix(OWN): v for k, v in found.items() if k.startswith(OWN)}

    def whole(self, *names: str) -> list[np.ndarray]:
        """Read some columns whole; texts as codes from 0, missing labels as -1."""
        with reading(self.path):
            table = pq.read_table(self.path, columns=list(names))
        return [_whole(table[name]) for name in names]

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
        columns = [*self.numbers, *self.categories, *_EXAMPLE]
        with reading(self.path), pq.ParquetFile(self.path) as file:
            start = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                begin, end = np.searchsorted(rows, [start, start + size])
                if begin < end:
                    table = file.read_row_group(group, columns)
                    self._fill(found, slice(begin, end), table.take(rows[begin:end] - start))
                start += size
        return Columns(found)

    def _fill(self, found: dict[str, np.ndarray], place: slice, table: pa.Table) -> None:
        for column, name in enumerate(self.numbers):
            found["number"][place, column] = table[name].to_numpy()
        for column, name in enumerate(self.categories):
            found["category"][place, column] = _texts(table[name])
        for name in ("id", "card"):
            found[name][place] = _texts(table[name])
        found["label"][place] = pc.fill_null(table["label"], -1).to_numpy()
        found["amount"][place] = table["exact_amount"].to_numpy()
        for name in ("time", "day"):
            found[name][place] = table[name].to_numpy()


def compute(
    connection: Any,
    transactions: Standard,
    schema: Schema,
    settings: FeatureSettings,
    cache: Path,
    *,
    history: Standard | None = None,
    keep_history: bool = False,
) -> Features:
    """Compute the features of transactions, unless that was done before.

    Args:
        connection: from :func:`zoo_fraud.reading.connect`.
        transactions: whose features are wanted.
        schema: which of their columns are features as they are.
        settings: what decides the features.
        cache: where they are kept.
        history: transactions to look back on; of those in both, only one counts.
        keep_history: whether their features are wanted as well.
    """
    past = (history.path.name, keep_history) if history else ()
    key = fingerprint(transactions.path.name, past, asdict(settings), asdict(schema), VERSION)
    path = cache / f"features-{key}.parquet"
    own_numbers = [OWN + name for name in schema.numbers]
    own_categories = [OWN + name for name in schema.categories]
    rows = _with_known(_united(connection, transactions, history), settings)
    rows = rows.mutate(exact_amount=rows.amount, **({} if schema.entities else {"card": rows.id}))
    keep = [*_ALWAYS, *own_numbers, *own_categories]
    found = features(
        rows,
        families=settings.families(list(schema.roles)),
        windows_days=settings.windows_days,
        delay_days=settings.delay_days,
        keep=["row", *keep],
        calendar=settings.calendar,
        pairs=settings.pairs,
        with_amount=bool(schema.amount),
        with_time=bool(schema.time),
    )
    numbers = [name for name in found.columns if name not in ("row", *keep)]
    if not path.exists():
        wanted = found if keep_history else found.filter(found.asked)
        in_order = wanted.order_by("time", "row", "asked")
        write(connection, in_order.select(*numbers, *keep), path)
    return Features(path, (*numbers, *own_numbers), tuple(own_categories))


def _united(connection: Any, transactions: Standard, history: Standard | None) -> ibis.Table:
    """Return the transactions, with `asked` true, and those before them, with it false."""
    rows = connection.read_parquet(str(transactions.path)).mutate(asked=True)
    if history is None:
        return rows
    past = connection.read_parquet(str(history.path)).mutate(asked=False)
    if history.schema.id and transactions.schema.id:
        past = past.anti_join(rows, "id")
    own = [name for name in rows.columns if name.startswith(OWN)]
    past = past.mutate(**{name: ibis.null(rows[name].type()) for name in own})
    return rows.union(past.select(rows.columns))


@ibis.udf.scalar.builtin
def md5_number_lower(text: str) -> ibis.dtype("uint64"):  # type: ignore[empty-body,valid-type]
    """DuckDB's: half of the MD5 hash."""


def _with_known(rows: ibis.Table, settings: FeatureSettings) -> ibis.Table:
    """Add `known`: the label of a share of the transactions, drawn by their id."""
    if settings.label_share >= 1:
        return rows.mutate(known=rows.label)
    drawn = md5_number_lower(rows.id + f" {settings.seed}").cast("float64") / 2.0**64
    nothing = ibis.null("int8")
    return rows.mutate(known=ibis.cases((drawn < settings.label_share, rows.label), else_=nothing))


def _allocate(rows: int, numbers: int, categories: int) -> dict[str, np.ndarray]:
    return {
        "number": np.empty((rows, numbers), np.float32),
        "category": np.empty((rows, categories), object),
        "label": np.empty(rows, np.int8),
        "id": np.empty(rows, object),
        "time": np.empty(rows, "datetime64[s]"),
        "card": np.empty(rows, object),
        "amount": np.empty(rows, np.float64),
        "day": np.empty(rows, np.int32),
    }


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    """Return texts as an object array in which equal ones are one object."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    return encoded.dictionary.to_numpy(zero_copy_only=False)[encoded.indices.to_numpy()]


def _whole(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.combine_chunks().dictionary_encode().indices.to_numpy()
    if pa.types.is_int8(column.type):
        column = pc.fill_null(column, -1)
    return column.to_numpy()
