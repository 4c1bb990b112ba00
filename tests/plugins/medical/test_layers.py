"""Layers of networks for volumes, and the core's normalisation in them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from zoo_medical.models.layers import Standardise
from zoo_medical.models.scan_model import PatchesToPixels

import zoo


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fused_normalisation_of_volumes_equals_that_of_keras(policy: str) -> None:
    inputs = np.random.default_rng(0).normal(3, 2, (2, 4, 6, 5, 3)).astype(np.float32)
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


def test_grey_is_standardised_and_repeated() -> None:
    layer = Standardise([0.5, 0.4, 0.2], [0.25, 0.2, 0.1])
    found = layer(np.full((1, 2, 2, 1), 0.6, np.float32))
    np.testing.assert_allclose(found[0, 0, 0], [0.4, 1.0, 4.0], atol=1e-6)
    assert layer.compute_output_shape((None, 2, 2, 1)) == (None, 2, 2, 3)


@pytest.mark.parametrize("shape", [(7, 10, 2), (3, 7, 10, 1)])
def test_patches_are_put_where_they_belong(shape: tuple[int, ...]) -> None:
    """A place that alone has features gives pixels in its own patch alone."""
    places = tuple(-(-side // 2) for side in shape[:-1])
    features = np.zeros((1, *places, 4), np.float32)
    features[(0, *(0 for _ in places[:-1]), places[-1] - 1)] = 1
    layer = PatchesToPixels(shape)
    pixels = np.asarray(layer(features))[0]
    assert pixels.shape == shape
    lit = np.argwhere(np.abs(pixels).sum(axis=-1) > 0)
    last = shape[-2] - 1
    assert (lit[:, :-1] < 2).all()
    assert (lit[:, -1] >= (places[-1] - 1) * 2).all()
    assert lit[:, -1].max() == last
