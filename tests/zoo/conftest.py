"""Fixtures of the core's tests."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from toy_plugin import register_toy

import zoo

# How fast an example is says something of the machine and what else it does, not of the code.
hypothesis.settings.register_profile("any speed", deadline=None)
hypothesis.settings.load_profile("any speed")


@pytest.fixture
def toy_plugin() -> None:
    """The smallest plugin, registered with the installed ones."""
    register_toy()


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> zoo.Run:
    """A finished run of the smallest plugin; not to be changed."""
    register_toy()
    settings = {"train.stages": [{"epochs": 20}], "train.learning_rate": 0.02}
    return zoo.train("toy", runs=tmp_path_factory.mktemp("runs"), settings=settings)


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """A file of labelled points, as the smallest plugin reads them."""
    path = tmp_path / "points.jsonl"
    lines = [
        f"[{label * 2.0 + i / 10}, {label * 2.0}, {label}]" for i in range(8) for label in (0, 1)
    ]
    path.write_text("\n".join(lines))
    return path
