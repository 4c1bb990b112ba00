"""What would make a model trained on transactions useless, or its figures dishonest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ibis
import numpy as np

import zoo
from zoo import Finding
from zoo_fraud.features import DAY
from zoo_fraud.reading import OWN, Intake
from zoo_fraud.schema import ROLES, Schema
from zoo_fraud.splits import NAMES, Split, SplitSettings

_LEAK_AUC = 0.99
_MOSTLY = 0.5
_RARE, _COMMON = 1e-5, 0.5
_SHOWN = 20


def intake_findings(intake: Intake, schema: Schema, shown: int | None = _SHOWN) -> list[Finding]:
    """Name the rows that cannot be used, `shown` of them with their place."""
    first = intake.bad[:shown]
    found = [
        Finding("error", "bad-row", f"{row.problem}.", where=f"{row.file}, {row.place}")
        for row in first
    ]
    if intake.bad_count > len(first):
        more = intake.bad_count - len(first)
        found.append(Finding("error", "bad-row", f"{more:,} more rows cannot be used."))
    if intake.unsorted:
        found.append(
            Finding(
                "note",
                "unsorted",
                f"{intake.unsorted:,} rows follow one of a later time; they are put in order.",
                where=schema.time,
            )
        )
    return found


def table_findings(rows: ibis.Table, schema: Schema) -> list[Finding]:
    """Look at the transactions as a whole.

    Args:
        rows: transactions in standard form.
        schema: of the user's table.
    """
    return [*_duplicates(rows, schema), *_impossible(rows, schema), *_columns(rows, schema)]


def _duplicates(rows: ibis.Table, schema: Schema) -> list[Finding]:
    copies = _count_repeated(rows, "content")
    found = []
    if schema.id and (repeated := _count_repeated(rows, "id")):
        found.append(
            Finding(
                "warning",
                "duplicate-id",
                f"{repeated:,} ids stand for several transactions.",
                where=schema.id,
                hint="If they are copies, remove them: they count twice in every window.",
            )
        )
    if copies:
        found.append(
            Finding(
                "warning",
                "duplicate-row",
                f"{copies:,} transactions are there more than once, equal but for their id.",
                hint="Remove the copies: they count twice in every window.",
            )
        )
    return found


def _count_repeated(rows: ibis.Table, column: str) -> int:
    groups = rows.group_by(column).aggregate(times=rows.count())
    return int(groups.filter(groups.times > 1).count().execute())


def _impossible(rows: ibis.Table, schema: Schema) -> list[Finding]:
    found = []
    tomorrow = int(time.time()) + DAY
    future = rows.filter(rows.time > tomorrow).count().execute() if schema.time else 0
    if future:
        found.append(
            Finding(
                "error",
                "future-time",
                f"{future:,} transactions lie in the future.",
                where=schema.time,
                hint="Numbers must be seconds and not milliseconds; or set data.time_format.",
            )
        )
    negative = rows.filter(rows.amount < 0).count().execute() if schema.amount else 0
    if negative:
        found.append(
            Finding(
                "warning",
                "negative-amount",
                f"{negative:,} amounts are below 0.",
                where=schema.amount,
                hint="If they are refunds, leave them out or mark them in a column of their own.",
            )
        )
    return found


def _columns(rows: ibis.Table, schema: Schema) -> list[Finding]:
    """Find columns that are mostly missing, or always equal."""
    names = {OWN + name: name for name in (*schema.numbers, *schema.categories)}
    names |= {"amount": schema.amount} if schema.amount else {}
    names |= schema.roles
    counts = rows.aggregate(
        rows=rows.count(),
        **{f"{name} given": _given(rows, name).sum() for name in names},
        **{f"{name} values": rows[name].nunique() for name in names},
    )
    count = counts.to_pyarrow().to_pylist()[0]
    found = []
    for name, column in names.items():
        missing = 1 - (count[f"{name} given"] or 0) / count["rows"]
        if missing > _MOSTLY:
            message = f"{column} is missing in {missing:.0%} of the transactions."
            found.append(Finding("warning", "mostly-missing", message, where=column))
        if count[f"{name} values"] <= 1:
            message = f"{column} says nothing: it has one value or none."
            found.append(Finding("warning", "constant-column", message, where=column))
    return found


def _given(rows: ibis.Table, name: str) -> Any:
    """Return whether a value is there; a missing entity stands as ? and the row's number."""
    if name in ROLES:
        return ~rows[name].startswith("?")
    return rows[name].notnull()


def split_findings(
    split: Split, settings: SplitSettings, *, card: np.ndarray, label: np.ndarray
) -> list[Finding]:
    """Look at the splits: at labels, and at cards in two of them.

    Args:
        split: the rows of each split.
        settings: how they were split.
        card: codes [n].
        label: 0, 1 or -1 [n].
    """
    found = list(split.findings)
    share = {name: float(label[rows].mean()) for name, rows in split.rows.items()}
    for name in NAMES:
        if not _RARE < share[name] < _COMMON:
            found.append(
                Finding(
                    "warning",
                    "label-share",
                    f"{share[name]:.3%} of the {name} split is fraud.",
                    where=name,
                    hint="Check that 1 means fraud in the label column.",
                )
            )
    if not share["train"] / 5 < share["test"] < share["train"] * 5:
        message = f"Fraud is {share['train']:.2%} of train but {share['test']:.2%} of test."
        found.append(Finding("warning", "label-shift", message, where="test"))
    shared = np.intersect1d(card[split.rows["train"]], card[split.rows["validation"]])
    if settings.validation == "random" and len(shared):
        found.append(
            Finding(
                "warning",
                "shared-cards",
                f"{len(shared):,} cards are in both train and validation.",
                where="validation",
                hint="Validation will look too good; set data.validation=cards.",
            )
        )
    return found


def copies_across_splits(split: Split, content: np.ndarray) -> list[Finding]:
    """Find transactions that are equal, but for their id, to one in another split.

    Args:
        split: the rows of each split.
        content: a hash of each transaction without its id [n].
    """
    found = []
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        copies = np.intersect1d(content[split.rows[first]], content[split.rows[second]])
        if len(copies):
            message = f"{len(copies):,} transactions are in both {first} and {second}."
            hint = "Remove the copies."
            found.append(Finding("error", "copies-across-splits", message, second, hint))
    return found


def leaks(columns: Mapping[str, np.ndarray], label: np.ndarray) -> list[Finding]:
    """Find single columns that nearly equal the label.

    Args:
        columns: of the training split, numbers or texts [n].
        label: of the training split [n].
    """
    scores = {
        name: _fraud_rates(values, label) if values.dtype == object else values
        for name, values in columns.items()
    }
    found = []
    for name, score in scores.items():
        ranking = zoo.Ranking(label, np.where(np.isnan(score), -np.inf, score))
        auc = ranking.roc_auc(np.ones(len(label)))
        if max(auc, 1 - auc) > _LEAK_AUC:
            found.append(
                Finding(
                    "error",
                    "label-leak",
                    f"{name} alone tells frauds from the rest (AUC {max(auc, 1 - auc):.3f}).",
                    where=name,
                    hint=f"If it is only known afterwards: --set 'data.ignore=[\"{name}\"]'.",
                )
            )
    return found


def _fraud_rates(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the share of frauds in each transaction's category, counted on every other one.

    So that rare categories do not seem to tell, no transaction's own label is in its share.
    """
    _, codes = np.unique(values, return_inverse=True)
    result = np.empty(len(values))
    half = np.arange(len(values)) % 2
    for part in (0, 1):
        other = half != part
        size = int(codes.max()) + 1
        frauds = np.bincount(codes[other], label[other], minlength=size)
        count = np.bincount(codes[other], minlength=size)
        rate = (frauds + label.mean()) / (count + 1)
        result[half == part] = rate[codes[half == part]]
    return result
