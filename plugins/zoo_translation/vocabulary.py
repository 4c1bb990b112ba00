"""What of a trained network's pieces those of another tokeniser can start from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch

import keras
import numpy as np
from scipy import sparse

import zoo

_NO_TEXT = re.compile(r"<(0x[0-9A-F]{2}|pad|unk|s|/s)>")
"""Names of pieces that no others spell: those of a byte, and those of no text."""


def carrier(
    source: zoo.Space, target: zoo.Space, patterns: Sequence[str], axis: int = 0
) -> zoo.Carrier:
    """Return what starts the vectors of pieces from those of other pieces.

    A piece that both tokenisers have is copied. A new one starts from the mean of the old
    pieces that spell it, and keeps its own start if they cannot. Other weights are copied
    where path and shape are equal.

    Args:
        source: what the trained network was built from.
        target: what the new one is built from.
        patterns: shell patterns of the paths of weights that count the pieces, such as the
            embedding.
        axis: along which they count them.
    """
    shares = spelling(source.classes, target.classes)

    def carry(weight: keras.Variable, known: Mapping[str, keras.Variable]) -> bool:
        if not any(fnmatch(weight.path, pattern) for pattern in patterns):
            return zoo.copy_equal(weight, known)
        return _respell(weight, known.get(weight.path), shares, axis)

    return carry


def spelling(old: Sequence[str], new: Sequence[str]) -> sparse.csr_array:
    """Return what shares of old pieces make each new one, [new, old].

    The shares of a row sum up to 1; a piece that cannot be spelt has an empty row.
    """
    numbers = {piece: number for number, piece in enumerate(old)}
    longest = max(map(len, old), default=0)
    rows, columns, shares = [], [], []
    for row, piece in enumerate(new):
        parts = _spelt(piece, numbers, longest)
        rows += [row] * len(parts)
        columns += parts
        shares += [1 / len(parts) for _ in parts]
    return sparse.csr_array((shares, (rows, columns)), shape=(len(new), len(old)))


def _spelt(piece: str, numbers: Mapping[str, int], longest: int) -> list[int]:
    """Return the old pieces that make a new one, each as long as possible; empty if none do."""
    if piece in numbers:
        return [numbers[piece]]
    if _NO_TEXT.fullmatch(piece):
        return []
    parts = []
    while piece:
        lengths = range(min(len(piece), longest), 0, -1)
        length = next((length for length in lengths if piece[:length] in numbers), 0)
        if length:
            parts.append(numbers[piece[:length]])
        else:
            length = 1
            spelt = list(_bytes(piece[0]))
            if not all(each in numbers for each in spelt):
                return []
            parts += [numbers[each] for each in spelt]
        piece = piece[length:]
    return parts


def _bytes(letter: str) -> Iterator[str]:
    """Yield the names of the pieces that spell a letter in bytes."""
    return (f"<0x{byte:02X}>" for byte in letter.encode())


def _respell(
    weight: keras.Variable, given: keras.Variable | None, shares: sparse.csr_array, axis: int
) -> bool:
    """Start a weight that counts pieces along `axis`; return whether any piece was started."""
    if given is None or not shares.nnz:
        return False
    old, new = (np.moveaxis(keras.ops.convert_to_numpy(x), axis, 0) for x in (given, weight))
    if old.shape[1:] != new.shape[1:] or (len(new), len(old)) != shares.shape:
        return False
    spelt = np.diff(shares.indptr) > 0
    made = (shares @ old.reshape(len(old), -1)).reshape(new.shape)
    kept = spelt.reshape(-1, *[1] * (new.ndim - 1))
    weight.assign(np.moveaxis(np.where(kept, made, new), 0, axis))
    return True
