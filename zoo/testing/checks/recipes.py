"""Recipes: a whole run learns, resumes, spreads, predicts, and stays in its folder."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np

from zoo.testing.subject import Trial
from zoo.testing.violations import blamed, require

_REPLICA_TOLERANCE = 0.01
"""How far two replicas may be from one, as a share of how far training moves the weights."""

_OUTSIDE = re.compile(
    r"""<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)\s*=\s*["']?https?:[^"'\s>]*"""
)


def trains(trial: Trial) -> None:
    """The recipe runs from data to a measured bundle with a report."""
    run = trial.execution.run
    require(run.about["status"] == "finished", f"The run of {trial.address} did not finish.")
    require(run.report.exists(), f"The run of {trial.address} has no report.")
    values = run.evaluation["systems"][0]["values"]
    monitor = trial.recipe.task.monitor
    require(
        np.isfinite(values[monitor]["value"]),
        f"{monitor!r} of the trial run of {trial.address} is not a number: its sample is too small "
        "to be measured on. Change the trial settings.",
    )


def learns(trial: Trial) -> None:
    """The training loss falls."""
    losses = trial.execution.losses
    part = max(1, len(losses) // 5)
    before, after = np.mean(losses[:part]), np.mean(losses[-part:])
    require(
        after < before,
        f"The recipe {trial.address} does not learn under its trial settings: its loss is "
        f"{before:.4g} at first and {after:.4g} at last. Give the trial more steps or another "
        "learning rate.",
    )


def writes_only_in_its_folders(trial: Trial) -> None:
    """A run writes into its own folder and the cache alone."""
    strays = trial.execution.strays
    require(
        not strays,
        f"The run of {trial.address} writes outside its folders: {'; '.join(strays[:5])}. Write "
        "derived files to the folder `cache` that a dataset is given.",
    )


def opens_no_connection(trial: Trial) -> None:
    """With ZOO_OFFLINE=1 a run opens no connection."""
    connections = trial.execution.connections
    require(
        not connections,
        f"The run of {trial.address} tries to reach {', '.join(sorted(set(connections))[:5])} "
        "under ZOO_OFFLINE=1: ask zoo.offline() first, and say what is missing.",
    )


def figures_are_self_contained(trial: Trial) -> None:
    """The task's figures fetch nothing from elsewhere."""
    for file in sorted((trial.execution.run.path / "figures").glob("*.html")):
        found = _OUTSIDE.search(file.read_text(encoding="utf-8"))
        require(
            found is None,
            f"A figure of the task fetches something from the network ({found and found[0]}): put "
            "it into the figure itself.",
        )


def resumes_bit_equal(trial: Trial) -> None:
    """A run that was interrupted and resumed ends with the same bits as one that was not."""
    from zoo.bundle import load
    from zoo.testing.execution import interrupt_and_resume

    cause = (
        "A step depends on something that is in no checkpoint. Draw random numbers from "
        "keras.random.SeedGenerator or the `seeds` of an augmentation, and count no steps in "
        "Python."
    )
    with blamed(f"Interrupting and resuming {trial.address}"):
        run, losses = interrupt_and_resume(trial)
        resumed = load(run.path).model.get_weights()
    require(
        losses == trial.execution.losses[-len(losses) :],
        f"The losses of {trial.address} are others after an interruption than without one. {cause}",
    )
    whole = trial.bundle.model.get_weights()
    differing = sum(
        one.tobytes() != other.tobytes() for one, other in zip(whole, resumed, strict=True)
    )
    require(
        not differing,
        f"{differing} of {len(whole)} weights of {trial.address} differ between a run that was "
        f"interrupted and resumed and one that was not. {cause}",
    )


def equal_on_two_replicas(trial: Trial) -> None:
    """Two replicas take the same steps as one device."""
    from zoo.testing.elsewhere import ask_of_replicas

    apart = ask_of_replicas(trial)
    require(
        apart <= _REPLICA_TOLERANCE,
        f"Two replicas move the weights of {trial.address} otherwise than one device does, by "
        f"{apart:.1%} of the way: a loss has to be a mean over examples as keras.losses reduces "
        "it, nothing may be computed over a batch but by layers that synchronise or by "
        "zoo.across_replicas, and random numbers are drawn by zoo.uniform_by_example.",
    )


def bundle_predicts_alike_elsewhere(trial: Trial) -> None:
    """The bundle predicts the same in another process."""
    theirs = trial.elsewhere.predictions()
    ours = numbers(trial.bundle.predict(_test_rows(trial)))
    require(
        set(ours) == set(theirs),
        f"The bundle of {trial.address} predicts {sorted(theirs)} in another process, and "
        f"{sorted(ours)} in the one that trained it.",
    )
    for name, values in ours.items():
        same = values.shape == theirs[name].shape
        require(
            same and np.allclose(values, theirs[name], rtol=1e-4, atol=1e-5, equal_nan=True),
            f"The bundle of {trial.address} predicts another {name!r} in another process: a "
            "prediction may depend only on the example and on what is in the bundle.",
        )


def numbers(columns: Any) -> dict[str, np.ndarray]:
    """Return all numbers in each column of predictions, one after the other."""
    return {name: np.array(list(_flat(column)), np.float64) for name, column in columns.items()}


def _flat(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, bool | int | float | np.number | np.bool_):
        yield float(value)


def _test_rows(trial: Trial) -> Any:
    from zoo.data.examples import Columns

    return Columns(trial.rows("test"))


def isolates_a_bad_file(trial: Trial, files: Path | None, bad: str) -> None:
    """A bad file among good ones is named, and the good ones are predicted on as without it.

    Args:
        trial: of the recipe.
        files: a folder of the user's files, or one file of examples; None if there are none.
        bad: what is in the name of each bad file, and of no good one.
    """
    from zoo.actions.predict import predict

    if files is None:
        raise SkipTest(
            "No files of a user are given: override the fixture `user_files` with a folder of good "
            f"files and a bad one, whose name holds {bad!r}."
        )
    with blamed(f"Predicting on {files.name} with a bad file in it"):
        found = predict(trial.execution.run.path, files, settings={}, explain=False)
    require(
        found.findings,
        f"`read` of the dataset says nothing of what is wrong with {files.name}: return a finding "
        "for each thing that cannot be read.",
    )
    require(
        any(bad in f"{each.where} {each.message}" for each in found.findings),
        f"No finding names the bad file ({bad!r}); the first is {found.findings[0].message!r} at "
        f"{found.findings[0].where!r}: put its path into `where`.",
    )
    if files.is_dir():
        _as_without(trial, files, bad, found.records)


def _as_without(trial: Trial, files: Path, bad: str, records: Sequence[Any]) -> None:
    """Compare records with those that there are without the bad files."""
    from zoo.actions.predict import predict

    good = Path(tempfile.mkdtemp(prefix="good-", dir=trial.folder), files.name)
    shutil.copytree(files, good, ignore=shutil.ignore_patterns(f"*{bad}*"))
    alone = predict(trial.execution.run.path, good, settings={}, explain=False).records
    require(
        len(alone) == len(records),
        f"A bad file among good ones changes how many predictions there are: {len(records)} with "
        f"it, and {len(alone)} without it.",
    )
