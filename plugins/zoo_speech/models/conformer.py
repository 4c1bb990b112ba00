"""The Conformer: attention sees a whole recording, convolutions its details (arXiv:2005.08100).

It differs from the paper in what a CPU computes slowly or padding would change: places are told
apart by angles in place of relative encodings, and features are normalised each for itself and
not over the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import keras
from keras import ops

import zoo
from zoo_speech.models.layers import (
    ConvolutionUnit,
    Encoder,
    FlattenBands,
    Shape,
    register,
    shown,
    subsampled,
)
from zoo_speech.models.speech_model import HEAD_PATTERNS, SpectrogramModel


class _Size(NamedTuple):
    """Blocks, width, heads, channels of the first convolutions."""

    blocks: int
    width: int
    heads: int
    channels: int


_SIZES = {
    "tiny": _Size(4, 128, 4, 32),
    "small": _Size(8, 192, 4, 32),
    "medium": _Size(16, 256, 4, 64),
}


@dataclass(frozen=True, kw_only=True)
class Conformer(SpectrogramModel):
    """Blocks of attention and convolution between two dense parts; a state each 40 ms."""

    size: Literal["tiny", "small", "medium"] = zoo.setting("tiny", "1.7, 7 or 25 million weights.")
    kernel: int = zoo.setting(15, "States that a convolution sees, odd.", minimum=3)

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "encoder/first/*"),
        ("stem", "encoder/second/*"),
        ("stem", "encoder/flatten/*"),
        *((f"encoder{number}", f"encoder/block{number}/*") for number in range(1, 17)),
        ("encoder", "encoder/*"),
        *HEAD_PATTERNS,
    )

    def encoder(self) -> Encoder:
        size = _SIZES[self.size]._asdict()
        return ConformerEncoder(**size, kernel=self.kernel, dropout=self.dropout, name="encoder")


@register
class ConformerEncoder(Encoder):
    """Two convolutions that halve time and bands, then the blocks.

    Args:
        blocks: how many.
        width: features of a state.
        heads: of attention.
        channels: of the first convolutions.
        kernel: states that a block's convolution sees.
        dropout: share of features left out.
    """

    subsampling = 4

    def __init__(
        self,
        *,
        blocks: int,
        width: int,
        heads: int,
        channels: int,
        kernel: int,
        dropout: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.width = width
        self._settings: dict[str, Any] = {
            "blocks": blocks,
            "width": width,
            "heads": heads,
            "channels": channels,
            "kernel": kernel,
            "dropout": dropout,
        }
        self.first, self.second = (
            ConvolutionUnit(channels, strides=(2, 2), activation="relu", name=name)
            for name in ("first", "second")
        )
        self.flatten = FlattenBands(width, name="flatten")
        self.dropout = zoo.FastDropout(dropout, name="dropout")
        self.blocks = [
            ConformerBlock(width, heads, kernel, dropout, name=f"block{number}")
            for number in range(1, blocks + 1)
        ]

    def build(self, input_shape: Shape) -> None:
        shape = (*input_shape, 1)
        for layer in (self.first, self.second, self.flatten):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        for block in self.blocks:
            block.build((None, None, self.width))

    def call(self, features: Any, mask: Any, training: bool | None = None) -> Any:
        x = features[..., None]
        for layer in (self.first, self.second):
            mask = subsampled(mask, 2)
            x = shown(layer(x, training=training), mask)
        x = self.dropout(self.flatten(x), training=training)
        turns = rotation(ops.shape(x)[1], self.width // self._settings["heads"], x.dtype)
        for block in self.blocks:
            x = block(x, turns, mask, training=training)
        return shown(x, mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class ConformerBlock(keras.layers.Layer):
    """Half a dense part, attention, convolution, and the other half; then a normalisation.

    Args:
        width: features of a state.
        heads: of attention.
        kernel: states that the convolution sees.
        dropout: share of features left out.
    """

    def __init__(self, width: int, heads: int, kernel: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self._settings: dict[str, Any] = {
            "width": width,
            "heads": heads,
            "kernel": kernel,
            "dropout": dropout,
        }
        self.feed_before = FeedForward(width, dropout, name="feed_before")
        self.attention = SelfAttention(width, heads, dropout, name="attention")
        self.convolution = ConvolutionModule(width, kernel, dropout, name="convolution")
        self.feed_after = FeedForward(width, dropout, name="feed_after")
        self.norm = zoo.RootMeanSquare(name="norm")

    def build(self, x_shape: Shape) -> None:
        for each in (
            *(self.feed_before, self.attention, self.convolution),
            *(self.feed_after, self.norm),
        ):
            each.build(x_shape)

    def call(self, x: Any, turns: Any, mask: Any, training: bool | None = None) -> Any:
        x = x + 0.5 * self.feed_before(x, training=training)
        x = x + self.attention(x, turns, mask, training=training)
        x = x + self.convolution(x, mask, training=training)
        x = x + 0.5 * self.feed_after(x, training=training)
        return self.norm(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class FeedForward(keras.layers.Layer):
    """Two dense layers, the first four times as wide.

    Args:
        width: of input and output.
        dropout: share of features left out.
    """

    def __init__(self, width: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self._settings: dict[str, Any] = {"width": width, "dropout": dropout}
        self.norm = zoo.RootMeanSquare(name="norm")
        self.inner = keras.layers.Dense(4 * width, activation="silu", name="inner")
        self.outer = keras.layers.Dense(width, name="outer")
        self.dropout = zoo.FastDropout(dropout, name="dropout")

    def build(self, input_shape: Shape) -> None:
        self.norm.build(input_shape)
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], 4 * input_shape[-1]))

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.dropout(self.outer(self.inner(self.norm(x))), training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class SelfAttention(keras.layers.Layer):
    """Attention of all states to each other, whose places turn queries and keys.

    Args:
        width: of input and output.
        heads: how many.
        dropout: share of features left out.
    """

    def __init__(self, width: int, heads: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self._settings: dict[str, Any] = {"width": width, "heads": heads, "dropout": dropout}
        self.norm = zoo.RootMeanSquare(name="norm")
        self.projection = keras.layers.Dense(3 * width, use_bias=False, name="projection")
        self.outer = keras.layers.Dense(width, use_bias=False, name="outer")
        self.dropout = zoo.FastDropout(dropout, name="dropout")

    def build(self, x_shape: Shape) -> None:
        for each in (self.norm, self.projection, self.outer):
            each.build(x_shape)

    def call(self, x: Any, turns: Any, mask: Any, training: bool | None = None) -> Any:
        """Return [batch, T, width]; `turns` are those of :func:`rotation`."""
        batch, length, width = ops.shape(x)
        heads = self._settings["heads"]
        projected = self.projection(self.norm(x))
        projected = ops.reshape(projected, (batch, length, 3, heads, width // heads))
        queries, keys, values = ops.unstack(projected, num=3, axis=2)
        found = ops.dot_product_attention(
            rotated(queries, turns), rotated(keys, turns), values, mask=mask[:, None, None, :]
        )
        return self.dropout(
            self.outer(ops.reshape(found, (batch, length, width))), training=training
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class ConvolutionModule(keras.layers.Layer):
    """A gated convolution of each feature over neighbouring states.

    Args:
        width: of input and output.
        kernel: states that are seen.
        dropout: share of features left out.
    """

    def __init__(self, width: int, kernel: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self._settings: dict[str, Any] = {"width": width, "kernel": kernel, "dropout": dropout}
        self.norm = zoo.RootMeanSquare(name="norm")
        self.gate = keras.layers.Dense(2 * width, name="gate")
        self.depthwise = keras.layers.DepthwiseConv1D(kernel, padding="same", name="depthwise")
        self.inner_norm = zoo.RootMeanSquare(name="inner_norm")
        self.outer = keras.layers.Dense(width, name="outer")
        self.dropout = zoo.FastDropout(dropout, name="dropout")

    def build(self, x_shape: Shape) -> None:
        for each in (self.norm, self.gate, self.depthwise, self.inner_norm, self.outer):
            each.build(x_shape)

    def call(self, x: Any, mask: Any, training: bool | None = None) -> Any:
        values, gates = ops.split(self.gate(self.norm(x)), 2, axis=-1)
        x = self.depthwise(shown(values * ops.sigmoid(gates), mask))
        x = self.outer(ops.silu(self.inner_norm(x)))
        return self.dropout(x, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


def rotation(length: Any, size: int, dtype: str) -> tuple[Any, Any]:
    """Return what tells places apart by angles (RoPE, arXiv:2104.09864).

    Args:
        length: how many places there are.
        size: features of a head, even.
        dtype: of what is returned.

    Returns:
        cosines and sines of the angles, each [length, 1, size // 2].
    """
    half = size // 2
    rates = ops.exp(ops.arange(half, dtype="float32") * (-math.log(10_000.0) / half))
    angles = ops.cast(ops.arange(length), "float32")[:, None, None] * rates
    return ops.cast(ops.cos(angles), dtype), ops.cast(ops.sin(angles), dtype)


def rotated(x: Any, turns: tuple[Any, Any]) -> Any:
    """Turn pairs of features of `x` [batch, T, heads, size] by the angles of their places."""
    cosine, sine = turns
    left, right = ops.split(x, 2, axis=-1)
    return ops.concatenate([left * cosine - right * sine, right * cosine + left * sine], axis=-1)
