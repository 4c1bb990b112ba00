"""Finds pictures that are the same or nearly so: copies, resized, compressed again.

Candidates have perceptual hashes that differ in few bits (pHash: the signs of a picture's
lowest frequencies, http://phash.org/docs/pubs/thesis_zauner.pdf). They are found without
comparing all pairs, as neighbours in the order of the hashes, once for each of several
rotations of their bits (Charikar 2002). A candidate counts if the thumbnails also agree
in what tells them from the average picture, since the hash alone takes microscope pictures
and frames of a fixed camera, which share illumination and background, for copies.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

_BITS = 8
"""Bits, of 64, in which the hashes of candidates may differ."""
_NEIGHBOURS = 48
"""How far apart candidates may stand in an order of the hashes."""
_ROTATION = 4
"""Bits by which one order's hashes are turned further than those of the one before."""
_LIKENESS = 0.95
"""Correlation of two thumbnails from which they show the same."""
_ENOUGH_FOR_AVERAGE = 30
"""Pictures from which an average picture says what all share."""
_NOISE = 1.0
"""Thumbnails that differ by less, in grey levels on average, are equal."""


def near_copies(thumbnails: np.ndarray) -> np.ndarray:
    """Return the pairs of pictures that are the same or nearly the same.

    Args:
        thumbnails: uint8 [n, side, side], in grey.

    Returns:
        int64 [pairs, 2], each with the lower row first, in order.
    """
    pairs = _candidates(perceptual_hash(thumbnails))
    return pairs[_alike(thumbnails, pairs)]


def perceptual_hash(thumbnails: np.ndarray) -> np.ndarray:
    """Return a uint64 [n] that changes in few bits when the picture changes little."""
    low = fft.dctn(thumbnails.astype(np.float32), axes=(1, 2))[:, :8, :8].reshape(-1, 64)
    signs = low > np.median(low[:, 1:], axis=1, keepdims=True)
    return np.packbits(signs, axis=1).view(np.uint64).ravel()


def _candidates(hashes: np.ndarray) -> np.ndarray:
    """Return pairs of rows whose hashes differ in few bits."""
    found = [np.empty((0, 2), np.int64)]
    for shift in range(0, 64, _ROTATION):
        rotated = (hashes << np.uint64(shift)) | (hashes >> np.uint64((64 - shift) % 64))
        order = np.argsort(rotated, kind="stable")
        ranked = hashes[order]
        for step in range(1, min(_NEIGHBOURS, len(hashes) - 1) + 1):
            near = np.flatnonzero(_different_bits(ranked[:-step], ranked[step:]) <= _BITS)
            found.append(np.stack([order[near], order[near + step]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _different_bits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    differing = (first ^ second).view(np.uint8).reshape(-1, 8)
    return _ONES[differing].sum(axis=1)


_ONES = np.array([byte.bit_count() for byte in range(256)], np.uint8)


def _alike(thumbnails: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return for each pair whether its thumbnails show the same."""
    average = 0.0
    if len(thumbnails) >= _ENOUGH_FOR_AVERAGE:
        average = np.median(thumbnails, axis=0)
    alike = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), 10_000):
        rows = pairs[start : start + 10_000]
        first, second = (thumbnails[rows[:, side]].astype(np.float32) for side in (0, 1))
        equal = np.abs(first - second).mean(axis=(1, 2)) < _NOISE
        likeness = _correlation(first - average, second - average)
        alike[start : start + len(rows)] = (likeness > _LIKENESS) | equal
    return alike


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair of thumbnails, 0 where one has no texture."""
    first, second = (each - each.mean(axis=(1, 2), keepdims=True) for each in (first, second))
    norms = np.sqrt((first**2).sum(axis=(1, 2)) * (second**2).sum(axis=(1, 2)))
    return np.divide((first * second).sum(axis=(1, 2)), norms, where=norms > 0, out=norms * 0)
