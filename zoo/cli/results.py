"""An evaluation as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.cli.output import Table

if TYPE_CHECKING:
    from zoo.reporting.results import Estimate, Measure, Results, System

_LEAD = (
    "A lead is above 0 where the first is better. “Not ahead” is the share of bootstrap samples on "
    "which it is not."
)
_MOST_COLUMNS = 6
"""More measures than that stand below one another, as a terminal is no wider."""


def results(evaluation: Mapping[str, Any]) -> list[Table | str]:
    """Return the model beside another or its baselines, and a sentence that compares them.

    Args:
        evaluation: the content of `evaluation.json`.
    """
    from zoo.reporting.results import Results

    parsed = Results.parse(evaluation, str(evaluation.get("monitor") or ""))
    if not parsed.systems:
        return ["The run has no evaluation."]
    if parsed.model and parsed.rival:
        return [_comparison(parsed, parsed.model, parsed.rival), parsed.verdict().sentence, _LEAD]
    table = [("", *(measure.title for measure in parsed.measures))]
    table += [
        (system.name, *(_estimate(system.on(measure), measure) for measure in parsed.measures))
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


def _comparison(results: Results, model: System, rival: System) -> Table:
    """Return both models with a metric a line, as the lead belongs to a pair of values."""
    columns = ("", model.name, rival.name, "lead", "not ahead")
    rows = [
        (
            measure.title,
            _estimate(model.on(measure), measure),
            _estimate(rival.on(measure), measure),
            _estimate(rival.lead(measure), measure),
            rival.share_not_ahead(measure),
        )
        for measure in results.measures
    ]
    return Table(columns, rows, title=_title(results))


def _estimate(estimate: Estimate, measure: Measure) -> str:
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
