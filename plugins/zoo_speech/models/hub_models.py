"""The encoders of Whisper and Moonshine as Keras Hub builds them, under our heads."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import keras
import keras_hub
from keras import ops

import zoo
from zoo_speech.frontend import LogMel
from zoo_speech.models.layers import Encoder, Shape, register, shown, subsampled
from zoo_speech.models.speech_model import HEAD_PATTERNS, SpeechModel

_RATE = 16_000
"""Samples a second that the published weights were trained at."""
_WHISPER_SECONDS = 30
"""For so long Whisper has learnt places."""


@dataclass(frozen=True, kw_only=True)
class HubEncoderModel(SpeechModel):
    """An encoder of Keras Hub, whose published weights start it; heads are our own.

    Class attributes:
        backbone: its class in Keras Hub.
    """

    backbone: ClassVar[type[keras_hub.models.Backbone]]

    def build(self, space: zoo.Space) -> keras.Model:
        rate = int(space.arrays["rate"])
        if rate != _RATE:
            raise zoo.ConfigError(
                f"{type(self).__name__} hears {_RATE} samples a second, not {rate}.",
                hint=f"Have recordings resampled: --set data.rate={_RATE}",
            )
        return super().build(space)

    def presets(self) -> Mapping[str, str]:
        return zoo.hub_presets(self.backbone)

    def load_preset(self, handle: str, model: keras.Model) -> None:
        """Start the encoder from a preset of Keras Hub.

        Args:
            handle: a name in :meth:`presets`, a `kaggle://` or `hf://` address, or a folder.
            model: what :meth:`build` returned.

        Raises:
            ConfigError: there is no such preset, it cannot be reached, or is of another size.
        """
        with zoo.preset(handle, self.presets()) as folder:
            source = self.backbone.from_preset(str(folder))
        layers = type(model.get_layer("encoder")).layers_of(source)
        weights = {weight.path: weight for layer in layers for weight in layer.weights}
        zoo.copy_preset(handle, weights, model, class_dependent=())


class HubEncoder(Encoder):
    """The layers of a backbone that encode, held without those that decode.

    Args:
        settings: what the backbone is made from.
    """

    def __init__(self, settings: Mapping[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.settings = dict(settings)
        self.width = settings["hidden_dim"]
        self.parts = self.layers_of(self.new_backbone())

    @abstractmethod
    def new_backbone(self) -> keras_hub.models.Backbone:
        """Return a backbone of these settings, whose decoder is as small as may be."""

    @staticmethod
    @abstractmethod
    def layers_of(backbone: keras_hub.models.Backbone) -> list[keras.Layer]:
        """Return the layers of a backbone that encode, from input to output."""

    def build(self, input_shape: Shape) -> None:
        """Do nothing: the backbone has built its layers."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "settings": self.settings}


class _WhisperSize(NamedTuple):
    """Named as Keras Hub's backbone names them."""

    num_layers: int
    num_heads: int
    hidden_dim: int
    intermediate_dim: int


_WHISPER = {
    "tiny": _WhisperSize(4, 6, 384, 1536),
    "base": _WhisperSize(6, 8, 512, 2048),
    "small": _WhisperSize(12, 12, 768, 3072),
    "medium": _WhisperSize(24, 16, 1024, 4096),
}


@dataclass(frozen=True, kw_only=True)
class Whisper(HubEncoderModel):
    """The encoder of Whisper; a state each 20 ms.

    Unlike the original, recordings are not filled up with silence to 30 s: attention looks at
    what there is. They are no longer than 30 s.
    """

    size: Literal["tiny", "base", "small", "medium"] = zoo.setting(
        "tiny", "8, 20, 88 or 307 million weights."
    )

    backbone: ClassVar = keras_hub.models.WhisperBackbone
    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "encoder_token_embedding_conv_layer_*"),
        ("stem", "encoder_position_embedding/*"),
        *(
            (f"encoder{number + 1}", f"transformer_encoder_layer_{number}/*")
            for number in range(24)
        ),
        ("encoder", "encoder_layer_norm/*"),
        *HEAD_PATTERNS,
    )

    def build(self, space: zoo.Space) -> keras.Model:
        samples = space.inputs["sound"].shape[0] or int(space.arrays.get("longest", 0))
        if samples > _WHISPER_SECONDS * _RATE:
            raise zoo.ConfigError(
                f"Whisper hears {_WHISPER_SECONDS} s at most, and in training sound may be "
                f"{samples / _RATE:.1f} s long, as it is also played more slowly.",
                hint="Shorten what is heard at once: --set task.seconds=30 for words, --set "
                "task.window_seconds=25 for text and speakers.",
            )
        return super().build(space)

    def frontend(self, rate: int) -> keras.Layer:
        return LogMel(rate, bands=80, window=400, hop=160, floor=1e-10, name="frontend")

    def normalise(self, features: Any, mask: Any) -> Any:
        return WhisperScale(name="normalise")(features, mask)

    def encoder(self) -> Encoder:
        settings = {**_WHISPER[self.size]._asdict(), "dropout": self.dropout}
        return WhisperEncoder(settings, name="encoder")


@register
class WhisperScale(keras.layers.Layer):
    """Brings a spectrogram to the range of Whisper: 80 dB below the loudest are 2 units.

    Called with natural logarithms [batch, frames, bands] and their mask; what the mask hides
    becomes 0.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, x: Any, mask: Any) -> Any:
        known = mask[..., None]
        decades = x / math.log(10.0)
        loudest = ops.max(ops.where(known, decades, -math.inf), axis=(1, 2), keepdims=True)
        return ops.where(known, (ops.maximum(decades, loudest - 8.0) + 4.0) / 4.0, 0.0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@register
class WhisperEncoder(HubEncoder):
    """Two convolutions, places, and layers of attention: [batch, frames, 80] to states."""

    subsampling = 2

    def new_backbone(self) -> keras_hub.models.Backbone:
        return keras_hub.models.WhisperBackbone(
            vocabulary_size=1, max_decoder_sequence_length=1, **self.settings
        )

    @staticmethod
    def layers_of(backbone: Any) -> list[keras.Layer]:
        return [
            backbone.encoder_conv_layer_1,
            backbone.encoder_padder,
            backbone.encoder_conv_layer_2,
            backbone.encoder_position_embedding,
            backbone.encoder_embeddings_dropout,
            *backbone.encoder_transformer_layers,
            backbone.encoder_layer_norm,
        ]

    def call(self, features: Any, mask: Any, training: bool | None = None) -> Any:
        first, pad, second, places, dropout, *blocks, norm = self.parts
        x = shown(ops.gelu(first(features), approximate=False), mask)
        x = ops.gelu(second(pad(x)), approximate=False)
        mask = subsampled(mask, self.subsampling)
        x = dropout(x + places(x), training=training)
        for block in blocks:
            x = block(x, padding_mask=mask, training=training)
        return shown(norm(x), mask)


class _MoonshineSize(NamedTuple):
    """Named as Keras Hub's backbone names them."""

    encoder_num_layers: int
    encoder_num_heads: int
    hidden_dim: int
    partial_rotary_factor: float


_MOONSHINE = {
    "tiny": _MoonshineSize(6, 8, 288, 0.9),
    "base": _MoonshineSize(8, 8, 416, 0.62),
}
_STEP = 64 * 3 * 2
"""Samples between two states of Moonshine: the product of its convolutions' strides."""
_OVERHANG = 511
"""Samples that the convolutions of the last state see after its step."""


@dataclass(frozen=True, kw_only=True)
class Moonshine(HubEncoderModel):
    """The encoder of Moonshine, which hears samples and no spectrogram; a state each 24 ms."""

    size: Literal["tiny", "base"] = zoo.setting("tiny", "8 or 20 million weights.")

    backbone: ClassVar = keras_hub.models.MoonshineBackbone
    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "conv[123]/*"),
        ("stem", "group_norm/*"),
        ("stem", "encoder_rotary_embedding/*"),
        *((f"encoder{number + 1}", f"encoder_block_{number}/*") for number in range(8)),
        ("encoder", "encoder_final_layer_norm/*"),
        *HEAD_PATTERNS,
    )

    band_masks: int = zoo.setting(0, "Not used: there are no bands to hide.", maximum=0)
    warp: float = zoo.setting(0.0, "Not used: there are no bands to move.", maximum=0.0)

    def frontend(self, rate: int) -> keras.Layer:
        return CutSamples(_STEP, name="frontend")

    def encoder(self) -> Encoder:
        settings = {**_MOONSHINE[self.size]._asdict(), "dropout": self.dropout}
        return MoonshineEncoder(settings, name="encoder")


@register
class CutSamples(keras.layers.Layer):
    """Cuts sound into pieces as they are: [batch, samples] to [batch, pieces, hop].

    Args:
        hop: samples of a piece; the last is filled up with zeros.
    """

    def __init__(self, hop: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.hop = hop

    def call(self, sound: Any) -> Any:
        batch, samples = ops.shape(sound)
        pieces = -(-samples // self.hop)
        sound = ops.pad(sound, [[0, 0], [0, pieces * self.hop - samples]])
        return ops.reshape(sound, (batch, pieces, self.hop))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hop": self.hop}


@register
class MoonshineEncoder(HubEncoder):
    """Three convolutions of samples, and layers of attention: [batch, pieces, 384] to states."""

    subsampling = 1

    def new_backbone(self) -> keras_hub.models.Backbone:
        width = self.settings["hidden_dim"]
        return keras_hub.models.MoonshineBackbone(
            vocabulary_size=1,
            filter_dim=width,
            intermediate_dim=4 * width,
            decoder_num_layers=1,
            decoder_num_heads=self.settings["encoder_num_heads"],
            **self.settings,
        )

    @staticmethod
    def layers_of(backbone: Any) -> list[keras.Layer]:
        return [
            *(backbone.conv1, backbone.group_norm, backbone.conv2, backbone.conv3),
            *(backbone.encoder_rotary_embedding, backbone.encoder_dropout),
            *backbone.encoder_blocks,
            backbone.encoder_final_layer_norm,
        ]

    def call(self, features: Any, mask: Any, training: bool | None = None) -> Any:
        first, group_norm, second, third, rotary, dropout, *blocks, norm = self.parts
        batch, pieces, step = ops.shape(features)
        sound = ops.pad(ops.reshape(features, (batch, pieces * step)), [[0, 0], [0, _OVERHANG]])
        x = _normalised(group_norm, ops.tanh(first(sound[..., None])), mask)
        x = ops.gelu(third(ops.gelu(second(x), approximate=False)), approximate=False)
        turns, x = rotary(ops.arange(pieces)), dropout(x, training=training)
        for block in blocks:
            x = block(x, turns, attention_mask=mask, training=training)
        return shown(norm(x), mask)


def _normalised(norm: keras.layers.GroupNormalization, x: Any, mask: Any) -> Any:
    """Normalise over time and features as `norm` does, but without what is padding.

    Args:
        norm: of one group.
        x: [batch, 6 * pieces + 7, features], of the first convolution.
        mask: of pieces, bool [batch, pieces].
    """
    known = ops.pad(ops.repeat(mask, _STEP // 64, axis=1), [[0, 0], [0, 7]])
    wide = shown(ops.cast(x, "float32"), known)
    count = ops.sum(ops.cast(known, "float32"), axis=1)[:, None, None] * x.shape[-1]
    mean = ops.sum(wide, axis=(1, 2), keepdims=True) / count
    away = shown(wide - mean, known)
    variance = ops.sum(ops.square(away), axis=(1, 2), keepdims=True) / count
    scaled = away * ops.rsqrt(variance + norm.epsilon) * norm.gamma + norm.beta
    return ops.cast(shown(scaled, known), x.dtype)
