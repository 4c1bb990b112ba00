"""Large pictures in tiles: windows on them, and their detections put together again.

Each picture that is larger than a tile is seen through overlapping tiles, and once as a
whole, so that what is larger than a tile is found too (as SAHI does, arXiv:2202.06934).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import zoo
from zoo_vision.geometry import areas, clip, intersections, overlap, paired_iou
from zoo_vision.images import Picture

AT_THE_EDGE = 0.02
"""A box that ends so near to its tile's edge, as a share of the tile's side, is cut by it."""

_ROWS_AT_ONCE = 65_536
_decoded = threading.local()


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a picture, cut out when it is read.

    Attributes:
        picture: the whole picture.
        rect: left, top, right, bottom, px.
    """

    picture: Picture
    rect: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        """The whole picture's name."""
        return self.picture.name

    def read(self) -> np.ndarray:
        """Return uint8 [height, width, 3]."""
        left, top, right, bottom = self.rect
        return _read_once(self.picture)[top:bottom, left:right].copy()


def _read_once(picture: Picture) -> np.ndarray:
    """Read a picture, or return it if it was the last one this thread has read."""
    if getattr(_decoded, "picture", None) is not picture:
        _decoded.image = picture.read()
        _decoded.picture = picture
    return _decoded.image


def tile_grid(width: int, height: int, tile: int, overlap: float) -> np.ndarray:
    """Return tiles that cover a picture; those at its far edges are shifted inwards.

    Args:
        width: of the picture, px.
        height: of the picture, px.
        tile: the side of a tile, px; 0 for one tile as large as the picture.
        overlap: how much neighbours share at least, as a share of the side.

    Returns:
        int64 [tiles, 4]: left, top, right, bottom, px.
    """
    lefts, tops = _starts(width, tile, overlap), _starts(height, tile, overlap)
    top, left = (corner.ravel() for corner in np.meshgrid(tops, lefts, indexing="ij"))
    right = np.minimum(left + (tile or width), width)
    bottom = np.minimum(top + (tile or height), height)
    return np.stack([left, top, right, bottom], axis=1)


def _starts(length: int, tile: int, overlap: float) -> np.ndarray:
    if not tile or length <= tile:
        return np.zeros(1, np.int64)
    step = max(1, int(tile * (1 - overlap)))
    count = -(-(length - tile) // step) + 1
    return np.minimum(np.arange(count) * step, length - tile)


class TiledExamples:
    """Examples seen through windows: one row a window, all windows of a picture in a row.

    A picture larger than a tile has its tiles as windows and then one of it all; any other
    has the one. Columns are those of the examples, with `image`, `width`, `height` and the
    boxes those of the window, and further `example`, the row in `examples`, `left` and
    `top`, the window's place in the picture; int64, px.

    An object that a tile cuts is one there too if enough of it is within. Of any other a
    tile sees only a scrap, which is marked as crowd: training takes it for background.

    Args:
        examples: whole pictures, with the columns `image`, `width` and `height`.
        tile: the side of a tile, px; 0 for no tiles.
        overlap: how much neighbouring tiles share at least, as a share of the side.
        keep: the least share of an object's area that has to be within a tile.
    """

    def __init__(
        self, examples: zoo.Examples, tile: int, overlap: float = 0.2, keep: float = 0.4
    ) -> None:
        self.examples = examples
        self.tile = tile
        self.keep = keep
        windows = [
            _windows(int(width), int(height), tile, overlap) for width, height in _sizes(examples)
        ]
        self._rects = np.concatenate([np.zeros((0, 4), np.int64), *windows])
        self._example = np.repeat(np.arange(len(windows)), [len(rects) for rects in windows])

    def __len__(self) -> int:
        return len(self._rects)

    def __getitem__(self, rows: np.ndarray, /) -> zoo.Batch:
        rects, example = self._rects[rows], self._example[rows]
        whole, place = np.unique(example, return_inverse=True)
        batch = {name: column[place] for name, column in self.examples[whole].items()}
        if self.tile:
            batch |= _seen_through(batch, rects, self.keep)
        sides = rects[:, 2:] - rects[:, :2]
        batch |= {"width": sides[:, 0], "height": sides[:, 1]}
        return batch | {"example": example, "left": rects[:, 0], "top": rects[:, 1]}


def _sizes(examples: zoo.Examples) -> np.ndarray:
    """Return int64 [examples, 2]: width and height."""
    sizes = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(examples), _ROWS_AT_ONCE):
        batch = examples[np.arange(start, min(start + _ROWS_AT_ONCE, len(examples)))]
        sizes.append(np.stack([batch["width"], batch["height"]], axis=1))
    return np.concatenate(sizes)


def _windows(width: int, height: int, tile: int, overlap: float) -> np.ndarray:
    tiles = tile_grid(width, height, tile, overlap)
    return tiles if len(tiles) == 1 else np.concatenate([tiles, [[0, 0, width, height]]])


def _seen_through(batch: zoo.Batch, rects: np.ndarray, keep: float) -> zoo.Batch:
    """Return the columns of pictures and boxes as windows [windows, 4] on them show them."""
    columns: dict[str, list[object]] = {"image": []}
    if "boxes" in batch:
        columns |= {"boxes": [], "classes": [], "crowd": []}
    for row, rect in enumerate(rects):
        left, top, right, bottom = rect.tolist()
        columns["image"].append(Tile(batch["image"][row], (left, top, right, bottom)))
        if "boxes" in batch:
            whole = clip(batch["boxes"][row], batch["width"][row], batch["height"][row])
            seen = intersections(whole, rect)
            scrap = seen < keep * areas(whole)
            inside = clip(whole - np.array([left, top] * 2), right - left, bottom - top)
            columns["boxes"].append(inside[seen > 0].astype(np.float32))
            columns["classes"].append(batch["classes"][row][seen > 0])
            columns["crowd"].append((batch["crowd"][row] | scrap)[seen > 0])
    return {name: zoo.object_column(values) for name, values in columns.items()}


def merge_windows(
    detections: Sequence[np.ndarray],
    windows: zoo.Batch,
    examples: zoo.Batch,
    agreement: float = 0.5,
) -> list[np.ndarray]:
    """Put together what was found in the windows of each picture.

    Two windows found the same object if their boxes, cut to what both windows see, have an
    intersection over union of at least `agreement`. Pieces that seams cut are joined into
    the box around them. Of other boxes for one object the best stays: one that is seen
    whole before a piece, then the highest score. Only boxes of one class are compared, and
    those of one window never, as the model has been through them. A picture with one
    window keeps its boxes as they are.

    Args:
        detections: float32 [boxes, 6] for each window: x1, y1, x2, y2 in px of the whole
            picture, score, class.
        windows: columns `example`, `left`, `top`, `width`, `height` of :class:`TiledExamples`.
        examples: columns `width` and `height` of the pictures that `example` counts.
        agreement: see above.

    Returns:
        float32 [boxes, 6] for each picture, highest score first.
    """
    corners = np.stack([windows["left"], windows["top"]], axis=1)
    sides = np.stack([windows["width"], windows["height"]], axis=1)
    rects = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    sizes = np.stack([examples["width"], examples["height"]], axis=1)
    order = np.argsort(windows["example"], kind="stable")
    starts = np.searchsorted(windows["example"][order], np.arange(1, len(sizes)))
    merged = []
    for size, own in zip(sizes, np.split(order, starts), strict=True):
        parts = [np.zeros((0, 6), np.float32)]
        if len(own) == 1:
            parts.append(detections[own[0]])
        elif len(own):
            found = _Found.in_windows([detections[each] for each in own], rects[own], size)
            labels = np.unique(found.rows[:, 5])
            classes = [found.where(found.rows[:, 5] == label) for label in labels]
            parts += [_best(_join(each, agreement), agreement) for each in classes]
        rows = np.concatenate(parts)
        merged.append(rows[np.argsort(-rows[:, 4], kind="stable")])
    return merged


@dataclass(frozen=True, eq=False)
class _Found:
    """Detections in windows of one picture, highest score first.

    Attributes:
        rows: float32 [boxes, 6]: corners, score, class.
        rects: float32 [boxes, 4], what the window of each sees.
        window: int64 [boxes], its number.
        size: width and height of the picture, px.
        near: how near to an edge of its window a box is cut by it, px.
    """

    rows: np.ndarray
    rects: np.ndarray
    window: np.ndarray
    size: np.ndarray
    near: float

    @classmethod
    def in_windows(
        cls, detections: Sequence[np.ndarray], rects: np.ndarray, size: np.ndarray
    ) -> _Found:
        rows = np.concatenate(detections)
        window = np.repeat(np.arange(len(rects)), [len(each) for each in detections])
        tile = (rects[:, 2:] - rects[:, :2]).max(axis=1).min()
        found = cls(rows, rects[window], window, size, AT_THE_EDGE * float(tile))
        return found.where(np.argsort(-rows[:, 4], kind="stable"))

    def where(self, chosen: np.ndarray) -> _Found:
        """Return a copy of some of the detections."""
        return dataclasses.replace(
            self, rows=self.rows[chosen], rects=self.rects[chosen], window=self.window[chosen]
        )

    def cut(self) -> np.ndarray:
        """Return bool [boxes], whether an edge of the window seems to cut the object."""
        seams = np.concatenate([self.rects[:, :2] > 0, self.rects[:, 2:] < self.size], axis=1)
        at_edge = np.abs(self.rows[:, :4] - self.rects) <= self.near
        return (seams & at_edge).any(axis=1)

    def agreements(self, place: int) -> np.ndarray:
        """Return the overlap of one box with each of the other windows, in what both see."""
        box, boxes = self.rows[place, :4], self.rows[:, :4]
        left, top, right, bottom = boxes.T
        meet = (left < box[2]) & (top < box[3]) & (right > box[0]) & (bottom > box[1])
        others = np.flatnonzero(meet & (self.window != self.window[place]))
        common = overlap(self.rects[place], self.rects[others])
        result = np.zeros(len(boxes), np.float32)
        result[others] = paired_iou(overlap(box, common), overlap(boxes[others], common))
        return result


def _join(found: _Found, agreement: float) -> _Found:
    """Join the pieces of each object, beginning with the highest score.

    What is joined is in a window of its own, around those of its pieces.
    """
    joined = found.where(np.arange(len(found.rows)))
    free, remains = found.cut(), np.ones(len(found.rows), bool)
    for seed in np.flatnonzero(free).tolist():
        if not free[seed]:
            continue
        pieces = _pieces(found, seed, free, agreement)
        free[pieces] = False
        if len(pieces) > 1:
            remains[pieces[1:]] = False
            joined.rows[seed, :4] = _around(found.rows[pieces, :4])
            joined.rects[seed] = _around(found.rects[pieces])
            joined.window[seed] = -1 - seed
    return joined.where(remains)


def _pieces(found: _Found, seed: int, free: np.ndarray, agreement: float) -> list[int]:
    """Return the places of `seed` and of further pieces of its object, one for a window.

    A window gives the fitting piece of the highest score, which may lead to a next window.
    """
    pieces = [seed]
    for piece in pieces:
        fits = free & (found.agreements(piece) >= agreement)
        fits &= ~np.isin(found.window, found.window[pieces])
        places = np.flatnonzero(fits)
        pieces += places[np.unique(found.window[places], return_index=True)[1]].tolist()
    return pieces


def _best(found: _Found, agreement: float) -> np.ndarray:
    """Return one row [boxes, 6] for each object, with the highest of its scores."""
    free = np.ones(len(found.rows), bool)
    kept = []
    for place in np.lexsort([-found.rows[:, 4], found.cut()]):
        if free[place]:
            same = free & (found.agreements(place) >= agreement)
            same[place] = True
            free &= ~same
            kept.append([*found.rows[place, :4], found.rows[same, 4].max(), found.rows[place, 5]])
    return np.array(kept, np.float32)


def _around(boxes: np.ndarray) -> np.ndarray:
    """Return the box [4] around boxes [n, 4]."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
