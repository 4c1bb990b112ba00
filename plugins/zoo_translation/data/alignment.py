"""Finds where the lines of two files stop being translations of one another.

A translation is about as long as its source, and has as many digits, commas and question
marks. One line that is missing in one file shifts all after it; then these agree with the
neighbours of the right line far better than with the line that stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from zoo_translation.data.characters import code_points

FURTHEST = 20
"""Lines by which a shift is looked for."""
WINDOW = 200
"""Most lines that are judged together."""
_LEAST_WINDOW = 75
"""With fewer lines together, lines that do not belong together at all seem shifted at times."""

_MARKS = (",;:、，；：،؛", "?？؟", "!！", ".。．।", "()[]（）", "\"'«»„“”‘’「」")  # noqa: RUF001
_DIGIT = len(_MARKS) + 1
_OUTLIER = 3.0
"""Standard deviations at which a property is cut off, so that no odd line decides alone."""
_LENGTH_WEIGHT = 4.0
"""How much more than another property the length counts: no line is without it."""
_CLEAR = 5.0
"""How many standard errors better than none a shift must fit."""


def _kinds() -> np.ndarray:
    """Return the kind of each character: 1 and on for marks, `_DIGIT`, 0 for others."""
    kinds = np.zeros(1 << 16, np.uint8)
    for kind, characters in enumerate((*_MARKS, "0123456789"), start=1):
        kinds[[ord(character) for character in characters]] = kind
    return kinds


_KINDS = _kinds()


class Shift(NamedTuple):
    """Lines that fit a shifted target far better.

    Attributes:
        start: the first of about these lines, from 0.
        stop: the line after the last.
        lines: by which the target is late; negative where it is early.
    """

    start: int
    stop: int
    lines: int


def shifts(sources: Sequence[str], targets: Sequence[str]) -> list[Shift]:
    """Return the stretches of two aligned lists that are shifted against each other."""
    if len(sources) < 2 * _LEAST_WINDOW or (agreement := _agreement(sources, targets)) is None:
        return []
    window = min(max(len(sources) // 3, _LEAST_WINDOW), WINDOW)
    every = range(-FURTHEST, FURTHEST + 1)
    means = np.stack([_means(agreement(lines), window) for lines in every])
    best = means.argmax(axis=0) - FURTHEST
    shifted = np.zeros(len(best), bool)
    for lines in set(best[best != 0].tolist()):
        gain = agreement(lines) - agreement(0)
        mean = _means(gain, window)
        error = np.sqrt((_means(gain**2, window) - mean**2) / window)
        shifted |= (best == lines) & (mean > _CLEAR * error)
    return _merged(best, shifted, window, len(sources))


def parting(sources: Sequence[str], targets: Sequence[str]) -> int | None:
    """Return about which line, from 1, two lists of unequal length part at; None if unknown."""
    common = min(len(sources), len(targets))
    found = shifts(sources[:common], targets[:common])
    return max(found[0].start, 1) if found else None


def length_correlation(sources: Sequence[str], targets: Sequence[str]) -> float:
    """Return the correlation of the logarithms of lengths; NaN where all are equal."""
    lengths = [np.log1p(np.fromiter(map(len, texts), float)) for texts in (sources, targets)]
    if len(sources) < 2 or min(each.std() for each in lengths) == 0:
        return float("nan")
    return float(np.corrcoef(*lengths)[0, 1])


def _agreement(
    sources: Sequence[str], targets: Sequence[str]
) -> Callable[[int], np.ndarray] | None:
    """Return how to get each source's likeness to the target some lines further, float [n].

    None is returned where all lines are alike, so that nothing can be said.
    """
    ours, theirs = _properties(sources), _properties(targets)
    varied = (np.ptp(ours, axis=0) > 0) & (np.ptp(theirs, axis=0) > 0)
    if not varied.any():
        return None
    weights = np.where(np.flatnonzero(varied) == 0, _LENGTH_WEIGHT, 1.0).astype(np.float32)
    ours, theirs = _standard(ours[:, varied]) * weights, _standard(theirs[:, varied])
    padded = np.pad(theirs, ((FURTHEST, FURTHEST), (0, 0)))

    def agreement(lines: int) -> np.ndarray:
        start = FURTHEST + lines
        return np.einsum("ij,ij->i", ours, padded[start : start + len(ours)])

    return agreement


def _means(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of each whole window of so many lines, float [windows]."""
    count = len(values) // window
    return values[: count * window].reshape(count, window).mean(axis=1)


def _merged(best: np.ndarray, shifted: np.ndarray, window: int, count: int) -> list[Shift]:
    """Return neighbouring windows of one shift as one; lines after the last window join it."""
    found: list[Shift] = []
    for number in np.flatnonzero(shifted).tolist():
        lines, start = int(best[number]), number * window
        stop = count if number == len(best) - 1 else start + window
        if found and found[-1].lines == lines and found[-1].stop == start:
            found[-1] = found[-1]._replace(stop=stop)
        else:
            found.append(Shift(start, stop, lines))
    return found


def _properties(texts: Sequence[str]) -> np.ndarray:
    """Return length, digits, their sum and marks of each text, on a log scale [n, properties]."""
    found = np.empty((len(texts), 3 + len(_MARKS)), np.float32)
    for piece in code_points(texts):
        kinds = _KINDS[np.minimum(piece.points, len(_KINDS) - 1)]
        digits = np.where(kinds == _DIGIT, piece.points - ord("0"), 0)
        flags = (kinds == kind for kind in range(1, _DIGIT + 1))
        for place, column in enumerate([np.ones_like(kinds), digits, *flags]):
            found[piece.rows, place] = piece.sums(column.astype(np.float32))
    return np.log1p(found)


def _standard(properties: np.ndarray) -> np.ndarray:
    """Return the properties with mean 0 and deviation 1 over all texts, outliers cut off."""
    scaled = (properties - properties.mean(axis=0)) / properties.std(axis=0)
    return np.clip(scaled, -_OUTLIER, _OUTLIER)
