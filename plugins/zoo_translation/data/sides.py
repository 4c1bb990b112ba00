"""Tells the two languages of parallel text apart by what the text itself shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo_translation.data.characters import CodePoints, code_points

LEAST_PAIRS = 200
"""Pairs below which there is too little to learn from."""

_LEARNT_FROM = 50_000
_BUCKETS = 1 << 18
_LEAST_CHARACTERS = 20
"""Length below which a sentence may well be a name, or look like either language."""
_DIFFERENT = 0.2
"""Median lead of sources over targets, as a mean logarithm of odds, of two languages."""
_SURE = 0.5
"""Mean logarithm of odds at which a sentence surely belongs to a side."""


@dataclass(frozen=True)
class Sides:
    """How much more frequent a trigram of characters is on one side.

    Attributes:
        odds: logarithm of the ratio of frequencies, source to target, by hash of the trigram.
    """

    odds: np.ndarray

    @classmethod
    def learn(cls, sources: Sequence[str], targets: Sequence[str]) -> Sides | None:
        """Learn from pairs; None if there are too few, or both sides are too much alike.

        Each half is judged by what the other shows, and only pairs that stand the right way
        round are learnt from in the end, so that many may be swapped.
        """
        if len(sources) < LEAST_PAIRS:
            return None
        step = -(-len(sources) // _LEARNT_FROM)
        ours, theirs = sources[::step], targets[::step]
        margins = np.empty(len(ours), np.float32)
        for half in (0, 1):
            other = cls.counted(ours[1 - half :: 2], theirs[1 - half :: 2])
            margins[half::2] = other.score(ours[half::2]) - other.score(theirs[half::2])
        if np.median(margins) < _DIFFERENT:
            return None
        right = np.flatnonzero(margins > 0).tolist()
        return cls.counted([ours[row] for row in right], [theirs[row] for row in right])

    @classmethod
    def counted(cls, sources: Sequence[str], targets: Sequence[str]) -> Sides:
        """Count trigrams on both sides."""
        counts = [_counts(texts) for texts in (sources, targets)]
        shares = [(count + 0.5) / (count.sum() + 0.5 * _BUCKETS) for count in counts]
        return cls(np.log(shares[0] / shares[1]).astype(np.float32))

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Return the mean logarithm of odds of each text, float32 [n]; 0 for a short one."""
        found = np.empty(len(texts), np.float32)
        for piece in code_points(texts):
            lengths = np.diff(piece.starts, append=len(piece.points))
            means = piece.sums(self.odds[_trigrams(piece)]) / lengths
            found[piece.rows] = np.where(lengths > _LEAST_CHARACTERS, means, 0)
        return found

    def place(self, texts: Sequence[str]) -> np.ndarray:
        """Return the side each text surely belongs to, int8 [n]: 1 source, -1 target, 0 unsure."""
        score = self.score(texts)
        return np.sign(score).astype(np.int8) * (np.abs(score) > _SURE)


def _counts(texts: Sequence[str]) -> np.ndarray:
    total = np.zeros(_BUCKETS)
    for piece in code_points(texts):
        total += np.bincount(_trigrams(piece), minlength=_BUCKETS)
    return total


def _trigrams(piece: CodePoints) -> np.ndarray:
    """Return a hash of the three characters that begin at each, [characters].

    Large and small ASCII letters are the same; trigrams reach into the next text by two.
    """
    points = piece.points
    points = np.where((points >= ord("A")) & (points <= ord("Z")), points + 32, points)
    points = points.astype(np.uint32)
    second, third = np.roll(points, -1), np.roll(points, -2)
    hashed = points * np.uint32(0x9E3779B1) ^ second * np.uint32(0x85EBCA77)
    hashed ^= third * np.uint32(0xC2B2AE3D)
    return (hashed >> np.uint32(14)).astype(np.int64)
