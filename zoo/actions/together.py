"""How several workers carry out one run: alike in all they do, though the chief alone writes.

Every worker goes through the same actions. What lies on the chief's disk, which others may not
see, they get from it; each writes into a folder of its own, which is the run for the chief and
a temporary one for all others. A process on its own is a group of one, for which none of this
does anything.
"""

from __future__ import annotations

import atexit
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.cluster import current
from zoo.components import DatasetInfo, Preprocessing
from zoo.config import dotted
from zoo.distribution import Distribution
from zoo.recipe import Recipe
from zoo.registry import registry
from zoo.runs import Run, package_versions
from zoo.storage import publish_folder
from zoo.training import state
from zoo.training.checkpoints import Checkpoint, Progress
from zoo.weights import newly_named

_BEGINNING = ("run.json", "config.toml")
"""The files that a run begins with."""


def begun(begin: Callable[[], Run]) -> Run:
    """Return the run that the chief begins, or another worker's own copy of its beginning."""
    group = current()
    if group.size == 1:
        return begin()
    own: list[Run] = []

    def files() -> dict[str, str]:
        own.append(begin())
        return {name: (own[0].path / name).read_text("utf-8") for name in _BEGINNING}

    content = group.from_chief(files)
    if not group.is_chief:
        folder = Path(tempfile.mkdtemp(prefix="zoo-worker-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        for name, text in content.items():
            (folder / name).write_text(text, "utf-8")
        own.append(Run(folder))
    group.when_lost = lambda: own[0].update(status="failed")
    return own[0]


def check_alike(recipe: Recipe) -> None:
    """Raise `ConfigError` unless all workers have the same settings and packages."""
    group = current()
    if group.size == 1:
        return
    names = {address.partition("/")[0] for address in recipe.addresses.values()}
    distributions = [registry().plugin(name).distribution for name in names]
    versions = {"python": platform.python_version(), **package_versions(distributions)}
    group.agree(
        {"the backend": keras.backend.backend(), **versions},
        "Install the same packages for all workers, such as one image or one lock file.",
    )
    group.agree(dict(dotted(recipe.resolved.dump())), "Start all workers with the same command.")


def check_devices(distribution: Distribution) -> None:
    """Raise `ConfigError` unless all workers compute alike."""
    alike = ("kind", "device", "replicas", "precision", "xla")
    described = distribution.describe()
    current().agree(
        {name: described[name] for name in alike},
        "Use hosts of one kind, or set strategy.precision and strategy.xla.",
    )


def check_data(info: DatasetInfo) -> None:
    """Raise `ConfigError` unless all workers have loaded the same data."""
    current().agree(
        {"the fingerprint of the data": info.fingerprint},
        f"Give all workers the same files at {info.source}.",
    )


def chief_says(ask: Callable[[], Any]) -> Any:
    """Return what the chief finds, for all to go the same way."""
    return current().from_chief(ask)


def share_folder(folder: Path) -> None:
    """Bring the chief's folder to all workers, in the place where each has its own."""
    group = current()
    if group.size == 1:
        return
    files = group.from_chief(lambda: _content(folder))
    if not group.is_chief:
        shutil.rmtree(folder, ignore_errors=True)
        with publish_folder(folder) as copy:
            for name, content in files.items():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).write_bytes(content.tobytes())


def share_checkpoint(find: Callable[[], Checkpoint | None]) -> Checkpoint | None:
    """Return the checkpoint that the chief finds, if there is one."""
    group = current()
    if group.size == 1:
        return find()
    found: list[Checkpoint | None] = []

    def content() -> dict[str, Any] | None:
        found.append(find())
        return asdict(found[0]) if found[0] else None

    told = group.from_chief(content)
    if group.is_chief or told is None:
        return found[0] if found else None
    return Checkpoint(Progress(**told["progress"]), told["arrays"], told["best"])


def share_weights(model: keras.Model) -> None:
    """Let all workers begin with the chief's weights and random generators."""
    group = current()
    if group.size > 1:
        arrays = group.from_chief(lambda: state.capture(model, between_stages=True))
        state.restore(model, arrays, between_stages=True)


def own_network(
    recipe: Recipe,
    preprocessing: Preprocessing,
    trained: keras.Model,
    distribution: Distribution,
) -> Callable[[], AbstractContextManager[keras.Model]]:
    """Return what gives a network to measure: the trained one, or a worker's own copy of it.

    A worker measures its share of the examples for itself, so its network must not wait for
    those of the others.
    """
    devices = distribution.devices
    if devices.workers > 1:
        with distribution.precise(), devices.alone():
            copy = newly_named(lambda: recipe.model.build(preprocessing.space))
    else:
        copy = trained

    @contextmanager
    def network() -> Iterator[keras.Model]:
        if copy is trained:
            yield trained
            return
        with devices.alone():
            copy.set_weights(state.weights(trained))
            yield copy

    return network


def _content(folder: Path) -> dict[str, np.ndarray]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): np.frombuffer(path.read_bytes(), np.uint8)
        for path in files
    }
