"""Cleans sentences, and says which pairs are no good to learn from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zoo import Finding, setting
from zoo_translation.data.scripts import foreign
from zoo_translation.data.sides import Sides
from zoo_translation.data.texts import Languages

Form = Literal["nfc", "nfkc", "none"]

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""Control characters but for white space, soft hyphens, and what only guides the layout."""
_STRAY_JOINER = re.compile(
    "(?<![\u0600-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\U0010ffff])"
)
"""Joiners that join nothing: they mean something in emoji and in many Asian scripts alone."""

_SMOOTHING = 10
"""Characters that are added to both lengths, so that ratios of short sentences may vary."""
_MANY = 0.2
"""Share of left out pairs above which something may be wrong with all of the data."""


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """What is done to sentences before they are learnt from."""

    normalise: Form = setting(
        "nfc",
        "Unicode form of all sources and of targets to learn from; `nfkc` also unifies wide, "
        "small and joined characters. References to measure by stay as they are.",
    )
    max_words: int = setting(
        250, "Pairs with a longer side are not learnt from, in words between spaces.", minimum=1
    )
    max_characters: int = setting(
        1500, "Pairs with a longer side are not learnt from, in characters.", minimum=1
    )
    max_ratio: float = setting(
        3.0,
        "Pairs are not learnt from if one side is so many times longer than usual beside the "
        "other.",
        minimum=1,
    )
    drop_copied: bool = setting(True, "Do not learn from pairs whose sides are equal.")
    check_languages: bool = setting(
        True, "Do not learn from pairs that are in a wrong script or language, or swapped."
    )


def clean(text: str, form: Form) -> str:
    """Return a sentence in a Unicode form, on one line, without invisible characters.

    Runs of white space become one space. With `none` the sentence stays as it is.
    """
    if form == "none":
        return text
    if text.isascii() and text.isprintable():
        return text if "  " not in text and text.strip() == text else " ".join(text.split())
    text = unicodedata.normalize("NFC" if form == "nfc" else "NFKC", _INVISIBLE.sub("", text))
    return " ".join(_STRAY_JOINER.sub("", text).split())


def unfit(
    sources: Sequence[str],
    targets: Sequence[str],
    languages: Languages,
    settings: FilterSettings,
) -> dict[str, np.ndarray]:
    """Return which cleaned pairs are no good to learn from, bool [n], by the first reason.

    Args:
        sources: sentences [n].
        targets: their translations [n].
        languages: of both.
        settings: what is no good.
    """
    reasons: dict[str, np.ndarray] = {}
    left = np.ones(len(sources), bool)
    for reason, flagged in _reasons(sources, targets, languages, settings):
        reasons[reason] = flagged & left
        left &= ~flagged
    return reasons


def _reasons(
    sources: Sequence[str], targets: Sequence[str], languages: Languages, settings: FilterSettings
) -> Iterator[tuple[str, np.ndarray]]:
    ours, theirs = _each(len, sources), _each(len, targets)
    empty = (_each(len, map(str.strip, sources)) == 0) | (_each(len, map(str.strip, targets)) == 0)
    yield "empty", empty
    copied = np.fromiter(map(str.__eq__, sources, targets), bool, len(sources))
    if settings.drop_copied:
        yield "copied", copied
    words = np.maximum(_each(_words, sources), _each(_words, targets))
    longest = np.maximum(ours, theirs)
    yield "too long", (words > settings.max_words) | (longest > settings.max_characters)
    ratio = np.log((ours + _SMOOTHING) / (theirs + _SMOOTHING))
    usual = np.median(ratio[~empty]) if not empty.all() else 0.0
    yield "unequal lengths", np.abs(ratio - usual) > np.log(settings.max_ratio)
    if settings.check_languages:
        wrong = foreign(sources, languages.source) | foreign(targets, languages.target)
        yield "wrong script", wrong
        yield from _languages(sources, targets, ~(empty | copied | wrong))


def _languages(
    sources: Sequence[str], targets: Sequence[str], usable: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Flag swapped pairs, and pairs with one language on both sides."""
    rows = np.flatnonzero(usable).tolist()
    ours, theirs = [sources[row] for row in rows], [targets[row] for row in rows]
    sides = Sides.learn(ours, theirs)
    if sides is None:
        return
    first, second = np.zeros((2, len(sources)), np.int8)
    first[usable], second[usable] = sides.place(ours), sides.place(theirs)
    yield "swapped", (first < 0) & (second > 0)
    yield "one language", (first == second) & (first != 0)


def _each(function: Callable[[str], int], texts: Iterable[str]) -> np.ndarray:
    return np.fromiter(map(function, texts), np.int64)


def _words(text: str) -> int:
    return text.count(" ") + 1


def filter_findings(reasons: Mapping[str, np.ndarray], ids: np.ndarray) -> Iterator[Finding]:
    """Say how many pairs are left out for each reason.

    Args:
        reasons: from :func:`unfit`.
        ids: of the pairs [n].
    """
    for reason, flagged in reasons.items():
        if count := int(flagged.sum()):
            level: Literal["warning", "note"] = "warning" if count > _MANY * len(ids) else "note"
            message = f"{count:,} of {len(ids):,} pairs are not learnt from: {reason}."
            example = str(ids[flagged.argmax()])
            yield Finding(level, "filtered", message, f"train, such as {example}")
