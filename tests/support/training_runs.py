"""Compares runs bit for bit, interrupts them, and carries them out in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.training.checkpoints import Progress
from zoo.training.listeners import Listener

_SCRIPT = """
import sys
import zoo
from zoo.registry import registry
for name in {registered}:
    registry().register(__import__(name), name)
if sys.argv[1] == "resume":
    zoo.resume(sys.argv[2])
else:
    zoo.train(sys.argv[1], runs=sys.argv[2], settings={settings})
"""


class StopAt(Listener):
    """Interrupts a run after some step of a stage, as Ctrl-C does."""

    def __init__(self, stage: int, step: int) -> None:
        self.place = (stage, step)

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        if (progress.stage, progress.step) == self.place:
            os.kill(os.getpid(), signal.SIGINT)


class FailAt(StopAt):
    """Ends a run after some step of a stage without a checkpoint, as a power cut does."""

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        if (progress.stage, progress.step) == self.place:
            raise SystemError("power cut")


def weights(run: zoo.Run) -> list[np.ndarray]:
    """Return the weights that a finished run ships."""
    return zoo.load(run.path).model.get_weights()


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Return whether weights are equal to the last bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def interrupted(recipe: str, runs: Path, settings: dict[str, Any], listener: Listener) -> Path:
    """Train until the listener ends it, and return the folder of the run."""
    with pytest.raises((KeyboardInterrupt, SystemError)):
        zoo.train(recipe, runs=runs, settings=settings, listeners=[listener])
    (path,) = runs.iterdir()
    return path


def start_elsewhere(
    action: str, path: Path, settings: Mapping[str, Any] = {}, *, registered: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Begin to train, or to go on, in a process of its own.

    TensorFlow has not yet chosen its devices there.

    Args:
        action: a recipe, or `resume`.
        path: the folder for runs, or the run to go on with.
        settings: of the recipe.
        registered: modules of the tests that are plugins of their own name.
    """
    script = _SCRIPT.replace("{settings}", repr(dict(settings)))
    return subprocess.Popen(
        [sys.executable, "-c", script.replace("{registered}", repr(registered)), action, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
    )


def train_elsewhere(
    recipe: str, runs: Path, settings: Mapping[str, Any], *, registered: Sequence[str] = ()
) -> zoo.Run:
    """Train in a process of its own, to the end; see :func:`start_elsewhere`."""
    process = start_elsewhere(recipe, runs, settings, registered=registered)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    (path,) = runs.iterdir()
    return zoo.Run(path)
