"""A small residual network over the spectrogram as a picture (arXiv:1710.10361)."""

from __future__ import annotations

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
    """Channels of the three stages, residual blocks in each, features of a state."""

    channels: tuple[int, int, int]
    blocks: int
    width: int


_SIZES = {
    "tiny": _Size((16, 32, 64), 1, 64),
    "small": _Size((32, 64, 128), 2, 128),
    "medium": _Size((64, 128, 256), 3, 256),
}
_STRIDES = ((1, 1), (2, 2), (1, 2))
"""Along time and bands, of each stage after the first convolution, which halves both."""


@dataclass(frozen=True, kw_only=True)
class ResNet(SpectrogramModel):
    """Residual blocks of two convolutions at three resolutions; a state each 40 ms."""

    size: Literal["tiny", "small", "medium"] = zoo.setting(
        "small", ".1, .8 or 5 million parameters."
    )

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "encoder/stem/*"),
        *((f"encoder{number}", f"encoder/stage{number}_*") for number in range(1, 4)),
        ("encoder", "encoder/*"),
        *HEAD_PATTERNS,
    )

    def encoder(self) -> Encoder:
        return ResNetEncoder(**_SIZES[self.size]._asdict(), name="encoder")


@register
class ResNetEncoder(Encoder):
    """A convolution, three stages of residual blocks, and one vector a step of all bands.

    Args:
        channels: of each stage.
        blocks: in each stage.
        width: features of a state.
    """

    subsampling = 4

    def __init__(self, channels: tuple[int, ...], blocks: int, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self._settings: dict[str, Any] = {"channels": channels, "blocks": blocks, "width": width}
        self.stem = ConvolutionUnit(channels[0], strides=(2, 2), activation="relu", name="stem")
        self.blocks = [
            ResidualBlock(
                count, strides if block == 0 else (1, 1), name=f"stage{stage}_block{block + 1}"
            )
            for stage, (count, strides) in enumerate(zip(channels, _STRIDES, strict=True), start=1)
            for block in range(blocks)
        ]
        self.flatten = FlattenBands(width, name="flatten")

    def build(self, input_shape: Shape) -> None:
        shape = (*input_shape, 1)
        layers: list[keras.Layer] = [self.stem, *self.blocks, self.flatten]
        for layer in layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, features: Any, mask: Any, training: bool | None = None) -> Any:
        mask = subsampled(mask, 2)
        x = shown(self.stem(features[..., None], training=training), mask)
        for block in self.blocks:
            mask = subsampled(mask, block.strides[0])
            x = block(x, mask, training=training)
        return shown(self.flatten(x), mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}


@register
class ResidualBlock(keras.layers.Layer):
    """Two convolutions, whose result is added to what they were given.

    Args:
        channels: of the output.
        strides: of the first convolution, along time and bands.
    """

    def __init__(self, channels: int, strides: tuple[int, int] = (1, 1), **options: Any) -> None:
        super().__init__(**options)
        self.channels, self.strides = channels, strides
        self.first = ConvolutionUnit(channels, strides=strides, activation="relu", name="first")
        self.second = ConvolutionUnit(channels, name="second")
        self.shortcut: ConvolutionUnit | None = None

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] != self.channels or self.strides != (1, 1):
            self.shortcut = ConvolutionUnit(
                self.channels, (1, 1), strides=self.strides, name="shortcut"
            )
            self.shortcut.build(input_shape)
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))

    def call(self, x: Any, mask: Any, training: bool | None = None) -> Any:
        """Return [batch, frames', bands', channels] of [batch, frames, bands, channels]."""
        y = shown(self.first(x, training=training), mask)
        y = self.second(y, training=training)
        if self.shortcut is not None:
            x = self.shortcut(x, training=training)
        return shown(ops.relu(x + y), mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.first.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels, "strides": self.strides}
