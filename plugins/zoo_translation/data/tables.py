"""Reads tables of pairs: TSV, and JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from zoo import ConfigError, Finding
from zoo_translation.data.texts import (
    Languages,
    Lines,
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
_QUOTED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')
"""A field with quotes in it, as spreadsheets and CSV write it."""


class _Gathered:
    """Pairs of a file while it is read.

    Args:
        file: for messages.
        stem: its name without suffixes.
        labelled: whether a sentence without a translation is of no use.
    """

    def __init__(self, file: Path, stem: str, *, labelled: bool) -> None:
        self.file, self.stem, self.labelled = file, stem, labelled
        self.pairs: dict[int, tuple[str, str | None]] = {}
        self.problems: dict[int, Finding] = {}

    def refuse(self, number: int, problem: str, hint: str = "") -> None:
        """Say what is wrong with a line."""
        self.problems[number] = bad_line(self.file, number, problem, hint)

    def section(self, languages: Languages) -> Section:
        """Return what was gathered: with translations if all have one, or if only those count."""
        lacking = [number for number, (_, target) in self.pairs.items() if target is None]
        count, notes = len(self.pairs), []
        some = bool(lacking) and len(lacking) < count
        if some and self.labelled:
            for number in lacking:
                self.refuse(number, "The line has no translation.")
                del self.pairs[number]
        elif some:
            message = f"Only {count - len(lacking):,} of {count:,} sentences have a translation."
            hint = "None counts as translated. To measure on them, remove the others."
            notes = [Finding("warning", "partly-labelled", message, str(self.file), hint)]
        targets = [target for _, target in self.pairs.values() if target is not None]
        return Section(
            name=self.file.name,
            stem=self.stem,
            languages=languages,
            numbers=list(self.pairs),
            sources=[source for source, _ in self.pairs.values()],
            targets=targets if len(targets) == len(self.pairs) else None,
            findings=[*notes, *(self.problems[number] for number in sorted(self.problems))],
            split=split_in(self.stem),
        )


def _gathered(file: Path, stem: str, lines: Lines, *, labelled: bool) -> _Gathered:
    """Return what to gather the lines of a file in; those that are no text are refused."""
    gathered = _Gathered(file, stem, labelled=labelled)
    gathered.problems = {row + 1: not_utf8(file, row) for row in lines.bad}
    return gathered


def read_tsv(file: Path, stem: str, given: Languages, labelled: bool) -> Section:
    """Read a table with a tab between source and target; quotes mean nothing in it.

    The first line is a header if it names the columns: by the languages, or as `source`
    and `target`. With a header there may be more columns. Where most lines have one column
    they are sentences without translations.

    Args:
        file: to read.
        stem: its name without suffixes.
        given: what the user said of the languages.
        labelled: whether a sentence without a translation is of no use.

    Raises:
        ConfigError: the header has languages, but not those that were asked for.
    """
    lines = read_lines(file)
    gathered = _gathered(file, stem, lines, labelled=labelled)
    rows = [text.split("\t") for text in lines.texts]
    header = _header(rows[0], given, str(file)) if rows else None
    width = len(rows[0]) if header else _usual_width(rows)
    (source, target), languages = header or ((0, 1 if width > 1 else None), given)
    for number, cells in enumerate(rows, start=1):
        if number in gathered.problems or (header and number == 1):
            continue
        if len(cells) == width:
            text = None if target is None else cells[target]
            gathered.pairs[number] = cells[source], text
        elif not header and len(cells) == 1 and cells[0].strip():
            gathered.pairs[number] = cells[0], None
        else:
            gathered.refuse(
                number,
                f"The line has {len(cells)} columns, expected {width}.",
                "Expected source and target with one tab between them, or a header.",
            )
    section = gathered.section(languages)
    return replace(section, findings=[*_quoted(rows, file), *section.findings])


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    """Return 1 where most lines that are not blank have one column, else 2."""
    filled = [len(cells) for cells in rows if len(cells) > 1 or cells[0].strip()]
    return 1 if not filled or 2 * filled.count(1) > len(filled) else 2


def _quoted(rows: Sequence[Sequence[str]], file: Path) -> list[Finding]:
    """Return the finding, if any, about fields that are quoted as in CSV."""
    numbers = [n for n, cells in enumerate(rows, start=1) if any(map(_QUOTED.fullmatch, cells))]
    if not numbers:
        return []
    message = f"{len(numbers):,} lines have fields in double quotes with doubled quotes inside, "
    message += f"such as line {numbers[0]:,}. They are read as they are."
    hint = "Export the table again without quoting."
    return [Finding("warning", "quoted-fields", message, str(file), hint)]


def _header(
    cells: Sequence[str], given: Languages, where: str
) -> tuple[tuple[int, int | None], Languages] | None:
    """Return the columns that a header names and their languages; None if it is no header."""
    names = [cell.strip().lower() for cell in cells]
    generic = _generic(names)
    if generic:
        source, target = generic
        return (names.index(source), names.index(target) if target else None), given
    codes = [name for name in names if is_language(name, given)]
    if len(codes) < 2 or (len(codes) < len(names) and not all(given)):
        return None
    here, languages = direction(codes, given, ordered=True, where=where)
    return (names.index(here.source), names.index(here.target)), languages


def read_jsonl(file: Path, stem: str, given: Languages, labelled: bool) -> Section:
    """Read JSON objects, one a line.

    They hold `source` and `target`, or the languages' codes, either at the top or in
    `translation`. Objects without a target, or with null as one, hold sentences without
    translations.

    Args:
        file: to read.
        stem: its name without suffixes.
        given: what the user said of the languages.
        labelled: whether a sentence without a translation is of no use.

    Raises:
        ConfigError: it cannot be told which of several languages are meant.
    """
    lines = read_lines(file)
    gathered = _gathered(file, stem, lines, labelled=labelled)
    keys: _Keys | None = None
    unclear: ConfigError | None = None
    for number, text in enumerate(lines.texts, start=1):
        if number in gathered.problems or not text.strip():
            continue
        try:
            record = _record(text)
            keys = keys or _keys(record, given, str(file))
            gathered.pairs[number] = _pair(record, keys)
        except ValueError as error:
            gathered.refuse(number, f"{error}")
        except ConfigError as error:
            unclear = unclear or error
            gathered.refuse(number, error.message, error.hint)
    if keys is None and unclear:
        raise unclear
    return gathered.section(keys.languages if keys else given)


class _Keys(NamedTuple):
    """The keys of source and target; the second is empty where there is none."""

    source: str
    target: str
    languages: Languages


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


def _keys(record: Mapping[str, Any], given: Languages, where: str) -> _Keys:
    """Return the keys of source and target, judged by one object.

    Raises:
        ConfigError: it cannot be told which of several languages are meant.
        ValueError: the object has no sentence.
    """
    if generic := _generic(list(record)):
        source, target = generic
        return _Keys(source, target or dict(zip(_SOURCE, _TARGET, strict=True))[source], given)
    codes = [
        key for key, value in record.items() if isinstance(value, str) and is_language(key, given)
    ]
    if not codes:
        raise ValueError(
            f"The object has no sentence, its keys are {', '.join(record) or 'none'}; expected "
            "source and target, or codes of languages such as en and de."
        )
    if given.source in codes and given.target not in codes and (given.target or len(codes) == 1):
        return _Keys(given.source, given.target, given)
    here, languages = direction(codes, given, ordered=True, where=where)
    return _Keys(here.source, here.target, languages)


def _generic(names: Sequence[str]) -> tuple[str, str | None] | None:
    """Return the names that mean source and target, whatever their languages."""
    source = next((name for name in _SOURCE if name in names), None)
    target = next((name for name in _TARGET if name in names), None)
    return (source, target) if source else None


def _pair(record: Mapping[str, Any], keys: _Keys) -> tuple[str, str | None]:
    """Return the sentences of an object; no target where it has none.

    Raises:
        ValueError: one is missing or is no text.
    """
    for key in (keys.source, keys.target):
        text = record.get(key)
        if text is None and key == keys.target:
            continue
        if not isinstance(text, str):
            raise ValueError(f"The object has no text {key!r}.")
        if not is_unicode(text):
            raise ValueError(f"The text {key!r} holds half a character (a lone surrogate).")
    return record[keys.source], record.get(keys.target)
