"""Layers of Keras that train faster than Keras' own, for the networks of plugins."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_register = keras.saving.register_keras_serializable(package="zoo")


@_register
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation that trains by TensorFlow's fused operation where it can.

    For features [batch, height, width, channels], also with a depth before the height. Keras
    composes the layer of elementary operations, which on a CPU takes longer than the convolution
    before it. The fused operation gives the same values in float32 and, in mixed precision, keeps
    the statistics in float32. Weights and names are those of the Keras layer. Under replicas and
    on other backends the Keras layer itself is used, synchronised where there are replicas.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.autocast = False  # the scale and the statistics stay float32

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self.synchronized or mask is not None or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        train = bool(training) and self.trainable
        empty = tf.zeros((0,), tf.float32)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=empty if train else self.moving_mean.value,
            variance=empty if train else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=train,
            data_format="NDHWC" if len(inputs.shape) == 5 else "NHWC",
        )
        if train:
            places = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
            self._move(self.moving_mean, mean)
            # The operation estimates that of the population; Keras keeps that of the batch.
            self._move(self.moving_variance, variance * (places - 1) / places)
        return outputs

    def _move(self, average: keras.Variable, value: Any) -> None:
        average.assign(average * self.momentum + value * (1.0 - self.momentum))


@_register
class FastDropout(keras.layers.Dropout):
    """Dropout whose mask takes a byte of random numbers a feature on TensorFlow.

    There Keras draws a number of 32 bits for each feature, which on a CPU takes as long as
    the layer before it. The rate is that of the next of 256 steps. Replicas drop what one
    device would.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        step = round(256 * self.rate)
        if not training or not step or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training)
        import tensorflow as tf

        from zoo.distribution.randomness import bytes_by_example

        shape = tf.shape(inputs)
        drawn = bytes_by_example(tf.reduce_prod(shape), self.seed_generator.next())
        kept = tf.cast(tf.reshape(drawn >= step, shape), inputs.dtype)
        return inputs * (kept * tf.constant(256 / (256 - step), inputs.dtype))


@_register
class RootMeanSquare(keras.layers.Layer):
    """Scales each vector [..., width] to a mean square of 1 (arXiv:1910.07467).

    Without a gain, as a dense layer follows. The gradient is given by hand: half the passes
    over the features that derivation of the single operations makes.
    """

    def call(self, x: Any) -> Any:
        return _root_mean_square(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@ops.custom_gradient
def _root_mean_square(x: Any) -> tuple[Any, Any]:
    inverse = ops.rsqrt(_mean(x * x) + 1e-6)
    y = x * inverse

    def gradient(*arguments: Any, upstream: Any = None) -> Any:
        g = arguments[0] if upstream is None else upstream
        return (g - y * _mean(g * y)) * inverse

    return y, gradient


def _mean(x: Any) -> Any:
    """Return the mean over the last axis, summed in float32 as products are: [..., 1]."""
    width = x.shape[-1]
    return ops.matmul(x, ops.full((width, 1), 1 / width, dtype=x.dtype))
