"""Models that are shared among devices: what is cut, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import pytest
from jax_process import run_on_jax

import zoo
from zoo.distribution import model_parallel

_ON_FOUR_DEVICES = """
import keras
import numpy as np
import zoo
from test_sharding import Net
from zoo.distribution import model_parallel

random = np.random.default_rng(0)
x, y = random.normal(size=(8, 6)).astype("float32"), random.normal(size=(8, 3)).astype("float32")

def trained():
    keras.utils.set_random_seed(0)
    model = Net().build(zoo.Space(inputs={}, outputs={}))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    losses = [float(model.train_on_batch(x, y)) for _ in range(3)]
    return model, losses

_, expected = trained()
with model_parallel(Net(), replicas=2, shards=2).scope():
    model, losses = trained()
np.testing.assert_allclose(losses, expected, rtol=1e-5)

held = {w.path: w.value.addressable_shards[0].data.shape for w in model.weights}
assert held == {
    "first/kernel": (6, 4),
    "first/bias": (4,),
    "second/kernel": (4, 3),
    "second/bias": (3,),  # which two devices cannot share evenly
}, held
(momentum,) = (w for w in model.optimizer.variables if w.path.endswith("first_kernel_momentum"))
assert momentum.value.addressable_shards[0].data.shape == (6, 4)

try:
    model_parallel(Net(), replicas=3, shards=2)
except zoo.ConfigError as error:
    assert "3 x 2" in str(error) and "has 4" in str(error)
else:
    raise AssertionError("six of four devices")
"""


@dataclass(frozen=True, kw_only=True)
class Net(zoo.Model):
    """Two dense layers."""

    shard_patterns: ClassVar[tuple[tuple[str, int], ...]] = (
        ("first/kernel", 1),
        ("first/*", 0),
        ("second/*", 0),
    )

    def build(self, space: zoo.Space) -> keras.Model:
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(8, activation="relu", name="first")(inputs)
        return keras.Model(inputs, keras.layers.Dense(3, name="second")(hidden))


@dataclass(frozen=True, kw_only=True)
class Whole(Net):
    shard_patterns: ClassVar[tuple[tuple[str, int], ...]] = ()


def test_weights_are_cut_as_the_model_says_and_train_as_on_one_device() -> None:
    pytest.importorskip("jax")
    run_on_jax(_ON_FOUR_DEVICES, devices=4, imports=Path(__file__).parent)


def test_other_backends_are_refused() -> None:
    with pytest.raises(zoo.ConfigError, match="on JAX alone") as caught:
        model_parallel(Net(), replicas=1, shards=1)
    assert "KERAS_BACKEND=jax" in caught.value.hint


def test_model_that_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    with pytest.raises(zoo.ConfigError, match="Whole does not say"):
        model_parallel(Whole(), replicas=1, shards=1)
