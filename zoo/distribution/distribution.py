"""How a run uses the machine, chosen from what there is, and explained."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import tensorflow as tf

from zoo.cluster import Group, current
from zoo.components import Model, Strategy
from zoo.distribution import precision
from zoo.distribution.devices import OneDevice, TensorFlowReplicas
from zoo.distribution.multiworker import multiworker_strategy
from zoo.errors import ConfigError

_BACKENDS = {
    "mirrored": "tensorflow",
    "multiworker": "tensorflow",
    "jax-data-parallel": "jax",
    "jax-model-parallel": "jax",
}
"""The backend of each kind that needs one."""


@dataclass(frozen=True)
class Distribution:
    """A strategy as it turned out on this machine.

    Attributes:
        kind: as `Strategy.kind`, but for `auto`.
        device: `CPU` or `GPU`.
        devices: where models are built and how batches reach them.
        precision: compute type; weights are float32 always.
        xla: whether steps are compiled.
        learning_rate_scaling: as in :class:`zoo.components.Strategy`.
        batch: as in :class:`zoo.components.Strategy`.
        why: one sentence that says how the choice was made.
    """

    kind: str
    device: str
    devices: OneDevice
    precision: str
    xla: bool
    learning_rate_scaling: str
    batch: str
    why: str

    @property
    def replicas(self) -> int:
        """Copies of the model that train in step, over all workers."""
        return self.devices.replicas

    @property
    def jit_compile(self) -> bool | str:
        """The argument of `compile`; on JAX Keras decides."""
        return self.xla if keras.backend.backend() == "tensorflow" else "auto"

    @contextlib.contextmanager
    def precise(self) -> Iterator[None]:
        """Within it, models are built with this precision, on one device."""
        previous = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision.POLICIES[self.precision])
        try:
            yield
        finally:
            keras.config.set_dtype_policy(previous)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Within it, models are built with this precision on these devices."""
        with self.precise(), self.devices.scope():
            yield

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

    def shareable(self, batch_size: int) -> int:
        """Return the next batch size that the replicas can share evenly."""
        return -(-batch_size // self.replicas) * self.replicas

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
            "backend": keras.backend.backend(),
            "device": self.device,
            "replicas": self.replicas,
            "workers": self.devices.workers,
            "precision": self.precision,
            "xla": self.xla,
            "cpus": os.cpu_count(),
            "why": self.why,
        }


def distribute(strategy: Strategy, model: Model | None = None) -> Distribution:
    """Work out what a strategy means on this machine, for the group of this process.

    Args:
        strategy: what is asked for.
        model: the architecture; `jax-model-parallel` asks it how it is cut.

    Raises:
        ConfigError: the machine has fewer devices than asked for, or the strategy does not fit
            the backend or the cluster.
    """
    group, backend = current(), keras.backend.backend()
    gpus, capability = _started(group, strategy, backend)
    kind, reason = _kind(strategy, group, backend, gpus)
    devices = _devices(kind, strategy, group, gpus, model)
    chosen, because = precision.choose(strategy.precision, capability)
    device = "GPU" if gpus else "CPU"
    single = kind == "single"
    return Distribution(
        kind=kind,
        device=device,
        devices=devices,
        precision=chosen,
        xla=strategy.xla == "on" or (strategy.xla == "auto" and bool(gpus) and single),
        learning_rate_scaling=strategy.learning_rate_scaling,
        batch=strategy.batch,
        why=f"{kind}, {reason}: {devices.replicas} x {device}; {chosen}: {because}",
    )


def _started(group: Group, strategy: Strategy, backend: str) -> tuple[int, int | None]:
    """Start the backend; return how many GPUs this process has, and their compute capability."""
    if backend == "jax":
        from zoo.distribution import on_jax

        tf.config.set_visible_devices([], "GPU")  # TensorFlow feeds JAX, and no more
        addresses = tuple(f"{each.address}:{each.port}" for each in group.members)
        on_jax.start(addresses, group.index, 1 if strategy.kind == "single" else strategy.devices)
        return on_jax.gpus()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return 0, None
    details = tf.config.experimental.get_device_details(gpus[0])
    return len(gpus), details.get("compute_capability", (0, 0))[0]


def _kind(strategy: Strategy, group: Group, backend: str, gpus: int) -> tuple[str, str]:
    """Return the kind of a strategy here, and why.

    Raises:
        ConfigError: it does not fit the backend or the cluster.
    """
    wanted = strategy.kind
    several = group.size > 1
    if wanted == "auto":
        found = f"as {group.cluster.source} has {group.size} workers" if group.cluster else ""
        if backend == "jax":
            if several or gpus > 1 or strategy.devices > 1:
                return "jax-data-parallel", found or "as there are several devices"
        elif several:
            return "multiworker", found
        elif gpus > 1 or strategy.devices > 1:
            return "mirrored", "as there are several devices"
        return "single", "as there is one device"
    needed = _BACKENDS.get(wanted, backend)
    if needed != backend:
        raise ConfigError(
            f"The strategy {wanted} needs {needed}, and Keras runs on {backend}.",
            hint=f"Set KERAS_BACKEND={needed}, or choose another strategy.",
        )
    if several and wanted in ("single", "mirrored"):
        raise ConfigError(
            f"The strategy {wanted} is for one process, but {group.cluster.source} has "  # type: ignore[union-attr]
            f"{group.size} workers, each of which would train the same.",
            hint="Leave strategy.kind at auto, or start one process.",
        )
    if wanted == "multiworker" and not several:
        raise ConfigError(
            "The strategy multiworker needs several workers, and nothing here says that there "
            "are others.",
            hint="Start it by `zoo launch`, srun, mpirun or a Job of Kubernetes: see "
            "docs/distribution.md.",
        )
    return wanted, "as set"


def _devices(
    kind: str, strategy: Strategy, group: Group, gpus: int, model: Model | None
) -> OneDevice:
    if kind == "single":
        return OneDevice()
    if kind == "multiworker":
        return _multiworker(group)
    if kind == "mirrored":
        device = "GPU" if gpus else "CPU"
        count = _mirrored_count(strategy, gpus)
        return _mirrored(tuple(f"{device}:{number}" for number in range(count)))
    from zoo.distribution import on_jax

    if kind == "jax-data-parallel":
        return on_jax.data_parallel(group, strategy.devices)
    assert model is not None
    return on_jax.shared_model(group, model, strategy.devices, strategy.shards)


# A process can have but one strategy for the same devices: two of them give their collective
# operations the same keys, which then clash.


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> TensorFlowReplicas:
    return TensorFlowReplicas(tf.distribute.MirroredStrategy(devices))


@functools.cache
def _multiworker(group: Group) -> TensorFlowReplicas:
    return TensorFlowReplicas(multiworker_strategy(group), group.size, group.index)


def _mirrored_count(strategy: Strategy, gpus: int) -> int:
    if not gpus:
        return _split_cpu(max(1, strategy.devices))
    if strategy.devices > gpus:
        raise ConfigError(
            f"strategy.devices is {strategy.devices}, but this machine has {gpus} GPUs.",
            hint=f"Use strategy.devices={gpus} or fewer.",
        )
    return strategy.devices or gpus


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
