"""A model that is shared among devices, each of which holds a part of its weights. On JAX.

Devices form a mesh of `replicas` x `shards`: batches are cut along one axis, weights along the
other. Which weights, and where, an architecture says by `Model.shard_patterns`. What
:func:`model_parallel` returns has a `scope`, as the strategies of TensorFlow have: a network
that is built and trained within it computes what it would on one device.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

import keras

from zoo.components import Model
from zoo.errors import ConfigError

_BATCH, _MODEL = "batch", "model"
"""Names of the axes of a mesh, as Keras has them."""


class ModelParallel(keras.distribution.ModelParallel):
    """Cuts weights by patterns of their paths; an axis that does not divide evenly stays whole.

    Args:
        patterns: as `Model.shard_patterns`; of several that match the first counts.
        mesh: of devices, with the axes `batch` and `model`.
    """

    def __init__(
        self, patterns: Sequence[tuple[str, int]], mesh: keras.distribution.DeviceMesh
    ) -> None:
        super().__init__(layout_map=keras.distribution.LayoutMap(mesh), batch_dim_name=_BATCH)
        self.patterns = patterns

    def get_variable_layout(self, variable: keras.Variable) -> keras.distribution.TensorLayout:
        """Return how a new variable is cut."""
        axes: list[str | None] = [None] * len(variable.shape)
        shards = self.device_mesh.shape[self.device_mesh.axis_names.index(_MODEL)]
        axis = next(
            (axis for pattern, axis in self.patterns if fnmatch(variable.path, pattern)), None
        )
        if axis is not None and variable.shape[axis] % shards == 0:
            axes[axis] = _MODEL
        return keras.distribution.TensorLayout(axes, self.device_mesh)


def model_parallel(
    model: Model, *, replicas: int, shards: int, devices: Sequence[str] | None = None
) -> ModelParallel:
    """Return what shares an architecture among devices.

    Args:
        model: the architecture.
        replicas: among how many groups of devices a batch is cut.
        shards: among how many devices of a group the weights are cut.
        devices: the devices as Keras names them; all by default, of which the first are taken.

    Raises:
        ConfigError: the backend is not JAX, the machine has fewer devices, or the architecture
            does not say how it is cut.
    """
    backend, devices = keras.backend.backend(), devices or keras.distribution.list_devices()
    if backend != "jax":
        raise ConfigError(
            f"A model is shared among devices on JAX alone, and Keras runs on {backend}.",
            hint="Set KERAS_BACKEND=jax, or choose another strategy.",
        )
    if not model.shard_patterns:
        raise ConfigError(
            f"{type(model).__name__} does not say how its weights are shared among devices.",
            hint="Choose a strategy that keeps it whole on each device, or another model.",
        )
    if replicas * shards > len(devices):
        raise ConfigError(
            f"{replicas} x {shards} devices are asked for, but this machine has {len(devices)}.",
            hint="Ask for fewer replicas or shards.",
        )
    mesh = keras.distribution.DeviceMesh(
        (replicas, shards), (_BATCH, _MODEL), devices[: replicas * shards]
    )
    return ModelParallel(model.shard_patterns, mesh)
