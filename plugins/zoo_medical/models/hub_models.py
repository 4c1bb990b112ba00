"""ViT, EfficientNet and SegFormer as Keras Hub builds them, under our heads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import keras
import keras_hub
from keras import layers, ops

import zoo
from zoo_medical.models.classifiers import check_pictures
from zoo_medical.models.layers import Shape, Standardise, register
from zoo_medical.models.scan_model import ScanModel, sizes_of

_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BYTE = 255.0


class _Range(NamedTuple):
    """Mean and deviation, of each channel, by which a network's inputs are made."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


_FROM_IMAGENET = _Range(_IMAGENET_MEAN, _IMAGENET_DEVIATION)
_CENTRED = _Range((0.5,) * 3, (0.5,) * 3)


@dataclass(frozen=True, kw_only=True)
class HubBackboneModel(zoo.Model):
    """A backbone of Keras Hub, whose published weights start it; the head is our own.

    Class attributes:
        backbone: its class in Keras Hub.
        input_range: what its inputs are scaled to, unless a preset says otherwise.
    """

    backbone: ClassVar[type[keras_hub.models.Backbone]]
    input_range: ClassVar[_Range] = _FROM_IMAGENET

    def presets(self) -> Mapping[str, str]:
        return zoo.hub_presets(self.backbone)

    def load_preset(self, handle: str, model: keras.Model) -> None:
        """Start the backbone from a preset of Keras Hub, and scale inputs as that does.

        Args:
            handle: a name in :meth:`presets`, a `kaggle://` or `hf://` address, or a folder.
            model: what :meth:`build` returned.

        Raises:
            ConfigError: there is no such preset, it cannot be reached, or is of another size.
        """
        with zoo.preset(handle, self.presets()) as folder:
            source = keras_hub.models.Backbone.from_preset(str(folder))
            converter = _converter(type(source), str(folder))
        zoo.copy_preset(handle, self.by_path(source, model), model, class_dependent=())
        if converter is not None:
            _scale_as(converter, model.get_layer("standardise"))

    def by_path(self, source: keras.Model, model: keras.Model) -> dict[str, keras.Variable]:
        """Return a preset's weights by the paths that they have in our model.

        Keras numbers layers that Keras Hub gives no name, so weights are told by their order.
        """
        own = self.part_of(source, model).weights
        if len(own) != len(source.weights):
            return {weight.path: weight for weight in source.weights}
        return {ours.path: theirs for ours, theirs in zip(own, source.weights, strict=True)}

    def part_of(self, source: keras.Model, model: keras.Model) -> keras.Model:
        """Return the part of our model that is what the preset is."""
        return model.get_layer("encoder")


def _check_suits(space: zoo.Space, name: str) -> None:
    """Check that scans are pictures in grey or colour.

    Args:
        space: what a network is built from.
        name: of the architecture, for the message.

    Raises:
        ConfigError: they are volumes, or have other channels.
    """
    check_pictures(space, name)
    channels = space.inputs["scan"].shape[-1]
    if channels not in (1, 3):
        raise zoo.ConfigError(
            f"{name} takes grey or colour, and the scans have {channels} channels.",
            hint="For other channels use model=resnet for classes, or model=unet for masks.",
        )


def _converter(backbone: type[keras_hub.models.Backbone], folder: str) -> Any:
    """Return what turns pictures into a preset's inputs; None if it does not say."""
    for kind in keras_hub.layers.ImageConverter.__subclasses__():
        if kind.backbone_cls is backbone:
            try:
                return kind.from_preset(folder)
            except (ValueError, OSError):  # a backbone alone, without its preprocessing
                return None
    return None


def _scale_as(converter: Any, standardise: keras.Layer) -> None:
    """Scale values of 0 to 1 as a converter of Keras Hub scales bytes: scale * x + offset."""
    scale, offset = (
        ops.broadcast_to(ops.convert_to_tensor(default if each is None else each, "float32"), (3,))
        for each, default in ((converter.scale, 1.0), (converter.offset, 0.0))
    )
    standardise.deviation.assign(1 / (_BYTE * scale))
    standardise.mean.assign(-offset / (_BYTE * scale))


@dataclass(frozen=True, kw_only=True)
class HubClassifier(HubBackboneModel, ScanModel):
    """A backbone of Keras Hub as an encoder of pictures, under the heads of this plugin.

    Grey scans are repeated in three channels. Scans smaller than `resolution` are enlarged.
    """

    resolution: int = zoo.setting(
        224, "Pictures are stretched to this side in the network, px.", minimum=32
    )

    def standardise(self, space: zoo.Space) -> keras.Layer:
        return Standardise(*self.input_range, name="standardise")

    def features(self, scans: Any, space: zoo.Space, name: str) -> Any:
        _check_suits(space, type(self).__name__)
        side = self.resolution
        stretched = layers.Resizing(side, side, dtype="float32", name=f"{name}_resize")(scans)
        return self.encode(stretched, name)

    def build(self, space: zoo.Space) -> keras.Model:
        if self.members > 1:
            raise zoo.ConfigError(
                f"{type(self).__name__} has one member, and model.members is {self.members}.",
                hint="Ensembles are for medical/resnet and medical/convnext.",
            )
        return super().build(space)

    @abstractmethod
    def encode(self, pictures: Any, name: str) -> Any:
        """Return the features of pictures [batch, resolution, resolution, 3]."""


class _EfficientNetSize(NamedTuple):
    """What tells the sizes of EfficientNet apart; factors on channels and on blocks."""

    width: float = 1.0
    depth: float = 1.0
    squeeze: float = 0.25
    activation: str = "swish"


_EFFICIENTNET = {
    "b0": _EfficientNetSize(),
    "b1": _EfficientNetSize(depth=1.1),
    "b2": _EfficientNetSize(width=1.1, depth=1.2),
    "lite0": _EfficientNetSize(squeeze=0.0, activation="relu6"),
}


@dataclass(frozen=True, kw_only=True)
class EfficientNet(HubClassifier):
    """EfficientNet, a convolutional network with few weights (arXiv:1905.11946).

    Presets: `efficientnet_b0_ra_imagenet`, `efficientnet_b1_ft_imagenet`,
    `efficientnet_b2_ra_imagenet` and `efficientnet_lite0_ra_imagenet`, each for its size.
    """

    size: Literal["b0", "b1", "b2", "lite0"] = zoo.setting(
        "b0", "4, 7, 8 or 3 million parameters; lite0 is made for small devices."
    )

    backbone: ClassVar = keras_hub.models.EfficientNetBackbone
    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "stem_*"),
        *((f"encoder{number + 1}", f"block{number + 1}*") for number in range(7)),
        ("encoder", "top_*"),
        ("head", "head*"),
    )

    def encode(self, pictures: Any, name: str) -> Any:
        size, side = _EFFICIENTNET[self.size], self.resolution
        backbone = keras_hub.models.EfficientNetBackbone(
            stackwise_width_coefficients=[size.width] * 7,
            stackwise_depth_coefficients=[size.depth] * 7,
            stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
            stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
            stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
            stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
            stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
            stackwise_squeeze_and_excite_ratios=[size.squeeze] * 7,
            stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
            stackwise_block_types=["v1"] * 7,
            activation=size.activation,
            min_depth=None,
            use_depth_divisor_as_min_depth=True,
            cap_round_filter_decrease=True,
            dropout=0,
            input_shape=(side, side, 3),
            name=name,
        )
        return backbone(pictures)


class _ViTSize(NamedTuple):
    """Named as Keras Hub's backbone names them."""

    num_layers: int
    num_heads: int
    hidden_dim: int
    mlp_dim: int


_VIT = {
    "tiny": _ViTSize(6, 3, 192, 768),
    "base": _ViTSize(12, 12, 768, 3072),
    "large": _ViTSize(24, 16, 1024, 4096),
}


@dataclass(frozen=True, kw_only=True)
class ViT(HubClassifier):
    """Vision Transformer (arXiv:2010.11929), whose mean over patches the head is given.

    Presets: `vit_base_patch16_224_imagenet21k` and its like, for the size, the patch and the
    resolution in their names.
    """

    size: Literal["tiny", "base", "large"] = zoo.setting("base", "3, 86 or 303 million parameters.")
    patch: int = zoo.setting(16, "Side of a patch, px.", minimum=1)

    backbone: ClassVar = keras_hub.models.ViTBackbone
    input_range: ClassVar[_Range] = _CENTRED
    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "vit_patching_and_embedding/*"),
        *(
            (f"encoder{number}", f"vit_encoder/transformer_block_{number}/*")
            for number in range(1, 25)
        ),
        ("encoder", "vit_encoder/ln/*"),
        ("head", "head*"),
    )

    def parts(self, model: keras.Model) -> list[tuple[str, list[keras.Layer]]]:
        # The token of the class is a weight of a layer that has layers in it.
        stem = model.get_layer("encoder").get_layer("vit_patching_and_embedding")
        parts = super().parts(model)
        return [(name, [stem] if name == "stem" else layers) for name, layers in parts]

    def encode(self, pictures: Any, name: str) -> Any:
        side = self.resolution
        if side % self.patch:
            raise zoo.ConfigError(
                f"model.resolution is {side}, which patches of model.patch = {self.patch} do not "
                "fill.",
                hint="Use a multiple of model.patch.",
            )
        backbone = keras_hub.models.ViTBackbone(
            image_shape=(side, side, 3),
            patch_size=self.patch,
            **_VIT[self.size]._asdict(),
            name=name,
        )
        return TokensToGrid(side // self.patch, name="grid")(backbone(pictures))


@register
class TokensToGrid(layers.Layer):
    """Puts the tokens of patches into their grid, and drops the one of the class.

    Input [batch, 1 + rows * rows, width], output [batch, rows, rows, width].

    Args:
        rows: patches along each side.
    """

    def __init__(self, rows: int, **options: Any) -> None:
        super().__init__(**options)
        self.rows = rows

    def call(self, tokens: Any) -> Any:
        return ops.reshape(tokens[:, 1:], (-1, self.rows, self.rows, tokens.shape[-1]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.rows, self.rows, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rows": self.rows}


class _SegFormerSize(NamedTuple):
    """Channels and layers of each stage, and channels of the decoder."""

    channels: tuple[int, ...]
    layers: tuple[int, ...]
    decoder: int


_SEGFORMER_STRIDE = 32
"""Pixels for a place of the coarsest features."""
_SEGFORMER_SMALLEST = 2 * _SEGFORMER_STRIDE
"""Keras Hub's layers lose the shape of features that are a single place."""
_SEGFORMER = {
    "b0": _SegFormerSize((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": _SegFormerSize((64, 128, 320, 512), (2, 2, 2, 2), 256),
    "b2": _SegFormerSize((64, 128, 320, 512), (3, 4, 6, 3), 768),
}


@dataclass(frozen=True, kw_only=True)
class SegFormer(HubBackboneModel):
    """SegFormer (arXiv:2105.15203): a Transformer in four stages, and a decoder of dense layers.

    For pictures. Presets: `segformer_b0_ade20k_512` and its like, with the decoder, or
    `mit_b0_ade20k_512` and its like, without; for the size in their names.
    """

    size: Literal["b0", "b1", "b2"] = zoo.setting("b0", "4, 14 or 27 million parameters.")
    dropout: float = zoo.setting(
        0.1, "Share of features left out before the head.", minimum=0, maximum=0.9
    )

    backbone: ClassVar = keras_hub.models.SegFormerBackbone
    class_patterns: ClassVar[tuple[str, ...]] = ("head/*",)
    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        ("stem", "patch_and_embed_0/*"),
        *(
            (f"encoder{stage + 1}", pattern)
            for stage in range(4)
            for pattern in (f"hierarchical_encoder_{stage}_*", f"patch_and_embed_{stage}/*")
        ),
        ("encoder", "layer_normalization*"),
        ("decoder", "linear_*"),
        ("decoder", "sequential*"),
        ("head", "head/*"),
    )

    def presets(self) -> Mapping[str, str]:
        return zoo.hub_presets(
            keras_hub.models.SegFormerImageSegmenter, keras_hub.models.MiTBackbone
        )

    def build(self, space: zoo.Space) -> keras.Model:
        _check_suits(space, "SegFormer")
        height, width = sizes_of(space)
        # Keras Hub's attention is for squares alone.
        longest = max(height, width, _SEGFORMER_SMALLEST)
        side = -(-longest // _SEGFORMER_STRIDE) * _SEGFORMER_STRIDE
        around = ((0, side - height), (0, side - width))
        scan = keras.Input(space.inputs["scan"].shape, name="scan")
        pictures = Standardise(*self.input_range, name="standardise")(scan)
        square = layers.ZeroPadding2D(around, name="square")(pictures)
        features = self._backbone(side)(square)
        features = layers.Dropout(self.dropout, name="dropout")(features)
        coarse = layers.Conv2D(len(space.classes), 1, dtype="float32", name="head")(features)
        fine = layers.Resizing(side, side, dtype="float32", name="resize")(coarse)
        logits = layers.Cropping2D(around, dtype="float32", name="logits")(fine)
        return keras.Model({"scan": scan}, logits)

    def part_of(self, source: keras.Model, model: keras.Model) -> keras.Model:
        own = model.get_layer("encoder")
        is_whole = isinstance(source, keras_hub.models.SegFormerBackbone)
        return own if is_whole else own.image_encoder

    def _backbone(self, side: int) -> keras.Model:
        size = _SEGFORMER[self.size]
        encoder = keras_hub.models.MiTBackbone(
            image_shape=(side, side, 3),
            num_layers=4,
            hidden_dims=list(size.channels),
            layerwise_depths=list(size.layers),
            layerwise_num_heads=[1, 2, 5, 8],
            layerwise_sr_ratios=[8, 4, 2, 1],
            layerwise_patch_sizes=[7, 3, 3, 3],
            layerwise_strides=[4, 2, 2, 2],
            max_drop_path_rate=0.1,
        )
        return keras_hub.models.SegFormerBackbone(
            image_encoder=encoder, projection_filters=size.decoder, name="encoder"
        )
