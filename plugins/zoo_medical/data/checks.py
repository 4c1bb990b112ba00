"""What would make a model of scans useless, its figures dishonest, or a patient known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from zoo import Batch, Finding
from zoo_medical.data.lettering import shows_text
from zoo_medical.data.looks import Look, in_threads
from zoo_medical.scans.scan import Scan

_OTHER_SPACING = 1.1
"""How many times larger than the smallest the largest spacing may be without a word."""
_NAMED = 3
_READ_FOR_TEXT = 100
"""Scans that are read to look for text in them."""


def scan_findings(names: Sequence[str], looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield what is to be said of single scans, and of how they differ."""
    for name, look in zip(names, looks, strict=True):
        if look.constant and look.place is None:
            message = "All its pixels have one value: nothing is to be seen."
            yield Finding("warning", "constant-image", message, name, "Export it again.")
    yield from _spacings(names, looks)
    yield from _channels(looks)


def privacy_findings(names: Sequence[str], looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield which files tell who a patient is, by the keyword of a tag and never by its value."""
    tags = Counter(tag for look in looks for tag in look.tags)
    if tags:
        count = sum(bool(look.tags) for look in looks)
        shown = ", ".join(f"{tag} ({number:,})" for tag, number in tags.most_common())
        yield Finding(
            "warning",
            "identifying-tags",
            f"{count:,} examples come from DICOM files whose headers tell who the patient or the "
            f"physician is: {shown}.",
            hint="None of it is kept in a run. De-identify the files before you share them.",
        )
    burned = [name for name, look in zip(names, looks, strict=True) if look.burned_in]
    for name in burned:
        message = "Its header says that text, perhaps a name, is written into the pixels."
        hint = "A model may learn the text, and figures may show it. Blacken it, or leave it out."
        yield Finding("warning", "burned-in-text", message, name, hint)


def text_findings(names: Sequence[str], scans: Sequence[Scan]) -> Iterator[Finding]:
    """Yield how many scans seem to have text written into them, of some at even distances."""
    step = -(-len(scans) // _READ_FOR_TEXT)
    seen = in_threads(lambda scan: shows_text(scan.read()), scans[::step])
    found = [name for name, lettered in zip(names[::step], seen, strict=True) if lettered]
    if found:
        yield Finding(
            "warning",
            "text-in-pixels",
            f"Text seems to be written into {len(found):,} of {len(seen):,} scans that were looked "
            f"at: {_some(found)}.",
            hint="Look at them. A model may learn the text, and figures may show it.",
        )


def patient_findings(splits: Mapping[str, Batch]) -> Iterator[Finding]:
    """Yield how many patients are in two splits, as official lists may have it."""
    for one, other in combinations(splits, 2):
        both = set(splits[one]["group"]) & set(splits[other]["group"])
        if not both:
            continue
        rows = np.isin(splits[other]["group"], list(both))
        shown = _some(splits[other]["id"][rows])
        message = f"{len(both):,} patients of {other} are also in {one}; of them are {shown}."
        hint = "Figures on them are too good. Keep each patient in one split."
        yield Finding("warning", "patient-across-splits", message, other, hint)


def mask_findings(held: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Yield how many masks hold nothing.

    Args:
        held: for each split which classes each mask holds, bool [masks, classes].
    """
    empty = {name: int(np.sum(~each.any(axis=1))) for name, each in held.items()}
    if any(empty.values()):
        shown = ", ".join(
            f"{count:,} of {len(held[name]):,} in {name}" for name, count in empty.items()
        )
        yield Finding("note", "empty-masks", f"Masks in which nothing is marked: {shown}.")


def _some(names: Sequence[str] | np.ndarray) -> str:
    more = " and others" if len(names) > _NAMED else ""
    return ", ".join(map(str, names[:_NAMED])) + more


def _spacings(names: Sequence[str], looks: Sequence[Look]) -> Iterator[Finding]:
    """Say so if the pixels of some scans stand for larger distances than those of others."""
    for dimensions in sorted({len(look.spacing) for look in looks}):
        own = [row for row, look in enumerate(looks) if len(look.spacing) == dimensions]
        sizes = np.array([looks[row].spacing for row in own])
        ratio = (sizes.max(axis=0) / sizes.min(axis=0)).max()
        if ratio > _OTHER_SPACING:
            small, large = (own[int(each(sizes.prod(axis=1)))] for each in (np.argmin, np.argmax))
            yield Finding(
                "warning",
                "mixed-spacings",
                f"Pixels are {_millimetres(looks[small])} mm apart in {names[small]} and "
                f"{_millimetres(looks[large])} mm in {names[large]}: one thing has two sizes.",
                hint="Resample all to one spacing, or train with scales that vary as much.",
            )


def _channels(looks: Iterable[Look]) -> Iterator[Finding]:
    counts = Counter(look.shape[-1] for look in looks)
    if len(counts) > 1:
        shown = ", ".join(f"{count:,} with {number}" for number, count in counts.most_common())
        message = f"Scans have different numbers of channels: {shown}."
        yield Finding("note", "mixed-channels", message)


def _millimetres(look: Look) -> str:
    return " x ".join(f"{size:g}" for size in look.spacing)
