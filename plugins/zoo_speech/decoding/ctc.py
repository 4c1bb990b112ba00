"""Greedy and prefix beam search over CTC's probabilities, and when each symbol is said.

Symbol 0 is the blank. Log probabilities are float [frames, symbols]. A search hears the frames
of a recording in order, at once or in parts; a copy of it can hear how the recording may go on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from zoo_speech.decoding.words import Place, WordList

Symbols: TypeAlias = tuple[int, ...]

_NEVER = -math.inf
_CANDIDATES = 12
"""Most symbols of a frame that beams are continued with."""
_UNLIKELY = -12.0
"""Log probability below which a symbol continues no beam."""


class Said(NamedTuple):
    """A symbol, and when it is said on the best path of its text.

    Attributes:
        symbol: its number.
        start: its first frame.
        end: the frame after its last.
        surest: its log probability at the frame where that is largest.
    """

    symbol: int
    start: int
    end: int
    surest: float


class Search(Protocol):
    """Finds what is said."""

    def hear(self, log_probs: np.ndarray) -> None:
        """Take in further frames."""

    def said(self) -> list[Said]:
        """Return the likeliest symbols of all frames so far."""

    def copy(self) -> Self:
        """Return a search that has heard the same."""


class Greedy:
    """Follows the best path: the best symbol of each frame, repeats and blanks dropped."""

    def __init__(self) -> None:
        self._runs: list[Said] = []

    def hear(self, log_probs: np.ndarray) -> None:
        if not len(log_probs):
            return
        first = self._runs[-1].end if self._runs else 0
        best = log_probs.argmax(axis=1)
        starts = np.flatnonzero(np.diff(best, prepend=-1))
        ends = np.append(starts[1:], len(best))
        surest = np.maximum.reduceat(log_probs.max(axis=1), starts)
        columns = (best[starts], starts + first, ends + first, surest)
        runs = [Said(*run) for run in zip(*(each.tolist() for each in columns), strict=True)]
        if self._runs and self._runs[-1].symbol == runs[0].symbol:
            runs[0] = _longer(self._runs.pop(), runs[0].end, runs[0].surest)
        self._runs.extend(runs)

    def said(self) -> list[Said]:
        return [run for run in self._runs if run.symbol]

    def copy(self) -> Self:
        other = copy.copy(self)
        other._runs = self._runs.copy()
        return other


class _Prefix:
    """What a text begins with: one symbol more than an earlier prefix, with which it is shared.

    Attributes:
        symbol: its last; 0 of the empty one.
        earlier: the prefix without that; None of the empty one.
        place: where it has got to in the list of words, if there is one.
    """

    __slots__ = ("__weakref__", "earlier", "place", "symbol")

    def __init__(self, symbol: int, earlier: _Prefix | None, place: Place | None) -> None:
        self.symbol = symbol
        self.earlier = earlier
        self.place = place


class _Trace(NamedTuple):
    """When the symbols of a prefix are said: the last one, and the trace of those before it."""

    said: Said
    earlier: _Trace | None


class _Path(NamedTuple):
    """The best path that says a prefix: its log probability, and when it says what."""

    score: float
    trace: _Trace | None


_NO_PATH = _Path(_NEVER, None)


@dataclass(slots=True)
class _Beam:
    """A prefix that is followed.

    Attributes:
        prefix: the prefix.
        blank: log probability of all its paths that end with a blank.
        other: that of the paths that end with its last symbol.
        best_blank: the best of the former.
        best_other: the best of the latter.
    """

    prefix: _Prefix
    blank: float = _NEVER
    other: float = _NEVER
    best_blank: _Path = _NO_PATH
    best_other: _Path = _NO_PATH

    @property
    def score(self) -> float:
        return _sum(self.blank, self.other)

    @property
    def best(self) -> _Path:
        return max(self.best_blank, self.best_other, key=_score)

    def stayed(self, frame: Sequence[float], place: int) -> _Beam:
        """Return the prefix after a frame, the place of which is given, that adds no symbol."""
        best, symbol = self.best, self.prefix.symbol
        stayed = _Beam(self.prefix, blank=self.score + frame[0])
        stayed.best_blank = _Path(best.score + frame[0], best.trace)
        if trace := self.best_other.trace:
            stayed.other = self.other + frame[symbol]
            longer = _longer(trace.said, place + 1, frame[symbol])
            score = self.best_other.score + frame[symbol]
            stayed.best_other = _Path(score, _Trace(longer, trace.earlier))
        return stayed

    def take(self, before: _Beam, symbol: int, sure: float, place: int) -> None:
        """Take in the paths of the prefix before, which a frame continues by this one's symbol."""
        # A symbol that follows itself needs a blank between.
        repeats = before.prefix.symbol == symbol
        self.other = _sum(self.other, (before.blank if repeats else before.score) + sure)
        path = before.best_blank if repeats else before.best
        if path.score + sure > self.best_other.score:
            trace = _Trace(Said(symbol, place, place + 1, sure), path.trace)
            self.best_other = _Path(path.score + sure, trace)


class BeamSearch:
    """Follows several prefixes at once, each by all of its paths (arXiv:1408.2873).

    What is written last is written in time that does not depend on what came before, since
    prefixes share their beginnings.

    Args:
        beams: prefixes that are followed.
        words: those that may be written; by default any text.
    """

    def __init__(self, beams: int, words: WordList | None = None) -> None:
        self._count = beams
        self._words = words
        self._frames = 0
        self._prefixes: WeakValueDictionary[tuple[int, int], _Prefix] = WeakValueDictionary()
        start = _Prefix(0, None, words.start if words else None)
        self._beams = [_Beam(start, blank=0.0, best_blank=_Path(0.0, None))]

    def hear(self, log_probs: np.ndarray) -> None:
        for frame in log_probs.astype(np.float64).tolist():
            beams = self._continued(frame)
            self._beams = sorted(beams, key=_score, reverse=True)[: self._count]
            for beam in self._beams:
                beam.prefix = self._shared(beam.prefix)
            self._frames += 1

    def said(self) -> list[Said]:
        """Return the likeliest text; where none ends with a word, the whole words of the first."""
        beam = next((each for each in self._beams if self._is_whole(each.prefix)), self._beams[0])
        prefix, trace, found = beam.prefix, beam.best.trace, []
        while trace and prefix.earlier and not self._is_whole(prefix):
            prefix, trace = prefix.earlier, trace.earlier
        while trace:
            found.append(trace.said)
            trace = trace.earlier
        return found[::-1]

    def texts(self) -> list[tuple[Symbols, float]]:
        """Return the prefixes that are followed, the likeliest first, and their log probability."""
        return [(tuple(_symbols(each.prefix))[::-1], each.score) for each in self._beams]

    def copy(self) -> Self:
        return copy.copy(self)

    def _continued(self, frame: Sequence[float]) -> list[_Beam]:
        """Return the prefixes after one more frame."""
        stayed = [beam.stayed(frame, self._frames) for beam in self._beams]
        there = {_key(beam.prefix): beam for beam in stayed}
        found, likely = list(stayed), _likely(frame)
        for before in self._beams:
            place = before.prefix.place
            for symbol in likely:
                if place is not None and symbol not in place:
                    continue
                beam = there.get((id(before.prefix), symbol))
                if beam is None:
                    after = None if place is None else place[symbol]
                    beam = _Beam(_Prefix(symbol, before.prefix, after))
                    found.append(beam)
                beam.take(before, symbol, frame[symbol], self._frames)
        return found

    def _shared(self, prefix: _Prefix) -> _Prefix:
        """Return the one prefix of these symbols, so that others that go on from it know it."""
        return self._prefixes.setdefault(_key(prefix), prefix)

    def _is_whole(self, prefix: _Prefix) -> bool:
        if self._words is None or prefix.place is None:
            return True
        return self._words.is_whole(prefix.place)


def _key(prefix: _Prefix) -> tuple[int, int]:
    return id(prefix.earlier), prefix.symbol


def _symbols(prefix: _Prefix) -> Iterator[int]:
    """Yield the symbols of a prefix, the last first."""
    while prefix.earlier is not None:
        yield prefix.symbol
        prefix = prefix.earlier


def _longer(said: Said, end: int, sure: float) -> Said:
    return said._replace(end=end, surest=max(said.surest, sure))


def _likely(frame: Sequence[float]) -> list[int]:
    possible = [symbol for symbol in range(1, len(frame)) if frame[symbol] > _UNLIKELY]
    return sorted(possible, key=lambda symbol: -frame[symbol])[:_CANDIDATES]


def _score(scored: _Beam | _Path) -> float:
    return scored.score


def _sum(one: float, other: float) -> float:
    """Return the logarithm of the sum of two probabilities, given theirs."""
    low, high = sorted((one, other))
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))
