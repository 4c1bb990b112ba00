"""When each word of a text is said, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypedDict

from zoo_speech.decoding.ctc import Said
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
    said: Sequence[Said], frame: float, names: Sequence[str], unit: Units
) -> list[Word]:
    """Return the words that symbols make up.

    Args:
        said: the symbols.
        frame: seconds of a frame.
        names: of the symbols.
        unit: whether these are characters or words.
    """
    words: list[Word] = []
    for members in _members(said, names, unit):
        surest = sum(each.surest for each in members) / len(members)
        words.append(
            {
                "word": joined((names[each.symbol] for each in members), unit),
                "start": round(members[0].start * frame, 3),
                "end": round(members[-1].end * frame, 3),
                "confidence": round(math.exp(surest), 4),
            }
        )
    return words


def mean_confidence(words: Sequence[Word]) -> float:
    """Return the geometric mean of the words' confidences; NaN where nothing is said."""
    if not words:
        return math.nan
    return math.exp(sum(math.log(max(each["confidence"], 1e-4)) for each in words) / len(words))


def _members(said: Sequence[Said], names: Sequence[str], unit: Units) -> Iterator[list[Said]]:
    """Yield the symbols of each word."""
    if unit == "words":
        yield from ([each] for each in said)
        return
    for is_space, members in groupby(said, lambda each: names[each.symbol] == " "):
        if not is_space:
            yield list(members)
