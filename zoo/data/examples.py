"""Examples held in memory, and a view on examples as model inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from zoo.components import Batch, Examples, Preprocessing

_MEASURED = 16
"""Examples that are encoded to judge how much memory all take."""
_ROWS_AT_ONCE = 65_536
"""Examples that are read at once where all are gone through."""


class Columns:
    """Examples in memory, as one array for each column.

    Args:
        columns: arrays of equal length by name; strings and ragged values as object arrays.

    Raises:
        ValueError: the arrays differ in length.
    """

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        self.columns = dict(columns)
        self._length = next(iter(lengths.values()), 0)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, rows: np.ndarray, /) -> Batch:
        return {name: column[rows] for name, column in self.columns.items()}


class Encoded(NamedTuple):
    """A batch as the model's `fit` takes it: inputs, targets and weights by example."""

    inputs: Batch
    targets: Any
    weights: np.ndarray


class EncodedExamples:
    """Examples as a preprocessing encodes them, kept in memory where they fit.

    Args:
        examples: what to encode.
        preprocessing: how.
        memory_limit: bytes that the encoded examples may take to be kept; above it, and at
            0, each batch is encoded when it is asked for.
    """

    def __init__(
        self, examples: Examples, preprocessing: Preprocessing, memory_limit: int = 0
    ) -> None:
        self.examples = examples
        self.preprocessing = preprocessing
        self._kept: Encoded | None = None
        if memory_limit and len(examples) and self._bytes_of_all() <= memory_limit:
            self._kept = self._encode(np.arange(len(examples)))

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, rows: np.ndarray, /) -> Encoded:
        if self._kept is None:
            return self._encode(rows)
        inputs, targets, weights = (_rows(part, rows) for part in self._kept)
        return Encoded(self._trimmed_inputs(inputs), self._trimmed_targets(targets), weights)

    def inputs(self, rows: np.ndarray) -> Batch:
        """Return the model's inputs alone: what there is of examples without labels."""
        if self._kept is None:
            return self.preprocessing.inputs(self.examples[rows])
        return self._trimmed_inputs(_rows(self._kept.inputs, rows))

    def targets(self, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return targets and weights alone, without encoding inputs for them."""
        if self._kept is None:
            batch = self.examples[rows]
            return self.preprocessing.targets(batch), self._weights(batch, len(rows))
        return self._trimmed_targets(_rows(self._kept.targets, rows)), self._kept.weights[rows]

    @cached_property
    def sizes(self) -> np.ndarray | None:
        """How long each example is, int64 [examples] or [examples, inputs]; None if all alike."""
        pieces = []
        for start in range(0, len(self), _ROWS_AT_ONCE):
            rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(self)))
            piece = self.preprocessing.sizes(self.examples[rows])
            if piece is None:
                return None
            pieces.append(piece)
        return np.concatenate(pieces)

    @cached_property
    def of_one_shape(self) -> bool:
        """Whether every example is encoded in the same shapes."""
        return all(None not in each.shape for each in self.preprocessing.space.inputs.values())

    @cached_property
    def _padded(self) -> frozenset[str]:
        """The inputs that are padded to the longest example: numbers along one axis."""
        tensors = self.preprocessing.space.inputs
        return frozenset(name for name, each in tensors.items() if each.shape == (None,))

    def _trimmed_inputs(self, inputs: Batch) -> Batch:
        """Cut the padding that rows share, where what was kept is as long as the longest."""
        return {
            name: _without_padding(array) if name in self._padded else array
            for name, array in inputs.items()
        }

    def _trimmed_targets(self, targets: Any) -> Any:
        """Do so with targets: integers, whose shapes a space does not tell."""

        def trimmed(array: np.ndarray) -> np.ndarray:
            padded = array.ndim == 2 and array.dtype.kind in "iu"
            return _without_padding(array) if padded else array

        return targets if self.of_one_shape else map_arrays(targets, trimmed)

    def _encode(self, rows: np.ndarray) -> Encoded:
        batch = self.examples[rows]
        return Encoded(
            self.preprocessing.inputs(batch),
            self.preprocessing.targets(batch),
            self._weights(batch, len(rows)),
        )

    def _weights(self, batch: Batch, count: int) -> np.ndarray:
        weights = self.preprocessing.weights(batch)
        return np.ones(count, np.float32) if weights is None else weights

    def _bytes_of_all(self) -> int:
        """Return what all examples take, to judge by a few from everywhere."""
        rows = np.unique(np.linspace(0, len(self) - 1, _MEASURED).astype(np.int64))
        sample = self._encode(rows)
        size = sum(_bytes(array) for part in sample for array in arrays(part))
        return size * len(self) // len(rows)


def _rows(part: Any, rows: np.ndarray) -> Any:
    return map_arrays(part, lambda array: array[rows])


def _without_padding(array: np.ndarray) -> np.ndarray:
    """Cut the columns at the end of numbers [batch, length] that are 0 in every row."""
    used = np.flatnonzero(array.any(axis=0))
    return array[:, : used[-1] + 1 if len(used) else 1]


def _bytes(array: np.ndarray) -> int:
    """Return the size of an array, and of what an object array refers to."""
    if array.dtype != object:
        return array.nbytes
    return array.nbytes + sum(np.asarray(item).nbytes for item in array.flat)


def arrays(part: Any) -> Iterator[np.ndarray]:
    """Yield the arrays in an array or a dict of arrays, in a stable order."""
    if isinstance(part, Mapping):
        yield from (part[name] for name in sorted(part))
    else:
        yield part


def map_arrays(part: Any, function: Any) -> Any:
    """Apply `function` to an array or to each array of a dict."""
    if isinstance(part, Mapping):
        return {name: function(array) for name, array in part.items()}
    return function(part)


def all_rows(examples: Examples, rows_at_once: int = _ROWS_AT_ONCE) -> Batch:
    """Return all examples as whole columns, read in pieces of `rows_at_once`."""
    if isinstance(examples, Columns):
        return dict(examples.columns)
    pieces = [
        examples[np.arange(start, min(start + rows_at_once, len(examples)))]
        for start in range(0, len(examples), rows_at_once)
    ]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def object_column(values: Iterable[Any]) -> np.ndarray:
    """Return an object array [values], also where the values are arrays of equal length."""
    values = list(values)
    column = np.empty(len(values), object)
    for row, value in enumerate(values):
        column[row] = value
    return column
