"""What all classifiers share: members side by side, each an encoder and a head."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers, ops

import zoo
from zoo_medical.models.encoders import Encoder
from zoo_medical.models.layers import Shape, Standardise, convolution, register
from zoo_medical.models.views import StackViews, embedded

ENCODER_PARTS = (
    ("stem", "encoder*/stem/*"),
    *((f"encoder{number}", f"encoder*/stage{number}_*") for number in range(1, 7)),
)
"""Parts of an encoder, for `part_patterns`."""
FEATURES = "features"
"""How the names begin of the layers whose outputs Grad-CAM looks at, one for each member."""

_POOLS = {2: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling3D}


@dataclass(frozen=True, kw_only=True)
class ScanModel(zoo.Model):
    """A network of `scan`, float32 [batch, height, width, channels], or with a depth.

    Its layers are `standardise`, and of each member `encoder`, `features` and `head`; from the
    second member on with its number. Logits of all members stand side by side, and a task
    averages them. Where the space asks for pixels instead of classes, what is hidden of the
    scan is filled in from the features alone (SimMIM, arXiv:2111.09886), by one member; where
    it asks for embeddings, one member places the scan and an `other` view of it.
    """

    class_patterns: ClassVar[tuple[str, ...]] = ("head*/*",)
    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (*ENCODER_PARTS, ("head", "head*"))

    members: int = zoo.setting(
        1, "Networks side by side, whose logits are averaged: an ensemble in one.", minimum=1
    )
    dropout: float = zoo.setting(
        0.2, "Share of features left out before the head.", minimum=0, maximum=0.9
    )

    @abstractmethod
    def features(self, scans: Any, space: zoo.Space, name: str) -> Any:
        """Return the features of standardised scans, [batch, *places, channels].

        Args:
            scans: a symbolic tensor.
            space: what the network is built from.
            name: of the encoder.
        """

    def standardise(self, space: zoo.Space) -> keras.Layer:
        """Return what brings values to a range that the encoder takes, named `standardise`."""
        return Standardise(
            space.arrays["mean"].tolist(), space.arrays["deviation"].tolist(), name="standardise"
        )

    def build(self, space: zoo.Space) -> keras.Model:
        scan = keras.Input(space.inputs["scan"].shape, name="scan")
        if "embeddings" in space.outputs:
            return self._telling_apart(scan, space)
        scans = self.standardise(space)(scan)
        if "pixels" in space.outputs:
            return self._filling_in(scan, scans, space)
        logits = [self._member(scans, space, number) for number in range(1, self.members + 1)]
        if len(logits) > 1:
            return keras.Model(
                {"scan": scan}, layers.Concatenate(dtype="float32", name="logits")(logits)
            )
        return keras.Model({"scan": scan}, logits[0])

    def _member(self, scans: Any, space: zoo.Space, number: int) -> Any:
        """Return the logits of one member [batch, classes]."""
        end = "" if number == 1 else f"_{number}"
        pooled = self._pooled(scans, space, end)
        pooled = layers.Dropout(self.dropout, dtype="float32", name=f"dropout{end}")(pooled)
        return layers.Dense(len(space.classes), dtype="float32", name=f"head{end}")(pooled)

    def _pooled(self, scans: Any, space: zoo.Space, end: str) -> Any:
        """Return the mean features of scans [batch, channels], by the encoder with this end."""
        features = self.features(scans, space, f"encoder{end}")
        features = layers.Activation("linear", dtype="float32", name=f"{FEATURES}{end}")(features)
        return _POOLS[len(features.shape) - 2](dtype="float32", name=f"pool{end}")(features)

    def _telling_apart(self, scan: Any, space: zoo.Space) -> keras.Model:
        """Return a network of a scan and another view of it, which gives where it places both."""
        other = keras.Input(space.inputs["other"].shape, name="other")
        scans = self.standardise(space)(StackViews(name="stack")(scan, other))
        _, features = space.outputs["embeddings"].shape
        embeddings = embedded(self._pooled(scans, space, ""), int(features or 0))
        return keras.Model({"scan": scan, "other": other}, embeddings)

    def _filling_in(self, scan: Any, scans: Any, space: zoo.Space) -> keras.Model:
        """Return a network of a scan and what is hidden of it, which gives it filled in."""
        hidden = keras.Input(space.inputs["hidden"].shape, name="hidden")
        shown = HidePixels(name="hide")(scans, hidden)
        features = self.features(shown, space, "encoder")
        patches = PatchesToPixels(space.outputs["pixels"].shape, name="head")(features)
        return fill_in(scan, hidden, patches, space)

    def carrier(self, source: zoo.Space, target: zoo.Space) -> zoo.Carrier:
        """Return the usual carrier, by which further members start from the only one there is."""
        carry = super().carrier(source, target)

        def carry_member(weight: Any, known: Mapping[str, Any]) -> bool:
            if carry(weight, known):
                return True
            first = re.sub(r"^(encoder|head)_\d+/", r"\1/", weight.path)
            return first in known and carry(weight, {weight.path: known[first]})

        return carry_member


def fill_in(scan: Any, hidden: Any, pixels: Any, space: zoo.Space) -> keras.Model:
    """Return a network that gives scans whose hidden pixels are those that it has found.

    Args:
        scan: its input [batch, *sizes, channels].
        hidden: its input [batch, *sizes, 1], 1 where the scan is hidden.
        pixels: what it finds, in deviations from the mean [batch, *sizes, channels].
        space: of the network; knows mean and deviation.
    """
    pixels = layers.Rescaling(
        space.arrays["deviation"].tolist(),
        space.arrays["mean"].tolist(),
        dtype="float32",
        name="brightness",
    )(pixels)
    filled = FillHoles(name="pixels")(scan, hidden, pixels)
    return keras.Model({"scan": scan, "hidden": hidden}, filled)


@dataclass(frozen=True, kw_only=True)
class EncoderModel(ScanModel):
    """A classifier whose encoder is trained from scratch, or starts from an earlier run."""

    drop_path: float = zoo.setting(
        0.0, "Share of examples that skip the last block in training.", minimum=0, maximum=0.9
    )

    @abstractmethod
    def encoder(self, stride: int, dimensions: int, name: str) -> Encoder:
        """Return a new encoder.

        Args:
            stride: pixels for one place of the first stage.
            dimensions: 2 or 3.
            name: of the layer.
        """

    def features(self, scans: Any, space: zoo.Space, name: str) -> Any:
        sizes = sizes_of(space)
        return self.encoder(first_stride(max(sizes)), len(sizes), name)(scans)[-1]


def sizes_of(space: zoo.Space) -> tuple[int, ...]:
    """Return [height, width] or [depth, height, width] of the scans that a network takes, px."""
    return tuple(int(size or 0) for size in space.inputs["scan"].shape[:-1])


def first_stride(longest: int) -> int:
    """Return how many pixels a place of the first stage takes: of small scans each has its own.

    Args:
        longest: side of the scans, px.
    """
    return 1 if longest <= 64 else 2 if longest <= 128 else 4


@register
class HidePixels(layers.Layer):
    """Sets standardised scans to their mean, 0, where they are hidden."""

    def call(self, scans: Any, hidden: Any) -> Any:
        return scans * (1 - ops.cast(hidden, scans.dtype))

    def compute_output_shape(self, scans_shape: Shape, hidden_shape: Shape) -> Shape:
        return scans_shape


@register
class FillHoles(layers.Layer):
    """Puts what was found where scans are hidden, in float32; the rest stays as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, scans: Any, hidden: Any, pixels: Any) -> Any:
        return scans + hidden * (pixels - scans)

    def compute_output_shape(
        self, scans_shape: Shape, hidden_shape: Shape, pixels_shape: Shape
    ) -> Shape:
        return scans_shape


@register
class PatchesToPixels(layers.Layer):
    """Turns each place of features into the pixels it stands for, by one linear map.

    Args:
        shape: of the result, without the batch: [*sizes, channels].
    """

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.shape = tuple(shape)

    def build(self, input_shape: Shape) -> None:
        *sizes, channels = self.shape
        places = input_shape[1:-1]
        self.sides = [-(-size // place) for size, place in zip(sizes, places, strict=True)]
        pixels = channels
        for side in self.sides:
            pixels *= side
        self.map = convolution(len(sizes), pixels, 1, name="map")
        self.map.build(input_shape)

    def call(self, features: Any) -> Any:
        *sizes, channels = self.shape
        places = features.shape[1:-1]
        x = self.map(features)
        x = ops.reshape(x, (-1, *places, *self.sides, channels))
        # Each axis of places before its axis of pixels: 1, 1 + n, 2, 2 + n, ...
        count = len(sizes)
        order = [axis for first in range(1, count + 1) for axis in (first, first + count)]
        x = ops.transpose(x, (0, *order, 2 * count + 1))
        whole = [place * side for place, side in zip(places, self.sides, strict=True)]
        x = ops.reshape(x, (-1, *whole, channels))
        return x[(slice(None), *(slice(size) for size in sizes))]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self.shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shape": self.shape}
