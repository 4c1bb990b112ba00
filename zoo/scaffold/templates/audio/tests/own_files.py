"""Recordings as a user has them, for the tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import wavfile

from zoo_newplugin.datasets import Whistles
from zoo_newplugin.recordings import Whistle

DATASET = "folders"
GROUPED: dict[str, Any] = {"group": r"bird(\d+)"}


class Written(NamedTuple):
    """What was written: where, how many good recordings, and the name of the bad one."""

    path: Path
    good: int
    bad: str


def write(folder: Path) -> Written:
    """Write recordings of each class, each bird in every class, and one that is cut off."""
    for number, kind in enumerate(Whistles.classes):
        for bird in range(6):
            for take in range(2):
                seed = number * 100 + bird * 10 + take
                _save(folder / kind / f"bird{bird}-{take}.wav", kind, seed)
    whole = (folder / "rising" / "bird0-0.wav").read_bytes()
    (folder / "rising" / "bad.wav").write_bytes(whole[:30])
    return Written(folder, 12 * len(Whistles.classes), "bad.wav")


def write_splits(folder: Path) -> Path:
    """Write a folder for each official split."""
    for number, split in enumerate(("train", "validation", "test")):
        for kind in Whistles.classes:
            for take in range(3):
                _save(folder / split / kind / f"{take}.wav", kind, 1000 + 10 * number + take)
    return folder


def add_copies(folder: Path) -> None:
    """Copy recordings under other names."""
    for path in sorted((folder / "steady").iterdir()):
        shutil.copy(path, path.with_stem(f"{path.stem}-copy"))


def _save(path: Path, kind: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = Whistle(kind, seed, rate=8000, seconds=0.8).read()
    wavfile.write(path, 8000, (np.clip(sound, -1, 1) * 32767).astype(np.int16))
