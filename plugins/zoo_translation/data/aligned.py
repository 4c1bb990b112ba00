"""Reads aligned text files: one sentence a line, a file for each language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from zoo import DataError
from zoo_translation.data.alignment import parting
from zoo_translation.data.texts import (
    Languages,
    Section,
    direction,
    is_language,
    not_utf8,
    read_lines,
    split_in,
)

_NAME = re.compile(r"(?P<stem>.+?)\.(?P<language>[^.]+)(?:\.txt)?(?:\.gz)?", re.I)


def language_of(file: Path, given: Languages) -> tuple[str, str]:
    """Return the stem and the language that a file is named after; empty texts if by none.

    >>> language_of(Path("train.de.gz"), Languages()), language_of(Path("train.log"), Languages())
    (('train', 'de'), ('', ''))
    """
    found = _NAME.fullmatch(file.name)
    if not found or not is_language(found["language"], given):
        return "", ""
    return found["stem"], found["language"]


def stems(files: Sequence[Path], given: Languages) -> dict[str, dict[str, Path]]:
    """Return the files that are there in two languages or more: stem -> language -> file."""
    found: dict[str, dict[str, Path]] = {}
    for file in files:
        stem, language = language_of(file, given)
        if stem:
            found.setdefault(stem, {})[language] = file
    return {stem: files for stem, files in sorted(found.items()) if len(files) > 1}


def read_stems(files: Sequence[Path], given: Languages, where: str) -> list[Section]:
    """Read the pairs of files whose names differ in the language alone.

    Raises:
        ConfigError: it cannot be told what is translated into what.
        DataError: two files differ in the number of lines.
    """
    found = stems(files, given)
    codes = sorted({language for languages in found.values() for language in languages})
    here, languages = direction(codes, given, ordered=False, where=where)
    return [
        read_two(named[here.source], named[here.target], languages, stem)
        for stem, named in found.items()
        if here.source in named and here.target in named
    ]


def read_named(source: Path, target: Path, given: Languages) -> Section:
    """Read two files that the user named, the source first."""
    (stem, first), (_, second) = language_of(source, given), language_of(target, given)
    if not (first and second):
        return read_two(source, target, given, source.name)
    here, languages = direction([first, second], given, ordered=True, where=f"{source},{target}")
    files = {first: source, second: target}
    return read_two(files[here.source], files[here.target], languages, stem)


def read_two(source: Path, target: Path, languages: Languages, stem: str) -> Section:
    """Read two aligned files; a pair is left out if one of its lines is not UTF-8.

    Raises:
        DataError: they differ in the number of lines.
    """
    ours, theirs = read_lines(source), read_lines(target)
    if len(ours.texts) != len(theirs.texts):
        raise _unequal(source, target, ours.texts, theirs.texts)
    findings = [not_utf8(source, row) for row in ours.bad]
    findings += [not_utf8(target, row) for row in theirs.bad]
    bad = {*ours.bad, *theirs.bad}
    rows = [row for row in range(len(ours.texts)) if row not in bad]
    return Section(
        name=source.name,
        stem=stem,
        languages=languages,
        numbers=[row + 1 for row in rows],
        sources=[ours.texts[row] for row in rows] if bad else ours.texts,
        targets=[theirs.texts[row] for row in rows] if bad else theirs.texts,
        findings=findings,
        split=split_in(stem),
    )


def read_bare(file: Path, given: Languages) -> Section:
    """Read sentences to translate: every line is one, whatever is wrong with it."""
    lines = read_lines(file)
    name = "stdin" if str(file) == "-" else file.name
    return Section(
        name=name,
        stem=file.stem,
        languages=given,
        numbers=range(1, len(lines.texts) + 1),
        sources=lines.texts,
        targets=None,
        findings=[not_utf8(file, row) for row in lines.bad],
    )


def _unequal(source: Path, target: Path, ours: list[str], theirs: list[str]) -> DataError:
    place = parting(ours, theirs)
    near = f" They seem to part near line {place:,}." if place else ""
    return DataError(
        f"{source} has {len(ours):,} lines and {target} {len(theirs):,}, so they are not aligned."
        f"{near}",
        hint="Give files whose lines belong together one by one; none is left out for you.",
    )
