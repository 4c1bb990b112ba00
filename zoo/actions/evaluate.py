"""Measures a trained model on labelled data it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo import bundle as bundles
from zoo.actions.measure import measure_bundle
from zoo.bundle import Bundle
from zoo.components import Finding, Metrics
from zoo.data.examples import all_rows
from zoo.errors import DataError, MissingRequirementError, UnknownNameError
from zoo.recipe import EvaluationConfig
from zoo.registry import registry
from zoo.settings import cache_folder


def evaluate(
    path: Path | str,
    *,
    data: str = "",
    settings: Mapping[str, Any],
    samples: int,
) -> dict[str, Any]:
    """Return the content of an `evaluation.json` for a bundle.

    Args:
        path: of a run or a bundle.
        data: labelled files; empty for the test split it was trained beside.
        settings: of the dataset or the task, by dotted name.
        samples: bootstrap samples.

    Raises:
        DataError: no example is readable and labelled.
    """
    bundle = bundles.load(path).with_settings(settings)
    config = EvaluationConfig(samples=samples, batch_size=bundle.about["batch_size"])
    further, left_out = _further_metrics(bundle)
    findings: list[Finding] = []
    if data:
        examples, findings = bundle.dataset.read(str(data), cache=cache_folder())
        if not len(examples):
            raise DataError(
                f"No example in {data} can be read: {findings[0].message if findings else 'empty'}",
                hint="`zoo check-data` lists everything that is wrong.",
            )
        if not bundle.task.labelled(all_rows(examples)):
            raise DataError(
                f"The examples in {data} have no labels, so there is nothing to measure against.",
                hint="Use `zoo predict` for files without labels.",
            )
        split = data
    else:
        trained_on = bundle.about["data"]
        loaded = bundle.dataset.load(seed=trained_on["seed"], cache=cache_folder())
        if loaded.info.fingerprint != trained_on["fingerprint"]:
            raise DataError(
                f"The data at {loaded.info.source} are not those the model was trained beside, so "
                "their test split may hold what it was trained on.",
                hint="Name labelled files it has not seen: --data FILE.",
            )
        examples, split = loaded.splits["test"], "test"
    evaluation, _ = measure_bundle(bundle, examples, config, split=split, further=further)
    return {**evaluation, "findings": [asdict(finding) for finding in [*left_out, *findings]]}


def _further_metrics(bundle: Bundle) -> tuple[dict[str, Metrics], list[Finding]]:
    """Return the metrics that the bundle's recipe asked for beside the task's own.

    Without those that are not installed here, each of which is a finding: all others can be
    measured.
    """
    found, missing = {}, []
    origins = bundles.origins_in(bundle.about)
    for stored in bundle.about.get("further_metrics", ()):
        address = stored["address"]
        try:
            found[address] = bundles.build(registry(), "metrics", stored, origins)
        except (UnknownNameError, MissingRequirementError) as error:
            message = f"These metrics were left out: {error.message}"
            missing.append(Finding("warning", "missing-metrics", message, address, error.hint))
    return found, missing
