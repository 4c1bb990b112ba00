"""RetinaNet and D-FINE as Keras Hub builds them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import keras
import keras_hub
import numpy as np
from keras import ops

import zoo
from zoo_vision.geometry import canvas_of
from zoo_vision.models.dense import rare
from zoo_vision.training.losses import DenseLoss
from zoo_vision.training.set_loss import SetLoss

_register = keras.saving.register_keras_serializable(package="zoo_vision")

Shape = tuple[Any, ...]
"""Sizes of a tensor's axes; None for the batch."""

_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEVELS = range(3, 8)


@_register
class ScalePixels(keras.layers.Layer):
    """Brings pixels to the range that the network was trained on.

    Scale and offset are weights that do not train, so that a preset brings its own.
    Input uint8 [batch, height, width, 3], output float32 of that shape.

    Args:
        scale: factor for each channel.
        offset: what is added to each channel after that.
    """

    def __init__(self, scale: Sequence[float], offset: Sequence[float], **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self._start = {"scale": tuple(scale), "offset": tuple(offset)}

    def build(self, input_shape: Shape) -> None:
        self.scale, self.offset = (
            self.add_weight(
                shape=(3,),
                initializer=keras.initializers.Constant(value),
                trainable=False,
                name=name,
            )
            for name, value in self._start.items()
        )

    def call(self, pixels: Any) -> Any:
        return ops.cast(pixels, "float32") * self.scale + self.offset

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._start}


@dataclass(frozen=True, kw_only=True)
class HubDetector(zoo.Model):
    """What the detectors of Keras Hub share: how they start from its presets.

    Class attributes:
        task: the detector's class in Keras Hub.
        encoder: the class of its image encoder.
        class_dependent: paths of a preset's weights whose shapes depend on its classes.
    """

    task: ClassVar[type[keras_hub.models.ObjectDetector]]
    encoder: ClassVar[type[keras_hub.models.Backbone]]
    class_dependent: ClassVar[tuple[str, ...]]

    def presets(self) -> Mapping[str, str]:
        """Return the detectors of the architecture, and the image encoders they may have."""
        return zoo.hub_presets(self.task, self.encoder)

    def load_preset(self, handle: str, model: keras.Model) -> None:
        """Start from a detector of Keras Hub, or from its image encoder alone.

        Args:
            handle: a name in :meth:`presets`, a `kaggle://` or `hf://` address, or a folder.
            model: what :meth:`build` returned.

        Raises:
            ConfigError: there is no such preset, it cannot be reached, or is of another size.
        """
        with zoo.preset(handle, self.presets()) as folder:
            source = keras_hub.models.Backbone.from_preset(str(folder))
            converter = None
            if isinstance(source, self.task.backbone_cls):
                source = self.task.from_preset(str(folder))
                converter = getattr(source.preprocessor, "image_converter", None)
        zoo.copy_preset(handle, self.weights_by_path(source), model, self.class_dependent)
        if converter is not None:
            pixels = model.get_layer("pixels")
            pixels.scale.assign(_per_channel(converter.scale, 1.0))
            pixels.offset.assign(_per_channel(converter.offset, 0.0))

    def weights_by_path(self, source: keras.Model) -> dict[str, keras.Variable]:
        """Return a preset's weights by the paths that they have in our model."""
        return {weight.path: weight for weight in source.weights}


def _per_channel(value: Any, default: float) -> Any:
    value = ops.convert_to_tensor(default if value is None else value, "float32")
    return ops.broadcast_to(value, (3,))


@_register
class DeltasToBoxes(keras.layers.Layer):
    """Turns what RetinaNet predicts relative to its anchors into corners.

    Input [batch, anchors, 4], output float32 of that shape, px.

    Args:
        height: of the model's input, px.
        width: of the model's input, px.
    """

    # A box grows to no more than 1000 px from an anchor of 16, as in Detectron.
    _LARGEST = math.log(1000 / 16)

    def __init__(self, height: int, width: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.height, self.width = height, width
        self._anchors = anchors(height, width)[0]

    def call(self, deltas: Any) -> Any:
        deltas = ops.concatenate(
            [deltas[..., :2], ops.minimum(deltas[..., 2:], self._LARGEST)], axis=-1
        )
        return keras.utils.bounding_boxes.decode_deltas_to_boxes(
            anchors=ops.convert_to_tensor(self._anchors),
            boxes_delta=deltas,
            anchor_format="xyxy",
            box_format="xyxy",
            encoded_format="center_xywh",
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


def anchors(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes that RetinaNet starts from.

    Args:
        height: of the model's input, px.
        width: of the model's input, px.

    Returns:
        corners float32 [anchors, 4] and the strides of their levels float32 [anchors], px.
    """
    generate = keras_hub.layers.AnchorGenerator(
        "xyxy",
        min_level=_LEVELS[0],
        max_level=_LEVELS[-1],
        num_scales=3,
        aspect_ratios=[0.5, 1.0, 2.0],
        anchor_size=4.0,
    )
    levels = generate(np.zeros((1, height, width, 3), np.float32))
    corners = [ops.convert_to_numpy(levels[f"P{level}"]) for level in _LEVELS]
    strides = [
        np.full(len(of), 2**level, np.float32) for level, of in zip(_LEVELS, corners, strict=True)
    ]
    return np.concatenate(corners), np.concatenate(strides)


@dataclass(frozen=True, kw_only=True)
class RetinaNet(HubDetector):
    """RetinaNet, a dense detector with anchors (arXiv:1708.02002).

    Presets: `retinanet_resnet50_fpn_coco` for `resnet50`, and the image encoders
    `resnet_18_imagenet` and `resnet_50_imagenet`.
    """

    size: Literal["resnet18", "resnet50"] = zoo.setting(
        "resnet18", "Image encoder; 20 or 34 million parameters with neck and head."
    )

    task: ClassVar = keras_hub.models.RetinaNetObjectDetector
    encoder: ClassVar = keras_hub.models.ResNetBackbone
    part_patterns: ClassVar = (
        ("stem", "conv1_*"),
        *((f"backbone{stack + 1}", f"stack{stack}_*") for stack in range(4)),
        ("neck", "fpn/*"),
        ("head", "*_head/*"),
    )
    class_patterns: ClassVar = ("classification_head/logits_layer/*",)
    class_dependent: ClassVar = class_patterns

    def build(self, space: zoo.Space) -> keras.Model:
        """Return a model of detections float32 [batch, anchors, 4 + classes]."""
        height, width = canvas_of(space)
        image = keras.Input((height, width, 3), dtype="uint8", name="image")
        deviation = np.array(_IMAGENET_DEVIATION)
        pixels = ScalePixels(
            (1 / 255 / deviation).tolist(),
            (-np.array(_IMAGENET_MEAN) / deviation).tolist(),
            name="pixels",
        )
        network = self._network(height, width, len(space.classes))
        raw = network(pixels(image))
        _start_heads(network, places=raw["cls_logits"].shape[1])
        boxes = DeltasToBoxes(height, width, name="boxes")(raw["bbox_regression"])
        join = keras.layers.Concatenate(dtype="float32", name="detections")
        return keras.Model(image, join([boxes, raw["cls_logits"]]), name="retinanet")

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        """Return the loss of dense detectors, at the centres of the anchors."""
        height, width = canvas_of(space)
        corners, strides = anchors(height, width)
        return DenseLoss(space, (corners[:, :2] + corners[:, 2:]) / 2, strides, bins=0)

    def _network(self, height: int, width: int, classes: int) -> keras.Model:
        deep = self.size == "resnet50"
        encoder = keras_hub.models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 128, 256, 512],
            stackwise_num_blocks=[3, 4, 6, 3] if deep else [2, 2, 2, 2],
            stackwise_num_strides=[1, 2, 2, 2],
            block_type="bottleneck_block" if deep else "basic_block",
            image_shape=(height, width, 3),
        )
        backbone = keras_hub.models.RetinaNetBackbone(
            encoder,
            min_level=_LEVELS[0],
            max_level=_LEVELS[-1],
            use_p5=False,
            image_shape=(height, width, 3),
        )
        network = self.task(backbone, classes, bounding_box_format="xyxy", name="network")
        network.compiled = False  # else the saved model would bring Keras Hub's own loss along
        return network


def _start_heads(network: keras.Model, places: int) -> None:
    """Begin with few objects and with boxes that are the anchors.

    As the paper does (arXiv:1708.02002, section 4.1), but with still fewer objects: our loss
    sums the background instead of focusing, and more would drown the first objects. Keras Hub
    gives the prior to the boxes instead of the classes, and its wide kernels take the first
    boxes to infinity.

    Args:
        network: a detector of Keras Hub.
        places: how many anchors it has.
    """
    classes = network.num_classes
    for weight in network.weights:
        head, _, name = weight.path.partition("/")
        if head not in ("box_head", "classification_head"):
            continue
        if name.endswith("kernel"):
            last = keras.initializers.RandomNormal(stddev=0.001)
            start = last if name.startswith("logits") else keras.initializers.HeNormal()
        else:
            of_class = weight.path == "classification_head/logits_layer/bias"
            start = keras.initializers.Constant(rare(classes, places) if of_class else 0.0)
        weight.assign(start(weight.shape))


@_register
class QueriesToBoxes(keras.layers.Layer):
    """Puts D-FINE's predictions side by side, the last decoder layer's first.

    Takes class logits and boxes (centre and size, shares of the input) of all decoder layers,
    [batch, layers, queries, ...], and of the encoder, [batch, queries, ...]. Gives float32
    [batch, queries, (layers + 1) * (4 + classes)], boxes as corners in px.

    Args:
        height: of the model's input, px.
        width: of the model's input, px.
    """

    def __init__(self, height: int, width: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.height, self.width = height, width

    def call(self, inputs: Any) -> Any:
        logits, boxes, first_logits, first_boxes = inputs
        sides = np.array([self.width, self.height], np.float32)
        sets = [(first_boxes, first_logits)]
        sets += [(boxes[:, layer], logits[:, layer]) for layer in range(boxes.shape[1])]
        columns = []
        for each, classes in reversed(sets):
            centre, half = each[..., :2] * sides, each[..., 2:] * sides / 2
            columns += [centre - half, centre + half, classes]
        return ops.concatenate(columns, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


class _DFineSize(NamedTuple):
    """What tells the sizes of D-FINE apart.

    Attributes:
        levels: strides that the neck sees.
        width: channels of neck and decoder.
        hidden: units between two layers of a Transformer block.
        expansion: width of the neck's blocks.
        depth: share of the neck's blocks.
        points: places that a query looks at, for each level.
    """

    levels: tuple[int, ...]
    width: int
    hidden: int
    expansion: float
    depth: float
    points: tuple[int, ...]


_DFINE_SIZES = {
    "nano": _DFineSize((16, 32), 128, 512, 0.34, 0.5, (6, 6)),
    "small": _DFineSize((8, 16, 32), 256, 1024, 0.5, 0.34, (3, 6, 3)),
}
_DECODER_LAYERS = 3
_ENCODER = "hgnet"


@dataclass(frozen=True, kw_only=True)
class DFine(HubDetector):
    """D-FINE, a detection Transformer: a set of queries, each of which finds one object or none.

    arXiv:2410.13842. Presets: `dfine_nano_coco` and `dfine_small_coco`. The image encoder is
    HGNetV2-B0; in mixed precision neck and decoder stay float32, as corners of boxes need
    more than the 8 bits of bfloat16.
    """

    size: Literal["nano", "small"] = zoo.setting("nano", "4 or 10 million parameters.")
    queries: int = zoo.setting(
        300,
        "Objects that can be found in a picture, as far as it has places for queries.",
        minimum=1,
    )

    task: ClassVar = keras_hub.models.DFineObjectDetector
    encoder: ClassVar = keras_hub.models.HGNetV2Backbone
    part_patterns: ClassVar = (
        ("stem", "hgnet_embedder/*"),
        *((f"backbone{stage + 1}", f"hgnet_encoder/*_stage_{stage}/*") for stage in range(4)),
        ("neck", "encoder_input_proj_*"),
        ("neck", "hybrid_encoder/*"),
        ("head", "*"),
    )
    class_patterns: ClassVar = ("decoder/class_embed_*/*", "enc_score_head/*")
    class_dependent: ClassVar = (*class_patterns, "denoising_class_embed/*")

    def build(self, space: zoo.Space) -> keras.Model:
        """Return a model of detections float32 [batch, queries, 5 * (4 + classes)].

        The first columns are the last decoder layer's; the others, of the layers before it,
        only the loss reads.
        """
        height, width = canvas_of(space)
        image = keras.Input((height, width, 3), dtype="uint8", name="image")
        pixels = ScalePixels([1 / 255] * 3, [0.0] * 3, name="pixels")
        raw = self._network(height, width, len(space.classes))(pixels(image))
        detections = QueriesToBoxes(height, width, name="detections")(
            [
                raw["intermediate_logits"],
                raw["intermediate_reference_points"],
                raw["enc_topk_logits"],
                raw["enc_topk_bboxes"],
            ]
        )
        return keras.Model(image, detections, name="dfine")

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        """Return the loss of sets of predictions."""
        return SetLoss(space)

    def weights_by_path(self, source: keras.Model) -> dict[str, keras.Variable]:
        """Return a preset's weights by our paths, which hold our name of the image encoder."""
        encoder = source.backbone.backbone if isinstance(source, self.task) else source
        return {
            re.sub(rf"(^|/){encoder.name}_", rf"\1{_ENCODER}_", path): weight
            for path, weight in super().weights_by_path(source).items()
        }

    def _network(self, height: int, width: int, classes: int) -> keras.Model:
        size = _DFINE_SIZES[self.size]
        channels = {8: 256, 16: 512, 32: 1024}
        stages = [f"stage{int(math.log2(stride)) - 1}" for stride in size.levels]
        encoder = keras_hub.models.HGNetV2Backbone(
            stem_channels=[3, 16, 16],
            stackwise_stage_filters=[
                [16, 16, 64, 1, 3, 3],
                [64, 32, 256, 1, 3, 3],
                [256, 64, 512, 2, 3, 5],
                [512, 128, 1024, 1, 3, 5],
            ],
            apply_downsample=[False, True, True, True],
            use_lightweight_conv_block=[False, False, True, True],
            depths=[1, 1, 2, 1],
            hidden_sizes=[64, 256, 512, 1024],
            embedding_size=16,
            use_learnable_affine_block=True,
            hidden_act="relu",
            image_shape=(height, width, 3),
            out_features=stages,
            name=_ENCODER,
        )
        places = sum((height // stride) * (width // stride) for stride in size.levels)
        return keras_hub.models.DFineBackbone(
            backbone=encoder,
            decoder_in_channels=[size.width] * len(size.levels),
            encoder_hidden_dim=size.width,
            num_labels=classes,
            num_denoising=0,
            learn_initial_query=False,
            num_queries=min(self.queries, places),
            anchor_image_size=(height, width),
            feat_strides=list(size.levels),
            num_feature_levels=len(size.levels),
            hidden_dim=size.width,
            encoder_in_channels=[channels[stride] for stride in size.levels],
            encode_proj_layers=[len(size.levels) - 1],
            num_attention_heads=8,
            encoder_ffn_dim=size.hidden,
            num_encoder_layers=1,
            hidden_expansion=size.expansion,
            depth_multiplier=size.depth,
            eval_idx=-1,
            num_decoder_layers=_DECODER_LAYERS,
            decoder_attention_heads=8,
            decoder_ffn_dim=size.hidden,
            decoder_n_points=list(size.points),
            lqe_hidden_dim=64,
            num_lqe_layers=2,
            out_features=stages,
            image_shape=(height, width, 3),
            dtype="float32",
            name="network",
        )
