"""Manifests: JSON lines, CSV and TSV files that name a recording a line.

The usual names of columns are known, so NeMo's manifests and Common Voice are read as they
are. Files count from the folder of the manifest, or from `clips` or `audio` in it.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from zoo import DataError
from zoo_speech.audio.recording import SUFFIXES
from zoo_speech.data.clips import Clip, Listing, official_split

_TABLES = (".csv", ".tsv")
MANIFESTS = (*_TABLES, ".jsonl", ".json")
"""How the names of manifests end, in lower case."""

_COLUMNS = {
    "file": ("audio_filepath", "audio_path", "audio_file", "audio", "path", "file", "filename",
             "file_name", "wav"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text"),
    "label": ("label", "class", "category", "command", "keyword", "word", "intent"),
    "speaker": ("speaker", "speaker_id", "client_id", "spk_id", "spk"),
    "split": ("split", "subset", "partition"),
    "start": ("offset", "start"),
    "duration": ("duration", "seconds"),
}  # fmt: skip
"""By which names a column goes, the most telling first."""
_LONGEST_CELL = 2**24
_FOLDERS = ("", "clips", "audio", "wavs")
_COMMON_VOICE = ("train", "dev", "test")
"""Tables of Common Voice; the others hold the same clips, or ones that nobody checked."""


def read(path: Path) -> Listing:
    """Read one manifest.

    Raises:
        DataError: it has no column of files, or cannot be read at all.
    """
    listing = Listing()
    rows = list(_rows(path, listing))
    columns = _columns_of(name for _, row in rows[:100] for name in row)
    if rows and "file" not in columns:
        raise DataError(
            f"{path} has no column of audio files; it has {', '.join(rows[0][1])}.",
            hint=f"Call it {_COLUMNS['file'][0]}, for example.",
        )
    for number, row in rows:
        said = {key: row.get(column, "") for key, column in columns.items()}
        try:
            listing.clips.append(_clip(path, said, set(columns)))
        except ValueError as error:
            listing.warn("bad-row", f"{error}", f"{path.name}:{number}")
    return listing


def in_folder(folder: Path) -> list[Path]:
    """Return the manifests in a folder; of Common Voice's tables, those of the splits."""
    found = [
        each
        for each in sorted(folder.iterdir())
        if each.suffix.lower() in MANIFESTS and _names_files(each)
    ]
    tables = [each for each in found if each.suffix.lower() == ".tsv"]
    splits = [each for each in tables if each.stem in _COMMON_VOICE]
    validated = [each for each in tables if each.stem == "validated"]
    return splits or validated or found


def _names_files(path: Path) -> bool:
    """Return whether the first row of a table names an audio file."""
    try:
        _, row = next(_rows(path, Listing()))
    except (StopIteration, DataError):
        return False
    name = row.get(_columns_of(row).get("file", ""), "")
    return bool(_columns_of(row).keys() & {"text", "label", "speaker"}) and bool(name)


def _columns_of(names: Iterable[str]) -> dict[str, str]:
    """Return which column holds what."""
    by_name = {name.strip().lower(): name for name in names}
    found = {
        key: next((by_name[each] for each in usual if each in by_name), "")
        for key, usual in _COLUMNS.items()
    }
    return {key: column for key, column in found.items() if column}


def _rows(path: Path, listing: Listing) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield number and values of each row, as text; what is no row goes to the findings.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    of_kind = _cells if path.suffix.lower() in _TABLES else _objects
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in of_kind(file, path.suffix.lower()):
                if isinstance(row, str):
                    listing.warn("bad-row", row, f"{path.name}:{number}")
                else:
                    yield number, row
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8.", hint="Save it as UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _cells(file: TextIO, suffix: str) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    """Yield the rows of a CSV or TSV file, or what is wrong with them."""
    csv.field_size_limit(_LONGEST_CELL)
    if suffix == ".tsv":  # sentences of Common Voice hold lone quotes
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        table = csv.DictReader(file)
    for row in table:
        complete = None not in row and None not in row.values()
        yield table.line_num, row if complete else "It has more or fewer cells than columns."


def _objects(file: TextIO, suffix: str) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    """Yield the objects in a file of JSON lines, or in one JSON array, as text.

    What is wrong with one comes in its place.
    """
    for number, row in _values(file):
        if isinstance(row, dict):
            yield number, {key: "" if each is None else str(each) for key, each in row.items()}
        else:
            yield number, "It is no JSON object."


def _values(file: TextIO) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each line, or of each item of an array; None if it is no JSON."""
    if file.read(1) == "[":
        file.seek(0)
        with suppress(ValueError, RecursionError):
            yield from enumerate(json.load(file), start=1)
            return
    file.seek(0)
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def below(path: str) -> list[str]:
    """Return which folders in a folder have manifests, such as the languages of Common Voice."""
    folders = sorted(each for each in Path(path).expanduser().glob("*/") if each.is_dir())
    return [each.name for each in folders if in_folder(each)]


def _clip(manifest: Path, said: Mapping[str, str], columns: set[str]) -> Clip:
    """Return the recording that a row names.

    Raises:
        ValueError: it names no file, or times that are no numbers.
    """
    if not said["file"].strip():
        raise ValueError("It names no audio file.")
    start, duration = (_seconds(said.get(key, ""), key) for key in ("start", "duration"))
    name = said["file"] if start is None else f"{said['file']}@{start:g}"
    split = official_split(said.get("split", "")) or official_split(manifest.stem)
    return Clip(
        name=name,
        path=_file(manifest.parent, said["file"]),
        start=start or 0.0,
        seconds=None if start is None else duration,
        duration=duration,
        label=said.get("label", ""),
        text=said["text"] if "text" in columns else None,
        speaker=said.get("speaker", ""),
        split=split,
    )


def _seconds(text: str, name: str) -> float | None:
    if not text.strip():
        return None
    try:
        seconds = float(text)
    except ValueError as error:
        raise ValueError(f"Its {name} is {text!r}, expected seconds.") from error
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"Its {name} is {text!r}, expected 0 s or more.")
    return seconds


def _file(folder: Path, name: str) -> Path:
    """Return the file that a row names, with or without its suffix."""
    named = [folder / each / name for each in _FOLDERS]
    spelled = [*named, *(each.with_name(each.name + end) for each in named for end in SUFFIXES)]
    return next((each for each in spelled if os.path.isfile(each)), named[0])
