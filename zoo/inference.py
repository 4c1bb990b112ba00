"""Runs a network over examples: what validation, measuring and predicting have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from zoo.cluster import current
from zoo.components import Batch, Examples, Preprocessing, Task
from zoo.data.examples import EncodedExamples, all_rows, map_arrays
from zoo.data.pipeline import prediction_batches


class Sweep:
    """Takes networks over all of some examples: windows, outputs, and back to examples.

    The workers of a run share the batches, and all get the outputs of all.

    The raw outputs of one batch are held at a time, whatever the size of the split.

    Args:
        task: makes windows of examples, reduces outputs and restores them.
        preprocessing: encodes the windows.
        examples: what to run over; at least one.
        batch_size: windows at once, over all replicas.
        memory_limit: bytes that the encoded windows may take to be kept between two runs.
    """

    def __init__(
        self,
        task: Task,
        preprocessing: Preprocessing,
        examples: Examples,
        batch_size: int,
        memory_limit: int = 0,
    ) -> None:
        windows = task.windows(examples, preprocessing)
        self._task = task
        self._batch_size = batch_size
        self._encoded = EncodedExamples(windows, preprocessing, memory_limit)
        self._order = _by_size(self._encoded)
        batches = [
            self._order[start : start + batch_size]
            for start in range(0, len(self._order), batch_size)
        ]
        self._count = len(batches)
        self._group = current()
        # A worker without a batch computes the first as well, which nobody asks it for.
        self._own = batches[self._group.index :: self._group.size] or batches[:1]
        self._examples = all_rows(examples)
        self._windows = self._examples if windows is examples else all_rows(windows)
        self._asked: keras.Model | None = None
        self._predict: Callable[[Batch], Any] | None = None

    def outputs(self, model: keras.Model) -> Any:
        """Return a network's outputs as `Task.decode` and `Task.tune` take them."""
        predict = self._predictor(model)
        raw = self._network(model) if predict is None else self._predicted(predict)
        return self._restored([self._kept(outputs, rows) for rows, outputs in raw])

    def outputs_and_loss(self, model: keras.Model, loss: Any) -> tuple[Any, float]:
        """Return a network's outputs, and its mean loss over the windows.

        Args:
            model: the network.
            loss: what it trains with: a `keras.losses.Loss` or a dict of them by output.
        """
        predict = self._predictor(model)
        kept, losses = [], []
        for rows, outputs in self._network(model):
            if predict is None:
                kept.append(self._kept(outputs, rows))
            targets, weights = self._encoded.targets(rows)
            each = loss_value(loss, targets, _first(outputs, len(rows)), weights)
            losses.append(len(rows) * each)
        if predict is not None:
            kept = [self._kept(outputs, rows) for rows, outputs in self._predicted(predict)]
        return self._restored(kept), sum(self._of_all(losses)) / len(self._encoded)

    def _predictor(self, model: keras.Model) -> Callable[[Batch], Any] | None:
        """Return what the task predicts with: one for a network, as it may have to be compiled."""
        if self._asked is not model:
            self._asked = model
            self._predict = self._task.predictor(model, self._encoded.preprocessing)
        return self._predict

    def _predicted(self, predict: Callable[[Batch], Any]) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield the rows of each batch, and what a task predicts of the batch, filled up."""
        for rows, inputs in zip(self._own, self._inputs(), strict=True):
            yield rows, predict(map_arrays(inputs, np.asarray))

    def _network(self, model: keras.Model) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield the rows of each batch, and the network's outputs for the batch, filled up."""
        for rows, inputs in zip(self._own, _shared(model, self._inputs()), strict=True):
            yield rows, map_arrays(model.predict_on_batch(inputs), _at_least_float32)

    def _inputs(self) -> Any:
        return prediction_batches(self._encoded, np.concatenate(self._own), self._batch_size)

    def _kept(self, outputs: Any, rows: np.ndarray) -> Any:
        """Return what the task keeps of one batch's outputs, without what filled it up."""
        return _first(self._task.reduce(outputs, self._encoded.preprocessing), len(rows))

    def _of_all(self, own: list[Any]) -> list[Any]:
        """Return what there is of each batch, in order, from the worker that computed it."""
        found = self._group.gather(own)
        return [found[number % len(found)][number // len(found)] for number in range(self._count)]

    def _restored(self, own: list[Any]) -> Any:
        kept = self._of_all(own)
        place = np.argsort(self._order, kind="stable")
        outputs: Any
        if isinstance(kept[0], Mapping):
            outputs = {
                name: np.concatenate([each[name] for each in kept])[place] for name in kept[0]
            }
        else:
            outputs = np.concatenate(kept)[place]
        preprocessing = self._encoded.preprocessing
        return self._task.restore(outputs, self._windows, self._examples, preprocessing)


def _shared(model: keras.Model, batches: Any) -> Any:
    """Return batches so that each replica of a model computes its share of each."""
    if keras.backend.backend() != "tensorflow":
        return batches.as_numpy_iterator()
    return model.distribute_strategy.experimental_distribute_dataset(batches)


def _by_size(encoded: EncodedExamples) -> np.ndarray:
    """Return all rows, the longest examples first, so that batches hold little padding."""
    if encoded.sizes is None:
        return np.arange(len(encoded))
    longest = encoded.sizes.reshape(len(encoded), -1).max(axis=1)
    return np.argsort(-longest, kind="stable")


def _first(part: Any, count: int) -> Any:
    return map_arrays(part, lambda array: np.asarray(array)[:count])


def loss_value(loss: Any, targets: Any, outputs: Any, weights: np.ndarray) -> float:
    """Return the loss of a batch, as training has it; that of several outputs is their sum."""
    if isinstance(loss, Mapping):
        return sum(
            loss_value(each, targets[name], outputs[name], weights) for name, each in loss.items()
        )
    return float(keras.ops.convert_to_numpy(loss(targets, outputs, sample_weight=weights)))


def _at_least_float32(array: Any) -> np.ndarray:
    """Return an array of bfloat16 or float16 as float32, and any other as it is."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name in ("bfloat16", "float16") else array
