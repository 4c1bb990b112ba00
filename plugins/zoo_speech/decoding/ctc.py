"""Greedy and prefix beam search over CTC's probabilities, and when each symbol is said.

Symbol 0 is the blank. Log probabilities are float [frames, symbols].
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

Symbols: TypeAlias = tuple[int, ...]
Allowed: TypeAlias = Callable[[Symbols], frozenset[int] | None]
"""From a prefix to the symbols that may follow it; None where all may."""

_NEVER = -math.inf
_CANDIDATES = 12
"""Most symbols of a frame that beams are continued with."""
_UNLIKELY = -12.0
"""Log probability below which a symbol continues no beam."""


def greedy(log_probs: np.ndarray) -> Symbols:
    """Return the symbols of the best path: the best of each frame, repeats and blanks dropped."""
    best = log_probs.argmax(axis=1)
    starts = np.append(True, best[1:] != best[:-1])[: len(best)]
    return tuple(best[starts & (best != 0)].tolist())


def prefix_beam(
    log_probs: np.ndarray,
    beams: int,
    allowed: Allowed | None = None,
    whole: Callable[[Symbols], bool] | None = None,
) -> list[tuple[Symbols, float]]:
    """Return likely symbols with the log probability of all their paths (arXiv:1408.2873).

    Args:
        log_probs: of the frames.
        beams: prefixes that are followed at once.
        allowed: what may follow a prefix; by default anything.
        whole: whether a text may end with a prefix; by default any.

    Returns:
        at most `beams` texts, the best first; where none is whole, the empty one.
    """
    # For each prefix the log probability of its paths that end with a blank, and of the others.
    found: dict[Symbols, tuple[float, float]] = {(): (0.0, _NEVER)}
    for frame in log_probs.astype(np.float64).tolist():
        found = dict(_best(_continued(found, frame, allowed), beams))
    ranked = [
        (prefix, _sum(*scores))
        for prefix, scores in _best(found, beams)
        if whole is None or whole(prefix)
    ]
    return ranked or [((), _NEVER)]


Scores: TypeAlias = dict[Symbols, tuple[float, float]]


def _continued(found: Scores, frame: Sequence[float], allowed: Allowed | None) -> Scores:
    """Return the prefixes after one more frame."""
    blank: dict[Symbols, float] = defaultdict(lambda: _NEVER)
    other: dict[Symbols, float] = defaultdict(lambda: _NEVER)
    likely = _likely(frame)
    for prefix, (ends_blank, ends_other) in found.items():
        either = _sum(ends_blank, ends_other)
        blank[prefix] = _sum(blank[prefix], either + frame[0])
        if prefix:
            repeated = ends_other + frame[prefix[-1]]
            other[prefix] = _sum(other[prefix], repeated)
        following = None if allowed is None else allowed(prefix)
        for symbol in likely:
            if following is None or symbol in following:
                # A symbol that follows itself needs a blank between.
                before = ends_blank if prefix and prefix[-1] == symbol else either
                longer = (*prefix, symbol)
                other[longer] = _sum(other[longer], before + frame[symbol])
    return {prefix: (blank[prefix], other[prefix]) for prefix in blank.keys() | other.keys()}


def _likely(frame: Sequence[float]) -> list[int]:
    possible = [symbol for symbol in range(1, len(frame)) if frame[symbol] > _UNLIKELY]
    return sorted(possible, key=lambda symbol: -frame[symbol])[:_CANDIDATES]


def _best(found: Scores, beams: int) -> list[tuple[Symbols, tuple[float, float]]]:
    """Return the best prefixes in order; of equals the first by their symbols."""
    return sorted(found.items(), key=lambda each: (-_sum(*each[1]), each[0]))[:beams]


def _sum(one: float, other: float) -> float:
    """Return the logarithm of the sum of two probabilities, given theirs."""
    low, high = sorted((one, other))
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))


def aligned(log_probs: np.ndarray, symbols: Symbols) -> np.ndarray:
    """Return when each symbol is said: the first and last frame of it on the best path.

    Args:
        log_probs: of the frames.
        symbols: a text that the frames have room for.

    Returns:
        int64 [symbols, 2].
    """
    if not symbols:
        return np.zeros((0, 2), np.int64)
    states = np.zeros(2 * len(symbols) + 1, np.int64)
    states[1::2] = symbols
    path = _best_path(log_probs[:, states].astype(np.float64), states)
    places = (np.flatnonzero(path == 2 * place + 1) for place in range(len(symbols)))
    return np.array([each[[0, -1]] for each in places], np.int64)


def _best_path(scores: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the likeliest state of each frame, where states follow each other in order.

    Args:
        scores: float64 [frames, states].
        states: symbols with blanks before, between and after them.
    """
    skips = np.zeros(len(states), bool)
    skips[2:] = (states[2:] != 0) & (states[2:] != states[:-2])
    total = np.where(np.arange(len(states)) < 2, scores[0], _NEVER)
    steps = np.zeros(scores.shape, np.int64)
    for frame in range(1, len(scores)):
        stay, one, two = total, _shifted(total, 1), np.where(skips, _shifted(total, 2), _NEVER)
        choices = np.stack([stay, one, two])
        steps[frame] = choices.argmax(axis=0)
        total = choices.max(axis=0) + scores[frame]
    state = len(states) - 1
    if total[-2] > total[-1]:
        state -= 1
    path = np.zeros(len(scores), np.int64)
    for frame in reversed(range(len(scores))):
        path[frame] = state
        state -= steps[frame, state]
    return path


def _shifted(values: np.ndarray, places: int) -> np.ndarray:
    return np.append(np.full(places, _NEVER), values)[: len(values)]
