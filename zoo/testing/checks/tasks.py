"""Tasks: encoding is pure, decoding is pure, metrics can be resampled, records are JSON."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np

from zoo.components import Batch, Metric, Preprocessing, Tensor
from zoo.data.examples import Columns, EncodedExamples, arrays, map_arrays
from zoo.data.order import Order
from zoo.storage import jsonable
from zoo.testing.digest import digest, length
from zoo.testing.subject import FEW_ROWS, Trial
from zoo.testing.violations import ContractViolation, blamed, require

_TOLERANCE = 1e-6
_PICKLE = b"\x80"
_TEXT_OR_ARRAYS = {".json", ".npz", ".npy", ".txt", ".csv", ".tsv", ".toml", ".jsonl", ".model"}


# Preprocessing


def inputs_fit_the_space(trial: Trial) -> None:
    """Encoded examples are named, shaped and typed as `space.inputs` says."""
    batch = trial.windows[_first(trial)]
    with blamed("`inputs` of the preprocessing"):
        inputs = trial.preprocessing.inputs(batch)
    tensors = trial.preprocessing.space.inputs
    require(
        set(inputs) == set(tensors),
        f"`inputs` returns {sorted(inputs)}, and `space.inputs` names {sorted(tensors)}: they have "
        "to be the same.",
    )
    for name, tensor in tensors.items():
        _fits(f"The input {name!r}", np.asarray(inputs[name]), tensor, length(batch))


def _fits(what: str, array: np.ndarray, tensor: Tensor, rows: int) -> None:
    require(
        matches(array.shape, (rows, *tensor.shape)),
        f"{what} has the shape {array.shape} for {rows} examples, and `space` says "
        f"{(rows, *tensor.shape)}.",
    )
    require(
        str(array.dtype) == tensor.dtype,
        f"{what} is {array.dtype}, and `space` says {tensor.dtype}.",
    )
    if tensor.sizes and array.size:
        top = array.reshape(-1, array.shape[-1]).max(axis=0)
        require(
            array.min() >= 0 and (top < np.asarray(tensor.sizes)).all(),
            f"{what} holds codes beyond the `sizes` that `space` says.",
        )


def matches(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    """Return whether a shape is the expected one, where None stands for any size."""
    return len(shape) == len(expected) and all(
        want is None or size == want for size, want in zip(shape, expected, strict=True)
    )


def encodes_row_by_row(trial: Trial) -> None:
    """An example is encoded alike alone, among others and in another order."""
    rows = _first(trial)
    encoders: Mapping[str, Callable[[Batch], Any]] = {
        "inputs": trial.preprocessing.inputs,
        "targets": trial.preprocessing.targets,
        "weights": trial.preprocessing.weights,
    }
    for name, encode in encoders.items():
        with blamed(f"`{name}` of the preprocessing"):
            whole = encode(trial.windows[rows])
            turned = encode(trial.windows[rows[::-1]])
            alone = [encode(trial.windows[rows[row : row + 1]]) for row in rows]
        if whole is None:
            continue
        for row in rows:
            others = (_row(alone[row], 0), _row(turned, len(rows) - 1 - row))
            require(
                all(_alike(_row(whole, row), other) for other in others),
                f"`{name}` encodes an example otherwise among others than alone: an example's "
                "encoding has to depend on itself and on what was learnt in `prepare` only.",
            )


def _row(part: Any, row: int) -> list[np.ndarray]:
    return [np.asarray(array)[row] for array in arrays(part)]


def _alike(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Return whether rows are equal, as far as both go: a batch is padded to its longest."""
    for a, b in zip(one, other, strict=True):
        if a.ndim != b.ndim:
            return False
        both = tuple(slice(min(sizes)) for sizes in zip(a.shape, b.shape, strict=True))
        if not _equal(a[both], b[both]):
            return False
    return True


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind in "fc":
        return bool(np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True))
    return digest(a) == digest(b)


def leaves_its_examples_alone(trial: Trial) -> None:
    """Encoding does not change the examples it is given."""
    batch = trial.windows[_first(trial)]
    before = digest(batch)
    with blamed("The preprocessing"):
        trial.preprocessing.inputs(batch)
        trial.preprocessing.targets(batch)
        trial.preprocessing.weights(batch)
    require(
        digest(batch) == before,
        "The preprocessing changes the examples it is given: copy a column before changing it.",
    )


def prepares_the_same_twice(trial: Trial) -> None:
    """What is learnt of the training split depends on nothing else."""
    with blamed("`prepare` of the task"):
        again = trial.recipe.task.prepare(trial.data.splits["train"], trial.data.info)
    require(
        isinstance(again, trial.recipe.task.preprocessing),
        f"`prepare` returns a {type(again).__name__}, and the task's `preprocessing` is "
        f"{trial.recipe.task.preprocessing.__name__}: bundles are loaded with that.",
    )
    require(
        _encodings_agree(trial, trial.preprocessing, again),
        "`prepare` learns something else of the same training split the second time: draw only "
        "from a generator with a fixed seed, and keep no state in the task.",
    )


def saves_and_loads(trial: Trial) -> None:
    """A preprocessing that was saved and loaded encodes alike, and its files hold no pickle."""
    preprocessing = trial.preprocessing
    with tempfile.TemporaryDirectory(dir=trial.folder) as name:
        folder = Path(name)
        with blamed("`save` of the preprocessing"):
            preprocessing.save(folder)
        for file in sorted(folder.rglob("*")):
            _holds_no_pickle(file)
        with blamed("`load` of the preprocessing"):
            loaded = type(preprocessing).load(folder)
        require(
            loaded.space.inputs == preprocessing.space.inputs
            and loaded.space.outputs == preprocessing.space.outputs,
            "A preprocessing that was saved and loaded has another `space`: save all that it is "
            "made from.",
        )
        require(
            _encodings_agree(trial, preprocessing, loaded),
            "A preprocessing that was saved and loaded encodes examples otherwise: save all that "
            "`inputs` and `targets` depend on, in full precision.",
        )


def _holds_no_pickle(file: Path) -> None:
    if not file.is_file():
        return
    start = file.read_bytes()[:1]
    pickled = file.suffix not in _TEXT_OR_ARRAYS and start == _PICKLE
    if file.suffix in (".npz", ".npy"):
        try:
            found = np.load(file, allow_pickle=False)
            for name in getattr(found, "files", ()):
                found[name]
        except ValueError:
            pickled = True
    require(
        not pickled and file.suffix not in (".pkl", ".pickle", ".joblib"),
        f"The preprocessing saves a pickle ({file.name}), which runs code when it is loaded: write "
        "JSON, text, or npz without object arrays.",
    )


def _encodings_agree(trial: Trial, one: Preprocessing, other: Preprocessing) -> bool:
    batch = trial.windows[_first(trial)]
    pairs = [(one.inputs(batch), other.inputs(batch)), (one.targets(batch), other.targets(batch))]
    return all(
        _equal(np.asarray(a), np.asarray(b))
        for ours, theirs in pairs
        for a, b in zip(arrays(ours), arrays(theirs), strict=True)
    )


def _first(trial: Trial) -> np.ndarray:
    return np.arange(min(FEW_ROWS, len(trial.windows)))


# The pipeline


def restarts_anywhere(trial: Trial) -> None:
    """The batch of a step is the same whether or not the steps before it were taken."""
    from zoo.data.pipeline import training_batches

    examples = EncodedExamples(trial.windows, trial.preprocessing)
    order = Order(len(examples), min(4, len(examples)), seed=trial.recipe.seed)
    with blamed("The task's augmentation"):
        from_start, from_there = (
            list(
                training_batches(
                    examples,
                    order,
                    start=start,
                    steps=4 - start,
                    augment=trial.recipe.task.augmentation(trial.preprocessing.space),
                ).as_numpy_iterator()
            )
            for start in (0, 2)
        )
    agree = all(
        _batches_equal(one, other) for one, other in zip(from_start[2:], from_there, strict=True)
    )
    require(
        agree,
        "A run that is resumed would see other training examples than one that was not: the "
        "augmentation draws from something besides `seeds`. Use the stateless operations, such as "
        "tf.random.stateless_uniform(shape, seed).",
    )


def augments_by_seeds_alone(trial: Trial) -> None:
    """An example is varied alike in whatever batch and place it comes."""
    import tensorflow as tf

    augment = trial.recipe.task.augmentation(trial.preprocessing.space)
    if augment is None:
        raise SkipTest("The task has no augmentation.")
    count, group = min(FEW_ROWS, len(trial.windows)), 1 + augment.partners
    rows = np.arange(count * group) % len(trial.windows)
    encoded = EncodedExamples(trial.windows, trial.preprocessing)[rows]
    seeds = np.stack([np.full(count, 7), np.arange(count)], axis=1).astype(np.int64)

    def varied(order: np.ndarray) -> list[np.ndarray]:
        def grouped(array: Any) -> Any:
            array = np.asarray(array)
            if group > 1:
                array = array.reshape(count, group, *array.shape[1:])
            return tf.constant(array[order])

        inputs = map_arrays(encoded.inputs, grouped)
        targets = map_arrays(encoded.targets, grouped)
        with blamed("The task's augmentation"):
            result = augment(inputs, targets, tf.constant(seeds[order]), tf.constant(0.0))
        return [np.asarray(array) for part in result for array in arrays(part)]

    forwards, again = varied(np.arange(count)), varied(np.arange(count))
    pairs = zip(forwards, again, strict=True)
    require(
        all(_equal(one, other) for one, other in pairs),
        "The augmentation varies the same examples otherwise the second time, though the `seeds` "
        "are the same: use the stateless operations, such as tf.random.stateless_uniform(shape, "
        "seed).",
    )
    pairs = zip(forwards, varied(np.arange(count)[::-1]), strict=True)
    require(
        all(_equal(one, other[::-1]) for one, other in pairs),
        "The augmentation varies an example otherwise when it stands at another place of the "
        "batch: draw for each example from its own row of `seeds`, not once for the batch.",
    )


def _batches_equal(one: Any, other: Any) -> bool:
    return all(
        _equal(np.asarray(a), np.asarray(b))
        for part, twin in zip(one, other, strict=True)
        for a, b in zip(arrays(part), arrays(twin), strict=True)
    )


# Predictions


def decodes_purely(trial: Trial) -> None:
    """Decoding gives the same twice, changes nothing, and has one row an example."""
    task, outputs = trial.recipe.task, deepcopy(trial.outputs)
    for decision in ({}, trial.decision):
        before = digest(outputs)
        with blamed("`decode` of the task"):
            one, other = task.decode(outputs, decision), task.decode(outputs, decision)
        require(
            digest(outputs) == before,
            "`decode` changes the outputs it is given: copy them before changing them.",
        )
        require(
            digest(one) == digest(other),
            "`decode` gives other predictions for the same outputs the second time.",
        )
        rows = {name: len(column) for name, column in one.items()}
        require(
            set(rows.values()) == {length(trial.truth)},
            f"`decode` returns columns of {rows} rows for {length(trial.truth)} examples.",
        )


def tunes_to_numbers(trial: Trial) -> None:
    """What is chosen on validation is numbers that a bundle can keep."""
    wrong = {
        name: value
        for name, value in trial.decision.items()
        if not isinstance(value, int | float) or not math.isfinite(value)
    }
    require(
        not wrong,
        f"`tune` returns {wrong}, expected finite numbers: they are kept in the bundle as JSON.",
    )
    with blamed("`tune` of the task"):
        again = trial.recipe.task.tune(trial.truth, deepcopy(trial.outputs))
    require(
        again == trial.decision,
        f"`tune` chooses {again} the second time, and chose {trial.decision}.",
    )


def writes_records(trial: Trial) -> None:
    """There is one JSON-able record an example."""
    with blamed("`records` of the task"):
        records = list(trial.recipe.task.records(trial.truth, trial.predictions))
    require(
        len(records) == length(trial.truth),
        f"`records` yields {len(records)} records for {length(trial.truth)} examples, expected one "
        "for each.",
    )
    name = trial.recipe.task.plain_text
    require(
        not name or all(isinstance(record.get(name), str) for record in records),
        f"`plain_text` of the task is {name!r}, but not every record has such a text.",
    )
    for record in records:
        try:
            json.dumps(jsonable(record))
        except (TypeError, ValueError) as error:
            require(False, f"`records` yields what JSON cannot hold: {error}. It is {record}.")


# Metrics


def monitors_its_first_metric(trial: Trial) -> None:
    """The metric that chooses the best weights heads every table."""
    metrics, monitor = _metrics(trial), trial.recipe.task.monitor
    names = [metric.name for metric in metrics]
    require(
        names and names[0] == monitor,
        f"The task monitors {monitor!r}, and its first metric is {next(iter(names), None)!r}: "
        "return the monitored one first.",
    )
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"The task has several metrics called {', '.join(twice)}.")


def metrics_are_numbers(trial: Trial) -> None:
    """Under any weights a metric is a finite number, or NaN where it is not defined."""
    for metric in _metrics(trial):
        for weights in _resampled(trial):
            with blamed(f"The metric {metric.name!r}"):
                value = float(metric.compute(weights))
            require(
                not math.isinf(value),
                f"The metric {metric.name!r} is {value} for a resampled test split, expected a "
                "finite number, or NaN where the sample leaves it undefined.",
            )


def metrics_know_weights(trial: Trial) -> None:
    """A weight of 0 leaves an example out, and a weight of 2 counts it twice."""
    rows = length(trial.truth)
    units = trial.recipe.task.units(trial.truth)
    for weights in _left_out(rows, units):
        _agree(trial, weights, "An example of weight 0 has to count as if it were not there.")
    if units is None:
        twice = np.full(rows, 2, np.int64)
        _agree(trial, twice, "An example of weight 2 has to count as two equal ones.")


def _agree(trial: Trial, weights: np.ndarray, rule: str) -> None:
    """Compare metrics under weights with those of the rows as often as their weights say."""
    task = trial.recipe.task
    rows = np.repeat(np.arange(len(weights)), weights)
    truth, predictions = _taken(trial.truth, rows), _taken(trial.predictions, rows)
    with blamed("`metrics` of the task"):
        copied = {each.name: each for each in task.metrics(truth, predictions)}
    for metric in _metrics(trial):
        if metric.name not in copied:  # such as a class's own, which the rows have none of
            continue
        with blamed(f"The metric {metric.name!r}"):
            weighted = float(metric.compute(weights))
            plain = float(copied[metric.name].compute(np.ones(len(rows), np.int64)))
        require(
            _close(weighted, plain),
            f"The metric {metric.name!r} does not go by its weights: it is {weighted:.6g}, and "
            f"{plain:.6g} of the examples themselves. {rule}",
        )


def _taken(batch: Batch, rows: np.ndarray) -> Batch:
    return Columns(batch)[rows]


def _left_out(rows: int, units: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield weights of 0 and 1, equal within each unit."""
    _, codes = np.unique(np.arange(rows) if units is None else units, return_inverse=True)
    for part in (0, 1):
        weights = (codes % 2 == part).astype(np.int64)
        if weights.any():
            yield weights


def _resampled(trial: Trial) -> Iterator[np.ndarray]:
    from zoo.evaluation.bootstrap import Bootstrap

    units = trial.recipe.task.units(trial.truth)
    yield from Bootstrap(samples=5).draws(length(trial.truth), units)


def metrics_agree_with_references(trial: Trial) -> None:
    """Metrics are what the field's own implementation says."""
    task = trial.recipe.task
    try:
        with blamed("`references` of the task"):
            references = task.references(trial.truth, trial.predictions)
    except ContractViolation as error:
        if isinstance(error.__cause__, ImportError):
            missing = f"The reference implementation is not installed: {error.__cause__}."
            raise SkipTest(missing) from error
        raise
    if not references:
        raise SkipTest("The task names no reference implementation (`Task.references`).")
    metrics = {metric.name: metric for metric in _metrics(trial)}
    unknown = sorted(set(references) - set(metrics))
    require(
        not unknown,
        f"`references` speaks of {', '.join(unknown)}, which the task has no metrics for.",
    )
    ones = np.ones(length(trial.truth), np.int64)
    for name, expected in references.items():
        value = float(metrics[name].compute(ones))
        require(
            _close(value, float(expected)),
            f"The metric {name!r} is {value:.9g}, and its reference implementation says "
            f"{float(expected):.9g}.",
        )


def _close(one: float, other: float) -> bool:
    both_undefined = math.isnan(one) and math.isnan(other)
    return both_undefined or math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _metrics(trial: Trial) -> list[Metric]:
    with blamed("`metrics` of the task"):
        return trial.recipe.task.metrics(trial.truth, trial.predictions)
