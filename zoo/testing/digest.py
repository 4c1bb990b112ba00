"""Hashes of examples, to compare them over processes and folders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.components import Batch, Preprocessing

_OPAQUE = b"opaque"


def digest(value: Any) -> str:
    """Return a hash of arrays, texts, numbers and what holds them.

    Other objects, such as references to pictures, count by their type alone: where they point
    to may differ while what they stand for is equal.
    """
    state = hashlib.sha256()
    _feed(state, value)
    return state.hexdigest()[:16]


def rows_of(batch: Batch, preprocessing: Preprocessing) -> list[str]:
    """Return a hash of each example: of its columns, and of its inputs where these say more."""
    count = length(batch)
    inputs: Mapping[str, Any] = {}
    if any(_is_opaque(column) for column in batch.values()):
        inputs = preprocessing.inputs(batch)
    return [
        digest({name: column[row] for name, column in [*batch.items(), *inputs.items()]})
        for row in range(count)
    ]


def length(batch: Mapping[str, Any]) -> int:
    """Return how many rows columns have."""
    return len(next(iter(batch.values()), ()))


def _is_opaque(column: np.ndarray) -> bool:
    return column.dtype == object and any(_content(item) is None for item in column[:1])


def _content(value: Any) -> bytes | None:
    """Return what a single value holds, or None if that cannot be told."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, np.generic):
        return f"{value.dtype}".encode() + value.tobytes()
    if value is None or isinstance(value, str | int | float | bool | bytes):
        return f"{type(value).__name__}{value!r}".encode()
    if isinstance(value, np.ndarray | list | tuple | Mapping):
        return b"items"
    return None


def _feed(state: Any, value: Any) -> None:
    state.update(_content(value) or _OPAQUE + type(value).__name__.encode())
    if isinstance(value, Mapping):
        for key in sorted(value):
            state.update(f"{key}:".encode())
            _feed(state, value[key])
    elif isinstance(value, list | tuple) or (
        isinstance(value, np.ndarray) and value.dtype == object
    ):
        state.update(f"{len(value)}[".encode())
        for item in value:
            _feed(state, item)
