"""Carries over what a network cannot read: emoji, words in scripts that training did not have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

_PLAIN = {"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-"}  # noqa: RUF001
"""What is read for typographic signs that training did not have."""

_WORD = re.compile(r"\w(?:\S*\w)?")
_STRETCH = re.compile("^ *(?:(?:c*U[cU]*|X)+ *)+|(?: *(?:c*U[cU]*|X))+")
"""What cannot be read, in kinds of characters: U letters and digits and X others that cannot,
c digits and letters of scripts with capitals that can. With the space before it or, at the start
of a text, after it."""


class Carried(NamedTuple):
    """A stretch of a source that is not translated.

    Attributes:
        text: with the spaces that set it off.
        share: of the source's other words that stand before it, 0 to 1.
        last: whether nothing follows it, not even a full stop.
    """

    text: str
    share: float
    last: bool


def take_out(text: str, alphabet: frozenset[str]) -> tuple[str, list[Carried]]:
    """Return a text without what a network cannot read, and that, in order.

    Letters and digits take along the word or number they are in, in scripts that have capitals.

    Args:
        text: any.
        alphabet: the characters that can be read; white space is always.
    """
    if alphabet.issuperset(text):
        return text, []
    text = "".join(each if each in alphabet else _PLAIN.get(each, each) for each in text)
    kept, stretches = _divided(text, alphabet)
    words = [len(_WORD.findall(each)) for each in kept]
    carried = []
    for number, stretch in enumerate(stretches, start=1):
        share = sum(words[:number]) / max(1, sum(words))
        carried.append(Carried(stretch, share, last=not "".join(kept[number:]).strip()))
    return reduce(_apart, kept), carried


def put_back(text: str, carried: Sequence[Carried]) -> str:
    """Return a translation with what was taken out of its source at about the same place."""
    ends = [0, *(word.end() for word in _WORD.finditer(text))]
    for each in reversed(carried):
        place = len(text) if each.last else ends[round(each.share * (len(ends) - 1))]
        text = text[:place] + each.text + text[place:]
    return text


def _divided(text: str, alphabet: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return what can be read of a text, and the stretches between that cannot."""
    kinds = "".join(_kind(each, alphabet) for each in text)
    kept, stretches, start = [], [], 0
    for found in _STRETCH.finditer(kinds):
        kept.append(text[start : found.start()])
        stretches.append(text[found.start() : found.end()])
        start = found.end()
    return [*kept, text[start:]], stretches


def _apart(first: str, second: str) -> str:
    """Return two stretches as one, so that words stay apart."""
    return first + (" " if first[-1:].isalnum() and second[:1].isalnum() else "") + second


def _kind(letter: str, alphabet: frozenset[str]) -> str:
    """Return a letter that stands for what a character is; see `_STRETCH`."""
    if letter.isspace():
        return " "
    if letter in alphabet:
        return "c" if letter.isdecimal() or letter.lower() != letter.upper() else "."
    return "U" if letter.isalnum() else "X"
