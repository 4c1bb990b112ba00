"""Reads TMX 1.4, the XML format of translation memories, piece by piece.

See https://www.gala-global.org/tmx-14b. A unit holds one variant of a text for each
language; what stands in it for the formatting of another program is no text.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from zoo import DataError
from zoo_translation.data.texts import (
    Languages,
    Section,
    direction,
    incomplete,
    split_in,
    unreadable,
)

_CODES = frozenset({"bpt", "ept", "ph", "it", "ut"})
"""Elements that hold the codes of another program."""
_BYTES_AT_ONCE = 1 << 20


@dataclass
class _Reader:
    """Takes what the parser meets, and keeps the pairs.

    Attributes:
        file: for messages.
        given: what the user said of the languages.
    """

    file: Path
    given: Languages
    languages: Languages = field(default_factory=Languages)
    numbers: list[int] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    units: int = 0
    lacking: int = 0
    _here: Languages | None = None
    _from: str = ""
    _unit: dict[str, str] = field(default_factory=dict)
    _language: str = ""
    _text: list[str] | None = None
    _inside_codes: int = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Note what begins."""
        if tag == "header":
            self._from = attributes.get("srclang", "")
        elif tag == "tu":
            self._unit = {}
        elif tag == "tuv":
            self._language = attributes.get("xml:lang") or attributes.get("lang", "")
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
        if tag == "seg" and self._text is not None:
            self._unit.setdefault(self._language, "".join(self._text))
            self._text = None
        elif tag in _CODES:
            self._inside_codes -= 1
        elif tag == "tu":
            self._finish_unit()

    def _finish_unit(self) -> None:
        self.units += 1
        if self._here is None:
            self._settle_languages()
        assert self._here is not None
        if self._here.source not in self._unit or self._here.target not in self._unit:
            self.lacking += 1
            return
        self.numbers.append(self.units)
        self.sources.append(self._unit[self._here.source])
        self.targets.append(self._unit[self._here.target])

    def _settle_languages(self) -> None:
        """Take source and target from the user, the header or the first unit."""
        found = sorted(self._unit, key=lambda code: code.lower() != self._from.lower())
        ordered = bool(found) and found[0].lower() == self._from.lower()
        self._here, self.languages = direction(
            found, self.given, ordered=ordered, where=str(self.file)
        )


def read(file: Path, stem: str, given: Languages) -> Section:
    """Read a TMX file; pairs are numbered by their unit.

    Raises:
        ConfigError: it cannot be told what is translated into what.
        DataError: it cannot be read, is no whole XML, or declares entities.
    """
    reader = _Reader(file, given)
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as opened:
            _parse(opened, reader)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(file, error) from error
    return Section(
        name=file.name,
        stem=stem,
        languages=reader.languages,
        numbers=reader.numbers,
        sources=reader.sources,
        targets=reader.targets,
        findings=incomplete(reader.lacking, reader.units, file),
        split=split_in(stem),
    )


def _parse(opened: BinaryIO, reader: _Reader) -> None:
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
            f"{reader.file}, line {line}: not valid TMX: {error}.",
            hint="Copy or export it again.",
        ) from error


def _refuse_entity(name: str, *_: object) -> None:
    raise ValueError(f"it declares the entity {name!r}, which texts have no use for")
