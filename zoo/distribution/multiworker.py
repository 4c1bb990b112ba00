"""TensorFlow's collectives across processes, mended so that Keras 3 can train under them.

Keras 3 calls `Strategy.reduce` in two ways that TensorFlow does not allow with several workers
(keras issue 20585, open as of Keras 3.15): with the whole structure of a batch while a model is
built, and with `axis=0` for numbers that have no axis when logs are reduced. The strategy of
this module takes both. It needs no private name. `tests/zoo/test_multiworker.py` trains under
TensorFlow's own strategy as well: once that works, this module can go.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from packaging.version import Version

from zoo.cluster import Group

_MENDED_IN = Version("4")
"""The first release of Keras that may not need this. Not known yet; the test will tell."""


class _Reducing(tf.distribute.MultiWorkerMirroredStrategy):
    """Reduces structures, and numbers without an axis."""

    def reduce(self, reduce_op: Any, value: Any, axis: int | None) -> Any:
        """Reduce each part of `value` over all replicas; the other arguments are TensorFlow's.

        An array without an axis to reduce, such as a batch, is not sent anywhere: the first
        replica's part of this worker is taken, as Keras wants no more than its shape.
        """
        reduce = super().reduce

        def reduced(part: Any) -> Any:
            first = tf.convert_to_tensor(self.experimental_local_results(part)[0])
            if first.shape.rank == 0:
                return reduce(reduce_op, part, axis=None)
            return first if axis is None else reduce(reduce_op, part, axis=axis)

        return tf.nest.map_structure(reduced, value)


def multiworker_strategy(group: Group) -> tf.distribute.Strategy:
    """Return the strategy under which a group trains; called before TensorFlow computes."""
    addresses = [f"{each.address}:{each.port}" for each in group.members]
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": addresses}),
        task_type="worker",
        task_id=group.index,
        rpc_layer="grpc",
    )
    mended = Version(keras.__version__) >= _MENDED_IN
    strategy = tf.distribute.MultiWorkerMirroredStrategy if mended else _Reducing
    return strategy(cluster_resolver=resolver)
