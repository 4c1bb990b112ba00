"""Over-long texts in parts, and their translations put together again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

import zoo
from zoo_translation.tokeniser import Tokeniser

_BOUNDARIES = (
    re.compile(r"[.!?…]+[\"'”’»)\]]*\s+|[。！？｡]+[」』”）]*|[।۔؟]\s*|\n+"),  # noqa: RUF001
    re.compile(r"[,;:–—]\s+|[，；：、]"),  # noqa: RUF001
    re.compile(r"\s+"),
    re.compile(r"(?s:.)"),
)
"""Where a text may be cut, the best places first: sentences, clauses, words, letters."""

_WIDE_END = tuple("。！？｡」』）")  # noqa: RUF001
"""What a sentence ends with in scripts that put no space between sentences."""


def cut_examples(examples: zoo.Examples, tokeniser: Tokeniser, longest: int) -> zoo.Examples:
    """Return the examples with over-long sources in parts, each a row.

    Columns are those of the examples, with the part as `source`, and further `example`, the
    row in `examples`, and `known`, float32: 0 for parts, whose part of the target is not
    known and is empty.

    Args:
        examples: have `source`; where none is too long they are returned as they are.
        tokeniser: counts tokens.
        longest: most tokens of a part, END included.
    """
    batch = zoo.all_rows(examples)
    lengths = [len(each) + 1 for each in tokeniser.encode(batch["source"])]
    if max(lengths, default=0) <= longest:
        return examples

    def fits(text: str) -> bool:
        return len(tokeniser.encode([text])[0]) < longest

    parts = [
        [text] if length <= longest else cut(text, fits)
        for text, length in zip(batch["source"], lengths, strict=True)
    ]
    counts = [len(each) for each in parts]
    rows = np.repeat(np.arange(len(parts)), counts)
    known = np.repeat(counts, counts) == 1
    columns = {name: column[rows] for name, column in batch.items()}
    columns["source"] = zoo.object_column(text for each in parts for text in each)
    if "target" in columns:
        columns["target"][~known] = ""
    return zoo.Columns({**columns, "example": rows, "known": known.astype(np.float32)})


def cut(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Return a text in parts that fit, together all of it but for spaces between parts.

    Args:
        text: any.
        fits: whether a text is short enough; a single letter is whatever it says.
    """
    parts = [part.strip() for part in _packed(_pieces(text, fits, _BOUNDARIES), fits)]
    return [part for part in parts if part] or [""]


def joined(texts: Sequence[str]) -> str:
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


def _packed(pieces: Iterator[str], fits: Callable[[str], bool]) -> Iterator[str]:
    """Yield as many pieces together as fit."""
    whole = ""
    for piece in pieces:
        if whole and not fits(whole + piece):
            yield whole
            whole = ""
        whole += piece
    yield whole
