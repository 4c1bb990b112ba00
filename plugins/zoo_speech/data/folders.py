"""Folders of recordings, whose names say what is in them.

DATA/yes/a.wav                          a folder for each class
DATA/train/yes/a.wav                    official splits: train, validation and test
DATA/testing_list.txt                   official lists, as in Speech Commands
DATA/a.wav, DATA/a.txt                  what is said, in a text file of the same name
DATA/test-clean/61/70968/61-70968.trans.txt   LibriSpeech
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from zoo import DataError
from zoo_speech.audio.recording import SUFFIXES
from zoo_speech.data.clips import Clip, Listing, first_split, official_split, utf8

_TRANSCRIPTS = ".trans.txt"
_LISTS = {"testing_list.txt": "test", "validation_list.txt": "validation"}


def files_at(path: str) -> tuple[Path, list[Path]]:
    """Return all files at a file, folder or glob, and the folder that names begin in.

    Links to nothing count as files, so that they can be named.

    Raises:
        DataError: there is none.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        found: Iterable[Path] = place.rglob("*")
    elif place.exists():
        return place.parent, [place]
    else:
        found = map(Path, glob.glob(str(place), recursive=True))
    files = sorted(each for each in found if _is_file(each) and not each.name.startswith("."))
    if not files:
        raise DataError(
            f"There is no file at {path}.", hint="Give a file, a folder, or a glob in quotes."
        )
    root = place if place.is_dir() else Path(os.path.commonpath([each.parent for each in files]))
    return root, files


def read(root: Path, files: Sequence[Path]) -> Listing:
    """Return the recordings among files, with what folders and files beside them say."""
    transcripts = [each for each in files if each.name.endswith(_TRANSCRIPTS)]
    if transcripts:
        return _librispeech(root, transcripts)
    listing = Listing()
    audio = [each for each in files if each.suffix.lower() in SUFFIXES]
    texts = {each.with_suffix("") for each in files if each.suffix.lower() == ".txt"}
    lists = _official_lists(root)
    for path in audio:
        clip = _by_folders(path, path.relative_to(root).as_posix())
        if clip.label.startswith("_"):  # such as _background_noise_ of Speech Commands
            listing.note("hidden-folder", "Folders that begin with _ are left out.", clip.label)
            continue
        if path.with_suffix("") in texts:
            clip = replace(clip, text=_text(path.with_suffix(".txt"), listing))
        if lists:
            clip = replace(clip, split=lists.get(clip.name, "train"))
        listing.clips.append(clip)
    used = len(audio) + len(texts & {each.with_suffix("") for each in audio})
    if others := len(files) - used:
        message = f"{others:,} files of another kind are left out; audio files are read."
        listing.note("other-files", message, root)
    return listing


def _is_file(path: Path) -> bool:
    return path.is_file() or (path.is_symlink() and not path.exists())


def _by_folders(path: Path, name: str) -> Clip:
    folders = name.split("/")[:-1]
    split = first_split([folders[0].lower()]) if folders else ""
    folders = folders[1:] if split else folders
    return Clip(name, path, label=folders[0] if folders else "", split=split)


def _official_lists(root: Path) -> dict[str, str]:
    """Return the split of each recording that an official list names."""
    return {
        line.strip(): split
        for name, split in _LISTS.items()
        for line in (utf8(root / name) or "").splitlines()
    }


def _text(path: Path, listing: Listing) -> str | None:
    text = utf8(path)
    if text is None:
        listing.warn("bad-text", "The text is not UTF-8, or cannot be read.", path)
    return text


def _librispeech(root: Path, transcripts: Sequence[Path]) -> Listing:
    """Read chapters: each has a file whose lines are the name of a recording and its text."""
    listing = Listing()
    for file in transcripts:
        text = utf8(file)
        if text is None:
            listing.warn("bad-text", "The transcripts are not UTF-8, or cannot be read.", file)
            continue
        chapter = file.parent.relative_to(root)
        split = next(filter(None, map(official_split, (*chapter.parts[:1], root.name))), "")
        for line in filter(None, text.splitlines()):
            name, _, sentence = line.partition(" ")
            speaker = name.split("-")[0]
            path = next(
                (
                    file.parent / f"{name}{end}"
                    for end in SUFFIXES
                    if (file.parent / f"{name}{end}").exists()
                ),
                file.parent / f"{name}.flac",
            )
            clip = Clip((chapter / path.name).as_posix(), path, text=sentence, split=split)
            listing.clips.append(replace(clip, label=speaker, speaker=speaker))
    return listing
