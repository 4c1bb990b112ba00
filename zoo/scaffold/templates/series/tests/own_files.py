"""Series as a user has them, for the tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo_newplugin.datasets import Machines
from zoo_newplugin.series import Vibration

DATASET = "folders"
GROUPED: dict[str, Any] = {"group": r"machine(\d+)"}


class Written(NamedTuple):
    """What was written: where, how many good series, and the name of the bad one."""

    path: Path
    good: int
    bad: str


def write(folder: Path) -> Written:
    """Write series of each class, each machine in every class, and one without numbers."""
    for number, kind in enumerate(Machines.classes):
        for machine in range(6):
            for day in range(2):
                seed = number * 100 + machine * 10 + day
                _save(folder / kind / f"machine{machine}-{day}.csv", kind, seed)
    (folder / "worn" / "bad.csv").write_text("time,x,y\n0,0.5,broken\n", encoding="utf-8")
    return Written(folder, 12 * len(Machines.classes), "bad.csv")


def write_splits(folder: Path) -> Path:
    """Write a folder for each official split."""
    for number, split in enumerate(("train", "validation", "test")):
        for kind in Machines.classes:
            for day in range(3):
                _save(folder / split / kind / f"{day}.csv", kind, 1000 + 10 * number + day)
    return folder


def add_copies(folder: Path) -> None:
    """Copy series under other names."""
    for path in sorted((folder / "loose").iterdir()):
        shutil.copy(path, path.with_stem(f"{path.stem}-copy"))


def _save(path: Path, kind: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = Vibration(kind, seed, steps=150).read()
    table = np.column_stack([np.arange(len(values)), values])
    names = ",".join(("time", *Machines.channels))
    np.savetxt(path, table, fmt="%g", delimiter=",", header=names, comments="")
