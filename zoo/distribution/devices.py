"""The devices of a run: how a model is built on them, and how batches reach them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from zoo.data.pipeline import Shard
from zoo.distribution.randomness import drop_by_example
from zoo.distribution.summing import Optimizer, summing
from zoo.weights import leaf_layers

Batches = Callable[[Shard], tf.data.Dataset]
"""Returns the batches of a process: of each global batch the parts that a shard names."""


class OneDevice:
    """A single device, on any backend."""

    replicas = 1
    workers = 1

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, models are built on these devices."""
        return contextlib.nullcontext()

    def running(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, models that were built on these devices are trained and run."""
        return contextlib.nullcontext()

    def alone(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, where `running` may be around it, a model is built and run on one device."""
        return contextlib.nullcontext()

    def feed(self, batches: Batches) -> Any:
        """Return batches as `fit` takes them on these devices."""
        return batches(Shard())

    def prepare(self, model: keras.Model) -> None:
        """Let a model compute on these devices what it would compute on one."""

    def optimizer(self, base: Optimizer) -> Optimizer:
        """Return a kind of optimizer that updates on these devices as `base` does on one."""
        return base


class TensorFlowReplicas(OneDevice):
    """Replicas of a model under a strategy of TensorFlow, on one host or several.

    Args:
        strategy: the strategy.
        workers: processes among which the replicas are spread evenly.
        index: the number of this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy, workers: int = 1, index: int = 0) -> None:
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        self.workers = workers
        self._index = index

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, models are built on these devices."""
        return self.strategy.scope()

    def feed(self, batches: Batches) -> Any:
        """Return batches as `fit` takes them: each replica gets its part of each."""
        here = self.replicas // self.workers
        shard = Shard(self._index * here, here, self.replicas)
        return self.strategy.distribute_datasets_from_function(lambda _: batches(shard))

    def prepare(self, model: keras.Model) -> None:
        """Let BatchNormalization go by the whole batch, and Dropout draw for each example.

        Otherwise the former would go by a replica's small share of a batch, and the latter drop
        the same features on all replicas: not what one device would train.
        """
        if self.replicas == 1:
            return
        for layer in leaf_layers(model):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
            elif type(layer) is keras.layers.Dropout:
                drop_by_example(layer)

    def optimizer(self, base: Optimizer) -> Optimizer:
        """Return a kind of optimizer that updates on these devices as `base` does on one."""
        return summing(base) if self.replicas > 1 else base


class JaxDevices(OneDevice):
    """Devices of JAX under a distribution of Keras, on one host or several.

    Args:
        distribution: data-parallel or model-parallel.
        replicas: among how many devices, or groups of them, a batch is cut.
        workers: processes among which the replicas are spread evenly.
        index: the number of this process.
    """

    def __init__(
        self,
        distribution: keras.distribution.Distribution,
        replicas: int,
        workers: int = 1,
        index: int = 0,
    ) -> None:
        self.distribution = distribution
        self.replicas = replicas
        self.workers = workers
        self._index = index

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, models are built on these devices."""
        return self.distribution.scope()

    def running(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, models that were built on these devices are trained and run."""
        return self.distribution.scope()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Within it, where `running` may be around it, a model is built and run on one device."""
        around = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(around)

    def feed(self, batches: Batches) -> Any:
        """Return batches as `fit` takes them: each process gives its part of each."""
        return batches(Shard(self._index, 1, self.workers, alike=True))
