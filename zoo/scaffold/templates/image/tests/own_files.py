"""Pictures as a user has them, for the tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from zoo_newplugin.datasets import Textures
from zoo_newplugin.pictures import Texture

DATASET = "folders"
GROUPED: dict[str, Any] = {"group": r"place(\d+)"}


class Written(NamedTuple):
    """What was written: where, how many good pictures, and the name of the bad one."""

    path: Path
    good: int
    bad: str


def write(folder: Path) -> Written:
    """Write pictures of each class, each place in every class, and one that is cut off."""
    for number, kind in enumerate(Textures.classes):
        for place in range(6):
            for shot in range(2):
                seed = number * 100 + place * 10 + shot
                _save(folder / kind / f"place{place}-{shot}.png", kind, seed)
    whole = (folder / "dots" / "place0-0.png").read_bytes()
    (folder / "dots" / "bad.png").write_bytes(whole[: len(whole) // 2])
    return Written(folder, 12 * len(Textures.classes), "bad.png")


def write_splits(folder: Path) -> Path:
    """Write a folder for each official split."""
    for number, split in enumerate(("train", "validation", "test")):
        for kind in Textures.classes:
            for shot in range(3):
                _save(folder / split / kind / f"{shot}.jpg", kind, 1000 + 10 * number + shot)
    return folder


def add_copies(folder: Path) -> None:
    """Copy pictures under other names."""
    for path in sorted((folder / "rings").iterdir()):
        shutil.copy(path, path.with_stem(f"{path.stem}-copy"))


def _save(path: Path, kind: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(Texture(kind, seed, side=48).read()).save(path)
