"""The U-Net for pictures and volumes (arXiv:1505.04597, arXiv:1606.06650)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import keras
from keras import layers

import zoo
from zoo_medical.models.classifiers import RESIDUAL_SIZES
from zoo_medical.models.encoders import ResidualEncoder
from zoo_medical.models.layers import ConvolutionUnit, Enlarge, Standardise, convolution
from zoo_medical.models.scan_model import ENCODER_PARTS, HidePixels, fill_in, sizes_of

_ENLARGED = {2: layers.UpSampling2D, 3: layers.UpSampling3D}


@dataclass(frozen=True, kw_only=True)
class UNet(zoo.Model):
    """A residual encoder at full resolution, and a decoder that joins its features level by level.

    The encoder is that of `medical/resnet` of the same size, whose runs start it; so do those
    of pretraining. With deep supervision coarser levels of the decoder say their own mind, on
    further places of the last axis, which only the loss reads.
    """

    class_patterns: ClassVar[tuple[str, ...]] = ("head*/*",)
    part_patterns: ClassVar[tuple[tuple[str, str], ...]] = (
        *ENCODER_PARTS,
        ("decoder", "enlarge*/*"),
        ("decoder", "join*/*"),
        ("head", "head*"),
    )

    size: Literal["tiny", "small", "medium"] = zoo.setting(
        "small", ".1, 3 or 13 million parameters for pictures, three times that for volumes."
    )
    deep_supervision: bool = zoo.setting(
        False, "Whether coarser levels learn from the mask too, which helps deep networks."
    )
    drop_path: float = zoo.setting(
        0.0, "Share of examples that skip the last block in training.", minimum=0, maximum=0.9
    )

    def build(self, space: zoo.Space) -> keras.Model:
        self._check(sizes_of(space))
        scan = keras.Input(space.inputs["scan"].shape, name="scan")
        standardise = Standardise(
            space.arrays["mean"].tolist(), space.arrays["deviation"].tolist(), name="standardise"
        )
        if "pixels" in space.outputs:
            hidden = keras.Input(space.inputs["hidden"].shape, name="hidden")
            levels = self._levels(HidePixels(name="hide")(standardise(scan), hidden))
            return fill_in(scan, hidden, _head(levels[0], scan.shape[-1], "head"), space)
        levels = self._levels(standardise(scan))
        logits = [_head(levels[0], len(space.classes), "head")]
        if self.deep_supervision:
            logits += [
                _enlarged(_head(level, len(space.classes), f"head_{number}"), 2**number)
                for number, level in enumerate(levels[1:-1], start=1)
            ]
        if len(logits) > 1:
            return keras.Model(
                {"scan": scan}, layers.Concatenate(dtype="float32", name="logits")(logits)
            )
        return keras.Model({"scan": scan}, logits[0])

    def _levels(self, scans: Any) -> list[Any]:
        """Return the decoder's features at each level, the finest first; the encoder's last."""
        size, dimensions = RESIDUAL_SIZES[self.size], len(scans.shape) - 2
        encoder = ResidualEncoder(
            **size._asdict(), dimensions=dimensions, drop=self.drop_path, name="encoder"
        )
        *skips, x = encoder(scans)
        levels = [x]
        for level in range(len(skips), 0, -1):
            channels = size.channels[level - 1]
            enlarge = Enlarge(channels, dimensions=dimensions, name=f"enlarge{level}")
            join = ConvolutionUnit(channels, dimensions=dimensions, name=f"join{level}")
            levels.insert(0, join(enlarge(levels[0], skips[level - 1])))
        return levels

    def _check(self, sizes: tuple[int, ...]) -> None:
        factor = 2 ** (len(RESIDUAL_SIZES[self.size].channels) - 1)
        if any(size % factor for size in sizes):
            shown = " x ".join(map(str, sizes))
            raise zoo.ConfigError(
                f"A U-Net of size {self.size} halves its input {shown} so often that each side "
                f"has to be a multiple of {factor} px.",
                hint=f"Set task.tile to a multiple of {factor}, or choose model.size=tiny.",
            )


def _head(features: Any, channels: int, name: str) -> Any:
    dimensions = len(features.shape) - 2
    return convolution(dimensions, channels, 1, dtype="float32", name=name)(features)


def _enlarged(logits: Any, factor: int) -> Any:
    """Return logits at the finest level, each repeated."""
    return _ENLARGED[len(logits.shape) - 2](factor, dtype="float32")(logits)
