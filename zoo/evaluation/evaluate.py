"""One table of honest figures: the model, what it is compared with, and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from zoo.components import Batch, Examples, Metric, Metrics, Preprocessing, Task
from zoo.data.examples import all_rows
from zoo.errors import ConfigError
from zoo.evaluation.bootstrap import Bootstrap
from zoo.storage import fingerprint


def measure(metrics: Sequence[Metric], examples: int) -> dict[str, float]:
    """Return the value of each metric of so many examples, without intervals."""
    ones = np.ones(examples, np.int64)
    return {each.name: float(each.compute(ones)) for each in metrics}


def all_metrics(
    task: Task, further: Mapping[str, Metrics], truth: Batch, predictions: Batch
) -> list[Metric]:
    """Return the task's own metrics, then further ones.

    Args:
        task: whose predictions are measured.
        further: metrics beside the task's own, by address.
        truth: the examples, whole columns.
        predictions: what was predicted for them.

    Raises:
        ConfigError: two metrics have one name.
    """
    metrics = task.metrics(truth, predictions)
    owners = {each.name: "the task itself" for each in metrics}
    for address, component in further.items():
        for metric in component.metrics(truth, predictions):
            if metric.name in owners:
                raise ConfigError(
                    f"The metrics {address} measure {metric.name!r}, as {owners[metric.name]} "
                    "already does.",
                    hint=f"Leave {address} out of evaluation.metrics.",
                )
            owners[metric.name] = address
            metrics.append(metric)
    return metrics


def compare(
    task: Task,
    truth: Batch,
    systems: Mapping[str, tuple[str, Batch]],
    bootstrap: Bootstrap,
    further: Mapping[str, Metrics] | None = None,
) -> dict[str, Any]:
    """Measure several systems on the same examples and the same bootstrap draws.

    Args:
        task: whose metrics are taken.
        truth: the examples, whole columns.
        systems: for each name its kind (`model`, which comes first, `rival`, another trained
            model, or `baseline`) and its predictions.
        bootstrap: how intervals are made.
        further: metrics beside the task's own, by address.

    Returns:
        the JSON-able content of `evaluation.json`: `values` of each system, and for each but
        the model the model's `lead` over it, above 0 where the model is better, and
        `not_ahead`, the share of draws on which that is not so.

    Raises:
        ConfigError: two metrics have one name.
    """
    rows, units = _rows(truth), task.units(truth)
    draws = bootstrap.draws(rows, units)
    table: list[dict[str, Any]] = []
    metrics: list[Metric] = []
    ours: dict[str, np.ndarray] = {}
    for name, (kind, predictions) in systems.items():
        metrics = all_metrics(task, further or {}, truth, predictions)
        drawn = {metric.name: bootstrap.sample(metric, draws) for metric in metrics}
        row = {"name": name, "kind": kind, "values": _intervals(drawn, bootstrap)}
        if kind == "model":
            ours = drawn
        elif ours:
            leads = _leads(metrics, ours, drawn)
            row["lead"] = _intervals(leads, bootstrap)
            row["not_ahead"] = {
                name: bootstrap.share_not_ahead(each) for name, each in leads.items()
            }
        table.append(row)
    return {
        "examples": rows,
        "units": None if units is None else len(np.unique(units)),
        "bootstrap": asdict(bootstrap),
        "metrics": [
            {"name": m.name, "title": m.title, "higher_is_better": m.higher_is_better}
            for m in metrics
        ],
        "systems": table,
    }


def _intervals(drawn: Mapping[str, np.ndarray], bootstrap: Bootstrap) -> dict[str, Any]:
    """Return value and interval by metric; the first of each `drawn` is the value itself."""
    return {name: asdict(bootstrap.interval(values)) for name, values in drawn.items()}


def _leads(
    metrics: Sequence[Metric], ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return how far the model is ahead on each draw: paired, so sharper than two intervals."""
    return {
        metric.name: (ours[metric.name] - theirs[metric.name])
        * (1 if metric.higher_is_better else -1)
        for metric in metrics
    }


def baseline_predictions(
    task: Task, preprocessing: Preprocessing, train: Examples, test: Batch
) -> dict[str, tuple[str, Batch]]:
    """Fit the task's baselines on the training split and predict the test examples."""
    baselines = task.baselines(preprocessing)
    if not baselines:
        return {}
    columns = all_rows(train)
    return {name: ("baseline", fit(columns, test)) for name, fit in baselines.items()}


def differing_columns(ours: Batch, theirs: Batch) -> list[str]:
    """Return the names of columns that show two batches to hold different examples.

    Columns of one value an example are looked at, such as ids and labels, where both have
    them. Neither matrices are, which may be features that each model has of its own, nor
    references to heavy things.
    """
    shared = (name for name in ours if name in theirs)
    return [name for name in shared if _content(ours[name]) != _content(theirs[name])]


def _content(column: np.ndarray) -> str | None:
    """Return a hash of the values in a column; None if it has none that can be compared."""
    if column.ndim > 1:
        return None
    try:
        return fingerprint(column.tolist())
    except TypeError:  # no JSON values, so references
        return None


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values())))
