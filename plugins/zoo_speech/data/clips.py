"""What files say of recordings, before any of them is opened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo import Finding

_OFFICIAL = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
_SPEECH_COMMANDS = re.compile(r"(?:^|/)([0-9a-f]+)_nohash_\d+\.\w+$")


@dataclass(frozen=True)
class Clip:
    """A recording as files name it.

    Attributes:
        name: what the example is called.
        path: of the audio file.
        start: where in the file it begins, seconds.
        seconds: how long it is; None for all that follows.
        duration: how long it is said to be, seconds; None where nothing is said.
        label: name of its class, empty where unknown.
        text: what is said in it; None where unknown.
        speaker: who speaks, empty where unknown.
        split: its official split, or empty.
    """

    name: str
    path: Path
    start: float = 0.0
    seconds: float | None = None
    duration: float | None = None
    label: str = ""
    text: str | None = None
    speaker: str = ""
    split: str = ""


@dataclass
class Listing:
    """The recordings at a path, and what is wrong with what else is there."""

    clips: list[Clip] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Listing) -> None:
        """Take over what another has."""
        self.clips += other.clips
        self.findings += other.findings

    def warn(self, code: str, message: str, where: Path | str, hint: str = "") -> None:
        """Say what is wrong."""
        self.findings.append(Finding("warning", code, message, printable(where), hint))

    def note(self, code: str, message: str, where: Path | str, hint: str = "") -> None:
        """Say what a user should know."""
        self.findings.append(Finding("note", code, message, printable(where), hint))

    def leave_out_unwritable(self) -> None:
        """Leave out clips that no file of text could name, such as those of broken encodings."""
        kept = []
        for clip in self.clips:
            said = f"{clip.path} {clip.name} {clip.label} {clip.text} {clip.speaker}"
            if printable(said) == said and "\0" not in said:
                kept.append(clip)
            else:
                message = "Its name, or what is said of it, is not UTF-8 or holds a NUL."
                self.warn("bad-name", message, clip.name, "Rename or correct it.")
        self.clips = kept

    def take_speakers_from_names(self) -> None:
        """Take the speakers that all names tell in the way of Speech Commands, if none is known."""
        found = [_SPEECH_COMMANDS.search(clip.name) for clip in self.clips]
        if all(found) and not any(clip.speaker for clip in self.clips):
            named = zip(self.clips, found, strict=True)
            self.clips = [replace(clip, speaker=match[1]) for clip, match in named if match]


def official_split(name: str) -> str:
    """Return the split that a word of a name tells, such as `test` of `test-clean`, or empty."""
    return first_split(re.split(r"[^a-z]+", name.lower()))


def first_split(words: Iterable[str]) -> str:
    """Return the first split that one of some words in small letters is a name of, or empty."""
    return next((_OFFICIAL[word] for word in words if word in _OFFICIAL), "")


def printable(name: Path | str) -> str:
    """Return a name with bytes that are no UTF-8 spelled out."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def utf8(path: Path) -> str | None:
    """Return the text of a file, or None if it is not UTF-8 or cannot be read."""
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
