"""From pictures with boxes to what a detector takes: the canvas, the classes, the padding."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

import zoo
from zoo_vision.geometry import SMALLEST_SIDE, Letterbox, areas

_MULTIPLE = 32
"""Sides of a canvas are multiples of it: the coarsest stride of the models, px."""

_SIZES = (320, 640)
"""Smallest and largest side of a canvas that is chosen by the objects."""

_CLEAR = 24
"""Pixels of the canvas at which an object is clear: three places of the finest features."""

_FEW = 10
"""Objects of a class below which their usual size is not known."""


@dataclass(frozen=True)
class PicturePreprocessing(zoo.Preprocessing):
    """Letterboxes pictures onto one canvas, and pads their boxes to one count.

    Attributes:
        classes: names, in the order of the model's outputs.
        height: of the canvas, px, a multiple of 32.
        width: of the canvas, px, a multiple of 32.
        boxes: most boxes of a training picture, ignored regions too: the room of targets.
        objects: mean number of boxes in a training picture, ignored regions too.
    """

    classes: tuple[str, ...]
    height: int
    width: int
    boxes: int
    objects: float

    @classmethod
    def fit(cls, train: zoo.Batch, classes: tuple[str, ...], size: int) -> Self:
        """Learn the canvas and the counts from the training split.

        Args:
            train: columns of the training pictures, or of their tiles.
            classes: names of all classes.
            size: longer side of the canvas, px.
        """
        aspect = float(np.median(train["height"] / train["width"]))
        counts = np.array([np.count_nonzero(~crowd) for crowd in train["crowd"]])
        return cls(
            classes=classes,
            height=whole_multiple(size * min(aspect, 1.0)),
            width=whole_multiple(size / max(aspect, 1.0)),
            boxes=max(1, int(counts.max())),
            objects=max(1.0, float(np.mean(counts))),
        )

    @property
    def space(self) -> zoo.Space:
        return zoo.Space(
            inputs={"image": zoo.Tensor((self.height, self.width, 3), "uint8")},
            outputs={
                "detections": zoo.Tensor(
                    (None, 4 + len(self.classes)), names=("x1", "y1", "x2", "y2", *self.classes)
                )
            },
            classes=self.classes,
            arrays={"objects": np.array(self.objects)},
        )

    def letterbox(self, width: int, height: int) -> Letterbox:
        """Return how a picture of this size lies on the canvas."""
        return Letterbox(int(width), int(height), self.height, self.width)

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        def draw(row: int) -> np.ndarray:
            pixels = batch["image"][row].read()
            return self.letterbox(pixels.shape[1], pixels.shape[0]).apply(pixels)

        rows = range(len(batch["image"]))
        if len(rows) < 2:
            return {"image": np.stack([draw(row) for row in rows])}
        with ThreadPoolExecutor() as pool:
            return {"image": np.stack(list(pool.map(draw, rows)))}

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return float32 [batch, boxes, 5]: corners on the canvas and class, -1 for padding.

        Ignored regions, unknown classes and boxes that hardly show are left out: the loss
        takes what is there for background. Of more boxes than there is room for, which no
        training picture has, the first are kept, so this can only touch the validation loss.
        """
        index = {name: number for number, name in enumerate(self.classes)}
        targets = np.zeros((len(batch["boxes"]), self.boxes, 5), np.float32)
        targets[..., 4] = -1
        for row, (boxes, names, crowd) in enumerate(
            zip(batch["boxes"], batch["classes"], batch["crowd"], strict=True)
        ):
            placed = self.letterbox(batch["width"][row], batch["height"][row]).forward(boxes)
            known = np.array([name in index for name in names], bool)
            wide = (placed[:, 2:] - placed[:, :2] >= SMALLEST_SIDE).all(axis=1)
            kept = np.flatnonzero(wide & known & ~crowd)[: self.boxes]
            targets[row, : len(kept), :4] = placed[kept]
            targets[row, : len(kept), 4] = [index[names[each]] for each in kept]
        return targets

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / "pictures.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        values = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
        return cls(**{**values, "classes": tuple(values["classes"])})


def suggested_size(train: zoo.Batch) -> int:
    """Return the longer side of a canvas, px, on which the objects can be told from one another.

    On it the usual object of each class, even of the one with the smallest, measures 24 px,
    as far as a side from 320 to 640 px allows and the pictures have that many.
    """
    longer = np.maximum(train["height"], train["width"])
    names = np.concatenate([np.zeros(0, object), *train["classes"]])
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *train["boxes"]])
    shares = np.sqrt(areas(boxes)) / np.repeat(longer, [len(each) for each in train["boxes"]])
    usual = [
        np.median(shares[names == name])
        for name in set(names)
        if np.count_nonzero(names == name) >= _FEW
    ]
    least, most = _SIZES
    wanted = _CLEAR / min(usual) if usual else least
    return whole_multiple(min(max(wanted, least), most, max(float(np.median(longer)), least)))


def whole_multiple(pixels: float) -> int:
    """Return the side of a canvas, px: `pixels` or more, and a multiple of 32."""
    return max(1, -(-round(pixels) // _MULTIPLE)) * _MULTIPLE
