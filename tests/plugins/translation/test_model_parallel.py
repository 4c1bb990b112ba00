"""The Transformer shared among devices on JAX, beside the same on one device."""

from __future__ import annotations

from pathlib import Path

import pytest
from jax_process import run_on_jax

_ON_FOUR_DEVICES = """
import keras
import numpy as np
import test_models as tests
from zoo_translation.losses import SmoothedCrossEntropy
from zoo_translation.models.transformer import Transformer
from zoo.distribution import model_parallel

inputs, truth = tests.pairs()

def trained(architecture):
    keras.utils.set_random_seed(0)
    model = architecture.build(tests.space())
    model.compile(keras.optimizers.SGD(0.1), SmoothedCrossEntropy(0.1, tokens=6.0))
    return model, [float(model.train_on_batch(inputs, truth)) for _ in range(2)]

tiny = Transformer(size="tiny", dropout=0.0)
whole, expected = trained(tiny)
with model_parallel(tiny, replicas=2, shards=2).scope():
    shared, losses = trained(tiny)
np.testing.assert_allclose(losses, expected, rtol=1e-5)
for one, other in zip(shared.get_weights(), whole.get_weights(), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)

base = Transformer(size="base")
with model_parallel(base, replicas=2, shards=2).scope():
    model = base.build(tests.space())
for weight in model.trainable_weights:
    held = weight.value.addressable_shards[0].data.size
    assert held == weight.value.size / 2, weight.path
"""


def test_base_is_cut_in_half_and_a_step_is_that_of_one_device() -> None:
    pytest.importorskip("jax")
    run_on_jax(_ON_FOUR_DEVICES, devices=4, imports=Path(__file__).parent)
