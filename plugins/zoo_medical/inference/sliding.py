"""Scans in overlapping tiles, and what a network says of the tiles blended together.

Tiles start at multiples of some pixels, so that the network halves their features where it would
halve those of the whole scan. Near a border with another tile a tile sees too little; there its
weight in the blend is 0, and rises over the rest of the overlap. So the result is exactly that
of the whole scan at once for a network that sees no further than a quarter of the overlap, and
the transitions are smooth for any other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

import zoo
from zoo_medical.scans.scan import MaskRef, Scan

MULTIPLE = 8
"""Sides of tiles, and the distances between them, are multiples of so many pixels."""

_read = threading.local()


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a scan, cut out when it is read.

    Attributes:
        whole: the scan.
        start: of the part, along each axis but channels, px.
        shape: of the part, px; at the end of the scan it has less.
    """

    whole: Scan
    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The whole scan's name."""
        return self.whole.name

    @property
    def spacing(self) -> tuple[float, ...]:
        """See :attr:`zoo_medical.scans.scan.Scan.spacing`."""
        return self.whole.spacing

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.Scan.read`."""
        return _part(_read_once(self.whole), self.start, self.shape)


@dataclass(frozen=True, eq=False)
class MaskTile:
    """The same part of the scan's mask."""

    whole: MaskRef
    start: tuple[int, ...]
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.MaskRef.read`."""
        return _part(_read_once(self.whole), self.start, self.shape)


def _part(array: np.ndarray, start: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    place = tuple(slice(first, first + size) for first, size in zip(start, shape, strict=True))
    return array[place].copy()


def _read_once(whole: Any) -> np.ndarray:
    """Read a scan or a mask, or return it if this thread has just read it."""
    known = _read.__dict__.setdefault("arrays", {})
    kind = type(whole)
    if kind not in known or known[kind][0] is not whole:
        known[kind] = (whole, whole.read())
    array: np.ndarray = known[kind][1]
    return array


class TiledScans:
    """Examples seen through tiles: one row a tile, all tiles of a scan in a row.

    Columns are those of the examples, with the tile as `scan` and its part of the `mask`, and
    further `example`, the row in `examples`, and `start` and `size`, the place of the tile and
    the size of the whole scan, tuples of px.

    Args:
        examples: with a column `scan`, and perhaps `mask`.
        tile: its size, px.
        overlap: how much neighbouring tiles share at least, as a share of their side.

    Raises:
        DataError: a scan cannot be read, or has another number of axes than the tile.
    """

    def __init__(self, examples: zoo.Examples, tile: Sequence[int], overlap: float) -> None:
        self._columns = zoo.all_rows(examples)
        self._tile = tuple(tile)
        self._sizes = [_size(scan, len(self._tile)) for scan in self._columns["scan"]]
        places = [tile_starts(size, self._tile, overlap) for size in self._sizes]
        self._start = [start for starts in places for start in starts]
        self._example = np.repeat(np.arange(len(places)), [len(each) for each in places])

    def __len__(self) -> int:
        return len(self._example)

    def __getitem__(self, rows: np.ndarray, /) -> zoo.Batch:
        example = self._example[rows]
        start = [self._start[row] for row in rows]
        batch = {name: column[example] for name, column in self._columns.items()}
        pairs = list(zip(example, start, strict=True))
        for name, part in (("scan", Tile), ("mask", MaskTile)):
            if name in batch:
                whole = self._columns[name]
                batch[name] = zoo.object_column(
                    part(whole[row], place, self._tile) for row, place in pairs
                )
        return {
            **batch,
            "example": example,
            "start": zoo.object_column(start),
            "size": zoo.object_column(self._sizes[row] for row in example),
        }


def _size(scan: Scan, dimensions: int) -> tuple[int, ...]:
    """Return the size of a scan without its channels, px."""
    size = scan.read().shape[:-1]
    if len(size) != dimensions:
        kinds = {2: "a picture", 3: "a volume"}
        raise zoo.DataError(
            f"{scan.name} is {kinds.get(len(size), f'of {len(size)} axes')}, and the model was "
            f"trained on {kinds[dimensions]} each time.",
            hint="Give scans like those it was trained on.",
        )
    return tuple(int(side) for side in size)


def tile_starts(size: Sequence[int], tile: Sequence[int], overlap: float) -> list[tuple[int, ...]]:
    """Return where the tiles of a scan start, px; the last ones reach beyond its end if need be.

    Args:
        size: of the scan, px.
        tile: of a tile, px, multiples of 8.
        overlap: how much neighbours share at least, as a share of the tile's side.
    """
    along = [_starts(*sides, overlap) for sides in zip(size, tile, strict=True)]
    return list(product(*along))


def _starts(size: int, tile: int, overlap: float) -> list[int]:
    if size <= tile:
        return [0]
    step = max(MULTIPLE, int(tile * (1 - overlap)) // MULTIPLE * MULTIPLE)
    last = -(-size // MULTIPLE) * MULTIPLE - tile
    return [*range(0, last, step), last]


def blended(
    pieces: Sequence[np.ndarray],
    starts: Sequence[tuple[int, ...]],
    size: tuple[int, ...],
    overlap: float,
) -> np.ndarray:
    """Return what was found in the tiles of one scan as one array, float32 [*size, values].

    Args:
        pieces: of each tile, float [*tile, values].
        starts: of the tiles, px.
        size: of the scan, px.
        overlap: as the tiles were made with.
    """
    if len(pieces) == 1:
        return pieces[0][tuple(map(slice, size))].astype(np.float32)
    total = np.zeros((*size, pieces[0].shape[-1]), np.float32)
    weights = np.zeros((*size, 1), np.float32)
    for piece, start in zip(pieces, starts, strict=True):
        tile = piece.shape[:-1]
        weight = _weight(start, tile, size, overlap)[..., None]
        place = tuple(slice(first, first + side) for first, side in zip(start, tile, strict=True))
        inside = tuple(
            slice(max(0, whole - first)) for first, whole in zip(start, size, strict=True)
        )
        total[place] += (weight * piece.astype(np.float32))[inside]
        weights[place] += weight[inside]
    return total / weights


def _weight(
    start: Sequence[int], tile: Sequence[int], size: Sequence[int], overlap: float
) -> np.ndarray:
    """Return the weight of each pixel of a tile in the blend, float32 [*tile]."""
    weight = np.ones((1,) * len(tile), np.float32)
    for axis, (first, side, whole) in enumerate(zip(start, tile, size, strict=True)):
        shared = overlap * side
        place = np.arange(side) + 0.5
        left = _ramp(place, shared) if first else 1.0
        right = _ramp(side - place, shared) if first + side < whole else 1.0
        along = np.broadcast_to(np.minimum(left, right), (side,))
        shape = [1] * len(tile)
        shape[axis] = side
        weight = weight * along.reshape(shape).astype(np.float32)
    return weight


def _ramp(distance: np.ndarray, shared: float) -> np.ndarray:
    """Return weights that rise from 0, a quarter of the overlap from the border, to 1."""
    return np.clip((distance - shared / 4) / max(shared / 2, 1e-6), 0.0, 1.0)
