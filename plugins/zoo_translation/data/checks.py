"""What would make a translator useless, or its figures dishonest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from zoo import SPLITS, Finding, copy_findings, equal_pairs
from zoo_translation.data.alignment import WINDOW, length_correlation, shifts
from zoo_translation.data.scripts import other_language, share_of_frequent
from zoo_translation.data.texts import Languages, Section

_UNRELATED = 0.3
"""Correlation of lengths below which lines hardly belong together."""
_MANY_BAD = 0.05
"""Share of lines that cannot be read above which a file is taken for broken."""
_LOOKED_AT = 2_000
_FREQUENT, _MORE = 0.05, 3.0
"""Share of frequent words of a language in its texts, and how many times that of others."""


def section_findings(section: Section) -> Iterator[Finding]:
    """Look at the pairs of one file, or of two aligned ones, in the order of their lines."""
    bad = sum(finding.code == "bad-line" for finding in section.findings)
    if bad > _MANY_BAD * (bad + len(section.sources)):
        message = f"{bad:,} of {bad + len(section.sources):,} lines cannot be read."
        hint = "The file seems to be of another encoding or format; what is left is no fair sample."
        yield Finding("error", "many-bad-lines", message, section.name, hint)
    if section.targets is None:
        return
    found = shifts(section.sources, section.targets)
    for shift in found:
        first, last = section.numbers[shift.start], section.numbers[shift.stop - 1]
        where = f"{section.name}, lines {first:,} to {last:,}"
        yield Finding(
            "error",
            "misaligned",
            f"The sources fit the translations {abs(shift.lines)} lines "
            f"{'later' if shift.lines > 0 else 'earlier'} far better than their own.",
            where,
            "Near the first of these lines, one is missing or too many on one side.",
        )
    correlation = length_correlation(section.sources, section.targets)
    if not found and len(section.sources) >= WINDOW and correlation < _UNRELATED:
        message = "The lengths of sources and translations hardly go together (correlation "
        message += f"{correlation:.2f}), so the lines may not belong together."
        yield Finding("warning", "unrelated", message, section.name)


def language_findings(
    sources: np.ndarray, targets: np.ndarray, languages: Languages
) -> Iterator[Finding]:
    """Look whether both sides are in the languages they are said to be in."""
    step = max(len(sources) // _LOOKED_AT, 1)
    ours, theirs = sources[::step], targets[::step]
    first, second = languages
    as_said = max(share_of_frequent(ours, first), share_of_frequent(theirs, second))
    swapped = min(share_of_frequent(ours, second), share_of_frequent(theirs, first))
    if swapped > _FREQUENT and swapped > _MORE * as_said:
        yield Finding(
            "error",
            "swapped-languages",
            f"The sources look like {second} and the translations like {first}.",
            hint="Swap data.source and data.target, or the files.",
        )
        return
    for side, texts, said in (("sources", ours, first), ("translations", theirs, second)):
        if other := other_language(texts, said):
            message = f"The {side} look like {other}, and are said to be {said}."
            hint = "Give the right file, or say which language it is."
            yield Finding("warning", "other-language", message, hint=hint)


def split_findings(
    keys: Mapping[str, np.ndarray], ids: np.ndarray, rows: Mapping[str, np.ndarray]
) -> Iterator[Finding]:
    """Look at the splits: at empty and copied lines, and at sentences that are in two of them.

    Args:
        keys: `source` and `target` as they are compared, object [n].
        ids: of the examples [n].
        rows: of each split.
    """
    for name in SPLITS:
        yield from _plain_findings(keys["source"][rows[name]], keys["target"][rows[name]], name)
    pairs = zip(keys["source"].tolist(), keys["target"].tolist(), strict=True)
    yield from copy_findings(equal_pairs(pairs), ids, rows)
    for name in SPLITS[1:]:
        for side, key in keys.items():
            yield from _known(key[rows["train"]], key[rows[name]], side, name)


def _plain_findings(source: np.ndarray, target: np.ndarray, split: str) -> Iterator[Finding]:
    problems = (
        ((source == "") | (target == ""), "empty-line", "an empty side"),
        ((source == target) & (source != ""), "copied-line", "two equal sides"),
    )
    for flagged, code, said in problems:
        if count := int(flagged.sum()):
            message = f"{count:,} of {len(source):,} pairs of {split} have {said}."
            yield Finding("warning", code, message, split)


def _known(train: np.ndarray, other: np.ndarray, side: str, split: str) -> Iterator[Finding]:
    """Say how many sentences of a split are also in train."""
    known = set(train.tolist()) - {""}
    count = sum(key in known for key in other.tolist())
    if count:
        message = f"{count:,} of {len(other):,} {side} sentences of {split} "
        yield Finding(
            "warning" if side == "source" else "note",
            f"{side}-in-train",
            f"{message}({count / len(other):.1%}) are also in train.",
            split,
            "Figures on them are too good; remove them from train.",
        )
