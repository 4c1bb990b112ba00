"""Loads transactions: from files over features on disk to splits in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from zoo import (
    Columns,
    ConfigError,
    Data,
    DataError,
    Dataset,
    DatasetInfo,
    Examples,
    Finding,
    fingerprint,
    setting,
)
from zoo_fraud import checks
from zoo_fraud.feature_files import Features, FeatureSettings, compute
from zoo_fraud.features import Family
from zoo_fraud.history import CardHistory, WithHistory
from zoo_fraud.preparation import Standard, settle, standardise
from zoo_fraud.reading import (
    Table,
    bad_rows_error,
    connect,
    open_table,
)
from zoo_fraud.schema import Schema, resolve
from zoo_fraud.splits import NAMES, Labelled, Split, SplitSettings, split

_FOLDER = "fraud"
_NOT_CONTENT = ("path", "schema", "history", "memory_gb")
"""Settings that do not change the examples of equal files."""


_NO_AMOUNT = Finding(
    "warning",
    "no-amount",
    "No column holds the amount, so nothing is known of unusual amounts and of cost.",
    hint="If there is such a column, name it: --set data.amount=COLUMN.",
)
_NO_HISTORY = Finding(
    "warning",
    "no-history",
    "Transactions are judged by what came before them, and nothing from before these is given.",
    hint="Give the weeks before: --set data.history=FILE.",
)


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
    float64; `day` int32, since 1 January 1970. With a `history_length` it also has what
    :class:`zoo_fraud.history.CardHistory` gives. `info.facts` names the numbers and
    categories, and holds the schema.
    """

    title: ClassVar[str]

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
    history_length: int = setting(
        0, "How many earlier transactions of its card an example brings along.", minimum=0
    )
    memory_gb: float = setting(4.0, "Memory for computing features; the rest goes to disk.")

    @abstractmethod
    def source(self, path: str, cache: Path) -> Source:
        """Return what `path` stands for."""

    @property
    def origin(self) -> str:
        """Where the transactions come from, as `DatasetInfo.source` has it."""
        return self.path

    def training_source(self, seed: int, cache: Path) -> Source:
        """Return what to train on."""
        return self.source(self.given_path, cache)

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        return self._split(self._prepare(seed, cache / _FOLDER, bad_rows=False), seed)

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """See :meth:`zoo.Dataset.check`."""
        prepared = self._prepare(seed, cache / _FOLDER, bad_rows=True)
        try:
            return list(self._split(prepared, seed).findings)
        except DataError as error:
            return [*prepared.findings, Finding.unusable(error, prepared.table.source)]

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read transactions to predict on; see :meth:`zoo.Dataset.read`.

        Columns must be those of training, but for the label and the id, which may be
        missing; others are ignored. The examples have `label` if all of them have one.
        """
        cache = cache / _FOLDER
        with connect(cache, self.memory_gb) as connection:
            new, notes = self._standard(connection, self.source(path, cache), cache)
            past = None
            if self.history:
                past, _ = self._standard(connection, self.source(self.history, cache), cache)
            schema, unused = settle(connection, new, self.source(path, cache).given)
            settings = self.feature_settings(seed=0)
            features = compute(
                connection,
                new,
                schema,
                settings,
                cache,
                history=past,
                keep_history=self.history_length > 0,
            )
        (asked,) = features.whole("asked")
        rows = np.flatnonzero(asked)
        examples = features.read(rows)
        if np.any(examples.columns["label"] < 0):
            del examples.columns["label"]
        found = [*notes, *unused, *checks.intake_findings(new.intake, schema, shown=None)]
        if not self.history:
            found.append(_NO_HISTORY)
        return self._with_history(features, {path: rows}, {path: examples})[path], found

    def settled(self, info: DatasetInfo) -> Self:
        """Return the dataset with what it guessed of the training files written down."""
        return self

    def _standard(
        self, connection: Any, source: Source, cache: Path
    ) -> tuple[Standard, list[Finding]]:
        """Bring new files, or earlier ones, to standard form."""
        table = open_table(connection, source.path, cache)
        given = dict(source.given)
        for part in ("label", "id"):
            if given.get(part) and given[part] not in table.kinds:
                given[part] = ""
        schema, notes = resolve(table.kinds, given, source.path)
        return standardise(connection, table, schema, cache, source.time_format), notes

    def _prepare(self, seed: int, cache: Path, *, bad_rows: bool) -> _Prepared:
        """Bring the files to features on disk, if need be without their bad rows."""
        source = self.training_source(seed, cache)
        with connect(cache, self.memory_gb) as connection:
            table = open_table(connection, source.path, cache)
            all_columns, notes = resolve(table.kinds, source.given, source.path)
            if not all_columns.label:
                raise DataError(
                    f"No column of {source.path} says what is fraud.",
                    hint=f"Name it: --set data.label=COLUMN, out of {', '.join(table.kinds)}.",
                )
            standard = standardise(connection, table, all_columns, cache, source.time_format)
            if standard.intake.bad_count and not bad_rows:
                raise bad_rows_error(standard.intake)
            schema, unused = settle(connection, standard, source.given)
            features = compute(connection, standard, schema, self.feature_settings(seed), cache)
            rows = connection.read_parquet(str(standard.path))
            found = checks.table_findings(rows, schema) if features.rows else []
        if not features.rows and standard.intake.bad_count:
            raise bad_rows_error(standard.intake)
        if not features.rows:
            raise DataError(f"{source.path} holds no transaction that can be used.")
        noticed = checks.intake_findings(standard.intake, schema)
        findings = [*notes, *unused, *noticed, *found]
        if not schema.amount:
            findings.append(_NO_AMOUNT)
        return _Prepared(table, schema, features, findings)

    def feature_settings(self, seed: int) -> FeatureSettings:
        """Return what decides the features beside the transactions."""
        if not self.windows_days or min(self.windows_days) < 1:
            raise ConfigError(
                f"data.windows_days is {list(self.windows_days)}, expected days of 1 or more."
            )
        return FeatureSettings(
            card_families=self.card_features,
            other_families=self.other_features,
            calendar=self.calendar,
            pairs=self.pairs,
            windows_days=self.windows_days,
            delay_days=self.delay_days,
            label_share=self.label_share,
            seed=seed if self.label_share < 1 else 0,
        )

    def _split(self, prepared: _Prepared, seed: int) -> Data:
        features, schema = prepared.features, prepared.schema
        day, label, known, content = features.whole("day", "label", "known", "content")
        if schema.entities:
            (card,) = features.whole("card")
        else:  # Copies of one transaction stand and fall together.
            _, card = np.unique(content, return_inverse=True)
        transactions = Labelled(day, card, label, known)
        parts = split(self, transactions, seed=seed, with_time=bool(schema.time))
        splits = {name: features.read(parts.rows[name]) for name in NAMES}
        train = splits["train"]
        findings = [
            *prepared.findings,
            *checks.split_findings(parts, self, card=card, label=label),
            *checks.copies_across_splits(parts, content),
            *checks.leaks(features.own(train), train.columns["label"]),
        ]
        info = self._info(prepared, parts, splits, seed)
        splits_with_history = self._with_history(features, parts.rows, splits)
        return Data(splits=splits_with_history, info=info, findings=findings)

    def _with_history(
        self,
        features: Features,
        rows: Mapping[str, np.ndarray],
        examples: Mapping[str, Columns],
    ) -> Mapping[str, Examples]:
        """Let the examples, which stand at these rows, bring their card's history along."""
        if not self.history_length:
            return examples
        card, time = features.whole("card", "time")
        number = features.read(np.arange(features.rows)).columns["number"]
        history = CardHistory(card, time, number, self.history_length)
        return {name: WithHistory(examples[name], history, rows[name]) for name in examples}

    def _info(
        self, prepared: _Prepared, parts: Split, splits: Mapping[str, Columns], seed: int
    ) -> DatasetInfo:
        features, schema = prepared.features, prepared.schema
        elsewhere = {*_NOT_CONTENT, *schema.settings()}
        settings = {k: v for k, v in asdict(self).items() if k not in elsewhere}
        frauds = {name: int(each.columns["label"].sum()) for name, each in splits.items()}
        return DatasetInfo(
            name=self.title,
            source=self.origin,
            fingerprint=fingerprint(
                prepared.table.content,
                settings,
                schema.settings(),
                seed if self._draws(schema) else None,
            ),
            counts={name: len(each) for name, each in splits.items()},
            classes={
                name: {"legitimate": len(each) - frauds[name], "fraud": frauds[name]}
                for name, each in splits.items()
            },
            facts={
                "numbers": features.names(features.numbers),
                "categories": features.names(features.categories),
                "schema": schema.settings(),
                "periods": {name: period.dates() for name, period in parts.periods.items()},
            },
        )

    def _draws(self, schema: Schema) -> bool:
        """Return whether the seed decides anything."""
        at_random = not schema.time or self.validation in ("cards", "random")
        return at_random or self.label_share < 1


class _Prepared(NamedTuple):
    """Files brought to features on disk."""

    table: Table
    schema: Schema
    features: Features
    findings: list[Finding]
