"""Reads tables of pairs: TSV, and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo import ConfigError, DataError, Finding
from zoo_translation.data.scripts import SCRIPTS
from zoo_translation.data.texts import (
    Languages,
    Section,
    bad_line,
    direction,
    is_language,
    is_unicode,
    not_utf8,
    read_lines,
    split_in,
)

_SOURCE, _TARGET = ("source", "src"), ("target", "tgt")


class _Gathered:
    """Pairs of a file while it is read."""

    def __init__(self, file: Path, stem: str) -> None:
        self.file, self.stem = file, stem
        self.numbers: list[int] = []
        self.sources: list[str] = []
        self.targets: list[str] = []
        self.findings: list[Finding] = []

    def add(self, number: int, source: str, target: str | None) -> None:
        """Add a pair, or a sentence without a translation."""
        self.numbers.append(number)
        self.sources.append(source)
        if target is not None:
            self.targets.append(target)

    def refuse(self, number: int, problem: str, hint: str = "") -> None:
        """Say what is wrong with a line."""
        self.findings.append(bad_line(self.file, number, problem, hint))

    def section(self, languages: Languages, labelled: bool) -> Section:
        """Return what was gathered."""
        return Section(
            name=self.file.name,
            stem=self.stem,
            languages=languages,
            numbers=self.numbers,
            sources=self.sources,
            targets=self.targets if labelled else None,
            findings=self.findings,
            split=split_in(self.stem),
        )


def read_tsv(file: Path, stem: str, given: Languages) -> Section:
    """Read a table with a tab between source and target; quotes mean nothing in it.

    The first line is a header if it names the columns: by the languages, or as `source`
    and `target`. With a header there may be more columns. A table of one column holds
    sentences without translations.

    Raises:
        ConfigError: the header has languages, but not those that were asked for.
    """
    lines = read_lines(file)
    gathered = _Gathered(file, stem)
    gathered.findings += [not_utf8(file, row) for row in lines.bad]
    rows = [text.split("\t") for text in lines.texts]
    header = _header(rows[0], given, str(file)) if rows else None
    start = 0 if header is None else 1
    bare = all(len(cells) == 1 for cells in rows)
    width = len(rows[0]) if header else 1 if bare else 2
    (source, target), languages = header or ((0, 1 if width > 1 else None), given)
    bad = set(lines.bad)
    for row, cells in enumerate(rows[start:], start):
        if row in bad:
            continue
        if len(cells) != width:
            gathered.refuse(
                row + 1,
                f"The line has {len(cells)} columns, expected {width}.",
                "Expected source and target with one tab between them, or a header.",
            )
            continue
        gathered.add(row + 1, cells[source], None if target is None else cells[target])
    return gathered.section(languages, labelled=target is not None)


def _header(
    cells: Sequence[str], given: Languages, where: str
) -> tuple[tuple[int, int | None], Languages] | None:
    """Return the columns that a header names and their languages; None if it is no header."""
    names = [cell.strip().lower() for cell in cells]
    generic = _generic(names)
    if generic:
        source, target = generic
        return (names.index(source), names.index(target) if target else None), given
    codes = [name for name in names if name.replace("_", "-").split("-")[0] in SCRIPTS]
    if len(codes) < 2 or (len(codes) < len(names) and not all(given)):
        return None
    here, languages = direction(codes, given, ordered=True, where=where)
    return (names.index(here.source), names.index(here.target)), languages


def read_jsonl(file: Path, stem: str, given: Languages) -> Section:
    """Read JSON objects, one a line.

    They hold `source` and `target`, or the languages' codes, either at the top or in
    `translation`. Objects without a target hold sentences without translations.

    Raises:
        ConfigError: it cannot be told which of several languages are meant.
        DataError: the first object has no sentence.
    """
    lines = read_lines(file)
    gathered = _Gathered(file, stem)
    gathered.findings += [not_utf8(file, row) for row in lines.bad]
    bad = set(lines.bad)
    keys: tuple[str, str | None] | None = None
    languages = given
    for row, text in enumerate(lines.texts):
        if row in bad or not text.strip():
            continue
        try:
            record = _record(text)
            if keys is None:
                keys, languages = _keys(record, given, str(file))
            gathered.add(row + 1, *_pair(record, *keys))
        except ValueError as error:
            gathered.refuse(row + 1, f"{error}")
    return gathered.section(languages, labelled=keys is not None and keys[1] is not None)


def _record(text: str) -> Mapping[str, Any]:
    """Return the object in a line that has the sentences.

    Raises:
        ValueError: there is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The line is not JSON: {error}.") from error
    inner = value.get("translation") if isinstance(value, Mapping) else None
    record = inner if isinstance(inner, Mapping) else value
    if not isinstance(record, Mapping):
        raise ValueError(f"The line holds {type(value).__name__}, expected an object.")
    return record


def _keys(
    record: Mapping[str, Any], given: Languages, where: str
) -> tuple[tuple[str, str | None], Languages]:
    """Return the keys of source and target, judged by the first object, and their languages."""
    if generic := _generic(list(record)):
        return generic, given
    codes = [key for key, value in record.items() if isinstance(value, str) and is_language(key)]
    if not codes:
        raise DataError(
            f"The first object in {where} has no sentence: its keys are {', '.join(record)}.",
            hint="Expected source and target, or codes of languages such as en and de.",
        )
    if len(codes) == 1 and given.source == codes[0]:
        return (codes[0], None), given
    try:
        here, languages = direction(codes, given, ordered=True, where=where)
    except ConfigError:
        if given.source not in codes or given.target in codes:
            raise
        return (given.source, None), given
    return (here.source, here.target), languages


def _generic(names: Sequence[str]) -> tuple[str, str | None] | None:
    """Return the names that mean source and target, whatever their languages."""
    source = next((name for name in _SOURCE if name in names), None)
    target = next((name for name in _TARGET if name in names), None)
    return (source, target) if source else None


def _pair(record: Mapping[str, Any], source: str, target: str | None) -> tuple[str, str | None]:
    """Return the sentences of an object.

    Raises:
        ValueError: one is missing or is no text.
    """
    for key in filter(None, (source, target)):
        if not isinstance(record.get(key), str):
            raise ValueError(f"The object has no text {key!r}.")
        if not is_unicode(record[key]):
            raise ValueError(f"The text {key!r} holds half a character (a lone surrogate).")
    return record[source], record[target] if target else None
