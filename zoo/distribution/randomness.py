"""Random numbers that belong to an example of the batch, whichever replica computes it.

On TensorFlow each replica draws for its own part of a batch, and from the same state. Here it
draws what one device that computed the whole batch would have drawn for that part. On JAX a
batch is whole whatever the devices, so nothing has to be done.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from zoo.distribution.replicas import place

_GROUP = 4
"""Numbers that Philox gives for one value of its counter (doi:10.1145/2063384.2063405)."""


def uniform_by_example(shape: tuple[Any, ...], seed: keras.random.SeedGenerator) -> Any:
    """Return uniform random numbers from 0 to 1 for the examples of a batch.

    Args:
        shape: [batch, ...], the batch being the part of this replica.
        seed: the generator of the layer that draws.

    Returns:
        float32 of that shape; for each example what one device would draw for it.
    """
    _, replicas = place()
    if replicas == 1:
        return keras.random.uniform(shape, seed=seed)
    return _part_of_uniform(tf.stack(shape), _drawn_seed(seed), tf.float32)


def drop_by_example(layer: keras.layers.Dropout) -> None:
    """Let a layer drop the features of each example that it would drop on one device."""
    layer.call = partial(_dropped, layer)


def _dropped(layer: keras.layers.Dropout, inputs: Any, training: bool = False) -> Any:
    if not training or layer.rate == 0:
        return inputs
    _, replicas = place()
    if replicas == 1:
        return keras.random.dropout(inputs, layer.rate, layer.noise_shape, layer.seed_generator)
    wanted = layer.noise_shape or (None,) * inputs.shape.rank
    actual = tf.shape(inputs)
    shape = [actual[axis] if size is None else size for axis, size in enumerate(wanted)]
    seed = _drawn_seed(layer.seed_generator)
    kept = _part_of_uniform(tf.stack(shape), seed, inputs.dtype) >= layer.rate
    scaled = inputs * tf.cast(1 / (1 - layer.rate), inputs.dtype)
    return tf.where(kept, scaled, tf.zeros([], inputs.dtype))


def _drawn_seed(generator: keras.random.SeedGenerator) -> tf.Tensor:
    """Return the next seed of a generator as Keras gives it to TensorFlow, int32 [2]."""
    return tf.cast(tf.math.floormod(generator.next(), tf.int32.max - 1), tf.int32)


def bytes_by_example(count: Any, seed: Any) -> tf.Tensor:
    """Return random bytes for the examples of a batch, those that one device would draw.

    Args:
        count: how many this replica's part of the batch needs.
        seed: integers [2].

    Returns:
        uint8 [count].
    """
    draw = partial(tf.raw_ops.StatelessRandomUniformFullIntV2, dtype=tf.uint32)
    start = _start(count)
    numbers = _drawn(draw, start // 4, count // 4 + 2, tf.cast(seed, tf.int32))
    first = start % 4
    return tf.reshape(tf.bitcast(numbers, tf.uint8), (-1,))[
        first : first + tf.cast(count, tf.int64)
    ]


def _part_of_uniform(shape: tf.Tensor, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return this replica's part of what `tf.random.stateless_uniform` gives for all."""
    size = tf.reduce_prod(shape)
    draw = partial(tf.raw_ops.StatelessRandomUniformV2, dtype=dtype)
    return tf.reshape(_drawn(draw, _start(size), size, seed), shape)


def _start(size: Any) -> tf.Tensor:
    """Return where this replica's part begins, int64, where each is of this size."""
    replica, _ = place()
    return tf.cast(replica, tf.int64) * tf.cast(size, tf.int64)


def _drawn(draw: Callable[..., tf.Tensor], start: tf.Tensor, size: Any, seed: Any) -> tf.Tensor:
    """Return the numbers from `start` on of those that an operation draws, [size].

    Philox counts in groups, so the counter can begin where the part does, and no replica draws
    what belongs to the others.
    """
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    group = tf.stack([start // _GROUP, tf.zeros([], tf.int64)])
    size = tf.cast(size, tf.int64)
    drawn = draw(
        shape=[size + _GROUP],
        key=key,
        counter=tf.bitcast(tf.bitcast(counter, tf.int64) + group, tf.uint64),
        alg=tf.random.Algorithm.PHILOX.value,
    )
    first = start % _GROUP
    return drawn[first : first + size]
