"""What all networks of this plugin share: a front end, an encoder, and the head a task needs."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import keras
from keras import layers

import zoo
from zoo_speech.frontend import (
    MFCC,
    FrameMask,
    LogMel,
    NormaliseRange,
    NormaliseUtterance,
    SpecAugment,
)
from zoo_speech.losses import HidePadding
from zoo_speech.models.layers import AttentiveStatistics, Encoder

HEAD_PATTERNS = (("head", "pool/*"), ("head", "embedding/*"), ("head", "head/*"))
"""Parts that follow the encoder, for `part_patterns`."""

_LOG_POWER, _LOG_POWER_REACH = -8.0, 4.0
"""Where the logarithms of mel bands usually lie: mean and deviation over loud and soft speech."""


@dataclass(frozen=True, kw_only=True)
class SpeechModel(zoo.Model):
    """A network of `sound`, float32 [batch, samples], and `length`, int32 [batch] samples.

    Its layers are `frontend`, `normalise`, `masks`, `encoder` and `head`. What the head is
    follows from the space: where logits have one axis, states are pooled over time into an
    `embedding` that classes are told from, else each state is scored for CTC. So every encoder
    serves every task, and carries over from one to another.
    """

    class_patterns: ClassVar[tuple[str, ...]] = ("head/*",)

    embedding: int = zoo.setting(
        128, "Features that a whole recording is told by, if classes are.", minimum=1
    )
    dropout: float = zoo.setting(0.1, "Share of features left out.", minimum=0, maximum=0.9)
    band_masks: int = zoo.setting(
        2, "Groups of bands that are hidden in training (SpecAugment).", minimum=0
    )
    time_masks: int = zoo.setting(
        2, "Stretches of time that are hidden in training (SpecAugment).", minimum=0
    )
    warp: float = zoo.setting(
        0.1, "How far bands are moved in training, as by other throats.", minimum=0, maximum=0.5
    )

    @abstractmethod
    def encoder(self) -> Encoder:
        """Return a new encoder of the front end's features, named `encoder`."""

    @abstractmethod
    def frontend(self, rate: int) -> keras.Layer:
        """Return what turns samples into features, named `frontend`; it has a `hop`.

        Args:
            rate: samples a second.
        """

    def normalise(self, features: Any, mask: Any) -> Any:
        """Return features with what says how loud they are taken out; by default nothing."""
        return features

    def build(self, space: zoo.Space) -> keras.Model:
        sound = keras.Input(space.inputs["sound"].shape, name="sound")
        length = keras.Input((), dtype="int32", name="length")
        frontend, encoder = self.frontend(int(space.arrays["rate"])), self.encoder()
        features = frontend(sound)
        mask = FrameMask(frontend.hop, name="frames")(features, length)
        features = self.normalise(features, mask)
        features = SpecAugment(
            band_masks=self.band_masks, time_masks=self.time_masks, warp=self.warp, name="masks"
        )(features, mask)
        states = encoder(features, mask)
        mask = FrameMask(frontend.hop * encoder.subsampling, name="steps")(states, length)
        logits = self._head(states, mask, space)
        return keras.Model({"sound": sound, "length": length}, logits)

    def carrier(self, source: zoo.Space, target: zoo.Space) -> zoo.Carrier:
        """Return what starts the weights of a network; see :meth:`zoo.Model.carrier`.

        Raises:
            ConfigError: the trained network hears another number of samples a second, so that
                its bands are of other frequencies.
        """
        rate, own = (int(space.arrays["rate"]) for space in (source, target))
        if rate != own:
            raise zoo.ConfigError(
                f"The weights are of a network that hears {rate} samples a second, not {own}.",
                hint=f"Have recordings resampled: --set data.rate={rate}",
            )
        return super().carrier(source, target)

    def _head(self, states: Any, mask: Any, space: zoo.Space) -> Any:
        """Return logits of classes, or of pieces at each step, whichever the space asks for."""
        score = layers.Dense(len(space.classes), dtype="float32", name="head")
        dropout = layers.Dropout(self.dropout, name="dropout")
        # Encoders differ in how large their states are; a head should begin alike on all.
        scale = zoo.RootMeanSquare(dtype="float32", name="scale")
        if len(space.outputs["logits"].shape) == 2:
            return HidePadding(name="logits")(score(dropout(scale(states))), mask)
        pooled = scale(AttentiveStatistics(name="pool")(states, mask))
        embedding = layers.Dense(self.embedding, dtype="float32", name="embedding")(pooled)
        return score(dropout(embedding))


@dataclass(frozen=True, kw_only=True)
class SpectrogramModel(SpeechModel):
    """A network over log-mel bands or cepstral coefficients, each normalised."""

    features: Literal["log-mel", "mfcc"] = zoo.setting(
        "log-mel", "What is computed of each frame of 25 ms."
    )
    bands: int = zoo.setting(40, "Mel bands from 0 Hz to half the rate.", minimum=4)
    coefficients: int = zoo.setting(20, "Cepstral coefficients, if features are mfcc.", minimum=2)
    window_ms: float = zoo.setting(25.0, "Length of a frame, ms.", minimum=1)
    hop_ms: float = zoo.setting(10.0, "From one frame to the next, ms.", minimum=1)
    normalisation: Literal["range", "utterance"] = zoo.setting(
        "range",
        "Whether the usual range of speech is brought to one scale, or each recording's own mean "
        "and deviation are taken out of each band. Those of a short word say which word it is.",
    )

    def frontend(self, rate: int) -> keras.Layer:
        common: dict[str, Any] = {
            "rate": rate,
            "bands": self.bands,
            "window": round(rate * self.window_ms / 1000),
            "hop": round(rate * self.hop_ms / 1000),
            "name": "frontend",
        }
        if self.features == "mfcc":
            return MFCC(coefficients=self.coefficients, **common)
        return LogMel(**common)

    def normalise(self, features: Any, mask: Any) -> Any:
        if self.normalisation == "utterance":
            return NormaliseUtterance(name="normalise")(features, mask)
        middle = [_LOG_POWER] * self.bands
        if self.features == "mfcc":  # the transform of a flat spectrum
            middle = [_LOG_POWER * math.sqrt(self.bands), *[0.0] * (self.coefficients - 1)]
        return NormaliseRange(middle, _LOG_POWER_REACH, name="normalise")(features, mask)


def samples_per_step(model: keras.Model) -> int:
    """Return how many samples of sound each state of a network stands for.

    There are ceil(length / this) states of a recording, and the first is of its first samples.
    """
    return int(model.get_layer("steps").hop)
