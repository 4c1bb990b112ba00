"""What a reader must not conclude from a run, worked out from what the run holds."""

from __future__ import annotations

from zoo.reporting.contents import Contents
from zoo.reporting.results import Results

COMPLETE = ("finished", "stopped early")
"""Statuses of a run whose training came to its planned end."""
_FEW = 100


def limits(contents: Contents, results: Results) -> list[str]:
    """Return the limits of a run, one sentence or two each, the weightiest first."""
    return [
        *_of_training(contents),
        *_of_evaluation(results),
        *_of_data(contents, results),
    ]


def _of_training(contents: Contents) -> list[str]:
    status = contents.run.get("status") or "unknown"
    if status in (*COMPLETE, "running"):
        return []
    return [
        f"Training did not come to its planned end; its status is “{status}”. "
        "Weights and figures are those of the last good checkpoint."
    ]


def _of_evaluation(results: Results) -> list[str]:
    if results.headline.value is None:
        return ["No result on held-out data is known, so nothing is known of its quality."]
    found = []
    standing = results.verdict().standing
    if standing == "behind":
        found.append("A baseline does better on the monitored metric. Prefer it for now.")
    if standing == "uncertain":
        found.append("The data do not settle whether the model is better than the best baseline.")
    if standing == "alone":
        found.append("No baseline was measured, so it is not known what a simpler method reaches.")
    found.append(
        f"Intervals say how far the figures could move with another {results.split} split from "
        "the same source. They do not cover a change of the data over time or between places."
    )
    if len(results.seeds) < 2:
        found.append("One training was measured; another seed gives somewhat different figures.")
    return found


def _of_data(contents: Contents, results: Results) -> list[str]:
    data = contents.data
    found = []
    if data.get("source") == "generator":
        found.append("The data were simulated. The figures say nothing about real data.")
    classes = (data.get("classes") or {}).get(results.split) or {}
    for name, count in classes.items():
        if count < _FEW:
            found.append(
                f"The {results.split} split has only {count} examples of class “{name}”, "
                "so what is said about it is uncertain."
            )
    warnings = [f for f in data.get("findings") or [] if f.get("level") in ("error", "warning")]
    if warnings:
        messages = " ".join(str(finding.get("message", "")) for finding in warnings)
        found.append(f"The checks of the data found something to heed: {messages}")
    return found
