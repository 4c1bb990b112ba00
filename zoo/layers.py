"""Layers of Keras that train faster than Keras' own, for the networks of plugins."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="zoo")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation that trains by TensorFlow's fused operation where it can.

    For features [batch, height, width, channels]. Keras composes the layer of elementary
    operations, which on a CPU takes longer than the convolution before it. The fused operation
    gives the same values in float32 and, in mixed precision, keeps the statistics in float32.
    Weights and names are those of the Keras layer. Under replicas and on other backends the
    Keras layer itself is used, synchronised where there are replicas.
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
        )
        if train:
            places = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
            self._move(self.moving_mean, mean)
            # The operation estimates that of the population; Keras keeps that of the batch.
            self._move(self.moving_variance, variance * (places - 1) / places)
        return outputs

    def _move(self, average: keras.Variable, value: Any) -> None:
        average.assign(average * self.momentum + value * (1.0 - self.momentum))
