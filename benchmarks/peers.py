"""What benchmarks beside a peer share: its environment, rounds in turn, and what they print.

A peer is a script of its own, which runs in an environment of its own: see :class:`Peer`.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.actions import bench
from zoo.distribution import distribute
from zoo.recipe import Recipe
from zoo.training.checkpoints import Progress
from zoo.training.listeners import Listener
from zoo.training.loop import Trainer


def trainer_of(recipe: Recipe, steps: int) -> Trainer:
    """Return what `zoo bench` trains with, for so many steps and without augmentation."""
    trainer = bench.trainer_of(recipe, bench.training_examples(recipe), distribute(recipe.strategy))
    stage = dataclasses.replace(trainer.stages[-1], epochs=None, steps=steps)
    return dataclasses.replace(trainer, stages=[stage], augment=None)


class Peer:
    """A system in the peers' environment; it waits until it is asked.

    Args:
        python: the interpreter of that environment.
        request: a file that says what it is, and shall do.
        script: its side of the benchmark.

    Attributes:
        about: how many `parameters` it has, and the version of `torch`.
    """

    def __init__(self, python: Path, request: Path, script: Path) -> None:
        command = [python, "-I", script, request]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.about = self._answer()

    def ask(self, *numbers: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(*numbers, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._process.args} ended with {self._process.wait()}; see above.")
        return json.loads(line)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()


class Rounds(Listener):
    """Times rounds of steps, and lets each peer take the same steps after each round.

    Attributes:
        seconds: of each round, by system.
    """

    def __init__(self, peers: dict[str, Peer], steps: int) -> None:
        self._peers, self._steps = peers, steps
        self.seconds: list[dict[str, float]] = []
        self._began = time.perf_counter()

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        done = progress.step
        if done % self._steps:
            return
        spent = {"ours": time.perf_counter() - self._began}
        for name, peer in self._peers.items():
            spent[name] = peer.ask(done - self._steps, done)["seconds"]
        self.seconds.append(spent)
        say_round(spent)
        self._began = time.perf_counter()


def peer_python(home: Path, packages: Sequence[str], imports: str) -> Path:
    """Return the interpreter of the peers' environment, which is made if need be.

    Args:
        home: of the environment.
        packages: what is installed, as pip takes it.
        imports: modules, separated by commas, that can be imported if it is whole.
    """
    python = home / "bin" / "python"
    probe = [python, "-I", "-c", f"import {imports}"]
    if python.exists() and subprocess.run(probe, check=False).returncode == 0:
        return python
    say(f"installing {', '.join(packages)} in {home}")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    subprocess.run([python, "-I", "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def print_rates(
    seconds: Sequence[dict[str, float]],
    amounts: Sequence[float],
    unit: str,
    peers: dict[str, Peer],
) -> None:
    """Print how much each system does a second, and how ours compares with it in each round.

    Args:
        seconds: of each round, by system; the first does not count.
        amounts: what each round does that counts.
        unit: of the amounts.
        peers: the systems beside ours.
    """
    print(f"{'system':18} {unit + ' a second':>20} {'ours / it':>10}  range")
    for name in seconds[0]:
        spent = np.array([each[name] for each in seconds[1:]])
        ours = np.array([each["ours"] for each in seconds[1:]])
        line = f"{name:18} {np.median(np.divide(amounts, spent)):20,.1f}"
        if name in peers:
            ratios = spent / ours
            line += f" {np.median(ratios):10.2f}  {ratios.min():.2f} to {ratios.max():.2f}"
            about = peers[name].about
            line += f"  ({about['parameters']:,} parameters, PyTorch {about['torch']})"
        print(line)


def say_round(spent: dict[str, float]) -> None:
    say(", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent.items()))


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
