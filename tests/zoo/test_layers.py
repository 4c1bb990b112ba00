"""Layers that train faster than Keras' own, and compute what those compute."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", [(4, 8, 8, 5), (2, 4, 6, 5, 3)], ids=["pictures", "volumes"])
def test_fused_normalisation_equals_that_of_keras(policy: str, shape: tuple[int, ...]) -> None:
    inputs = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    ours = zoo.FusedBatchNormalization(momentum=0.9, dtype=policy)
    theirs = keras.layers.BatchNormalization(momentum=0.9, dtype=policy)
    tolerance = 1e-4 if policy == "float32" else 0.05
    for training in (True, True, False):
        said, expected = (
            np.asarray(keras.ops.cast(layer(inputs, training=training), "float32"))
            for layer in (ours, theirs)
        )
        np.testing.assert_allclose(said, expected, atol=tolerance)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(other), rtol=0.02, atol=0.01)


def test_a_frozen_normalisation_keeps_its_statistics() -> None:
    layer = zoo.FusedBatchNormalization()
    inputs = np.random.default_rng(0).normal(3, 2, (4, 8, 8, 5)).astype(np.float32)
    layer(inputs, training=True)
    before = [np.asarray(weight) for weight in layer.weights]
    layer.trainable = False
    np.testing.assert_allclose(layer(inputs, training=True), layer(inputs, training=False))
    for weight, old in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)
