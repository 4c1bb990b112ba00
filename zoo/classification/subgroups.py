"""How good predictions are for some of the examples: a sex, an age, a site, a device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zoo.components import Batch, Figure, Metric
from zoo.evaluation.bootstrap import Bootstrap
from zoo.reporting import charts

_VALUES = 12
"""Values of a column that are listed, the most frequent ones; numbers beyond are put together."""
_RANGES = 4
_UNKNOWN = "unknown"


def subgroup_table(
    truth: Batch, metrics: Sequence[Metric], columns: Sequence[str], units: np.ndarray | None
) -> Figure:
    """List the metrics for each value of some columns.

    Args:
        truth: the examples, whole columns.
        metrics: of the predictions on all of them; the first gets an interval.
        columns: names of columns of `truth`.
        units: what the bootstrap draws together; see :meth:`zoo.Task.units`.
    """
    first = metrics[0]
    rows = []
    for column in columns:
        for value, members in subgroups(truth[column]):
            interval = _interval(first, members, units)
            values = [metric.compute(members.astype(np.int64)) for metric in metrics]
            rows.append([column, value, int(members.sum()), *values[:1], *interval, *values[1:]])
    return charts.table(
        "Subgroups",
        f"The metrics where only some of the examples count. 'From' and 'to' are a 95% interval "
        f"of the {first.title}; few examples make it wide.",
        ["column", "value", "examples", first.title, "from", "to", *(m.title for m in metrics[1:])],
        rows,
    )


def subgroups(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the values of a column with their members, bool [examples].

    Numbers of many values are put into ranges of about equal size.

    Args:
        values: any values [examples]; empty texts and NaN count as unknown.
    """
    texts = np.array([_text(value) for value in values], object)
    if len(set(texts)) > _VALUES:
        texts = _ranges(texts)
    listed = {name for name, _ in Counter(texts).most_common(_VALUES)}
    for name in dict.fromkeys(sorted(texts, key=_in_order)):
        if name in listed:
            yield name, texts == name


def _text(value: Any) -> str:
    text = str(value).strip()
    return _UNKNOWN if text.lower() in ("", "nan", "none") else text


def _ranges(texts: np.ndarray) -> np.ndarray:
    """Return the range that each number lies in; the texts themselves if they are none."""
    known = texts != _UNKNOWN
    try:
        numbers = texts[known].astype(np.float64)
    except ValueError:
        return texts
    if not np.all(np.isfinite(numbers)):
        return texts
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, _RANGES + 1)))
    part = np.searchsorted(edges[1:-1], numbers, side="right")
    names = [_range(numbers[part == number]) for number in range(len(edges) - 1)]
    ranges = texts.copy()
    ranges[known] = np.array(names, object)[part]
    return ranges


def _range(numbers: np.ndarray) -> str:
    return f"{numbers.min():g} to {numbers.max():g}" if len(numbers) else _UNKNOWN


def _in_order(name: str) -> tuple[bool, float, str]:
    """Sort by the number that a name begins with, and names without one last."""
    try:
        return False, float(name.partition(" ")[0]), name
    except ValueError:
        return True, 0.0, name


def _interval(metric: Metric, members: np.ndarray, units: np.ndarray | None) -> tuple[float, float]:
    bootstrap = Bootstrap()
    draws = bootstrap.draws(len(members), units)
    drawn = np.array([metric.compute(weights * members) for weights in draws], np.float64)
    found = bootstrap.interval(drawn)
    return found.low, found.high
