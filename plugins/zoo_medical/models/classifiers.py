"""Classifiers that are trained from scratch: a residual network and a ConvNeXt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import zoo
from zoo_medical.models.encoders import ConvNeXtEncoder, Encoder, ResidualEncoder
from zoo_medical.models.scan_model import EncoderModel


class EncoderSize(NamedTuple):
    """Channels of each stage, and blocks in each."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]


RESIDUAL_SIZES = {
    "tiny": EncoderSize((16, 32, 64), (1, 1, 1)),
    "small": EncoderSize((32, 64, 128, 256), (2, 2, 2, 2)),
    "medium": EncoderSize((64, 128, 256, 512), (2, 2, 2, 2)),
}
"""Of residual encoders, which the U-Net has as well."""

_CONVNEXT_SIZES = {
    "tiny": EncoderSize((24, 48, 96), (1, 1, 2)),
    "small": EncoderSize((48, 96, 192), (2, 2, 4)),
    "medium": EncoderSize((64, 128, 256, 512), (2, 2, 6, 2)),
}


@dataclass(frozen=True, kw_only=True)
class ResNet(EncoderModel):
    """Residual blocks at three or four resolutions, for pictures and volumes.

    Scans of up to 64 px are seen at their full resolution first; larger ones are halved by
    the first convolution, and from 129 px on by the first block too.
    """

    size: Literal["tiny", "small", "medium"] = zoo.setting(
        "small", ".1, 3 or 11 million parameters for pictures."
    )

    def encoder(self, stride: int, dimensions: int, name: str) -> Encoder:
        return ResidualEncoder(
            **RESIDUAL_SIZES[self.size]._asdict(),
            stride=stride,
            dimensions=dimensions,
            drop=self.drop_path,
            name=name,
        )


@dataclass(frozen=True, kw_only=True)
class ConvNeXt(EncoderModel):
    """ConvNeXt blocks at three or four resolutions, for pictures."""

    size: Literal["tiny", "small", "medium"] = zoo.setting(
        "small", ".2, 1.5 or 9 million parameters."
    )

    def features(self, scans: Any, space: zoo.Space, name: str) -> Any:
        check_pictures(space, type(self).__name__)
        return super().features(scans, space, name)

    def encoder(self, stride: int, dimensions: int, name: str) -> Encoder:
        return ConvNeXtEncoder(
            **_CONVNEXT_SIZES[self.size]._asdict(), stride=stride, drop=self.drop_path, name=name
        )


def check_pictures(space: zoo.Space, name: str) -> None:
    """Check that scans are pictures.

    Args:
        space: what a network is built from.
        name: of the architecture, for the message.

    Raises:
        ConfigError: they are volumes.
    """
    if len(space.inputs["scan"].shape) != 3:
        raise zoo.ConfigError(
            f"{name} takes pictures, and the scans are volumes.",
            hint="For volumes use model=resnet for classes, or model=unet for masks.",
        )
