"""Fixtures of the core's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy

import zoo
from zoo.registry import registry


@pytest.fixture(scope="session")
def toy_plugin() -> None:
    """The smallest plugin, registered with the installed ones."""
    registry().register(toy, "toy")


@pytest.fixture(scope="session")
def toy_run(toy_plugin: None, tmp_path_factory: pytest.TempPathFactory) -> zoo.Run:
    """A finished run of the smallest plugin; not to be changed."""
    settings = {"train.stages": [{"epochs": 20}], "train.learning_rate": 0.02}
    return zoo.train("toy", runs=tmp_path_factory.mktemp("runs"), settings=settings)


@pytest.fixture()
def points(tmp_path: Path) -> Path:
    """A file of labelled points, as the smallest plugin reads them."""
    path = tmp_path / "points.jsonl"
    lines = [
        f"[{label * 2.0 + i / 10}, {label * 2.0}, {label}]" for i in range(8) for label in (0, 1)
    ]
    path.write_text("\n".join(lines))
    return path
