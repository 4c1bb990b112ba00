"""Replicas of a model on TensorFlow, precision and XLA: chosen and explained."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from zoo.components import Strategy
from zoo.errors import ConfigError
from zoo.weights import leaf_layers

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_CPU_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


@dataclass(frozen=True)
class Distribution:
    """A strategy as it turned out on this machine.

    Attributes:
        kind: `single` or `mirrored`.
        device: `CPU` or `GPU`.
        replicas: copies of the model that train in step.
        precision: compute type; weights are float32 always.
        xla: whether steps are compiled.
        learning_rate_scaling: as in :class:`zoo.components.Strategy`.
        batch: as in :class:`zoo.components.Strategy`.
        why: one sentence that says how the choice was made.
    """

    kind: str
    device: str
    replicas: int
    precision: str
    xla: bool
    learning_rate_scaling: str
    batch: str
    why: str
    tf_strategy: tf.distribute.Strategy

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Within it, models are built with this precision on these replicas."""
        previous = keras.config.dtype_policy()
        keras.config.set_dtype_policy(_POLICIES[self.precision])
        try:
            with self.tf_strategy.scope():
                yield
        finally:
            keras.config.set_dtype_policy(previous)

    def synchronise(self, model: keras.Model) -> None:
        """Let BatchNormalization take its statistics over all replicas.

        Otherwise each replica normalises by its own small share of the batch, and what is
        trained is not what one device would train.
        """
        if self.replicas > 1:
            for layer in leaf_layers(model):
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = True

    def batch_size(self, batch_size: int) -> int:
        """Return the global batch size for a recipe's `train.batch_size`.

        Raises:
            ConfigError: it cannot be shared evenly among the replicas.
        """
        total = self.total(batch_size)
        if total % self.replicas:
            raise ConfigError(
                f"train.batch_size is {batch_size}, which {self.replicas} replicas cannot share "
                "evenly.",
                hint=f"Use a multiple of {self.replicas}.",
            )
        return total

    def total(self, amount: int) -> int:
        """Return the global amount for a recipe's amount of a batch, examples or tokens."""
        return amount * self.replicas if self.batch == "per-replica" else amount

    @property
    def learning_rate_factor(self) -> float:
        """What learning rates are multiplied by."""
        growth = self.total(1)
        return {"none": 1.0, "linear": growth, "sqrt": growth**0.5}[self.learning_rate_scaling]

    def describe(self) -> dict[str, object]:
        """Return what a run records of its devices."""
        return {
            "kind": self.kind,
            "device": self.device,
            "replicas": self.replicas,
            "precision": self.precision,
            "xla": self.xla,
            "cpus": os.cpu_count(),
            "why": self.why,
        }


def distribute(strategy: Strategy) -> Distribution:
    """Work out what a strategy means on this machine.

    Raises:
        ConfigError: the machine has fewer devices than asked for.
    """
    gpus = tf.config.list_physical_devices("GPU")
    device = "GPU" if gpus else "CPU"
    kind = strategy.kind
    if kind == "auto":
        kind = "mirrored" if len(gpus) > 1 or strategy.devices > 1 else "single"
    replicas = _replicas(strategy, kind, len(gpus))
    precision, why = _precision(strategy.precision, len(gpus))
    if kind == "mirrored":
        tf_strategy = _mirrored(tuple(f"{device}:{number}" for number in range(replicas)))
    else:
        tf_strategy = tf.distribute.get_strategy()
    xla = strategy.xla == "on" or (strategy.xla == "auto" and device == "GPU" and kind == "single")
    return Distribution(
        kind=kind,
        device=device,
        replicas=replicas,
        precision=precision,
        xla=xla,
        learning_rate_scaling=strategy.learning_rate_scaling,
        batch=strategy.batch,
        why=f"{replicas} x {device}; {precision}: {why}",
        tf_strategy=tf_strategy,
    )


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """Return the strategy for these devices, of which a process can have but one.

    Two of them give their collective operations the same keys, which then clash.
    """
    return tf.distribute.MirroredStrategy(devices)


def _replicas(strategy: Strategy, kind: str, gpus: int) -> int:
    if kind == "single":
        return 1
    if gpus:
        if strategy.devices > gpus:
            raise ConfigError(
                f"strategy.devices is {strategy.devices}, but this machine has {gpus} GPUs.",
                hint=f"Use strategy.devices={gpus} or fewer.",
            )
        return strategy.devices or gpus
    return _split_cpu(max(1, strategy.devices))


def _split_cpu(devices: int) -> int:
    """Offer the CPU as several logical devices: to try a strategy where there is no GPU."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if devices > len(tf.config.get_logical_device_configuration(cpu) or [None]):
        try:
            tf.config.set_logical_device_configuration(
                cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(devices)]
            )
        except RuntimeError as error:
            raise ConfigError(
                f"strategy.devices is {devices}, but TensorFlow has started with fewer.",
                hint="Start a new process and choose the strategy before anything else runs.",
            ) from error
    return devices


def _precision(wanted: str, gpus: int) -> tuple[str, str]:
    if wanted != "auto":
        return wanted, "as set"
    if gpus:
        details = tf.config.experimental.get_device_details(
            tf.config.list_physical_devices("GPU")[0]
        )
        major = details.get("compute_capability", (0, 0))[0]
        if major >= 8:
            return "bfloat16", "this GPU computes in bfloat16"
        if major == 7:
            return "float16", "this GPU computes in float16 alone"
        return "float32", "this GPU has no fast 16-bit type"
    if _CPU_BFLOAT16 & cpu_flags():
        return "bfloat16", "this CPU computes in bfloat16"
    return "float32", "this CPU has no bfloat16"


def cpu_flags() -> set[str]:
    """Return the instruction sets of this CPU as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())
