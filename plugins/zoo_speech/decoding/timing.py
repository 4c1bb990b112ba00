"""When each word of a text is said, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypedDict

import numpy as np

from zoo_speech.decoding.ctc import Symbols, aligned
from zoo_speech.text import Units, joined


class Word(TypedDict):
    """A word of a transcription.

    Attributes:
        word: as text.
        start: when it begins, seconds.
        end: when it ends, seconds.
        confidence: geometric mean of the probabilities of its symbols, each at its surest frame.
    """

    word: str
    start: float
    end: float
    confidence: float


def timed_words(
    log_probs: np.ndarray, found: Symbols, frame: float, names: Sequence[str], unit: Units
) -> list[Word]:
    """Return the words that symbols make up.

    Args:
        log_probs: float [frames, symbols].
        found: the symbols that are said.
        frame: seconds of a frame.
        names: of the symbols.
        unit: whether these are characters or words.
    """
    times = aligned(log_probs, found)
    words: list[Word] = []
    for members in _members([names[symbol] for symbol in found], unit):
        surest = [
            log_probs[times[each, 0] : times[each, 1] + 1, found[each]].max() for each in members
        ]
        words.append(
            {
                "word": joined((names[found[each]] for each in members), unit),
                "start": round(float(times[members[0], 0]) * frame, 3),
                "end": round(float(times[members[-1], 1] + 1) * frame, 3),
                "confidence": round(float(np.exp(np.mean(surest))), 4),
            }
        )
    return words


def mean_confidence(words: Sequence[Word]) -> float:
    """Return the geometric mean of the words' confidences; 1 where nothing is said."""
    if not words:
        return 1.0
    return float(np.exp(np.mean(np.log([max(each["confidence"], 1e-4) for each in words]))))


def _members(symbols: Sequence[str], unit: Units) -> Iterator[list[int]]:
    """Yield the places of the symbols of each word."""
    if unit == "words":
        yield from ([place] for place in range(len(symbols)))
        return
    for is_space, places in groupby(range(len(symbols)), lambda place: symbols[place] == " "):
        if not is_space:
            yield list(places)
