"""The bidirectional LSTM, the classical network for speech (arXiv:1303.5778)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras

import zoo
from zoo_speech.models.layers import (
    Encoder,
    Shape,
    StackFrames,
    register,
    shown,
    subsampled,
)
from zoo_speech.models.speech_model import HEAD_PATTERNS, SpectrogramModel


@dataclass(frozen=True, kw_only=True)
class LSTM(SpectrogramModel):
    """Layers that read the recording in both directions; a state each 40 ms."""

    width: int = zoo.setting(128, "Units of each direction.", minimum=1)
    layers: int = zoo.setting(2, "How many layers.", minimum=1, maximum=8)

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "encoder/stem/*"),
        *((f"encoder{number}", f"encoder/layer{number}/*") for number in range(1, 9)),
        *HEAD_PATTERNS,
    )

    def encoder(self) -> Encoder:
        return LSTMEncoder(self.width, self.layers, self.dropout, name="encoder")


@register
class LSTMEncoder(Encoder):
    """Four frames in one, then layers that read in both directions.

    Args:
        units: of each direction.
        layers: how many.
        dropout: share of features left out between layers.
    """

    subsampling = 4

    def __init__(self, units: int, layers: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self.width = 2 * units
        self._settings: dict[str, Any] = {"units": units, "layers": layers, "dropout": dropout}
        self.stem = StackFrames(self.width, self.subsampling, name="stem")
        self.dropout = zoo.FastDropout(dropout, name="dropout")
        # Step by step there is so little to multiply that bfloat16 costs more than it saves.
        self.layers = [
            keras.layers.Bidirectional(
                keras.layers.LSTM(units, return_sequences=True, dtype="float32", name="lstm"),
                dtype="float32",
                name=f"layer{number}",
            )
            for number in range(1, layers + 1)
        ]

    def build(self, input_shape: Shape) -> None:
        self.stem.build(input_shape)
        for layer in self.layers:
            layer.build((None, None, self.width))

    def call(self, features: Any, mask: Any, training: bool | None = None) -> Any:
        x, mask = self.stem(features), subsampled(mask, self.subsampling)
        for layer in self.layers:
            x = layer(self.dropout(x, training=training), mask=mask, training=training)
        return shown(x, mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}
