"""From pictures of any size to what the models take."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import zoo
from PIL import Image, ImageOps

from zoo_newplugin.pictures import Picture

_GREY = 127
_CELLS = 4
"""Cells along a side of the grid that an explanation covers one by one."""


@dataclass(frozen=True, kw_only=True)
class PicturePreprocessing(zoo.ClassPreprocessing):
    """Fits each picture into a square, with grey bars where it is no square itself.

    Attributes:
        size: side of the square, px.
    """

    size: int

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        return {"picture": zoo.Tensor((self.size, self.size, 3), "uint8")}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        with ThreadPoolExecutor() as threads:
            return {"picture": np.stack(list(threads.map(self._square, batch["picture"])))}

    def occlusions(self, batch: zoo.Batch) -> Iterator[tuple[np.ndarray, zoo.Batch]]:
        """Cover the cells of a grid, one after the other."""
        pixels = self.inputs(batch)["picture"]
        edges = np.linspace(0, self.size, _CELLS + 1).astype(int)
        for row in range(_CELLS):
            for column in range(_CELLS):
                covered = pixels.copy()
                covered[:, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = _GREY
                name = f"row {row + 1}, column {column + 1} of {_CELLS}"
                yield np.full(len(pixels), name, object), {"picture": covered}

    def _square(self, picture: Picture) -> np.ndarray:
        image = Image.fromarray(picture.read())
        return np.asarray(ImageOps.pad(image, (self.size, self.size), color=(_GREY,) * 3))
