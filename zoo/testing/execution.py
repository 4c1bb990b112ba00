"""Carries a recipe out in an empty folder, and notes what it touches outside its own."""

from __future__ import annotations

import errno
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest, mock

from zoo.actions.train import Options, resume, train
from zoo.runs import Run
from zoo.training.checkpoints import Progress
from zoo.training.listeners import Listener

if TYPE_CHECKING:
    from zoo.testing.subject import Trial

_CACHES = {".cache", ".config", ".keras", ".nv", "Library"}
"""Where libraries keep what can be made again; matplotlib its list of fonts, for instance."""


@dataclass
class Execution:
    """A run, and what was seen of it.

    Attributes:
        run: the finished run.
        losses: the training loss of each step.
        strays: files that it wrote or changed outside its folders.
        connections: addresses that it tried to reach.
    """

    run: Run
    losses: list[float]
    strays: list[str]
    connections: list[str]


class Losses(Listener):
    """Notes the loss of each step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        """See :meth:`Listener.on_step`."""
        self.values.append(loss)


class StopAt(Listener):
    """Interrupts a run after some step of a stage, as Ctrl-C does."""

    def __init__(self, stage: int, step: int) -> None:
        self.place = (stage, step)

    def on_step(self, progress: Progress, steps: int, loss: float) -> None:
        """See :meth:`Listener.on_step`."""
        if (progress.stage, progress.step) == self.place:
            os.kill(os.getpid(), signal.SIGINT)


def execute(trial: Trial) -> Execution:
    """Carry out a trial and return the finished run."""
    losses = Losses()
    with watched(trial) as watch:
        run = train(trial.recipe, trial.folder / "runs", Options(listeners=[losses]))
    return Execution(run, losses.values, watch.strays, watch.connections)


def interrupt_and_resume(trial: Trial) -> tuple[Run, list[float]]:
    """Carry out a trial again, stop it in the middle of its longest stage, and go on.

    Returns:
        the finished run, and the loss of each step since it went on.
    """
    stages = [event for event in trial.execution.run.events() if event["event"] == "stage"]
    longest = max(stages, key=lambda event: event["steps"])
    stop = StopAt(longest["stage_index"], max(1, longest["steps"] // 2))
    runs = Path(tempfile.mkdtemp(prefix="interrupted-", dir=trial.folder))
    try:
        train(trial.recipe, runs, Options(listeners=[stop]))
    except KeyboardInterrupt:
        (path,) = runs.iterdir()
        losses = Losses()
        return resume(path, Options(listeners=[losses])), losses.values
    raise RuntimeError("The run ended before the step at which it was to be interrupted.")


@dataclass
class Watch:
    """What was seen while something ran.

    Attributes:
        connections: addresses it tried to reach.
        strays: files that it wrote or changed.
    """

    connections: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


@contextmanager
def watched(trial: Trial) -> Iterator[Watch]:
    """Run something in an empty working folder and an empty home folder, without a network.

    Files that appear or change there, or in the plugin's package, are noted.
    """
    watch = Watch()
    work, home = trial.folder / "elsewhere" / "work", trial.folder / "elsewhere" / "home"
    for folder in (work, home):
        folder.mkdir(parents=True, exist_ok=True)
    places = [work, home, *_package(trial)]
    before = {place: _snapshot(place) for place in places}
    with ExitStack() as stack:
        stack.enter_context(chdir(work))
        stack.enter_context(mock.patch.dict(os.environ, {"HOME": str(home), "ZOO_OFFLINE": "1"}))
        stack.enter_context(_no_network(watch.connections))
        yield watch
    names = {work: "the working folder", home: "the home folder"}
    for place in places:
        after = _snapshot(place)
        changed = sorted(path for path in after if after[path] != before[place].get(path))
        watch.strays += [f"{path} in {names.get(place, 'its own package')}" for path in changed]


def _package(trial: Trial) -> list[Path]:
    try:
        return [trial.subject.package]
    except SkipTest:
        return []


def _snapshot(place: Path) -> dict[str, Any]:
    """Return time and size of each file in a folder, caches of libraries left out."""
    if place.is_file():
        return {}
    files = {}
    for root, folders, names in os.walk(place):
        folders[:] = [each for each in folders if each not in {"__pycache__", *_CACHES}]
        for name in names:
            path = Path(root, name)
            details = path.lstat()
            files[str(path.relative_to(place))] = (details.st_mtime_ns, details.st_size)
    return files


@contextmanager
def _no_network(connections: list[str]) -> Iterator[None]:
    """Refuse connections to other machines, and note where they would have gone."""

    def refuse(address: Any) -> None:
        connections.append(":".join(str(part) for part in address[:2]))
        raise OSError(errno.ENETUNREACH, f"the contract suite allows no network: {address}")

    def connect(opened: socket.socket, address: Any) -> Any:
        if opened.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address)
        return plain_connect(opened, address)

    def look_up(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        refuse((host, port))

    plain_connect = socket.socket.connect
    with (
        mock.patch.object(socket.socket, "connect", connect),
        mock.patch.object(socket.socket, "connect_ex", connect),
        mock.patch.object(socket, "getaddrinfo", look_up),
    ):
        yield
