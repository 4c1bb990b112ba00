"""Encoders: from a scan to features at several resolutions, whatever is learnt of them.

All architectures of this plugin that are trained from scratch have one of these, named
`encoder`. The paths of its weights are the same in a classifier, a U-Net and in pretraining,
so that a run of one starts another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

import zoo
from zoo_medical.models.layers import (
    ConvolutionUnit,
    ResidualBlock,
    Shape,
    convolution,
    register,
)


class Encoder(keras.layers.Layer):
    """Turns scans [batch, height, width, channels] into a list of features, the finest first.

    Volumes have a depth before the height. Each stage has half as many places along each axis
    as the one before it, rounded up.

    Args:
        channels: of each stage.
        blocks: in each stage.
        stride: pixels, along each axis, for one place of the first stage: 1, 2 or 4.
        dimensions: 2 for pictures, 3 for volumes.
        drop: probability that an example skips the last block in training; for blocks before
            it less.
    """

    def __init__(
        self,
        channels: Sequence[int],
        blocks: Sequence[int],
        stride: int = 1,
        *,
        dimensions: int = 2,
        drop: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.channels, self.blocks, self.stride = list(channels), list(blocks), stride
        self.dimensions, self.rate = dimensions, drop
        self.stem = self.new_stem()
        # One flat list, since Keras saves no weights of lists within lists.
        self.units = [block for stage in self._new_stages() for block in stage]

    def new_stem(self) -> keras.Layer:
        """Return what comes before the first stage, named `stem`."""
        raise NotImplementedError

    def new_block(self, stage: int, strides: int, drop: float, name: str) -> keras.Layer:
        """Return a block of a stage, the first of which may have strides."""
        raise NotImplementedError

    def first_strides(self, stage: int) -> int:
        """Return the strides of the first block of a stage, counted from 0."""
        raise NotImplementedError

    def _new_stages(self) -> list[list[keras.Layer]]:
        drops = iter(_rising(self.rate, sum(self.blocks)))
        return [
            [
                self.new_block(
                    stage,
                    self.first_strides(stage) if block == 0 else 1,
                    next(drops),
                    f"stage{stage + 1}_block{block + 1}",
                )
                for block in range(count)
            ]
            for stage, count in enumerate(self.blocks)
        ]

    def build(self, input_shape: Shape) -> None:
        self.stem.build(input_shape)
        shape = self.stem.compute_output_shape(input_shape)
        for unit in self.units:
            unit.build(shape)
            shape = unit.compute_output_shape(shape)

    def call(self, scans: Any, training: bool | None = None) -> list[Any]:
        x = self.stem(scans, training=training)
        features = []
        for unit in self.units:
            x = unit(x, training=training)
            features.append(x)
        return [features[last] for last in self._last_units]

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        shape = self.stem.compute_output_shape(input_shape)
        shapes = []
        for unit in self.units:
            shape = unit.compute_output_shape(shape)
            shapes.append(shape)
        return [shapes[last] for last in self._last_units]

    @property
    def _last_units(self) -> list[int]:
        """The place, among all blocks, of the last one of each stage."""
        return [sum(self.blocks[: stage + 1]) - 1 for stage in range(len(self.blocks))]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "blocks": self.blocks,
            "stride": self.stride,
            "dimensions": self.dimensions,
            "drop": self.rate,
        }


def _rising(last: float, count: int) -> list[float]:
    """Return rates that rise evenly from 0 to `last`."""
    return [last * number / max(count - 1, 1) for number in range(count)]


@register
class ResidualEncoder(Encoder):
    """Residual blocks of two convolutions (arXiv:1512.03385), after one convolution."""

    def new_stem(self) -> keras.Layer:
        strides = 2 if self.stride > 1 else 1
        return ConvolutionUnit(
            self.channels[0], strides=strides, dimensions=self.dimensions, name="stem"
        )

    def new_block(self, stage: int, strides: int, drop: float, name: str) -> keras.Layer:
        return ResidualBlock(
            self.channels[stage], strides, dimensions=self.dimensions, drop=drop, name=name
        )

    def first_strides(self, stage: int) -> int:
        return 2 if stage or self.stride > 2 else 1


@register
class ConvNeXtEncoder(Encoder):
    """Blocks of a wide depthwise convolution and two dense layers (arXiv:2201.03545).

    The stem cuts a picture into patches of `stride` pixels a side.
    """

    def new_stem(self) -> keras.Layer:
        return Patches(self.channels[0], self.stride, name="stem")

    def new_block(self, stage: int, strides: int, drop: float, name: str) -> keras.Layer:
        return ConvNeXtBlock(self.channels[stage], strides, drop=drop, name=name)

    def first_strides(self, stage: int) -> int:
        return 2 if stage else 1


@register
class Patches(keras.layers.Layer):
    """Cuts a picture into patches, each a vector: [batch, height, width, channels].

    With patches of a pixel, a convolution of 3 x 3 takes their place.

    Args:
        channels: of a vector.
        side: of a patch, px.
    """

    def __init__(self, channels: int, side: int, **options: Any) -> None:
        super().__init__(**options)
        self._settings = {"channels": channels, "side": side}
        kernel = side if side > 1 else 3
        self.convolution = keras.layers.Conv2D(
            channels, kernel, side, padding="same", name="convolution"
        )
        # Normalised over the batch: over the channels of one place, grey would be black.
        self.normalisation = zoo.FusedBatchNormalization(
            momentum=0.9, epsilon=1e-3, name="normalisation"
        )

    def build(self, input_shape: Shape) -> None:
        self.convolution.build(input_shape)
        self.normalisation.build(self.convolution.compute_output_shape(input_shape))

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.normalisation(self.convolution(x), training=training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.convolution.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class ConvNeXtBlock(keras.layers.Layer):
    """A block of ConvNeXt, before which the resolution may be halved.

    Args:
        channels: of the output.
        strides: 2 to halve the resolution first, by a convolution of 2 x 2.
        drop: probability, in training, that an example skips the block.
    """

    _KERNEL, _EXPANSION = 7, 4

    def __init__(
        self, channels: int, strides: int = 1, *, drop: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self._settings = {"channels": channels, "strides": strides, "drop": drop}
        self.halve_normalisation = _normalisation("halve_normalisation")
        self.halve = convolution(2, channels, strides, strides=strides, name="halve")
        self.depthwise = keras.layers.DepthwiseConv2D(
            self._KERNEL, padding="same", name="depthwise"
        )
        self.normalisation = _normalisation("normalisation")
        self.widen = keras.layers.Dense(self._EXPANSION * channels, name="widen")
        self.narrow = keras.layers.Dense(channels, name="narrow")
        self.scale = ChannelScale(name="scale")
        self.drop = keras.layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name="drop")

    @property
    def _halves(self) -> bool:
        return self._settings["strides"] > 1

    def build(self, input_shape: Shape) -> None:
        if self._halves:
            self.halve_normalisation.build(input_shape)
            self.halve.build(input_shape)
        shape = self.compute_output_shape(input_shape)
        self.depthwise.build(shape)
        self.normalisation.build(shape)
        self.widen.build(shape)
        self.narrow.build((*shape[:-1], self._EXPANSION * shape[-1]))
        self.scale.build(shape)

    def call(self, x: Any, training: bool | None = None) -> Any:
        if self._halves:
            x = self.halve(self.halve_normalisation(x))
        y = self.widen(self.normalisation(self.depthwise(x)))
        y = self.scale(self.narrow(ops.gelu(y)))
        return x + self.drop(y, training=training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if not self._halves:
            return input_shape
        return self.halve.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class ChannelScale(keras.layers.Layer):
    """Multiplies each channel by a weight that begins small, so that a deep network starts calm."""

    _START = 0.1

    def build(self, input_shape: Shape) -> None:
        self.scale = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self._START),
            name="scale",
        )

    def call(self, x: Any) -> Any:
        return x * self.scale

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


def _normalisation(name: str) -> keras.Layer:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)
