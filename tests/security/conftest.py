"""A bundle that attacks are made of."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import toy
from toy_plugin import register_toy

from zoo.bundle import Bundle


@pytest.fixture
def good_bundle(saved_bundle: Path) -> Path:
    """A bundle of the smallest plugin, never trained; not to be changed."""
    register_toy()
    return saved_bundle


@pytest.fixture(scope="session")
def saved_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    register_toy()
    preprocessing = toy.Scaling(np.zeros(2, np.float32))
    keras.utils.set_random_seed(0)
    bundle = Bundle(
        addresses={"task": "toy/classify", "model": "toy/net", "dataset": "toy/points"},
        task=toy.Classify(),
        architecture=toy.Net(),
        dataset=toy.Points(),
        preprocessing=preprocessing,
        model=toy.Net().build(preprocessing.space),
        decision={"threshold": 0.0},
        about={"batch_size": 16, "data": {"seed": 0, "fingerprint": "none"}},
    )
    return bundle.save(tmp_path_factory.mktemp("bundles") / "good")
