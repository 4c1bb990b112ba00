"""Reads TMX 1.4, the XML format of translation memories, piece by piece.

See https://www.gala-global.org/tmx-14b. A unit holds one variant of a text for each
language; what stands in it for the formatting of another program is no text.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from zoo import DataError
from zoo_translation.data.scripts import normal
from zoo_translation.data.texts import (
    Languages,
    Section,
    direction,
    incomplete,
    split_in,
    unreadable,
    without_region,
)

_CODES = frozenset({"bpt", "ept", "ph", "it", "ut"})
"""Elements that hold the codes of another program."""
_BYTES_AT_ONCE = 1 << 20


@dataclass
class _Reader:
    """Takes what the parser meets, and keeps the texts of each unit.

    Attributes:
        wanted: the languages that are kept, without scripts and regions; all if empty.
        from_language: what the header says is translated.
        spelled: the codes of languages as they are spelled first, by their normal form.
        units: for each unit its texts by language, in the order of the file.
    """

    wanted: frozenset[str]
    from_language: str = ""
    spelled: dict[str, str] = field(default_factory=dict)
    units: list[dict[str, str]] = field(default_factory=list)
    _language: str = ""
    _text: list[str] | None = None
    _inside_codes: int = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Note what begins."""
        if tag == "header":
            self.from_language = normal(attributes.get("srclang", ""))
        elif tag == "tu":
            self.units.append({})
        elif tag == "tuv":
            code = attributes.get("xml:lang") or attributes.get("lang", "")
            self._language = normal(code)
            self.spelled.setdefault(self._language, code)
        elif tag == "seg":
            self._text, self._inside_codes = [], 0
        elif tag in _CODES:
            self._inside_codes += 1

    def data(self, text: str) -> None:
        """Keep the text of a segment."""
        if self._text is not None and not self._inside_codes:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """Finish what ends."""
        if tag == "seg" and self._text is not None and self.units:
            if not self.wanted or self._language.split("-")[0] in self.wanted:
                self.units[-1].setdefault(self._language, "".join(self._text))
            self._text = None
        elif tag in _CODES:
            self._inside_codes -= 1


def read(file: Path, stem: str, given: Languages) -> Section:
    """Read a TMX file; pairs are numbered by their unit.

    Raises:
        ConfigError: it cannot be told what is translated into what.
        DataError: it cannot be read, is no whole XML, or declares entities.
    """
    wanted = [normal(code).split("-")[0] for code in given if all(given)]
    reader = _Reader(frozenset(wanted))
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as opened:
            _parse(opened, reader, file)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(file, error) from error
    names = _names(reader.spelled, given)
    here, languages = _direction(reader, names, given, file)
    pairs = {}
    for number, unit in enumerate(reader.units, start=1):
        texts: dict[str, str] = {}
        for code, text in unit.items():
            texts.setdefault(names[code], text)
        if here.source in texts and here.target in texts:
            pairs[number] = texts[here.source], texts[here.target]
    return Section(
        name=file.name,
        stem=stem,
        languages=languages,
        numbers=list(pairs),
        sources=[source for source, _ in pairs.values()],
        targets=[target for _, target in pairs.values()],
        findings=incomplete(len(reader.units) - len(pairs), len(reader.units), file),
        split=split_in(stem),
    )


def _names(spelled: Mapping[str, str], given: Languages) -> dict[str, str]:
    """Return what each language of a file is called, by its code.

    Codes that differ in the region alone are one language, called without it, unless the
    user named the region.

    >>> _names({"en-us": "en-US", "en-gb": "en-GB", "de-de": "de-DE"}, Languages())
    {'en-us': 'en', 'en-gb': 'en', 'de-de': 'de-DE'}
    """
    said = {normal(code) for code in given} - {without_region(code) for code in given}
    regions = Counter(without_region(code) for code in spelled if code not in said)
    return {
        code: shown if code in said or regions[without_region(code)] == 1 else without_region(code)
        for code, shown in spelled.items()
    }


def _direction(
    reader: _Reader, names: Mapping[str, str], given: Languages, file: Path
) -> tuple[Languages, Languages]:
    """Take source and target from the user, else from the header."""
    if not names:
        return given, given
    same = (code for code in names if without_region(code) == without_region(reader.from_language))
    code = reader.from_language if reader.from_language in names else next(same, "")
    first = [names[code]] if code else []
    found = list(dict.fromkeys([*first, *names.values()]))
    return direction(found, given, ordered=bool(first), where=str(file))


def _parse(opened: BinaryIO, reader: _Reader, file: Path) -> None:
    """Send what a file holds to a reader.

    Raises:
        DataError: it is no whole XML, or declares entities.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    # Texts need no entities; a few that name one another grow beyond any memory.
    parser.EntityDeclHandler = _refuse_entity
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        while piece := opened.read(_BYTES_AT_ONCE):
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        line = getattr(error, "lineno", parser.CurrentLineNumber)
        raise DataError(
            f"{file}, line {line}: not valid TMX: {error}.",
            hint="Copy or export it again.",
        ) from error


def _refuse_entity(name: str, *_: object) -> None:
    raise ValueError(f"it declares the entity {name!r}, which texts have no use for")
