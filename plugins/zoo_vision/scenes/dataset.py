"""Generated pictures of textured shapes, with exact boxes.

They try out a detector without any data, and pre-train one where no published weights can
be reached. So they hold what any picture holds: edges, textures and shading at all scales,
colour casts, blur, noise, objects that overlap or are cut by the border, repeated objects
that look alike, and clutter that is no object though it is painted like one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from zoo import Columns, Data, Dataset, DatasetInfo, Examples, Finding, object_column, setting
from zoo_vision.data.checks import boxes_by_class
from zoo_vision.labels import named
from zoo_vision.scenes.painting import Look, Thing, background, draw, paint, photograph, random_look
from zoo_vision.scenes.shapes import CLASSES, CLUTTER_LABELS, Curves, outline

_VERSION = 1
"""Rises when equal settings give other pictures."""

_SPLITS = {"train": (0, 1, 2, 3, 4, 5, 6, 7), "validation": (8,), "test": (9,)}
"""The last digits of the scenes in each split: asking for more scenes moves none of them."""

_PLACES, _PAINT = 0, 1
_CLUTTER = 3
"""Things in a picture that are no objects."""
_LEAST_VISIBLE = 0.6
"""Share of a thing that others may not hide."""
_TRIES = 8
"""Places that are tried for a thing before it is left out."""


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """What scenes look like."""

    width: int = setting(320, "Width of a picture, in pixels.", minimum=64)
    height: int = setting(256, "Height of a picture, in pixels.", minimum=64)
    objects: int = setting(12, "Most objects in a picture.", minimum=1, maximum=1000)
    small_share: float = setting(
        0.3, "Share of objects whose side is below 28 pixels.", minimum=0, maximum=1
    )
    empty_share: float = setting(
        0.05, "Share of pictures without any object.", minimum=0, maximum=1
    )
    alike_share: float = setting(
        0.3, "Share of pictures whose objects have one class, size and look.", minimum=0, maximum=1
    )


@dataclass(frozen=True, kw_only=True)
class Scene(SceneSettings):
    """A picture that is painted when it is read; equal scenes are equal pictures.

    Attributes:
        seed: of the generator.
        index: number of the scene. It is the same however many others there are.
    """

    seed: int = 0
    index: int = 0

    @property
    def name(self) -> str:
        """A stable name."""
        return f"scene-{self.seed}-{self.index:06d}"

    def read(self) -> np.ndarray:
        """Return the picture, uint8 [height, width, 3], RGB."""
        rng = self._rng(_PAINT)
        canvas = background(rng, self.height, self.width)
        for thing in self.things():
            paint(canvas, thing)
        return photograph(rng, canvas)

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the objects' boxes and classes.

        Returns:
            boxes float32 [n, 4] as x1, y1, x2, y2 in pixels: the extents of each object
            within the picture, also where another lies over it; and classes int64 [n].
        """
        objects = [thing for thing in self.things() if thing.label >= 0]
        boxes = np.array([thing.box() for thing in objects], np.float32).reshape(-1, 4)
        return boxes, np.array([thing.label for thing in objects], np.int64)

    def things(self) -> list[Thing]:
        """Return the objects and the clutter, from back to front."""
        rng = self._rng(_PLACES)
        count = 0 if rng.random() < self.empty_share else int(rng.integers(1, self.objects + 1))
        labels = rng.integers(len(CLASSES), size=count)
        alike = rng.random() < self.alike_share
        if alike:
            labels[:] = labels[:1]
        size, common_look = self._size(rng, count), random_look(rng)

        covering = _Covering(self.height, self.width)
        things: list[Thing] = []
        for label in rng.permutation([*labels, *rng.choice(CLUTTER_LABELS, _CLUTTER)]):
            if alike and label >= 0:
                look = common_look
                curves = outline(rng, label, size * rng.uniform(0.85, 1.15), bent=0.15)
            else:
                look = random_look(rng)
                curves = outline(rng, label, self._size(rng, count))
            things += self._place(rng, covering, int(label), curves, look)
        return things

    def _rng(self, purpose: int) -> np.random.Generator:
        """Return one of the scene's generators: for its places, or for its paint."""
        return np.random.default_rng([self.seed, self.index, purpose])

    def _size(self, rng: np.random.Generator, count: int) -> float:
        """Draw the side of a thing, in pixels; the more objects, the smaller."""
        room = np.sqrt(self.width * self.height / max(count, 1))
        largest = max(min(0.8 * min(self.width, self.height), 1.6 * room), 36.0)
        low, high = (10.0, 28.0) if rng.random() < self.small_share else (28.0, largest)
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def _place(
        self,
        rng: np.random.Generator,
        covering: _Covering,
        label: int,
        curves: Curves,
        look: Look,
    ) -> Sequence[Thing]:
        """Return the thing where it neither leaves the picture nor hides another, if it can be."""
        texture_seed = int(rng.integers(2**31))
        canvas_size = self.height, self.width
        for centre in rng.uniform(0, 1, (_TRIES, 2)) * (self.width, self.height):
            thing = draw(
                curves, centre, canvas_size, label=label, look=look, texture_seed=texture_seed
            )
            if thing is not None and covering.accepts(thing):
                return [thing]
        return []


class _Covering:
    """Knows which thing each pixel shows, and so how much of each is hidden."""

    def __init__(self, height: int, width: int) -> None:
        self._shown = np.zeros((height, width), np.int16)
        self._areas = np.zeros(1, np.int64)
        self._visible = np.zeros(1, np.int64)

    def accepts(self, thing: Thing) -> bool:
        """Lay a thing on top, unless it would hide too much of another."""
        shown, drawn = self._shown[thing.window], thing.drawn
        visible = self._visible - np.bincount(shown[drawn], minlength=len(self._areas))
        if np.any(visible[1:] < _LEAST_VISIBLE * self._areas[1:]):
            return False
        area = np.count_nonzero(drawn)
        shown[drawn] = len(self._areas)
        self._areas = np.append(self._areas, area)
        self._visible = np.append(visible, area)
        return True


@dataclass(frozen=True, kw_only=True)
class Scenes(Dataset, SceneSettings):
    """Generated scenes: eight of ten train, one validates and one tests.

    Examples have the columns of :class:`zoo_vision.data.datasets.Boxes`.
    """

    images: int = setting(600, "How many pictures, all splits together.", minimum=10)

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        look = {field.name: getattr(self, field.name) for field in fields(SceneSettings)}
        splits = {
            name: _examples(
                [
                    Scene(seed=seed, index=index, **look)
                    for index in range(self.images)
                    if index % 10 in last_digits
                ]
            )
            for name, last_digits in _SPLITS.items()
        }
        content = json.dumps([_VERSION, seed, self.images, look], sort_keys=True)
        info = DatasetInfo(
            name="generated scenes",
            source="generator",
            fingerprint=hashlib.sha256(content.encode()).hexdigest()[:20],
            counts={name: len(examples) for name, examples in splits.items()},
            classes={name: boxes_by_class(examples, CLASSES) for name, examples in splits.items()},
            facts={"classes": list(CLASSES)},
        )
        return Data(splits=splits, info=info)

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """Return nothing: what is generated has no faults of its own."""
        return []

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read the user's pictures, as :class:`zoo_vision.data.datasets.Boxes` does."""
        from zoo_vision.data.datasets import Boxes

        return Boxes(classes=CLASSES).read(path, cache=cache)


def _examples(scenes: Sequence[Scene]) -> Columns:
    labels = [scene.labels() for scene in scenes]
    return Columns(
        {
            "id": object_column(scene.name for scene in scenes),
            "image": object_column(scenes),
            "width": np.array([scene.width for scene in scenes], np.int64),
            "height": np.array([scene.height for scene in scenes], np.int64),
            "boxes": object_column(boxes for boxes, _ in labels),
            "classes": named([classes for _, classes in labels], CLASSES),
            "crowd": object_column(np.zeros(len(classes), bool) for _, classes in labels),
        }
    )
