"""YOLOv8 as KerasCV builds it; the only module that imports KerasCV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import keras
import keras_cv

import zoo
from zoo_vision.geometry import canvas_of
from zoo_vision.models.dense import BINS, STRIDES, DistancesToBoxes, grid, rare
from zoo_vision.training.losses import DenseLoss

# Size: channels of the stacks, blocks in each, blocks in each step of the neck.
_SIZES = {
    "xs": ([32, 64, 128, 256], [1, 2, 2, 1], 1),
    "s": ([64, 128, 256, 512], [1, 2, 2, 1], 1),
    "m": ([96, 192, 384, 576], [2, 4, 4, 2], 2),
    "l": ([128, 256, 512, 512], [3, 6, 6, 3], 3),
    "xl": ([160, 320, 640, 640], [3, 6, 6, 3], 3),
}


@dataclass(frozen=True, kw_only=True)
class YOLOv8(zoo.Model):
    """YOLOv8, a dense detector without anchors.

    Presets are those of KerasCV: backbones such as `yolo_v8_xs_backbone_coco`, and the
    detector `yolo_v8_m_pascalvoc`.
    """

    size: Literal["xs", "s", "m", "l", "xl"] = zoo.setting(
        "xs", "Width and depth: 3, 13, 26, 41 or 64 million parameters."
    )

    part_patterns: ClassVar = (
        ("stem", "stem_*"),
        *((f"backbone{stack}", f"stack{stack}_*") for stack in (1, 2, 3, 4)),
        ("neck", "pa_fpn_*"),
        ("head", "yolo_v8_head_*"),
    )
    class_patterns: ClassVar = ("yolo_v8_head_?_class_3_conv/*",)

    def build(self, space: zoo.Space) -> keras.Model:
        """Return a model of detections float32 [batch, anchors, 4 + classes + 64].

        The last columns are the logits of each side's distance.
        """
        height, width = canvas_of(space)
        image = keras.Input((height, width, 3), dtype="uint8", name="image")
        network = self._network(height, width, len(space.classes))
        _start_biases(network, height, width)
        pixels = keras.layers.Rescaling(1 / 255, dtype="float32", name="pixels")(image)
        distances, logits = (
            keras.layers.Concatenate(axis=1, dtype="float32", name=name)(levels)
            for name, levels in zip(("distances", "logits"), network(pixels), strict=True)
        )
        boxes = DistancesToBoxes(height, width, STRIDES, BINS, name="boxes")(distances)
        join = keras.layers.Concatenate(dtype="float32", name="detections")
        return keras.Model(image, join([boxes, logits, distances]), name="yolov8")

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        """Return the loss of dense detectors, at this model's points."""
        height, width = canvas_of(space)
        return DenseLoss(space, *grid(height, width, STRIDES), bins=BINS)

    def presets(self) -> Mapping[str, str]:
        """Return the backbones and the detector that KerasCV has."""
        found = zoo.hub_presets(keras_cv.models.YOLOV8Detector)
        return {name: at for name, at in found.items() if name.startswith("yolo_v8_")}

    def load_preset(self, handle: str, model: keras.Model) -> None:
        """Start from a backbone or detector of KerasCV.

        Args:
            handle: a name in :meth:`presets`, a `kaggle://` address or a preset folder, with
                `config.json` and `model.weights.h5`.
            model: what :meth:`build` returned.

        Raises:
            ConfigError: there is no such preset, it cannot be reached, or is of another size.
        """
        with zoo.preset(handle, self.presets()) as folder:
            source = _read_preset(str(folder))
        weights = {weight.path: weight for weight in source.weights}
        zoo.copy_preset(handle, weights, model, ("yolo_v8_head_?_class_*",))

    def _network(self, height: int, width: int, classes: int) -> keras.Model:
        """Return KerasCV's detector up to its logits: per level, of distances and classes."""
        channels, depths, neck_depth = _SIZES[self.size]
        backbone = keras_cv.models.YOLOV8Backbone(
            stackwise_channels=channels,
            stackwise_depth=depths,
            include_rescaling=False,
            input_shape=(height, width, 3),
        )
        detector = keras_cv.models.YOLOV8Detector(
            backbone, classes, bounding_box_format="xyxy", fpn_depth=neck_depth
        )
        outputs = []
        for branch in ("box", "class"):
            levels = []
            for level, stride in enumerate(STRIDES, start=1):
                maps = detector.get_layer(f"yolo_v8_head_{level}_{branch}_3_conv").output
                points = (height // stride) * (width // stride)
                flat = keras.layers.Reshape((points, maps.shape[-1]), name=f"{branch}_p{level + 2}")
                levels.append(flat(maps))
            outputs.append(levels)
        network = keras.Model(detector.input, outputs, name="network")
        return keras.models.clone_model(network, clone_function=_with_fused_norm, recursive=True)


def _with_fused_norm(layer: keras.Layer) -> keras.Layer:
    """Return a copy of the layer that normalises fast."""
    kind = type(layer)
    fused = zoo.FusedBatchNormalization if kind is keras.layers.BatchNormalization else kind
    return fused.from_config(layer.get_config())


def _read_preset(folder: str) -> keras.Model:
    """Return the backbone or the detector in that folder."""
    try:
        return keras_cv.models.YOLOV8Detector.from_preset(folder)
    except (TypeError, ValueError):
        return keras_cv.models.YOLOV8Backbone.from_preset(folder)


def _start_biases(network: keras.Model, height: int, width: int) -> None:
    """Begin with few objects and with boxes of a few strides, as YOLOv8 does.

    KerasCV begins with even odds at each of thousands of points, and the first steps are
    spent on unlearning that.
    """
    for level, stride in enumerate(STRIDES, start=1):
        bias = network.get_layer(f"yolo_v8_head_{level}_class_3_conv").bias
        points = height * width / stride**2
        bias.assign(keras.ops.full(bias.shape, rare(bias.shape[0], points)))
        network.get_layer(f"yolo_v8_head_{level}_box_3_conv").bias.assign([1.0] * 4 * BINS)
