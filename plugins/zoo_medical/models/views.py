"""Networks that place two views of each scan: the head, and how views go through an encoder."""

from __future__ import annotations

from typing import Any

from keras import layers, ops

from zoo_medical.models.layers import Shape, register

_HIDDEN = 256


def embedded(pooled: Any, features: int) -> Any:
    """Return directions of two views [batch, 2, features] by a head of two dense layers.

    Args:
        pooled: features of stacked views [2 * batch, channels].
        features: how many numbers tell a view.
    """
    x = layers.Dense(_HIDDEN, use_bias=False, dtype="float32", name="head_hidden")(pooled)
    x = layers.BatchNormalization(momentum=0.9, dtype="float32", name="head_normalisation")(x)
    x = layers.Dense(features, dtype="float32", name="head")(ops.relu(x))
    return SplitViews(dtype="float32", name="embeddings")(x)


@register
class StackViews(layers.Layer):
    """Puts the second view of all scans after the first, [2 * batch, *sizes, channels]."""

    def call(self, one: Any, other: Any) -> Any:
        return ops.concatenate([one, other], axis=0)

    def compute_output_shape(self, one_shape: Shape, other_shape: Shape) -> Shape:
        batch, *rest = one_shape
        return (None if batch is None else 2 * batch, *rest)


@register
class SplitViews(layers.Layer):
    """Puts both views of a scan beside each other, with length 1: [batch, 2, features]."""

    def call(self, stacked: Any) -> Any:
        directions = ops.normalize(stacked, axis=-1)
        return ops.stack(ops.split(directions, 2, axis=0), axis=1)

    def compute_output_shape(self, shape: Shape) -> Shape:
        batch, features = shape
        return (None if batch is None else batch // 2, 2, features)
