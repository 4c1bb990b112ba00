"""From scans of any size to what networks take: a canvas for classes, tiles for masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

import zoo
from zoo_medical.scans.scan import Scan

_LOOKED_AT = 200
"""Training scans that are read to learn their size and brightness."""
_LONGEST = {2: 224, 3: 64}
"""Longest side of a canvas that is chosen by the scans, px, for pictures and volumes."""
_SHORTEST = 8
"""Shortest side of a canvas, px."""
_FLAT = 1e-3
"""Least deviation that brightness is divided by."""


class Look(NamedTuple):
    """What training scans look like.

    Attributes:
        shape: median [height, width], with the depth before it for volumes; px.
        channels: 1 for grey, 3 for colour, others as the files have them.
        mean: of each channel.
        deviation: of each channel.
    """

    shape: tuple[int, ...]
    channels: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        """2 for pictures, 3 for volumes."""
        return len(self.shape)


def look_at(scans: Sequence[Scan] | np.ndarray) -> Look:
    """Learn what scans look like from some of them at even distances.

    Raises:
        DataError: some are pictures and others volumes.
    """
    step = -(-len(scans) // _LOOKED_AT)
    arrays = [scan.read() for scan in scans[::step]]
    ranks = {array.ndim - 1 for array in arrays}
    if len(ranks) > 1:
        raise zoo.DataError(
            "Some training scans are pictures and others are volumes.",
            hint="Train on either; slices of volumes can be exported as pictures.",
        )
    channels = max(array.shape[-1] for array in arrays)
    pixels = [with_channels(array, channels).reshape(-1, channels) for array in arrays]
    # Each scan counts alike, however large it is.
    mean = np.mean([each.mean(axis=0) for each in pixels], axis=0)
    square = np.mean([np.square(each).mean(axis=0) for each in pixels], axis=0)
    deviation = np.sqrt(np.maximum(square - mean**2, _FLAT**2))
    sizes = np.median([array.shape[:-1] for array in arrays], axis=0)
    return Look(
        tuple(round(float(side)) for side in sizes),
        channels,
        tuple(mean.astype(float).tolist()),
        tuple(deviation.astype(float).tolist()),
    )


def with_channels(array: np.ndarray, channels: int) -> np.ndarray:
    """Return a scan with so many channels: grey is repeated, others are averaged to grey.

    Args:
        array: [..., channels].
        channels: how many are wanted.

    Raises:
        DataError: neither is possible.
    """
    given = array.shape[-1]
    if given == channels:
        return array
    if given == 1:
        return np.repeat(array, channels, axis=-1)
    if channels == 1:
        return array.mean(axis=-1, keepdims=True)
    raise zoo.DataError(
        f"A scan has {given} channels, and the model takes {channels}.",
        hint="Export it as grey, or with the channels of the training scans.",
    )


def resized(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a scan stretched to another size, linearly, and smoothed where it shrinks.

    Args:
        array: float32 [*sizes, channels].
        shape: the wanted sizes, px.
    """
    for axis, (given, wanted) in enumerate(zip(array.shape[:-1], shape, strict=True)):
        if given != wanted:
            moved = np.tensordot(_linear(given, wanted), array, axes=(1, axis))
            array = np.moveaxis(moved, 0, axis)
    return np.ascontiguousarray(array, np.float32)


@cache
def _linear(given: int, wanted: int) -> np.ndarray:
    """Return what each of the wanted pixels takes of the given ones, float32 [wanted, given]."""
    reach = max(given / wanted, 1.0)
    centres = (np.arange(wanted) + 0.5) * given / wanted - 0.5
    away = np.abs(np.arange(given) - centres[:, None])
    shares = np.maximum(1 - away / reach, 0)
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def on_canvas(array: np.ndarray, shape: Sequence[int], channels: int) -> np.ndarray:
    """Return a scan as large as fits onto a canvas, in its middle, with 0 around it.

    Args:
        array: float32 [*sizes, channels].
        shape: of the canvas, px.
        channels: of the canvas.

    Raises:
        DataError: it is a volume and the canvas is for pictures, or the other way round.
    """
    array = with_channels(array, channels)
    if array.shape[:-1] == tuple(shape):
        return array
    _check_dimensions(array, len(shape))
    factor = min(side / given for side, given in zip(shape, array.shape[:-1], strict=True))
    sizes = [max(1, min(side, round(factor * given))) for side, given in _pairs(shape, array)]
    canvas = np.zeros((*shape, channels), np.float32)
    place = tuple(
        slice((side - size) // 2, (side - size) // 2 + size)
        for side, size in zip(shape, sizes, strict=True)
    )
    canvas[place] = resized(array, sizes)
    return canvas


def _pairs(shape: Sequence[int], array: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(shape, array.shape[:-1], strict=True))


def _check_dimensions(array: np.ndarray, dimensions: int) -> None:
    if array.ndim - 1 != dimensions:
        kinds = {2: "a picture", 3: "a volume"}
        given = kinds.get(array.ndim - 1, f"of {array.ndim - 1} axes")
        raise zoo.DataError(
            f"A scan is {given}, and the model was trained on {kinds[dimensions]} each time.",
            hint="Give scans like those it was trained on.",
        )


def canvas(look: Look, size: int) -> tuple[int, ...]:
    """Return the sizes of a canvas for scans.

    Args:
        look: of the training scans.
        size: the longer side, px; 0 takes that of the scans, up to 224, or 64 of volumes.
    """
    longest = max(look.shape)
    wanted = size or min(longest, _LONGEST[look.dimensions])
    return tuple(max(_SHORTEST, round(wanted * side / longest)) for side in look.shape)


def read_all(
    scans: Sequence[Scan] | np.ndarray, encode: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return scans, each read and encoded, as one array [batch, ...]; several are read at once.

    Raises:
        DataError: one cannot be used; the message names it.
    """

    def one(scan: Scan) -> np.ndarray:
        try:
            return encode(scan.read())
        except zoo.DataError as error:
            known = scan.name in error.message
            raise error if known else zoo.DataError(f"{scan.name}: {error}") from error

    if len(scans) < 2:
        return np.stack([one(scan) for scan in scans])
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(one, scans)))


@dataclass(frozen=True, kw_only=True)
class ScanPreprocessing(zoo.ClassPreprocessing):
    """Puts each scan onto a canvas of one size, and names of classes into numbers.

    Attributes:
        shape: of the canvas, [height, width] or [depth, height, width], px.
        channels: of the canvas.
        mean: of each channel, over the training scans.
        deviation: of each.
    """

    shape: tuple[int, ...]
    channels: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        return {"scan": zoo.Tensor((*self.shape, self.channels))}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"mean": np.array(self.mean), "deviation": np.array(self.deviation)}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        def encode(array: np.ndarray) -> np.ndarray:
            return on_canvas(array, self.shape, self.channels)

        return {"scan": read_all(batch["scan"], encode)}

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return 1 for each example's class and 0 for the others, float32 [batch, classes]."""
        return np.eye(len(self.classes), dtype=np.float32)[super().targets(batch)]

    def weights(self, batch: zoo.Batch) -> np.ndarray | None:
        if not self.class_weights:
            return None
        return np.array(self.class_weights, np.float32)[super().targets(batch)]


SEPARATOR = "|"
"""Stands between the findings of one scan."""


@dataclass(frozen=True, kw_only=True)
class FindingsPreprocessing(ScanPreprocessing):
    """The same for scans of which several findings may be true; `classes` are the findings."""

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return 1 for each finding that a scan has, float32 [batch, findings]."""
        return has_findings(batch["label"], self.classes).astype(np.float32)


def has_findings(labels: np.ndarray, findings: Sequence[str]) -> np.ndarray:
    """Return which findings each scan has, bool [scans, findings].

    Args:
        labels: of each scan, the names of its findings joined by `|`; empty for none.
        findings: names.
    """
    given = [set(str(label).split(SEPARATOR)) for label in labels]
    found = [[name in each for name in findings] for each in given]
    return np.array(found, bool).reshape(len(labels), len(findings))


@dataclass(frozen=True, kw_only=True)
class MaskPreprocessing(zoo.Preprocessing):
    """Takes tiles of scans, as they are, and masks for them.

    Attributes:
        classes: names, in the order of the masks' numbers from 1 on; 0 is background.
        tile: size of what the network sees, [height, width] or [depth, height, width], px.
        channels: of the network's input.
        mean: of each channel, over the training scans.
        deviation: of each.
    """

    classes: tuple[str, ...]
    tile: tuple[int, ...]
    channels: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def space(self) -> zoo.Space:
        names = ("background", *self.classes)
        return zoo.Space(
            inputs={"scan": zoo.Tensor((*self.tile, self.channels))},
            outputs={"logits": zoo.Tensor((*self.tile, len(names)), names=names)},
            classes=names,
            arrays={"mean": np.array(self.mean), "deviation": np.array(self.deviation)},
        )

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        def encode(array: np.ndarray) -> np.ndarray:
            return _filled_up(with_channels(array, self.channels), self.tile)

        return {"scan": read_all(batch["scan"], encode)}

    def targets(self, batch: zoo.Batch) -> np.ndarray:
        """Return the place of each pixel's class, int32 [batch, *tile]."""
        masks = [_filled_up(mask.read()[..., None], self.tile)[..., 0] for mask in batch["mask"]]
        return np.stack(masks).astype(np.int32)

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / "masks.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        state: dict[str, Any] = json.loads((folder / "masks.json").read_text(encoding="utf-8"))
        lists = {name: tuple(each) for name, each in state.items() if isinstance(each, list)}
        return cls(**{**state, **lists})


def _filled_up(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return an array [*sizes, channels] with zeros after its end along each axis."""
    if array.shape[:-1] == tuple(shape):
        return array
    _check_dimensions(array, len(shape))
    full = np.zeros((*shape, array.shape[-1]), array.dtype)
    full[tuple(slice(size) for size in array.shape[:-1])] = array
    return full
