"""The architectures of this domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import zoo
from keras import layers, ops

_QUIET = 1e-4
"""Power that is added before the logarithm, so that silence stays finite."""


@dataclass(frozen=True, kw_only=True)
class SpectrogramNet(zoo.Model):
    """Convolutions over the log-mel spectrogram, each at half the resolution of the last."""

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "stem*"),
        ("body", "block*"),
        ("head", "head*"),
    )
    class_patterns: ClassVar[tuple[str, ...]] = ("head*",)

    bands: int = zoo.setting(40, "Bands of the spectrogram.", minimum=4)
    window_ms: float = zoo.setting(32.0, "Length of a window of the spectrogram, ms.", minimum=1)
    width: int = zoo.setting(
        16, "Channels of the first block; each further one doubles.", minimum=1
    )
    blocks: int = zoo.setting(3, "How many blocks.", minimum=1, maximum=6)
    dropout: float = zoo.setting(
        0.2, "Share of features left out before the head.", minimum=0, maximum=0.9
    )

    def build(self, space: zoo.Space) -> keras.Model:
        sound = keras.Input(space.inputs["sound"].shape, name="sound")
        x = self._spectrogram(sound, int(space.arrays["rate"]))
        x = layers.Conv2D(self.width, 3, padding="same", name="stem")(x)
        for number in range(self.blocks):
            x = _block(x, self.width * 2**number, f"block{number}")
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        logits = layers.Dense(len(space.classes), dtype="float32", name="head")(x)
        return keras.Model({"sound": sound}, logits)

    def _spectrogram(self, sound: Any, rate: int) -> Any:
        """Return the logarithm of the power in each band [batch, bands, windows, 1]."""
        window = max(16, round(rate * self.window_ms / 1000))
        power = layers.MelSpectrogram(
            fft_length=2 ** (window - 1).bit_length(),
            sequence_length=window,
            sequence_stride=window // 2,
            sampling_rate=rate,
            num_mel_bins=self.bands,
            # Its own logarithm looks at the loudest example of the batch.
            power_to_db=False,
            dtype="float32",
            name="spectrogram",
        )(sound)
        return ops.log(power + _QUIET)[..., None]


def _block(x: Any, channels: int, name: str) -> Any:
    """Halve the resolution, normalise each example, and convolve."""
    x = layers.GroupNormalization(1, name=f"{name}_norm")(x)
    x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"{name}_first")(x)
    x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"{name}_second")(x)
    return layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
