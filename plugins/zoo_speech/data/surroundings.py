"""The user's own noises and rooms, which training recordings are varied by."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

import zoo
from zoo_speech.audio.recording import SUFFIXES, Recording, RecordingError
from zoo_speech.data.folders import files_at

T = TypeVar("T")
_log = logging.getLogger(__name__)

_MOST = 200
"""Pieces of noise, or rooms, that are held at most."""


def noises_in(path: str, rate: int, seconds: float) -> np.ndarray:
    """Return pieces of the recordings at a path, each with a mean square of 1.

    Of many recordings, and of long ones, some pieces from everywhere are taken.

    Args:
        path: file, folder or glob.
        rate: samples a second.
        seconds: of a piece; shorter recordings are repeated.

    Returns:
        float32 [pieces, samples].

    Raises:
        ConfigError: there is nothing to be heard.
    """
    samples, files = round(rate * seconds), _files("noises", path)
    found: list[np.ndarray] = []
    for sound in _sounds("noises", path, files, rate):
        pieces = np.resize(sound, (max(len(sound) // samples, 1), samples))
        found.extend(_some([each for each in pieces if each.any()], _MOST // len(files)))
    noises = np.stack(found)
    return noises / np.sqrt(np.square(noises).mean(axis=1, keepdims=True))


def rooms_in(path: str, rate: int, seconds: float) -> np.ndarray:
    """Return the echoes in the impulse responses at a path, over what is heard directly.

    Args:
        path: file, folder or glob.
        rate: samples a second.
        seconds: after which echoes are cut.

    Returns:
        float32 [rooms, samples]; the first sample is that of the direct sound, and 0.

    Raises:
        ConfigError: there is nothing to be heard.
    """
    found = []
    for sound in _sounds("rooms", path, _files("rooms", path), rate):
        direct = np.abs(sound).argmax()
        echoes = sound[direct : direct + round(rate * seconds)] / sound[direct]
        echoes[0] = 0
        found.append(echoes)
    longest = max(map(len, found))
    return np.stack([np.pad(each, (0, longest - len(each))) for each in found]).astype(np.float32)


def _files(setting: str, path: str) -> list[Path]:
    """Return the recordings at a path, or some of them where there are too many."""
    try:
        _, files = files_at(path)
    except zoo.DataError as error:
        raise zoo.ConfigError(f"task.{setting}: {error.message}", hint=error.hint) from error
    return _some([each for each in files if each.suffix.lower() in SUFFIXES], _MOST)


def _sounds(setting: str, path: str, files: Sequence[Path], rate: int) -> Iterator[np.ndarray]:
    """Yield what there is to hear in files; tell of those left out."""
    heard = 0
    for file in files:
        try:
            sound = Recording(file, rate).read()
        except RecordingError as error:
            _log.warning(f"task.{setting}: {error.message} It is left out.")
            continue
        if not sound.any():
            _log.warning(f"task.{setting}: {file} is silent and left out.")
            continue
        heard += 1
        yield sound
    if not heard:
        raise zoo.ConfigError(
            f"task.{setting}: no recording at {path} can be used.",
            hint=f"Give a folder of {', '.join(each.removeprefix('.') for each in SUFFIXES)}.",
        )


def _some(each: list[T], most: int) -> list[T]:
    """Return so many of a list at most, from everywhere in it."""
    places = np.linspace(0, len(each) - 1, min(len(each), most)).astype(int)
    return [each[place] for place in places]
