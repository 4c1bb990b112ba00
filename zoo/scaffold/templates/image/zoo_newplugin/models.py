"""The architectures of this domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import zoo
from keras import layers


@dataclass(frozen=True, kw_only=True)
class ConvNet(zoo.Model):
    """Residual blocks of convolutions, each at half the resolution of the one before."""

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "stem*"),
        ("body", "block*"),
        ("head", "head*"),
    )
    class_patterns: ClassVar[tuple[str, ...]] = ("head*",)

    width: int = zoo.setting(
        16, "Channels of the first block; each further one doubles.", minimum=1
    )
    blocks: int = zoo.setting(3, "How many blocks.", minimum=1, maximum=6)
    dropout: float = zoo.setting(
        0.2, "Share of features left out before the head.", minimum=0, maximum=0.9
    )

    def build(self, space: zoo.Space) -> keras.Model:
        tensor = space.inputs["picture"]
        picture = keras.Input(tensor.shape, dtype=tensor.dtype, name="picture")
        x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(picture)
        x = layers.Conv2D(self.width, 3, padding="same", name="stem")(x)
        for number in range(self.blocks):
            x = _block(x, self.width * 2**number, f"block{number}")
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        logits = layers.Dense(len(space.classes), dtype="float32", name="head")(x)
        return keras.Model({"picture": picture}, logits)


def _block(x: Any, channels: int, name: str) -> Any:
    """Halve the resolution and add to it what two convolutions make of it."""
    x = layers.Conv2D(channels, 3, strides=2, padding="same", name=f"{name}_down")(x)
    y = x
    for step in ("first", "second"):
        y = layers.GroupNormalization(1, name=f"{name}_{step}_norm")(y)
        y = layers.Activation("relu", name=f"{name}_{step}_relu")(y)
        y = layers.Conv2D(channels, 3, padding="same", name=f"{name}_{step}")(y)
    return layers.Add(name=f"{name}_add")([x, y])
