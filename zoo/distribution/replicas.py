"""What a replica has to know of the others: its place, and the whole batch.

On TensorFlow each replica computes its own part of a batch. On JAX a batch is whole whatever the
devices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def place() -> tuple[Any, int]:
    """Return the number of the replica that is computed, and how many there are."""
    if keras.backend.backend() != "tensorflow":
        return 0, 1
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def across_replicas(function: Callable[[Any], Any], values: Any) -> Any:
    """Return what a function of the whole batch gives for the examples of this replica.

    For losses and layers that compare examples of a batch: they compare those of all replicas,
    so that a run does not depend on how many there are. Gradients flow to all.

    Args:
        function: from float [whole batch, ...] to [whole batch, ...].
        values: float [batch, ...], the batch being the part of this replica.
    """
    replica, replicas = place()
    if replicas == 1:
        return function(values)
    context = tf.distribute.get_replica_context()
    size = tf.shape(values)[0]
    return function(context.all_gather(values, axis=0))[replica * size : (replica + 1) * size]
