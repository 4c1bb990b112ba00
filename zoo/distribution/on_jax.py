"""What only JAX has: its devices, its processes, and arrays of which each holds a part."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from zoo.cluster import Group
from zoo.components import Model
from zoo.distribution.devices import JaxDevices
from zoo.distribution.sharding import model_parallel
from zoo.errors import ConfigError


def gpus() -> tuple[int, int | None]:
    """Return how many GPUs this process has, and their major compute capability."""
    import jax

    here = jax.local_devices()
    if here[0].platform != "gpu":
        return 0, None
    return len(here), int(float(getattr(here[0], "compute_capability", "0")))


@functools.cache
def start(addresses: tuple[str, ...], index: int, cpus: int) -> None:
    """Join the processes of a run, and split the CPU; before JAX has started.

    Args:
        addresses: of all processes; empty for one on its own.
        index: the number of this one.
        cpus: into how many devices the CPU is split.

    Raises:
        ConfigError: JAX has started already.
    """
    import jax

    try:
        if cpus > 1:
            jax.config.update("jax_num_cpu_devices", cpus)
        if addresses:
            keras.distribution.initialize(addresses[0], len(addresses), index)
    except RuntimeError as error:
        if "before" not in str(error):  # as in "must be called before any JAX computations"
            raise
        raise ConfigError(
            "JAX has started, so its devices and processes can no longer be chosen.",
            hint="Start a new process and choose the strategy before anything else runs.",
        ) from error


def data_parallel(group: Group, devices: int) -> JaxDevices:
    """Return copies of a model, one on each device.

    Args:
        group: the processes.
        devices: how many devices of this process; 0 takes all.

    Raises:
        ConfigError: this machine has fewer.
    """
    chosen = _chosen(group, devices)
    distribution = keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)
    return JaxDevices(distribution, len(chosen), group.size, group.index)


def shared_model(group: Group, model: Model, devices: int, shards: int) -> JaxDevices:
    """Return devices that share a model: groups of `shards`, each of one process.

    Raises:
        ConfigError: this machine has fewer devices, or a process' devices cannot be grouped so.
    """
    chosen = _chosen(group, devices)
    here = len(chosen) // group.size
    if here % shards:
        raise ConfigError(
            f"{here} devices cannot be cut into groups of {shards}, each of which holds the "
            "weights once.",
            hint="Set strategy.shards to a divisor of the devices of a process.",
        )
    replicas = len(chosen) // shards
    distribution = model_parallel(model, replicas=replicas, shards=shards, devices=chosen)
    return JaxDevices(distribution, replicas, group.size, group.index)


def _chosen(group: Group, devices: int) -> list[str]:
    """Return so many devices of each process, or all, as Keras names them."""
    import jax

    everywhere = jax.devices()
    here = len(jax.local_devices())
    if devices > here:
        raise ConfigError(
            f"strategy.devices is {devices}, but this process has {here}.",
            hint=f"Use strategy.devices={here} or fewer.",
        )
    taken = []
    for process in range(group.size):
        own = [each for each in everywhere if each.process_index == process]
        taken += own[: devices or len(own)]
    return [f"{each.platform}:{each.id}" for each in taken]


def whole(array: Any) -> np.ndarray:
    """Return a copy of an array of which this process holds all, maybe in parts."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.array(array)
    copy = np.empty(array.shape, array.dtype)
    for shard in array.addressable_shards:
        copy[shard.index] = shard.data
    return copy
