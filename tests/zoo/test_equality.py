"""The recipes of all plugins end alike on one device, on several, and in several processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from workers import run_workers

RECIPES = (
    "fraud/finetune",
    "vision/finetune",
    "speech/transcribe",
    "translation/finetune",
    "medical/classify",
)
_SPREADS: Mapping[str, tuple[str, int, Mapping[str, object]]] = {
    "two devices": ("tensorflow", 1, {"kind": "mirrored", "devices": 2}),
    "two processes": ("tensorflow", 2, {"kind": "multiworker"}),
    "four processes": ("tensorflow", 4, {"kind": "multiworker"}),
    "two devices on JAX": ("jax", 1, {"kind": "jax-data-parallel", "devices": 2}),
    "two processes on JAX": ("jax", 2, {"kind": "jax-data-parallel"}),
    "four processes on JAX": ("jax", 4, {"kind": "jax-data-parallel"}),
}
_ONE = {"kind": "single"}

Ends = Callable[..., Mapping[str, Mapping[str, np.ndarray]]]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    """A function that trains all recipes for a few steps and returns what came of each."""

    @cache
    def trained(
        backend: str, workers: int, strategy: str
    ) -> Mapping[str, Mapping[str, np.ndarray]]:
        folder = tmp_path_factory.mktemp("ends")
        job = {"recipes": RECIPES, "folder": str(folder), "strategy": json.loads(strategy)}
        ended = run_workers(
            workers,
            ["-m", "descent", json.dumps(job)],
            environment={"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        )
        assert [each.code for each in ended] == [0] * workers, ended[0].errors[-2000:]
        return {name: _found(folder, name) for name in RECIPES}

    return lambda backend, workers, strategy: trained(backend, workers, json.dumps(strategy))


def _found(folder: Path, recipe: str) -> Mapping[str, np.ndarray]:
    with np.load(folder / f"{recipe.replace('/', '-')}.npz") as stored:
        return dict(stored)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("spread", _SPREADS)
def test_weights_end_alike(spread: str, recipe: str, ends: Ends) -> None:
    backend, workers, strategy = _SPREADS[spread]
    one = ends(backend, 1, _ONE)[recipe]
    several = ends(backend, workers, strategy)[recipe]
    assert "error" not in one, one["error"]
    assert "error" not in several, several["error"]
    np.testing.assert_array_equal(one["before"], several["before"])
    way, apart = (
        np.linalg.norm(one["after"] - other) for other in (one["before"], several["after"])
    )
    assert way > 0
    assert apart <= 1e-5 * np.linalg.norm(one["after"])
    assert apart <= 1e-3 * way
