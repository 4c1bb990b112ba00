"""Measures a trained model on labelled data it has not seen, alone or against another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from zoo import bundle as bundles
from zoo.actions.measure import measure_bundle
from zoo.bundle import Bundle
from zoo.cluster import current, detect, joined
from zoo.components import Examples, Finding, Metrics
from zoo.data.examples import Columns, all_rows
from zoo.errors import ConfigError, DataError, MissingRequirementError, UnknownNameError
from zoo.evaluation.evaluate import differing_columns
from zoo.recipe import EvaluationConfig
from zoo.registry import registry
from zoo.settings import cache_folder


def evaluate(
    path: Path | str,
    *,
    data: str = "",
    against: Path | str = "",
    settings: Mapping[str, Any],
    samples: int,
    report: Path | str = "",
) -> dict[str, Any]:
    """Return the content of an `evaluation.json` for a bundle.

    Args:
        path: of a run or a bundle.
        data: labelled files; empty for the test split it was trained beside.
        against: a run or a bundle of the same task, to compare it with on the same examples.
        settings: of the dataset or the task, by dotted name; of both bundles alike.
        samples: bootstrap samples.
        report: an HTML page to write the results to, with the task's figures of the first.

    Raises:
        ConfigError: the two cannot be compared.
        DataError: no example is readable and labelled, or the two do not have the same ones.
        StorageError: there is no bundle, or the page cannot be written.
    """
    with joined(detect()):
        bundle = bundles.load(path).with_settings(settings)
        names, rival = ("", ""), None
        if against:
            names = _names(path, against)
            rival = bundles.load(against).with_settings(settings)
            _check_comparable(bundle, rival, names, on_test_split=not data)
        config = EvaluationConfig(samples=samples, batch_size=bundle.about["batch_size"])
        further, left_out = _further_metrics(bundle)
        examples, findings = _labelled(bundle, data) if data else (_test_split(bundle), [])
        rivals = {}
        if rival is not None:
            theirs = _read_alike(rival, data, examples, names) if data else examples
            rivals[names[1]] = rival.predict(theirs)
        evaluation, figures = measure_bundle(
            bundle,
            examples,
            config,
            split=data or "test",
            further=further,
            name=names[0],
            rivals=rivals,
            with_figures=bool(report),
        )
        evaluation["findings"] = [asdict(finding) for finding in [*left_out, *findings]]
        if report and current().is_chief:
            from zoo.reporting import render_evaluation

            render_evaluation(evaluation, figures, Path(report))
        return evaluation


def _labelled(bundle: Bundle, data: str) -> tuple[Examples, list[Finding]]:
    """Return the examples in files, as a bundle reads them, and what it found in them.

    Of files with official splits these are the examples of the test split.

    Raises:
        DataError: none is readable and labelled.
    """
    examples, findings = bundle.dataset.read_labelled(data, cache=cache_folder())
    if not len(examples):
        raise DataError(
            f"No example in {data} can be read: {findings[0].message if findings else 'empty'}",
            hint="`zoo check-data` lists everything that is wrong.",
        )
    if not bundle.task.labelled(all_rows(examples)):
        partly = [each.message for each in findings if each.code == "partly-labelled"]
        none = f"The examples in {data} have no labels, so there is nothing to measure against."
        raise DataError(
            "\n".join([none, *partly]),
            hint="Use `zoo predict` for files without labels.",
        )
    examples, notes = _to_measure_on(examples, data)
    return examples, [*findings, *notes]


def _to_measure_on(examples: Examples, data: str) -> tuple[Examples, list[Finding]]:
    """Return the official test split of examples, all of them where files tell of none.

    Also what is to be said of it.
    """
    columns = all_rows(examples)
    if "split" not in columns:
        return examples, []
    official = columns["split"]
    test = official == "test"
    if test.all():
        return examples, []
    if not test.any():
        message = f"{np.sum(official != ''):,} of {len(official):,} examples are of official "
        message += "splits to train on, and none of one to test on."
        hint = "Figures on what a model was trained on are too good: name other files."
        return examples, [Finding("warning", "no-test-split", message, data, hint)]
    kept = {name: column[test] for name, column in columns.items()}
    message = f"Measured on the official test split alone, {test.sum():,} of {len(test):,} examples"
    message += f", such as {kept['id'][0]}." if "id" in kept else "."
    return Columns(kept), [Finding("note", "test-split", message, data)]


def _test_split(bundle: Bundle) -> Examples:
    """Return the test split that a bundle was trained beside.

    Raises:
        DataError: its data have changed.
    """
    trained_on = bundle.about["data"]
    loaded = bundle.dataset.load(seed=trained_on["seed"], cache=cache_folder())
    if loaded.info.fingerprint != trained_on["fingerprint"]:
        raise DataError(
            f"The data at {loaded.info.source} are not those the model was trained beside, so "
            "their test split may hold what it was trained on.",
            hint="Name labelled files it has not seen: --data FILE.",
        )
    return loaded.splits["test"]


def _names(path: Path | str, against: Path | str) -> tuple[str, str]:
    """Return what two bundles are called: the names of their folders, if those tell them apart.

    Raises:
        ConfigError: they are one.
    """
    first, second = (Path(each).resolve() for each in (path, against))
    if first == second:
        raise ConfigError(
            f"{path} is to be compared with itself.",
            hint="Give the folder of another run or bundle: --against OTHER.",
        )
    return (str(path), str(against)) if first.name == second.name else (first.name, second.name)


def _check_comparable(
    bundle: Bundle, rival: Bundle, names: tuple[str, str], *, on_test_split: bool
) -> None:
    """Check that two bundles mean the same by predictions, and may be measured on one split.

    Raises:
        ConfigError: their tasks differ.
        DataError: the test split of the one may hold what the other was trained on.
    """
    tasks = bundle.addresses["task"], rival.addresses["task"]
    if tasks[0] != tasks[1]:
        raise ConfigError(
            f"{names[0]} is of the task {tasks[0]}, and {names[1]} of {tasks[1]}.",
            hint="Compare runs of one task; their models and datasets may differ.",
        )
    if on_test_split and bundle.about["data"]["fingerprint"] != rival.about["data"]["fingerprint"]:
        raise DataError(
            f"{names[0]} and {names[1]} were trained on different data or splits, so {names[1]} "
            f"may have been trained on examples of the test split of {names[0]}.",
            hint="Name labelled files that neither has seen: --data FILE.",
        )


def _read_alike(rival: Bundle, data: str, examples: Examples, names: tuple[str, str]) -> Examples:
    """Return the examples in files as the rival reads them, where they are those we have.

    Raises:
        DataError: they are not.
    """
    theirs, _ = _labelled(rival, data)
    if len(theirs) != len(examples):
        differ = f"{len(examples):,} examples are not {len(theirs):,}"
    elif columns := differing_columns(all_rows(examples), all_rows(theirs)):
        differ = f"their columns differ: {', '.join(columns)}"
    else:
        return theirs
    raise DataError(
        f"{names[0]} and {names[1]} do not read the same examples in {data}; {differ}.",
        hint="Their datasets have different settings; `zoo info` and config.toml show them.",
    )


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
