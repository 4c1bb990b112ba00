"""Reads what a run folder holds, whole or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.components import Figure
from zoo.errors import StorageError
from zoo.storage import read_lines

_PARTS = {
    "run.json": "what was run, when and on which device",
    "config.toml": "the resolved configuration",
    "lock.json": "package versions and seed",
    "data.json": "the data summary",
    "metrics.jsonl": "the course of training",
    "evaluation.json": "the results on held-out data",
    "figures/index.json": "the figures of the domain",
    "bundle": "the trained model",
}


@dataclass(frozen=True)
class Contents:
    """The parts of a run folder; a missing part is empty and named in `missing`.

    Attributes:
        folder: the run folder.
        run: `run.json`.
        config: `config.toml` as text.
        lock: `lock.json`.
        data: `data.json`.
        events: the objects of `metrics.jsonl`.
        evaluation: `evaluation.json`.
        figures: the domain's figures.
        missing: one phrase for each part that is absent or cannot be read.
    """

    folder: Path
    run: dict[str, Any] = field(default_factory=dict)
    config: str = ""
    lock: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    evaluation: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def read(folder: Path) -> Contents:
    """Read a run folder.

    Raises:
        StorageError: there is no such folder, or it holds no part of a run.
    """
    absent = [name for name in _PARTS if not (folder / name).exists()]
    if len(absent) == len(_PARTS):
        raise StorageError(
            f"{folder} is not a run folder: it holds none of {', '.join(_PARTS)}.",
            hint="Give the folder that `zoo train` printed at its end.",
        )
    missing = [f"{name} ({_PARTS[name]})" for name in absent]

    def part(name: str, parse: Callable[[Path], Any], empty: Any) -> Any:
        if name in absent:
            return empty
        try:
            return parse(folder / name)
        except (StorageError, OSError, ValueError, LookupError, TypeError) as error:
            missing.append(f"{name} ({_PARTS[name]}), which is damaged: {error}")
            return empty

    return Contents(
        folder=folder,
        run=part("run.json", _object, {}),
        config=part("config.toml", _text, ""),
        lock=part("lock.json", _object, {}),
        data=part("data.json", _object, {}),
        events=part("metrics.jsonl", read_lines, []),
        evaluation=part("evaluation.json", _object, {}),
        figures=part("figures/index.json", _figures, []),
        missing=missing,
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _object(path: Path) -> dict[str, Any]:
    value = json.loads(_text(path))
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    return value


def _figures(index: Path) -> list[Figure]:
    """Return the figures that `index` names; only files beside it are read."""
    entries = json.loads(_text(index))
    return [
        Figure(entry["title"], entry["caption"], _text(index.parent / Path(entry["file"]).name))
        for entry in entries
    ]
