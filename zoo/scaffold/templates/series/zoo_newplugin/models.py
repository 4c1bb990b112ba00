"""The architectures of this domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import zoo
from keras import layers


@dataclass(frozen=True, kw_only=True)
class DilatedNet(zoo.Model):
    """Residual convolutions over time, each seeing twice as far as the one before."""

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "stem*"),
        ("body", "block*"),
        ("head", "head*"),
    )
    class_patterns: ClassVar[tuple[str, ...]] = ("head*",)

    width: int = zoo.setting(32, "Channels.", minimum=1)
    blocks: int = zoo.setting(5, "How many blocks.", minimum=1, maximum=12)
    dropout: float = zoo.setting(
        0.2, "Share of features left out before the head.", minimum=0, maximum=0.9
    )

    def build(self, space: zoo.Space) -> keras.Model:
        series = keras.Input(space.inputs["series"].shape, name="series")
        x = layers.Conv1D(self.width, 5, padding="same", name="stem")(series)
        for number in range(self.blocks):
            x = _block(x, self.width, 2**number, f"block{number}")
        mean = layers.GlobalAveragePooling1D(name="mean")(x)
        most = layers.GlobalMaxPooling1D(name="most")(x)
        x = layers.Concatenate(name="features")([mean, most])
        x = layers.Dropout(self.dropout, name="dropout")(x)
        logits = layers.Dense(len(space.classes), dtype="float32", name="head")(x)
        return keras.Model({"series": series}, logits)


def _block(x: Any, width: int, dilation: int, name: str) -> Any:
    """Add to `x` what a dilated convolution makes of it."""
    y = layers.GroupNormalization(1, name=f"{name}_norm")(x)
    y = layers.Conv1D(
        width, 3, padding="same", dilation_rate=dilation, activation="relu", name=f"{name}_dilated"
    )(y)
    y = layers.Conv1D(width, 1, name=f"{name}_mix")(y)
    return layers.Add(name=f"{name}_add")([x, y])
