"""Texts in as many sentences as the network has learnt to read at once, and put together again."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

import sentencex

_BOUNDARIES = (
    re.compile(r"[,;:–—]\s+|[，；：、]"),  # noqa: RUF001
    re.compile(r"\s+"),
    re.compile(r"(?s:.)"),
)
"""Where a sentence may be cut, the best places first: clauses, words, letters."""

_WORD = re.compile(r"\w")
_WIDE_END = tuple("。！？｡」』）")  # noqa: RUF001
"""What a sentence ends with in scripts that put no space between sentences."""


def sentences(text: str, language: str = "") -> list[str]:
    """Return the sentences of a text, together all of it.

    Abbreviations and dates of the language end none (https://github.com/wikimedia/sentencex).
    Emoji and the like belong to the sentence before.

    Args:
        text: any.
        language: its code, such as `de` or `pt-BR`; English rules are for those not known.
    """
    code = re.split("[-_]", language)[0].lower() or "en"
    # It stops at some spaces that are not ASCII.
    lengths = map(len, sentencex.segment(code, re.sub(r"\s", " ", text)))
    ends = list(accumulate(lengths, initial=0))
    found: list[str] = []
    for each in (text[start:end] for start, end in pairwise(ends)):
        if found and not (_WORD.search(each) and _WORD.search(found[-1])):
            found[-1] += each
        else:
            found.append(each)
    return found or [text]


def cut(
    text: str, fits: Callable[[str], bool], *, language: str = "", most: float = math.inf
) -> list[str]:
    """Return a text in parts of whole sentences, together all of it but for spaces between.

    A sentence that is too long is cut at clauses, words or letters.

    Args:
        text: any.
        fits: whether a text is short enough; a single letter is whatever it says.
        language: see :func:`sentences`.
        most: sentences of a part.
    """
    short = (
        part
        for sentence in sentences(text, language)
        for part in _packed(_pieces(sentence, fits, _BOUNDARIES), fits)
    )
    parts = [part.strip() for part in _packed(short, fits, most)]
    return [part for part in parts if part] or [""]


def joined(texts: Iterable[str]) -> str:
    """Return the translations of parts as one text."""
    found = ""
    for text in texts:
        gap = "" if not found or found.endswith(_WIDE_END) else " "
        found += gap + text if text else ""
    return found


def _pieces(
    text: str, fits: Callable[[str], bool], boundaries: Sequence[re.Pattern[str]]
) -> Iterator[str]:
    """Yield a text in pieces that fit, cut at the best places there are."""
    if not boundaries or fits(text):
        yield text
        return
    best, *others = boundaries
    ends = [found.end() for found in best.finditer(text)]
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        yield from _pieces(text[start:end], fits, others)


def _packed(
    pieces: Iterable[str], fits: Callable[[str], bool], most: float = math.inf
) -> Iterator[str]:
    """Yield as many pieces together as fit, and not more than `most`."""
    whole, count = "", 0
    for piece in pieces:
        if count == most or (whole and not fits(whole + piece)):
            yield whole
            whole, count = "", 0
        whole, count = whole + piece, count + 1
    yield whole
