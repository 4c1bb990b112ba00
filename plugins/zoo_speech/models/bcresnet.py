"""Broadcasted residual learning: few weights, for small devices (arXiv:2106.04140)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

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
)
from zoo_speech.models.speech_model import HEAD_PATTERNS, SpectrogramModel

_STAGES = ((8, 2, 1, 1), (12, 2, 2, 2), (16, 4, 2, 4), (20, 4, 1, 8))
"""Channels at scale 1, blocks, stride along bands and dilation along time of each stage."""
_STEM = 16
_SUBBANDS = 5
"""Groups of bands that are normalised each for itself."""


@dataclass(frozen=True, kw_only=True)
class BCResNet(SpectrogramModel):
    """Blocks that convolve bands in two dimensions and their mean over time; 10 ms a state."""

    scale: Literal["1", "2", "3", "6", "8"] = zoo.setting(
        "2", "How many times as wide as BC-ResNet-1, which has 9,000 weights."
    )

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "encoder/stem/*"),
        *((f"encoder{number}", f"encoder/stage{number}_*") for number in range(1, 5)),
        ("encoder", "encoder/*"),
        *HEAD_PATTERNS,
    )

    def encoder(self) -> Encoder:
        return BCResNetEncoder(int(self.scale), self.dropout, name="encoder")


@register
class BCResNetEncoder(Encoder):
    """A convolution, four stages of broadcasted residual blocks, one vector a frame of all bands.

    Args:
        scale: of all channels.
        dropout: share of channels left out.
    """

    subsampling = 1

    def __init__(self, scale: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self.width = 32 * scale
        self._settings: dict[str, Any] = {"scale": scale, "dropout": dropout}
        self.stem = ConvolutionUnit(
            _STEM * scale, (5, 5), strides=(1, 2), activation="relu", name="stem"
        )
        self.blocks = [
            BroadcastedBlock(
                channels * scale,
                stride if block == 0 else 1,
                dilation,
                dropout,
                transition=block == 0,
                name=f"stage{stage}_block{block + 1}",
            )
            for stage, (channels, blocks, stride, dilation) in enumerate(_STAGES, start=1)
            for block in range(blocks)
        ]
        self.flatten = FlattenBands(self.width, name="flatten")

    def build(self, input_shape: Shape) -> None:
        shape = (*input_shape, 1)
        layers: list[keras.Layer] = [self.stem, *self.blocks, self.flatten]
        for layer in layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, features: Any, mask: Any, training: bool | None = None) -> Any:
        x = shown(self.stem(features[..., None], training=training), mask)
        for block in self.blocks:
            x = block(x, mask, training=training)
        return shown(self.flatten(x), mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class BroadcastedBlock(keras.layers.Layer):
    """Convolves over bands, then their mean over time, which is given back to all bands.

    Args:
        channels: of the output.
        stride: along bands.
        dilation: along time.
        dropout: share of channels left out of the mean.
        transition: whether channels or bands change, so that the input is not added.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        dilation: int,
        dropout: float,
        *,
        transition: bool,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.transition = transition
        self._settings: dict[str, Any] = {
            "channels": channels,
            "stride": stride,
            "dilation": dilation,
            "dropout": dropout,
            "transition": transition,
        }
        self.widen = (
            ConvolutionUnit(channels, (1, 1), activation="relu", name="widen")
            if transition
            else None
        )
        self.bands = keras.layers.DepthwiseConv2D(
            (1, 3), strides=1, padding="same", use_bias=False, name="bands"
        )
        self.bands_norm = SubBandNormalization(name="bands_norm")
        self.time = ConvolutionUnit(
            channels,
            (3, 1),
            dilation=(dilation, 1),
            depthwise=True,
            activation="silu",
            name="time",
        )
        self.mix = keras.layers.Dense(channels, use_bias=False, name="mix")
        self.dropout = keras.layers.SpatialDropout2D(dropout, name="dropout")

    def build(self, input_shape: Shape) -> None:
        shape = input_shape
        if self.widen is not None:
            self.widen.build(shape)
            shape = self.widen.compute_output_shape(shape)
        self.bands.build(shape)
        shape = self.compute_output_shape(input_shape)
        self.bands_norm.build(shape)
        mean = (*shape[:2], 1, shape[3])
        self.time.build(mean)
        self.mix.build(mean)

    def call(self, x: Any, mask: Any, training: bool | None = None) -> Any:
        """Return [batch, frames, bands', channels] of [batch, frames, bands, channels]."""
        y = x if self.widen is None else self.widen(x, training=training)
        y = self.bands(y)[:, :, :: self._settings["stride"]]
        y = self.bands_norm(y, training=training)
        mean = shown(ops.mean(y, axis=2, keepdims=True), mask)
        found = ops.silu(self.mix(self.time(mean, training=training)))
        y = y + self.dropout(found, training=training)
        if not self.transition:
            y = y + x
        return shown(ops.relu(y), mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        bands = -(-input_shape[2] // self._settings["stride"])
        return (*input_shape[:2], bands, self._settings["channels"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class SubBandNormalization(keras.layers.Layer):
    """Batch normalisation with statistics for each group of bands (arXiv:2103.13620).

    Takes [batch, frames, bands, channels]. Bands that make no equal groups are one group.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.norm = zoo.FusedBatchNormalization(momentum=0.97, epsilon=1e-3, name="norm")

    def build(self, input_shape: Shape) -> None:
        bands, channels = input_shape[2:]
        self._groups = _SUBBANDS if bands % _SUBBANDS == 0 else 1
        self.norm.build((None, None, None, self._groups * channels))

    def call(self, x: Any, training: bool | None = None) -> Any:
        batch, frames, bands, channels = ops.shape(x)
        # Groups become channels, each normalised for itself.
        x = ops.reshape(x, (batch, frames, self._groups, bands // self._groups, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4))
        shape = ops.shape(x)
        x = ops.reshape(x, (batch, frames, bands // self._groups, self._groups * channels))
        x = ops.reshape(self.norm(x, training=training), shape)
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (batch, frames, bands, channels))
