"""Lines of text files, and the parallel text that every format is read into."""

from __future__ import annotations

import codecs
import gzip
import re
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zoo import ConfigError, DataError, Finding, nearest
from zoo_translation.data.scripts import LANGUAGES, normal

_SPLIT = re.compile(r"(train(?:ing)?|val(?:id(?:ation)?)?|dev)(?![a-z])|((?:news)?test|tst)", re.I)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{2,4})*")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Languages(NamedTuple):
    """Codes such as `en` or `pt-BR`; empty where unknown."""

    source: str = ""
    target: str = ""


@dataclass(frozen=True)
class Section:
    """The pairs of one file, or of two aligned ones.

    Attributes:
        name: of the file, for ids and messages.
        stem: its name without languages and suffixes, such as `test_2016`.
        languages: of both sides.
        numbers: where each pair stands in the file, from 1.
        sources: sentences.
        targets: their translations; None if there are none.
        findings: what could not be read.
        split: the official split, or empty.
    """

    name: str
    stem: str
    languages: Languages
    numbers: Sequence[int]
    sources: list[str]
    targets: list[str] | None
    findings: Sequence[Finding] = ()
    split: str = ""


class Lines(NamedTuple):
    """The lines of a file; what is not UTF-8 in a line of `bad` stands as U+FFFD."""

    texts: list[str]
    bad: list[int]


def split_in(stem: str) -> str:
    """Return the split that a file is named after, or an empty text.

    >>> split_in("test_2016_flickr"), split_in("dev"), split_in("trains")
    ('test', 'validation', '')
    """
    found = _SPLIT.match(stem)
    if not found:
        return ""
    if found[2]:
        return "test"
    return "train" if found[1].lower().startswith("train") else "validation"


def without_region(code: str) -> str:
    """Return the code of a language and its script alone, in normal form.

    >>> without_region("EN_us"), without_region("zh-Hans-CN")
    ('en', 'zh-hans')
    """
    first, *others = normal(code).split("-")
    return "-".join([first, *(each for each in others if len(each) == 4 and each.isalpha())])


def is_language(code: str, given: Languages) -> bool:
    """Return whether a text is the code of a language, such as `en`, `deu` or `zh_Hans`.

    Languages that the user named are known as well.

    >>> is_language("pt_BR", Languages()), is_language("txt", Languages())
    (True, False)
    """
    named = {normal(each).split("-")[0] for each in given}
    known = normal(code).split("-")[0] in LANGUAGES | named
    return known and bool(_LANGUAGE.fullmatch(code))


def direction(
    found: Sequence[str], given: Languages, *, ordered: bool, where: str
) -> tuple[Languages, Languages]:
    """Say which of the languages of some data is translated into which.

    Args:
        found: codes as the data have them.
        given: what the user said; may be empty.
        ordered: whether the first two of `found` are source and target unless said otherwise.
        where: the data, for messages.

    Returns:
        the codes as the data have them, and as they are called from now on.

    Raises:
        ConfigError: it cannot be told, or the data lack a language.
    """
    source = _found(given.source, found, where) if given.source else ""
    target = _found(given.target, found, where) if given.target else ""
    if not (source and target):
        others = [code for code in found if code not in (source, target)]
        if len(found) != 2 or not (source or target or ordered):
            raise ConfigError(
                f"{where} holds {', '.join(found) or 'no language'}, and it is not said what is "
                "translated into what.",
                hint="For example: --set data.source=en --set data.target=de",
            )
        source = source or others.pop(0)
        target = target or others.pop(0)
    if source == target:
        raise ConfigError(f"data.source and data.target are both {source!r} in {where}.")
    return Languages(source, target), Languages(given.source or source, given.target or target)


def _found(wanted: str, found: Sequence[str], where: str) -> str:
    """Return the code in `found` that is `wanted`, or differs from it in the region alone."""
    code = normal(wanted)
    known = {each: normal(each) for each in found}
    equal = [each for each, name in known.items() if name == code]
    alike = [each for each, name in known.items() if name.split("-")[0] == code.split("-")[0]]
    if equal or len(alike) == 1:
        return (equal or alike)[0]
    raise ConfigError(
        f"{where} has no {wanted!r}, but {', '.join(found) or 'no language'}.",
        hint=nearest(wanted, found),
    )


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked if its name ends in `.gz`.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for a file that cannot be read."""
    cause = getattr(error, "strerror", None) or str(error)
    return DataError(f"{path} cannot be read: {cause}.", hint="Copy or export it again.")


def read_lines(path: Path) -> Lines:
    """Return the lines of a text file, of `-` those of the standard input.

    Lines end with a line feed alone, so that other separators within a sentence do not
    shift the lines after it.

    Raises:
        DataError: it cannot be read, or is no UTF-8 text at all.
    """
    content = sys.stdin.buffer.read() if str(path) == "-" else read_bytes(path)
    if content.startswith(_UTF16):
        raise DataError(f"{path} is UTF-16 text.", hint="Save it as UTF-8.")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        texts, bad = content.decode().split("\n"), []
    except UnicodeDecodeError:
        pieces = content.split(b"\n")
        texts = [piece.decode(errors="replace") for piece in pieces]
        bad = [
            row for row, piece in enumerate(pieces) if piece.decode(errors="ignore") != texts[row]
        ]
    if not texts[-1]:
        texts.pop()
    return Lines([text.removesuffix("\r") for text in texts], bad)


def bad_line(path: Path | str, number: int, problem: str, hint: str = "") -> Finding:
    """Return the finding about one line of a file."""
    return Finding("warning", "bad-line", problem, f"{path}, line {number}", hint)


def not_utf8(path: Path | str, row: int) -> Finding:
    """Return the finding about a line, given by its place from 0, that is not UTF-8."""
    return bad_line(path, row + 1, "The line is not UTF-8 text.", "Save the file as UTF-8.")


def incomplete(lacking: int, count: int, where: Path | str) -> list[Finding]:
    """Return the finding, if any, about units that are not there in both languages."""
    if not lacking:
        return []
    message = f"{lacking:,} of {count:,} units lack one of the languages."
    return [Finding("note", "incomplete-units", message, str(where))]


def is_unicode(text: str) -> bool:
    """Return whether a text can be written: JSON may hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
