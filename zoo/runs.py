"""A run: the folder that holds everything about one execution of a recipe."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, StorageError
from zoo.storage import append_line, read_lines, write_json, write_text

_LOCKED = (
    "keras-domain-zoo",
    "keras",
    "tensorflow",
    "keras-hub",
    "keras-cv",
    "jax",
    "numpy",
    "scipy",
    "scikit-learn",
    "tensorflow-datasets",
)


class Run:
    """The files of one run.

    Args:
        path: the run's folder.

    Raises:
        ConfigError: there is no run at `path`.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "run.json").exists():
            raise ConfigError(
                f"{self.path} is not a run: it has no run.json.",
                hint="Give the folder that `zoo train` printed.",
            )

    @classmethod
    def create(cls, parent: Path, name: str, about: Mapping[str, Any]) -> Run:
        """Make a new folder in `parent` for a run of the recipe `name`.

        Raises:
            StorageError: it cannot be written.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        base = f"{name.replace('/', '-')}-{stamp}"
        for number in range(1, 1000):
            path = parent / (base if number == 1 else f"{base}-{number}")
            try:
                path.mkdir(parents=True)
                break
            except FileExistsError:
                continue
            except OSError as error:
                raise StorageError(
                    f"Cannot make the run's folder {path}: {error.strerror}.",
                    hint="Choose a folder you can write with --runs FOLDER.",
                ) from error
        return cls.at(path, {"name": path.name, **about})

    @classmethod
    def at(cls, path: Path, about: Mapping[str, Any]) -> Run:
        """Begin a run in an existing folder."""
        started = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(path / "run.json", {"status": "running", "started": started, **about})
        return cls(path)

    @property
    def about(self) -> dict[str, Any]:
        """The content of `run.json`."""
        return self.read("run.json")

    @property
    def bundle(self) -> Path:
        """Where the trained model is."""
        return self.path / "bundle"

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    @property
    def report(self) -> Path:
        """Where the report is."""
        return self.path / "report.html"

    @property
    def evaluation(self) -> dict[str, Any]:
        """The content of `evaluation.json`; empty before the run was evaluated."""
        return self.read("evaluation.json") if (self.path / "evaluation.json").exists() else {}

    def update(self, **values: Any) -> None:
        """Set values in `run.json`."""
        write_json(self.path / "run.json", {**self.about, **values})

    def read(self, name: str) -> Any:
        """Return the content of a JSON file of the run.

        Raises:
            StorageError: it is missing or damaged.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{self.path / name} cannot be read: {error}.",
                hint="The run was interrupted early or its files were changed; train again.",
            ) from error

    def write(self, name: str, value: Any) -> None:
        """Write a value as a JSON file of the run."""
        write_json(self.path / name, value)

    def log(self, event: Mapping[str, Any]) -> None:
        """Append an event to `metrics.jsonl`."""
        append_line(self.path / "metrics.jsonl", dict(event))

    def events(self) -> list[dict[str, Any]]:
        """Return the events logged so far."""
        path = self.path / "metrics.jsonl"
        return list(read_lines(path)) if path.exists() else []

    def forget_after(self, stage: int, step: int) -> None:
        """Drop events later than a checkpoint: a resumed run logs them again."""
        place, kept = (stage, step), []
        for event in self.events():
            at = (event.get("stage_index", 0), event.get("step", 0))
            # A checkpoint lies after what was measured at its step, before what begins there.
            if at < place or (at == place and event["event"] != "stage"):
                kept.append(event)
        lines = "".join(json.dumps(event) + "\n" for event in kept)
        write_text(self.path / "metrics.jsonl", lines)

    def _repr_html_(self) -> str:
        from zoo.reporting import summary_html

        return summary_html(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.about['status']})"


def lock(fingerprint: str, seed: int, plugins: Iterable[str]) -> dict[str, Any]:
    """Return what a run has to know of its surroundings to be repeated.

    Args:
        fingerprint: of the dataset.
        seed: of the run.
        plugins: the distributions of the plugins; empty text for one registered by hand.
    """
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": package_versions(plugins),
        "git": _git_revision(),
        "data_fingerprint": fingerprint,
        "seed": seed,
    }


def package_versions(plugins: Iterable[str]) -> dict[str, str]:
    """Return the versions of the packages that decide what a run computes, by name.

    Args:
        plugins: the distributions of the plugins; empty text for one registered by hand.
    """
    packages = {}
    for name in sorted({*_LOCKED, *plugins} - {""}):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return packages


def _git_revision() -> str | None:
    """The revision of the user's own code, with `+changes` if it has uncommitted ones."""
    try:
        revision = _git("rev-parse", "HEAD")
        return revision + ("+changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, timeout=5
    )
    return done.stdout.strip()
