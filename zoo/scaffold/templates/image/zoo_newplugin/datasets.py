"""Where pictures come from: the user's files, or the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zoo

from zoo_newplugin.pictures import PictureFile, Texture


@dataclass(frozen=True, kw_only=True)
class LabelledPictures(zoo.LabelledFiles):
    """Pictures in the user's files; an example has `picture`, which is read when encoded."""

    title: ClassVar[str] = "pictures"
    column: ClassVar[str] = "picture"
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg")

    def file(self, path: Path) -> PictureFile:
        return PictureFile(path)


@dataclass(frozen=True, kw_only=True)
class Textures(zoo.GeneratedData):
    """Pictures of stripes, checks, dots and rings, in any size, direction and colour."""

    classes: ClassVar[tuple[str, ...]] = ("checks", "dots", "rings", "stripes")
    files: ClassVar[type[zoo.LabelledData]] = LabelledPictures

    side: int = zoo.setting(64, "Width and height of a picture, px.", minimum=16)

    def example(
        self, rng: np.random.Generator, label: str, group: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        return {"picture": Texture(label, int(rng.integers(2**31)), self.side)}
