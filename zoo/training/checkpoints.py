"""Checkpoints that a kill at any moment cannot tear unnoticed."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from zoo.errors import StorageError
from zoo.safety.files import check_arrays
from zoo.storage import publish_folder, remove_leftovers, sha256, write_bytes, write_json


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        stage: index of the stage that is being trained.
        step: steps done in it.
        best: best validation metric of the stage so far, and its epoch.
        waited: validations since then.
        seconds: time spent training, over all attempts.
    """

    stage: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: float = 0.0
    waited: int = 0
    seconds: float = 0.0


@dataclass
class Checkpoint:
    """A moment of training from which it goes on as if it had not been interrupted.

    Attributes:
        progress: how far the run has come.
        arrays: what :func:`zoo.training.state.capture` returned.
        best: the best weights of the stage so far; empty if there are none.
    """

    progress: Progress
    arrays: dict[str, np.ndarray]
    best: list[np.ndarray] = field(default_factory=list)


class Checkpoints:
    """The checkpoints of one run.

    Each is a folder that appears under its name only when it is whole; its manifest holds
    the SHA-256 of its arrays, so that later damage is found as well.

    Args:
        folder: where they are kept.
        keep: how many.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, then delete the oldest beyond `keep`.

        Raises:
            StorageError: it cannot be written; the earlier ones stay.
        """
        progress = checkpoint.progress
        final = self.folder / f"stage-{progress.stage:02d}-step-{progress.step:09d}"
        named = dict(checkpoint.arrays)
        named |= {f"best/{i}": array for i, array in enumerate(checkpoint.best)}
        buffer = io.BytesIO()
        np.savez(
            buffer, allow_pickle=False, **{f"{i}": array for i, array in enumerate(named.values())}
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        with publish_folder(final) as folder:
            write_bytes(folder / "arrays.npz", buffer.getvalue())
            manifest = {
                "progress": asdict(progress),
                "names": list(named),
                "sha256": sha256(folder / "arrays.npz"),
            }
            write_json(folder / "manifest.json", manifest)
        for old in self.paths()[: -self.keep]:
            _delete(old)
        return final

    def latest(self) -> tuple[Checkpoint | None, list[Path]]:
        """Return the newest whole checkpoint, and the damaged ones passed over."""
        if self.folder.exists():
            remove_leftovers(self.folder)
        damaged: list[Path] = []
        for path in reversed(self.paths()):
            try:
                return _read(path), damaged
            except (OSError, ValueError, KeyError, TypeError, StorageError):
                damaged.append(path)
        return None, damaged

    def paths(self) -> list[Path]:
        """Return the checkpoints' folders, oldest first."""
        return sorted(self.folder.glob("stage-*-step-*"))


def _read(path: Path) -> Checkpoint:
    manifest = json.loads((path / "manifest.json").read_text())
    if sha256(path / "arrays.npz") != manifest["sha256"]:
        raise StorageError(f"The checkpoint {path} is damaged.")
    check_arrays(path / "arrays.npz")
    with np.load(path / "arrays.npz", allow_pickle=False) as stored:
        named = {name: stored[str(i)] for i, name in enumerate(manifest["names"])}
    best = [array for name, array in named.items() if name.startswith("best/")]
    arrays = {name: array for name, array in named.items() if not name.startswith("best/")}
    return Checkpoint(Progress(**manifest["progress"]), arrays, best)


def _delete(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
