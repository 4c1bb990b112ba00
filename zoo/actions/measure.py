"""Measures a bundle on a split and stores the figures with the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.bundle import Bundle
from zoo.components import Batch, Examples, Figure, Metrics
from zoo.data.examples import Columns, all_rows
from zoo.evaluation.bootstrap import Bootstrap
from zoo.evaluation.evaluate import baseline_predictions, compare
from zoo.recipe import EvaluationConfig
from zoo.runs import Run
from zoo.storage import publish_folder, write_json, write_text


def measure_bundle(
    bundle: Bundle,
    examples: Examples,
    config: EvaluationConfig,
    *,
    split: str,
    further: Mapping[str, Metrics],
    train: Examples | None = None,
    name: str = "",
    rivals: Mapping[str, Batch] | None = None,
    with_figures: bool = True,
) -> tuple[dict[str, Any], list[Figure]]:
    """Measure a bundle beside other models and its task's baselines.

    Args:
        bundle: what to measure.
        examples: labelled ones, which nothing was chosen on.
        config: bootstrap and baselines.
        split: what the examples are called in the report.
        further: metrics beside the task's own, by address.
        train: what baselines are fitted on; None leaves them out.
        name: what the model is called; by default its address.
        rivals: what other models predicted for the examples, by their names.
        with_figures: draw the task's figures too, which takes time.

    Returns:
        the content of `evaluation.json`, and the task's figures of the bundle.
    """
    truth = all_rows(examples)
    predictions = bundle.predict(Columns(truth), batch_size=config.batch_size)
    systems: dict[str, tuple[str, Batch]] = {
        name or bundle.addresses["model"]: ("model", predictions),
        **{rival: ("rival", found) for rival, found in (rivals or {}).items()},
    }
    if train is not None and config.baselines:
        systems |= baseline_predictions(bundle.task, bundle.preprocessing, train, truth)
    bootstrap = Bootstrap(samples=config.samples, level=config.level)
    evaluation = {
        "split": split,
        **compare(bundle.task, truth, systems, bootstrap, further),
        "monitor": bundle.task.monitor,
        "decision": _decision(bundle.decision),
        "calibration": _calibration(bundle.decision),
        "seeds": None,
    }
    if not with_figures:
        return evaluation, []
    predictions = {**predictions, **_explanations(bundle, truth, predictions)}
    return evaluation, bundle.task.figures(truth, predictions, bundle.decision)


def _explanations(bundle: Bundle, truth: Batch, predictions: Batch) -> Batch:
    """Return the columns that explain the few examples a task's figures need, None elsewhere."""
    rows = np.asarray(bundle.task.explained(truth, predictions), np.int64)
    if not len(rows):
        return {}
    some = ({name: column[rows] for name, column in each.items()} for each in (truth, predictions))
    found = bundle.task.explain(bundle.model, bundle.preprocessing, *some)
    explained = {}
    for name, column in found.items():
        explained[name] = np.full(len(next(iter(truth.values()))), None, object)
        for row, value in zip(rows, column, strict=True):
            explained[name][row] = value
    return explained


def store(run: Run, evaluation: Mapping[str, Any], figures: list[Figure]) -> None:
    """Write figures of merit and figures for the report into a run."""
    run.write("evaluation.json", evaluation)
    with publish_folder(run.path / "figures") as folder:
        index = []
        for number, figure in enumerate(figures):
            slug = re.sub(r"[^a-z0-9]+", "-", figure.title.lower()).strip("-")
            name = f"{number:02d}-{slug}.html"
            write_text(folder / name, figure.html)
            index.append({"title": figure.title, "caption": figure.caption, "file": name})
        write_json(folder / "index.json", index)


def _decision(decision: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in decision.items() if not name.startswith("calibration")}


def _calibration(decision: Mapping[str, float]) -> dict[str, float] | None:
    if "calibration_before" not in decision:
        return None
    return {
        "before": decision["calibration_before"],
        "after": decision["calibration_after"],
    }
