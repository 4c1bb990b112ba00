"""Each kind of fault, planted in a good plugin, is found by the check it is for, and named."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import SkipTest

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy
from toy_plugin import register_toy

import zoo
from zoo.startup import load_tensorflow
from zoo.testing import ContractViolation
from zoo.testing.checks import datasets, models, recipes, tasks
from zoo.testing.subject import Subject, Trial

Plant = Callable[[pytest.MonkeyPatch], None]
TRIAL = {"train.stages": [{"epochs": 2}], "evaluation.samples": 3, "evaluation.baselines": False}

DATASETS = (
    datasets.loads,
    datasets.tells_the_truth,
    datasets.is_deterministic,
    datasets.is_indexable,
    datasets.splits_share_no_example,
    datasets.splits_share_no_unit,
    datasets.check_finds_no_error,
    datasets.is_labelled,
)
ENCODING = (
    tasks.inputs_fit_the_space,
    tasks.encodes_row_by_row,
    tasks.leaves_its_examples_alone,
    tasks.prepares_the_same_twice,
    tasks.saves_and_loads,
)
PIPELINE = (tasks.restarts_anywhere, tasks.augments_by_seeds_alone)
PREDICTIONS = (
    tasks.decodes_purely,
    tasks.tunes_to_numbers,
    tasks.writes_records,
    tasks.monitors_its_first_metric,
    tasks.metrics_are_numbers,
    tasks.metrics_know_weights,
    tasks.metrics_agree_with_references,
)
MODELS = (
    models.builds_its_space,
    models.builds_the_same_twice,
    models.parts_are_whole,
    models.trains_with_finite_loss,
    models.learns_a_batch,
    models.saves_and_loads,
    models.transfers_whole,
)
RUNS = (
    recipes.trains,
    recipes.learns,
    recipes.writes_only_in_its_folders,
    recipes.opens_no_connection,
    recipes.figures_are_self_contained,
)


class Fault(NamedTuple):
    """A fault, and what is to find it.

    Attributes:
        plant: puts it into the plugin.
        check: what has to find it, and no other check of its group.
        said: part of the message.
    """

    plant: Plant
    check: Callable[[Trial], None]
    said: str


def method(cls: type[Any], name: str, change: Callable[..., Any]) -> Plant:
    """Plant a fault into a method: `change` is given the good one and its arguments."""
    good = getattr(cls, name)

    def faulty(*arguments: Any, **options: Any) -> Any:
        return change(good, *arguments, **options)

    return lambda patch: patch.setattr(cls, name, faulty)


# Datasets ----------------------------------------------------------------------------------


def _data(change: Callable[[zoo.Data], zoo.Data]) -> Plant:
    return method(toy.Points, "load", lambda good, *a, **o: change(good(*a, **o)))


def _info(**changed: Any) -> Plant:
    return _data(lambda data: replace(data, info=replace(data.info, **changed)))


def _with_splits(data: zoo.Data, **splits: Any) -> zoo.Data:
    merged = {**data.splits, **splits}
    counts = {name: len(split) for name, split in merged.items()}
    return replace(data, splits=merged, info=replace(data.info, counts=counts))


def _unseeded(data: zoo.Data) -> zoo.Data:
    columns = data.splits["train"].columns
    point = columns["point"] + np.random.default_rng().normal(size=columns["point"].shape)
    return _with_splits(data, train=zoo.Columns({**columns, "point": point.astype(np.float32)}))


class _Sorted(zoo.Columns):
    def __getitem__(self, rows: np.ndarray) -> zoo.Batch:
        return super().__getitem__(np.sort(rows))


class _NotEmpty(zoo.Columns):
    def __getitem__(self, rows: np.ndarray) -> zoo.Batch:
        return super().__getitem__(rows if len(rows) else np.zeros(1, np.int64))


def _units_everywhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(toy.Classify, "units", lambda task, truth: truth["label"])


ERROR = zoo.Finding("error", "no-class", "a class is missing", "points")
COUNT = itertools.count()

DATASET_FAULTS = {
    "counts": Fault(_info(counts={"train": 7}), datasets.tells_the_truth, "DatasetInfo.counts"),
    "facts": Fault(_info(facts={"classes": {1, 2}}), datasets.tells_the_truth, "not JSON"),
    "no test split": Fault(
        _data(lambda data: _with_splits(data, test=zoo.Columns({}))), datasets.loads, "'test'"
    ),
    "findings": Fault(
        _data(lambda data: replace(data, findings=[ERROR])), datasets.loads, "a class is missing"
    ),
    "unseeded": Fault(_data(_unseeded), datasets.is_deterministic, "generator seeded with `seed`"),
    "changing fingerprint": Fault(
        _data(lambda data: replace(data, info=replace(data.info, fingerprint=f"{next(COUNT)}"))),
        datasets.is_deterministic,
        "content and settings alone",
    ),
    "fingerprint without seed": Fault(
        _info(fingerprint="points"), datasets.is_deterministic, "Put the seed into the fingerprint"
    ),
    "sorted rows": Fault(
        _data(lambda data: _with_splits(data, train=_Sorted(data.splits["train"].columns))),
        datasets.is_indexable,
        "out of order",
    ),
    "never empty": Fault(
        _data(lambda data: _with_splits(data, train=_NotEmpty(data.splits["train"].columns))),
        datasets.is_indexable,
        "Asked for no rows",
    ),
    "overlapping splits": Fault(
        _data(
            lambda data: _with_splits(data, test=zoo.Columns(data.splits["train"][np.arange(30)]))
        ),
        datasets.splits_share_no_example,
        "30 examples",
    ),
    "shared units": Fault(_units_everywhere, datasets.splits_share_no_unit, "split_by_group"),
    "check": Fault(
        method(toy.Points, "check", lambda good, *a, **o: [ERROR]),
        datasets.check_finds_no_error,
        "a class is missing",
    ),
    "labelled": Fault(
        method(toy.Classify, "labelled", lambda good, task, batch: "boxes" in batch),
        datasets.is_labelled,
        "`labelled`",
    ),
}

# Tasks -------------------------------------------------------------------------------------


def _centred(good: Any, scaling: toy.Scaling, batch: zoo.Batch) -> zoo.Batch:
    return {"point": (batch["point"] - batch["point"].mean(axis=0)).astype(np.float32)}


def _in_place(good: Any, scaling: toy.Scaling, batch: zoo.Batch) -> zoo.Batch:
    batch["point"][:] = 0.5
    return good(scaling, batch)


def _double(good: Any, scaling: toy.Scaling, batch: zoo.Batch) -> zoo.Batch:
    return {"point": batch["point"] - scaling.mean.astype(np.float64)}


def _rounded(good: Any, scaling: toy.Scaling, folder: Path) -> None:
    (folder / "mean.json").write_text(json.dumps(np.round(scaling.mean).tolist()))


def _pickled(good: Any, scaling: toy.Scaling, folder: Path) -> None:
    good(scaling, folder)
    (folder / "state").write_bytes(pickle.dumps(scaling.mean))


def _random_mean(good: Any, task: toy.Classify, *a: Any) -> toy.Scaling:
    return toy.Scaling(np.random.default_rng().normal(size=2).astype(np.float32))


ENCODING_FAULTS = {
    "by batch": Fault(
        method(toy.Scaling, "inputs", _centred), tasks.encodes_row_by_row, "among others"
    ),
    "in place": Fault(
        method(toy.Scaling, "inputs", _in_place), tasks.leaves_its_examples_alone, "copy a column"
    ),
    "wrong dtype": Fault(
        method(toy.Scaling, "inputs", _double), tasks.inputs_fit_the_space, "is float64"
    ),
    "wrong name": Fault(
        method(toy.Scaling, "inputs", lambda good, *a: {"points": good(*a)["point"]}),
        tasks.inputs_fit_the_space,
        "['points']",
    ),
    "rounded state": Fault(
        method(toy.Scaling, "save", _rounded), tasks.saves_and_loads, "in full precision"
    ),
    "pickle": Fault(method(toy.Scaling, "save", _pickled), tasks.saves_and_loads, "a pickle"),
    "random prepare": Fault(
        method(toy.Classify, "prepare", _random_mean), tasks.prepares_the_same_twice, "`prepare`"
    ),
}


@dataclass
class _Shift(zoo.Augmentation):
    """Moves points; `faulty` says what by besides their seeds."""

    faulty: str = ""

    def __call__(self, inputs: Any, targets: Any, seeds: Any, progress: Any) -> tuple[Any, Any]:
        point = inputs["point"]
        if self.faulty == "state":
            noise = tf.random.uniform(tf.shape(point))
        elif self.faulty == "batch":
            noise = tf.random.stateless_uniform(tf.shape(point), seeds[0])
        else:
            noise = tf.map_fn(
                lambda seed: tf.random.stateless_uniform((2,), seed),
                seeds,
                fn_output_signature=tf.float32,
            )
        return {"point": point + noise}, targets


def _augmented(faulty: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(toy.Classify, "augmentation", lambda task, space: _Shift(faulty))

    return plant


PIPELINE_FAULTS = {
    "global random state": Fault(
        _augmented("state"), tasks.restarts_anywhere, "stateless operations"
    ),
    "batch seed": Fault(_augmented("batch"), tasks.augments_by_seeds_alone, "its own row"),
}


def _noisy(good: Any, task: Any, outputs: Any, decision: Any) -> zoo.Batch:
    return good(task, outputs + np.random.default_rng().normal(), decision)


def _overwriting(good: Any, task: Any, outputs: Any, decision: Any) -> zoo.Batch:
    outputs *= 2
    return good(task, outputs, decision)


def _metrics(change: Callable[[zoo.Metric], zoo.Metric | list[zoo.Metric]]) -> Plant:
    def changed(good: Any, *a: Any) -> Any:
        found = change(good(*a)[0])
        return found if isinstance(found, list) else [found]

    return method(toy.Classify, "metrics", changed)


def _unweighted(metric: zoo.Metric) -> zoo.Metric:
    return replace(metric, compute=lambda weights: metric.compute(np.ones_like(weights)))


def _infinite(metric: zoo.Metric) -> zoo.Metric:
    def compute(weights: np.ndarray) -> float:
        value = metric.compute(weights)
        return value if (weights == weights[0]).all() or weights.max() == 1 else np.inf

    return replace(metric, compute=compute)


PREDICTION_FAULTS = {
    "random decode": Fault(
        method(toy.Classify, "decode", _noisy), tasks.decodes_purely, "the second time"
    ),
    "decode in place": Fault(
        method(toy.Classify, "decode", _overwriting), tasks.decodes_purely, "changes the outputs"
    ),
    "tune": Fault(
        method(toy.Classify, "tune", lambda good, *a: {"threshold": float("nan")}),
        tasks.tunes_to_numbers,
        "finite numbers",
    ),
    "records": Fault(
        method(toy.Classify, "records", lambda good, *a: list(good(*a))[1:]),
        tasks.writes_records,
        "one for each",
    ),
    "record of objects": Fault(
        method(toy.Classify, "records", lambda good, *a: [{"x": {1}} for _ in good(*a)]),
        tasks.writes_records,
        "JSON",
    ),
    "monitor": Fault(
        lambda patch: patch.setattr(toy.Classify, "monitor", "accuracy"),
        tasks.monitors_its_first_metric,
        "'accuracy'",
    ),
    "metric without weights": Fault(
        _metrics(_unweighted), tasks.metrics_know_weights, "does not go by its weights"
    ),
    "infinite metric": Fault(_metrics(_infinite), tasks.metrics_are_numbers, "inf"),
    "reference": Fault(
        lambda patch: patch.setattr(
            toy.Classify, "references", lambda task, *a: {"auc": 0.123}, raising=False
        ),
        tasks.metrics_agree_with_references,
        "reference implementation says 0.123",
    ),
}

# Models ------------------------------------------------------------------------------------


def _net(build: Callable[[Any, Any], Any]) -> Plant:
    """Plant a network: `build` is given the input and makes the output."""

    def built(good: Any, net: toy.Net, space: zoo.Space) -> keras.Model:
        inputs = {"point": keras.Input((2,), name="point")}
        return keras.Model(inputs, build(net, inputs["point"]))

    return method(toy.Net, "build", built)


def _head(units: Any) -> Any:
    return keras.layers.Dense(1, name="head")(units)


def _body(point: Any) -> Any:
    return keras.layers.Dense(8, activation="relu", name="body")(point)


class _Forgetful(keras.layers.Layer):
    """A layer whose configuration leaves out what it multiplies by."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


keras.saving.register_keras_serializable("faults")(_Forgetful)


class _Infinite(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.log(keras.ops.zeros_like(y_pred[:, 0])) * y_pred[:, 0]


class _Constant(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(y_pred * 0, axis=-1) + 1


def _growing(net: Any, point: Any) -> Any:
    return _head(keras.layers.Dense(8 + next(COUNT), name="body")(point))


def _policy(good: Any, net: Any, space: zoo.Space) -> keras.Model:
    keras.config.set_dtype_policy("float64")
    return good(net, space)


MODEL_FAULTS = {
    "wrong shape": Fault(
        _net(lambda net, point: keras.layers.Reshape((1, 1))(_head(_body(point)))),
        models.builds_its_space,
        "has the shape (16, 1, 1)",
    ),
    "NaN": Fault(
        _net(lambda net, point: keras.ops.log(-1.0 - keras.ops.abs(_head(_body(point))))),
        models.builds_its_space,
        "not finite",
    ),
    "global state": Fault(
        method(toy.Net, "build", _policy), models.builds_the_same_twice, "whole process"
    ),
    "left-out weights": Fault(
        method(toy.Net, "parts", lambda good, *a: good(*a)[1:]),
        models.parts_are_whole,
        "body/kernel",
    ),
    "constant loss": Fault(
        lambda patch: patch.setattr(toy.Net, "loss", lambda *a: _Constant()),
        models.learns_a_batch,
        "does not fall",
    ),
    "infinite loss": Fault(
        lambda patch: patch.setattr(toy.Net, "loss", lambda *a: _Infinite()),
        models.trains_with_finite_loss,
        "after 0 steps",
    ),
    "forgetful layer": Fault(
        _net(lambda net, point: _Forgetful(3.0)(_head(_body(point)))),
        models.saves_and_loads,
        "`get_config`",
    ),
    "unnamed layers": Fault(
        _net(lambda net, point: keras.layers.Dense(1)(_body(point))),
        models.transfers_whole,
        "name the layers",
    ),
}
# What follows from a fault as well: a loss that is infinite is not learnt either, and so on.
ALSO = {
    "no test split": {datasets.is_labelled},
    "global random state": {tasks.augments_by_seeds_alone},
    "NaN": {models.trains_with_finite_loss, models.learns_a_batch},
    "infinite loss": {models.learns_a_batch, models.saves_and_loads, models.transfers_whole},
    "unnamed layers": {models.builds_the_same_twice},
}

# Runs --------------------------------------------------------------------------------------


def _writing(path: Callable[[], Path]) -> Plant:
    def write(good: Any, *a: Any, **o: Any) -> zoo.Data:
        path().write_text("seen")
        return good(*a, **o)

    return method(toy.Points, "load", write)


def _in_package(patch: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["ZOO_HOME"], "package")
    folder.mkdir()
    patch.setattr(Subject, "package", folder)
    _writing(lambda: folder / "seen.txt")(patch)


def _calling(good: Any, *a: Any, **o: Any) -> zoo.Data:
    with suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    return good(*a, **o)


def _figure(good: Any, *a: Any) -> list[zoo.Figure]:
    return [zoo.Figure("Map", "From afar.", '<img src="https://example.org/map.png">')]


def _unlearnt(good: Any, task: Any, space: Any) -> Any:
    return _Constant()


RUN_FAULTS = {
    "working folder": Fault(
        _writing(lambda: Path("seen.txt")), recipes.writes_only_in_its_folders, "working folder"
    ),
    "home": Fault(
        _writing(lambda: Path("~/seen.txt").expanduser()),
        recipes.writes_only_in_its_folders,
        "seen.txt in the home folder",
    ),
    "package": Fault(
        _in_package,
        recipes.writes_only_in_its_folders,
        "seen.txt in its own package",
    ),
    "network": Fault(
        method(toy.Points, "load", _calling), recipes.opens_no_connection, "192.0.2.1"
    ),
    "figures": Fault(
        method(toy.Classify, "figures", _figure), recipes.figures_are_self_contained, "example.org"
    ),
    "not learning": Fault(
        method(toy.Classify, "loss", _unlearnt), recipes.learns, "does not learn"
    ),
}

GROUPS: tuple[tuple[Mapping[str, Fault], tuple[Callable[[Trial], None], ...]], ...] = (
    (DATASET_FAULTS, DATASETS),
    (ENCODING_FAULTS, ENCODING),
    (PIPELINE_FAULTS, PIPELINE),
    (PREDICTION_FAULTS, PREDICTIONS),
    (MODEL_FAULTS, MODELS),
    (RUN_FAULTS, RUNS),
)
CASES = [
    pytest.param(name, fault, checks, id=name)
    for faults, checks in GROUPS
    for name, fault in faults.items()
]


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    load_tensorflow()
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    policy = keras.config.dtype_policy()
    register_toy()
    yield
    keras.config.set_dtype_policy(policy)


def trial_of(folder: Path, **settings: Any) -> Trial:
    return Subject("toy", folder, {**TRIAL, **settings}).of_recipe("train")


def failures(trial: Trial, checks: tuple[Callable[[Trial], None], ...]) -> dict[Any, str]:
    """Return the message of each check that fails."""
    found = {}
    for check in checks:
        try:
            check(trial)
        except ContractViolation as violation:
            found[check] = str(violation)
        except SkipTest:
            continue
    return found


@pytest.mark.parametrize("checks", [checks for _, checks in GROUPS])
def test_a_good_plugin_passes(
    checks: tuple[Callable[[Trial], None], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _augmented("")(monkeypatch)
    assert failures(trial_of(tmp_path), checks) == {}


@pytest.mark.parametrize(("name", "fault", "checks"), CASES)
def test_a_fault_is_found_by_its_check_alone_and_named(
    name: str,
    fault: Fault,
    checks: tuple[Callable[[Trial], None], ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault.plant(monkeypatch)
    found = failures(trial_of(tmp_path), checks)
    assert fault.check in found
    assert fault.said in found[fault.check]
    assert set(found) - ALSO.get(name, set()) == {fault.check}
