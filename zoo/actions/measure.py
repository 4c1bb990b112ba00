"""Measures a bundle on a split and stores the figures with the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
) -> tuple[dict[str, Any], list[Figure]]:
    """Measure a bundle beside its task's baselines.

    Args:
        bundle: what to measure.
        examples: labelled ones, which nothing was chosen on.
        config: bootstrap and baselines.
        split: what the examples are called in the report.
        further: metrics beside the task's own, by address.
        train: what baselines are fitted on; None leaves them out.

    Returns:
        the content of `evaluation.json`, and the task's figures.
    """
    truth = all_rows(examples)
    predictions = bundle.predict(Columns(truth), batch_size=config.batch_size)
    systems: dict[str, tuple[str, Batch]] = {bundle.addresses["model"]: ("model", predictions)}
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
    return evaluation, bundle.task.figures(truth, predictions, bundle.decision)


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
