"""Measures where the time of a training step goes: waiting for input, computing, communicating.

The same step is timed three times: with the recipe's own input; with one batch over and over,
so that nothing waits for input; and so on one device alone, with a replica's part of the batch,
so that nothing is sent. The differences are what input and communication cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.actions import together
from zoo.actions.loading import load_data
from zoo.cluster import detect, joined
from zoo.components import Batch
from zoo.data.examples import EncodedExamples
from zoo.data.pipeline import Shard, training_batches
from zoo.distribution import Distribution, distribute
from zoo.distribution.devices import Batches, OneDevice
from zoo.recipe import Recipe
from zoo.training.loop import Trainer
from zoo.training.stages import active_stages

_WARM_UP = 5
"""Steps that do not count: the first ones compile, and fill what is read ahead."""
TRAINING = 3
"""Operations of a training step over those of a forward pass: the gradients of features and of
weights take about as many each (arXiv:2001.08361, section 2.1)."""
_PEAKS = {
    "H200": {"bfloat16": 989e12, "float16": 989e12, "float32": 67e12},
    "H100": {"bfloat16": 989e12, "float16": 989e12, "float32": 67e12},
    "A100": {"bfloat16": 312e12, "float16": 312e12, "float32": 19.5e12},
    "L40S": {"bfloat16": 362e12, "float16": 362e12, "float32": 91.6e12},
    "L4": {"bfloat16": 121e12, "float16": 121e12, "float32": 30.3e12},
    "V100": {"float16": 125e12, "float32": 15.7e12},
    "T4": {"float16": 65e12, "float32": 8.1e12},
}
"""Operations a second by device and compute type, dense, from NVIDIA's data sheets."""


@dataclass(frozen=True)
class Bench:
    """Where the time of a step goes; all times are medians in seconds.

    Attributes:
        recipe: its address.
        why: the devices, and how they were chosen.
        replicas: over all workers.
        batch: examples of a step, on average, over all replicas.
        step: time of a whole step.
        input: time in which the devices wait for input.
        compute: time of one replica that has its part of the batch and is alone.
        communication: what a step takes longer because there are other replicas.
        examples_per_second: over all replicas.
        efficiency: the rate over that of as many replicas that need not wait for one another.
        operations: of a step and a replica, floating-point, as TensorFlow counts those of the
            forward pass, times three; None if it cannot. Loops count once.
        utilisation: share of the device's peak; None where that is not known.
        limit: what limits the rate, and what to try.
    """

    recipe: str
    why: str
    replicas: int
    batch: float
    step: float
    input: float
    compute: float
    communication: float
    examples_per_second: float
    efficiency: float
    operations: float | None
    utilisation: float | None
    limit: str


def bench(recipe: Recipe, steps: int) -> Bench:
    """Train a recipe for a few steps, three times, and tell where the time goes.

    Args:
        recipe: what is trained, from scratch.
        steps: how many steps are timed.

    Raises:
        ConfigError: the strategy does not fit this machine.
        DataError: the data cannot be used.
    """
    with joined(detect()):
        together.check_alike(recipe)
        distribution = distribute(recipe.strategy, recipe.model)
        together.check_devices(distribution)
        return _Bench(recipe, distribution, steps).result()


def training_examples(recipe: Recipe) -> EncodedExamples:
    """Return the training split of a recipe as its network sees it."""
    data = load_data(recipe)
    preprocessing = recipe.task.prepare(data.splits["train"], data.info)
    windows = recipe.task.windows(data.splits["train"], preprocessing)
    return EncodedExamples(windows, preprocessing, recipe.train.memory)


def trainer_of(recipe: Recipe, examples: EncodedExamples, distribution: Distribution) -> Trainer:
    """Return what `zoo train` takes a recipe's last stage with, from scratch.

    Args:
        recipe: what is trained.
        examples: the training split.
        distribution: where; nothing is validated or written.
    """
    space = examples.preprocessing.space
    keras.utils.set_random_seed(recipe.seed)
    with distribution.scope():
        model = recipe.model.build(space)
    distribution.devices.prepare(model)
    return Trainer(
        model=model,
        parts=recipe.model.parts(model),
        loss=recipe.model.loss(space) or recipe.task.loss(space),
        config=recipe.train,
        stages=active_stages(recipe.train.stages, transfer=False)[-1:],
        examples=examples,
        distribution=distribution,
        seed=recipe.seed,
        augment=recipe.task.augmentation(space),
    )


class _Bench:
    """The three ways to train the same network on the same data."""

    def __init__(self, recipe: Recipe, distribution: Distribution, steps: int) -> None:
        self._recipe, self._distribution, self._steps = recipe, distribution, steps
        self._examples = training_examples(recipe)

    def result(self) -> Bench:
        """Time all three and put them together."""
        distribution, devices = self._distribution, self._distribution.devices
        trainer = trainer_of(self._recipe, self._examples, distribution)
        whole = self._seconds(trainer, devices.feed(self._batches(trainer)))
        repeated = _repeated(self._batches(trainer))
        steady = alone = self._seconds(trainer, devices.feed(repeated))
        single = trainer
        if devices.replicas > 1:
            one = replace(distribution, devices=OneDevice())
            with devices.alone():
                single = trainer_of(self._recipe, self._examples, one)
                alone = self._seconds(single, repeated(Shard(0, 1, devices.replicas)))
        per_example = forward_operations(single.model, self._examples[np.arange(1)].inputs)
        seconds = (whole, min(steady, whole), min(alone, steady, whole))
        return self._put_together(trainer.order(0).mean_batch, seconds, per_example)

    def _batches(self, trainer: Trainer) -> Batches:
        def batches(shard: Shard) -> tf.data.Dataset:
            return training_batches(
                self._examples,
                trainer.order(0),
                start=0,
                steps=_WARM_UP + self._steps,
                shard=shard,
                augment=trainer.augment,
            )

        return batches

    def _seconds(self, trainer: Trainer, feed: Any) -> float:
        """Return the median time of a step, from the end of one to that of the next."""
        steps = _WARM_UP + self._steps
        trainer.compile(trainer.stages[0], steps)
        clock = _Clock()
        with trainer.distribution.devices.running():
            trainer.model.fit(
                feed, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[clock]
            )
        return float(np.median(np.diff(clock.times)[_WARM_UP - 1 :]))

    def _put_together(
        self, batch: float, seconds: tuple[float, float, float], per_example: float | None
    ) -> Bench:
        """Return what the three times of a step say, and the operations of a forward pass."""
        distribution, (whole, steady, alone) = self._distribution, seconds
        examples = batch / distribution.replicas
        operations = None if per_example is None else per_example * TRAINING * examples
        peak = _peak(distribution)
        waits = {
            "input": whole - steady,
            "communication": steady - alone,
            "computing": alone,
        }
        return Bench(
            recipe=self._recipe.address,
            why=distribution.why,
            replicas=distribution.replicas,
            batch=batch,
            step=whole,
            input=waits["input"],
            compute=alone,
            communication=waits["communication"],
            examples_per_second=batch / whole,
            efficiency=alone / whole,
            operations=operations,
            utilisation=operations / alone / peak if operations and peak else None,
            limit=_LIMITS[max(waits, key=lambda name: waits[name])],
        )


def forward_operations(model: keras.Model, inputs: Batch) -> float | None:
    """Count the floating-point operations of a forward pass, as TensorFlow knows them.

    Args:
        model: the network.
        inputs: its inputs for a batch.

    Returns:
        the operations; a loop counts once. None on other backends, or if none are known.
    """
    if keras.backend.backend() != "tensorflow":
        return None
    specs = {name: tf.TensorSpec(array.shape, array.dtype) for name, array in inputs.items()}
    graph = tf.function(lambda inputs: model(inputs)).get_concrete_function(specs).graph
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    counted = profiler.profile(graph, options=options.with_empty_output().build())
    return float(counted.total_float_ops) or None


_LIMITS = {
    "input": "Input: the devices wait for it. Raise train.memory_gb so that encoded examples are "
    "kept, or give the process more CPU cores.",
    "communication": "Communication: raise train.batch_size, use fewer replicas, or a "
    "faster network.",
    "computing": "Computing: more replicas would help, or a smaller model.",
}


class _Clock(keras.callbacks.Callback):
    """Notes when each step ends, as its loss is known."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        float((logs or {})["loss"])
        self.times.append(time.perf_counter())


def _repeated(batches: Batches) -> Batches:
    """Return the first batch of each part, over and over."""
    return lambda shard: batches(shard).take(shard.count).cache().repeat()


def _peak(distribution: Distribution) -> float | None:
    """Return the peak rate of a device, in operations a second, if it is known."""
    if distribution.device != "GPU" or keras.backend.backend() != "tensorflow":
        return None
    gpu = tf.config.list_physical_devices("GPU")[0]
    name = tf.config.experimental.get_device_details(gpu).get("device_name", "")
    found = next((rates for known, rates in _PEAKS.items() if known in name.split()), None)
    found = found or next((rates for known, rates in _PEAKS.items() if known in name), {})
    return found.get(distribution.precision)
