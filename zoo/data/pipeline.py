"""Batches as `tf.data`, index-keyed: nothing depends on threads, workers or a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.components import Augmentation
from zoo.data.examples import Encoded, EncodedExamples, map_arrays
from zoo.data.order import Order
from zoo.data.sized_order import SizedOrder


@dataclass(frozen=True)
class Shard:
    """The parts of every global batch that a process takes, each a batch of its own.

    Attributes:
        first: the first of them.
        count: how many.
        of: the parts of a batch, all with as many examples.
        alike: whether the parts of all processes must have the same shapes.
    """

    first: int = 0
    count: int = 1
    of: int = 1
    alike: bool = False

    def taken(self, array: Any) -> Any:
        """Return what the process takes of an array or a tensor [batch, ...]."""
        size = (array.shape[0] or tf.shape(array)[0]) // self.of
        return array[self.first * size : (self.first + self.count) * size]

    def cut(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return what was taken as [parts, part, ...]."""
        return tf.stack(tf.split(tensor, self.count))


def training_batches(
    examples: EncodedExamples,
    order: Order | SizedOrder,
    *,
    start: int,
    steps: int,
    shard: Shard = Shard(),
    augment: Augmentation | None = None,
    progress: Callable[[int], float] = lambda step: 0.0,
) -> tf.data.Dataset:
    """Return the batches of the steps from `start` to `start + steps`.

    Args:
        examples: what to take rows from.
        order: which rows a step takes.
        start: the first step, so that a resumed run neither skips nor repeats.
        steps: how many global batches there are.
        shard: which parts of each are returned, as batches of their own.
        augment: runs in the graph; its seeds are (seed and pass, row), so an example is
            augmented alike whatever batch or worker it falls to.
        progress: the share of the run that is done before a step.

    Returns:
        a dataset of (inputs, targets, weights).
    """
    partners = augment.partners if augment else 0

    # What differs in size is padded to the longest of the whole batch, for all parts alike.
    whole = not examples.of_one_shape or (shard.alike and not _keeps_shapes(augment))

    def fetch(step: np.int64) -> tuple[Encoded, np.ndarray, np.ndarray]:
        rows, passes = order.batch(int(step))
        # The loss is a mean over the batch; so every example counts alike in whatever batch.
        share = np.float32(len(rows) / order.mean_batch)
        if not whole:
            rows, passes = shard.taken(rows), shard.taken(passes)
        if partners:
            mixed = np.column_stack([rows, order.partners(rows, passes, partners)])
            batch = _with_partners(examples, mixed)
        else:
            batch = examples[rows]
        batch = batch._replace(weights=batch.weights * share)
        seeds = np.stack([order.seed * 1_000_003 + passes, rows], axis=1)
        return batch, seeds, np.array(progress(int(step)), np.float32)

    def augmented(batch: Any, seeds: tf.Tensor, progress: tf.Tensor) -> Any:
        inputs, targets, weights = batch
        if augment is not None:
            inputs, targets = augment(inputs, targets, seeds, progress)
        if whole:
            return tf.nest.map_structure(shard.taken, (inputs, targets, weights))
        return inputs, targets, weights

    sample = fetch(np.int64(start))
    counted, shaped = isinstance(order, Order), examples.of_one_shape
    dataset = _dataset(fetch, sample, range(start, start + steps), counted, shaped)
    dataset = dataset.map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    if shard.count > 1:
        parts = partial(tf.nest.map_structure, shard.cut)
        dataset = dataset.map(lambda *batch: parts(batch)).unbatch()
    return _options(dataset.prefetch(tf.data.AUTOTUNE))


def _keeps_shapes(augment: Augmentation | None) -> bool:
    return augment is None or augment.keeps_shapes


def prediction_batches(
    examples: EncodedExamples, rows: np.ndarray, batch_size: int
) -> tf.data.Dataset:
    """Return the inputs of rows in order; the last batch is filled up with the last row.

    Full batches give every replica work and keep the model from being traced again; the
    caller drops the outputs beyond `len(rows)`.
    """

    def fetch(step: np.int64) -> Any:
        places = np.arange(step * batch_size, (step + 1) * batch_size)
        return examples.inputs(rows[np.minimum(places, len(rows) - 1)])

    steps = range(-(-len(rows) // batch_size))
    dataset = _dataset(fetch, fetch(np.int64(0)), steps, True, examples.of_one_shape)
    return _options(dataset.prefetch(tf.data.AUTOTUNE))


def _with_partners(examples: EncodedExamples, rows: np.ndarray) -> Encoded:
    """Return the examples at `rows` [batch, 1 + partners], each with its partners.

    Inputs and targets are [batch, 1 + partners, ...], weights those of the first column.
    """
    inputs, targets, weights = examples[rows.ravel()]

    def grouped(array: np.ndarray) -> np.ndarray:
        return array.reshape(*rows.shape, *array.shape[1:])

    return Encoded(
        map_arrays(inputs, grouped), map_arrays(targets, grouped), grouped(weights)[:, 0]
    )


def _dataset(
    fetch: Callable[[np.int64], Any], sample: Any, steps: range, counted: bool, shaped: bool
) -> tf.data.Dataset:
    """Map `fetch` over steps; `sample` gives structure and types, and shapes that are fixed.

    Args:
        fetch: returns the batch of a step.
        sample: what it returns for some step.
        steps: the steps.
        counted: whether all batches have as many examples.
        shaped: whether all examples have one shape.
    """
    flat = tf.nest.flatten(_plain(sample))

    def call(step: tf.Tensor) -> Any:
        tensors = tf.numpy_function(
            lambda step: tf.nest.flatten(_plain(fetch(step))),
            [step],
            [tf.as_dtype(array.dtype) for array in flat],
            stateful=False,
        )
        for tensor, array in zip(tensors, flat, strict=True):
            count = array.shape[:1] if counted or not array.ndim else (None,)
            shape = array.shape[1:] if shaped else (None,) * (array.ndim - 1)
            tensor.set_shape((*count, *shape))
        return tf.nest.pack_sequence_as(_plain(sample), tensors)

    return tf.data.Dataset.range(steps.start, steps.stop).map(
        call, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _plain(value: Any) -> Any:
    """Named tuples as tuples, so that the structure is the one `fit` expects."""
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return map_arrays(value, np.asarray) if isinstance(value, dict) else np.asarray(value)


def _options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
