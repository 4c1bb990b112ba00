"""Text as the network writes it: normalised, and cut into characters or words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

Units: TypeAlias = Literal["characters", "words"]
"""What a network writes one after the other."""

_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"


@dataclass(frozen=True)
class TextForm:
    """How text is normalised before it is learnt and measured.

    Attributes:
        lower_case: whether case is dropped.
        punctuation: whether punctuation is kept; apostrophes always are.
    """

    lower_case: bool = True
    punctuation: bool = False

    def normalised(self, text: str) -> str:
        """Return a text in this form: NFC, with single spaces."""
        text = unicodedata.normalize("NFC", str(text))
        text = text.replace(_APOSTROPHES[1], _APOSTROPHES[0])
        if self.lower_case:
            text = text.lower()
        if not self.punctuation:
            text = "".join(map(_spoken, text))
        return " ".join(text.split())


def cut(text: str, units: Units) -> Sequence[str]:
    """Return a normalised text as characters or as words."""
    return text if units == "characters" else text.split()


def joined(symbols: Iterable[str], units: Units) -> str:
    """Return characters or words as text."""
    text = ("" if units == "characters" else " ").join(symbols)
    return " ".join(text.split())


def alphabet_of(texts: Iterable[str], units: Units) -> tuple[str, ...]:
    """Return the characters or words of normalised texts, sorted."""
    return tuple(sorted({symbol for text in texts for symbol in cut(text, units)}))


def places(alphabet: Sequence[str]) -> dict[str, int]:
    """Return the number of each symbol; 0 is left for the blank."""
    return {symbol: number for number, symbol in enumerate(alphabet, start=1)}


def encoded(text: str, numbers: Mapping[str, int], units: Units) -> np.ndarray:
    """Return the numbers of a normalised text's symbols, int32 [symbols].

    What has no number is left out.
    """
    return np.array([numbers[each] for each in cut(text, units) if each in numbers], np.int32)


def _spoken(character: str) -> str:
    """Return a character if it is spoken, or what stands for it."""
    category = unicodedata.category(character)
    if category == "Pd":
        return " "
    return "" if category[0] in "PS" and character not in _APOSTROPHES else character
