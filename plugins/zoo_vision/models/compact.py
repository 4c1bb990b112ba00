"""The compact detector: made to learn from scratch in minutes on a CPU.

A one-stage, anchor-free detector of the YOLO family: a residual backbone, a path-aggregation
neck (arXiv:1803.01534) on three levels, and a decoupled head (arXiv:2107.08430) that gives
each side's distance as a distribution (arXiv:2006.04388). What is its own is the choice of
parts by what a CPU computes fast: full 3 x 3 convolutions, ReLU and fused normalisation in
place of depthwise convolutions, concatenations and smooth activations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import keras
from keras import layers

import zoo
from zoo_vision.geometry import canvas_of
from zoo_vision.models.dense import BINS, STRIDES, DistancesToBoxes, grid, rare
from zoo_vision.training.losses import DenseLoss


class _Size(NamedTuple):
    """Channels at strides 2, 4, 8, 16 and 32, blocks at the last four, channels of the neck."""

    channels: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int, int]
    neck: int


_SIZES = {
    "nano": _Size((16, 32, 64, 96, 128), (1, 1, 1, 1), 64),
    "small": _Size((24, 48, 96, 160, 224), (1, 2, 2, 1), 96),
    "medium": _Size((32, 64, 128, 256, 384), (2, 3, 3, 2), 128),
}


@dataclass(frozen=True, kw_only=True)
class Compact(zoo.Model):
    """A one-stage, anchor-free detector of full convolutions."""

    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "stem.*"),
        *((f"backbone{number}", f"backbone{number}.*") for number in range(1, 5)),
        ("neck", "neck.*"),
        ("head", "head.*"),
    )
    class_patterns: ClassVar[tuple[str, ...]] = ("head.class*",)

    size: Literal["nano", "small", "medium"] = zoo.setting("nano", "How wide and deep it is.")

    def build(self, space: zoo.Space) -> keras.Model:
        height, width = canvas_of(space)
        classes = len(space.classes)
        size = _SIZES[self.size]
        image = keras.Input((height, width, 3), dtype=space.inputs["image"].dtype, name="image")
        x = layers.Rescaling(1 / 255, name="rescale")(image)
        features = _backbone(x, size)
        features = _neck(features, size.neck)
        return keras.Model({"image": image}, _head(features, height, width, classes, size.neck))

    def loss(self, space: zoo.Space) -> DenseLoss:
        height, width = canvas_of(space)
        return DenseLoss(space, *grid(height, width, STRIDES), bins=BINS)


def _convolve(x: Any, channels: int, name: str, *, kernel: int = 3, stride: int = 1) -> Any:
    """Convolve and normalise."""
    x = layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}.convolution",
    )(x)
    return zoo.FusedBatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}.norm")(x)


def _unit(x: Any, channels: int, name: str, **options: int) -> Any:
    """Convolve, normalise and rectify."""
    return layers.ReLU(name=f"{name}.relu")(_convolve(x, channels, name, **options))


def _residual(x: Any, channels: int, name: str) -> Any:
    """Add to `x` what two convolutions make of it (arXiv:1512.03385)."""
    y = _unit(x, channels, f"{name}.first")
    y = _convolve(y, channels, f"{name}.second")
    return layers.ReLU(name=f"{name}.relu")(layers.Add(name=f"{name}.add")([x, y]))


def _backbone(x: Any, size: _Size) -> list[Any]:
    """Return features at strides 8, 16 and 32."""
    x = _unit(x, size.channels[0], "stem", stride=2)
    levels = []
    for number, (channels, blocks) in enumerate(zip(size.channels[1:], size.blocks, strict=True)):
        name = f"backbone{number + 1}"
        x = _unit(x, channels, f"{name}.down", stride=2)
        for block in range(blocks):
            x = _residual(x, channels, f"{name}.block{block}")
        levels.append(x)
    levels[-1] = _pool_pyramid(levels[-1], size.channels[-1])
    return levels[1:]


def _pool_pyramid(x: Any, channels: int) -> Any:
    """Let each place see its wider surroundings (arXiv:1406.4729)."""
    x = _unit(x, channels // 2, "backbone4.squeeze", kernel=1)
    pooled = [x]
    for number in range(3):
        pool = layers.MaxPooling2D(5, strides=1, padding="same", name=f"backbone4.pool{number}")
        pooled.append(pool(pooled[-1]))
    x = layers.Concatenate(name="backbone4.pools")(pooled)
    return _unit(x, channels, "backbone4.mix", kernel=1)


def _neck(features: list[Any], channels: int) -> list[Any]:
    """Pass what coarse levels know down to the fine ones, and back up."""
    levels = [
        _unit(x, channels, f"neck.lateral{number}", kernel=1) for number, x in enumerate(features)
    ]
    for number in (1, 0):
        above = layers.UpSampling2D(name=f"neck.up{number}")(levels[number + 1])
        x = layers.Add(name=f"neck.down_add{number}")([levels[number], above])
        levels[number] = _unit(x, channels, f"neck.down{number}")
    for number in (1, 2):
        below = _unit(levels[number - 1], channels, f"neck.step{number}", stride=2)
        x = layers.Add(name=f"neck.up_add{number}")([levels[number], below])
        levels[number] = _unit(x, channels, f"neck.out{number}")
    return levels


def _head(features: list[Any], height: int, width: int, classes: int, channels: int) -> Any:
    """Return boxes in px, class logits and distance logits, float32 [batch, anchors, ...]."""
    distances, logits = [], []
    for number, x in enumerate(features):
        stride = STRIDES[number]
        rarity = rare(classes, height / stride * width / stride)
        place = _unit(x, channels, f"head.place{number}")
        place = _predict(place, 4 * BINS, 1.0, f"head.distance{number}")
        kind = _unit(x, channels, f"head.kind{number}")
        kind = _predict(kind, classes, rarity, f"head.class{number}")
        distances.append(layers.Reshape((-1, 4 * BINS), name=f"head.flat{number}")(place))
        logits.append(layers.Reshape((-1, classes), name=f"head.flat_class{number}")(kind))
    distances = layers.Concatenate(axis=1, dtype="float32", name="head.distances")(distances)
    logits = layers.Concatenate(axis=1, dtype="float32", name="head.classes")(logits)
    boxes = DistancesToBoxes(height, width, STRIDES, BINS, name="head.boxes")(distances)
    return layers.Concatenate(dtype="float32", name="detections")([boxes, logits, distances])


def _predict(x: Any, channels: int, bias: float, name: str) -> Any:
    return layers.Conv2D(
        channels,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )(x)
