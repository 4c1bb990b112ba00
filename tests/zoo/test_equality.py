"""The recipes of all plugins end alike on one device, on several, and in several processes.

With dropout, batch normalisation, augmentation, and batches of examples of different lengths.
"""

from __future__ import annotations

import json
import os
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
_ON_ONE_HOST = {
    "tensorflow": {
        "two devices": {"kind": "mirrored", "devices": 2},
        "one device": {"kind": "single"},
    },
    "jax": {
        "two devices": {"kind": "jax-data-parallel", "devices": 2},
        "one device": {"kind": "single"},
    },
}
"""Several devices first: they have to be chosen before the backend starts."""
_SPREADS = {"two devices": 1, "two processes": 2, "four processes": 4}
"""How many processes each way has."""
_DENSE, _SYNCHRONISED, _BY_TOKENS = "fraud/finetune", "medical/classify", "translation/finetune"
_SOME = {
    ("tensorflow", 2): (_DENSE, _SYNCHRONISED, _BY_TOKENS),
    ("tensorflow", 4): (_DENSE,),
    ("jax", 1): (_DENSE, _SYNCHRONISED, _BY_TOKENS),
    ("jax", 2): (_DENSE,),
    ("jax", 4): (),
}
"""What is not trained of all recipes, as each process compiles for itself; all with EVERY_RECIPE=1.

The first has no layer that looks at a whole batch, the second synchronises its normalisation, and
the third has batches of a number of tokens.
"""


def _recipes(backend: str, workers: int) -> tuple[str, ...]:
    every = os.environ.get("EVERY_RECIPE") == "1"
    return RECIPES if every else _SOME.get((backend, workers), RECIPES)


Ends = Callable[[str, int, str, str], Mapping[str, np.ndarray]]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    """A function that trains all recipes for a few steps and returns what came of one."""

    @cache
    def trained(backend: str, workers: int) -> Path:
        folder = tmp_path_factory.mktemp("ends")
        strategies = _ON_ONE_HOST[backend] if workers == 1 else {"several": {"kind": "auto"}}
        recipes = _recipes(backend, workers)
        job = {"recipes": recipes, "folder": str(folder), "strategies": strategies}
        ended = run_workers(
            workers,
            ["-m", "descent", json.dumps(job)],
            environment={"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        )
        assert [each.code for each in ended] == [0] * workers, ended[0].errors[-2000:]
        return folder

    def found(backend: str, workers: int, strategy: str, recipe: str) -> Mapping[str, np.ndarray]:
        path = trained(backend, workers) / strategy / f"{recipe.replace('/', '-')}.npz"
        with np.load(path) as stored:
            return dict(stored)

    return found


@pytest.mark.parametrize(
    ("backend", "spread", "recipe"),
    [
        (backend, spread, recipe)
        for backend in _ON_ONE_HOST
        for spread, workers in _SPREADS.items()
        for recipe in _recipes(backend, workers)
    ],
)
def test_weights_end_alike(backend: str, spread: str, recipe: str, ends: Ends) -> None:
    workers = _SPREADS[spread]
    one = ends(backend, 1, "one device", recipe)
    several = ends(backend, workers, spread if workers == 1 else "several", recipe)
    assert "error" not in one, one["error"]
    assert "error" not in several, several["error"]
    np.testing.assert_array_equal(one["before"], several["before"])
    way = np.linalg.norm(one["after"] - one["before"])
    apart = np.linalg.norm(one["after"] - several["after"])
    assert way > 0
    assert apart <= 1e-5 * np.linalg.norm(one["after"])
    assert apart <= 1e-3 * way
