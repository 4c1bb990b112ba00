"""Compares runs bit for bit, interrupts them, and carries them out in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.training.checkpoints import Progress
from zoo.training.listeners import Listener

_SCRIPT = """
import sys
import zoo
zoo.train(sys.argv[1], runs=sys.argv[2], settings={settings})
"""


class StopAt(Listener):
    """Interrupts a run after some step of a stage, as Ctrl-C does."""

    def __init__(self, stage: int, step: int) -> None:
        self.place = (stage, step)

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        if (progress.stage, progress.step) == self.place:
            os.kill(os.getpid(), signal.SIGINT)


def weights(run: zoo.Run) -> list[np.ndarray]:
    """Return the weights that a finished run ships."""
    return zoo.load(run.path).model.get_weights()


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Return whether weights are equal to the last bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def train_elsewhere(recipe: str, runs: Path, settings: dict[str, Any]) -> zoo.Run:
    """Train in a process of its own, where TensorFlow has not yet chosen its devices."""
    script = _SCRIPT.replace("{settings}", repr(settings))
    subprocess.run(
        [sys.executable, "-c", script, recipe, str(runs)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
    )
    (path,) = runs.iterdir()
    return zoo.Run(path)
