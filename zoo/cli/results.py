"""An evaluation as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.cli.output import Table

if TYPE_CHECKING:
    from zoo.reporting.results import Measure, Results, System

_MOST_COLUMNS = 6
"""More measures than that stand below one another, as a terminal is no wider."""


def results(evaluation: Mapping[str, Any]) -> list[Table | str]:
    """Return the model beside its baselines, and a sentence that compares them.

    Args:
        evaluation: the content of `evaluation.json`.
    """
    from zoo.reporting.results import Results

    parsed = Results.parse(evaluation, str(evaluation.get("monitor") or ""))
    if not parsed.systems:
        return ["The run has no evaluation."]
    table = [("", *(measure.title for measure in parsed.measures))]
    table += [
        (system.name, *(_estimate(system, measure) for measure in parsed.measures))
        for system in parsed.systems
    ]
    spread = [_spread(parsed, measure) for measure in parsed.measures]
    if any(spread):
        table.append((f"mean of {len(parsed.seeds)} seeds", *spread))
    if len(parsed.measures) > _MOST_COLUMNS:
        table = list(zip(*table, strict=True))
    columns, *rows = table
    return [Table(columns, rows, title=_title(parsed)), parsed.verdict().sentence]


def _title(results: Results) -> str:
    examples = f", {results.examples:,} examples" if results.examples else ""
    intervals = f", {results.interval_name}s" if results.samples else ""
    return f"{results.split} split{examples}{intervals}"


def _estimate(system: System, measure: Measure) -> str:
    estimate = system.on(measure)
    value = measure.show(estimate.value)
    if not estimate.bounded:
        return value
    low, high = measure.show(estimate.low), measure.show(estimate.high)
    return f"{value}\n[{low}, {high}]"


def _spread(results: Results, measure: Measure) -> str:
    spread = results.spread(measure)
    if spread is None:
        return ""
    return f"{measure.show(spread.mean)} \N{PLUS-MINUS SIGN} {measure.show(spread.deviation)}"
