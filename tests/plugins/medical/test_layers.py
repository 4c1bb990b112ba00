"""Layers of networks for scans: what they are given, and convolutions of volumes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from medical_scans import space_of_masks
from zoo_medical.models.layers import Standardise, VolumeConvolution
from zoo_medical.models.losses import DiceCrossEntropy
from zoo_medical.models.scan_model import PatchesToPixels
from zoo_medical.models.unet import UNet


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


def kernel_gradient(policy: str, scans: np.ndarray, kernel: np.ndarray, strides: int) -> np.ndarray:
    layer = VolumeConvolution(8, 3, strides, padding="same", use_bias=False, dtype=policy)
    layer.build(scans.shape)
    layer.set_weights([kernel])
    with tf.GradientTape() as tape:
        found = tf.cast(layer(scans), "float32")
        along = tf.cos(tf.range(tf.size(found), dtype="float32"))
        loss = tf.reduce_sum(tf.reshape(found, [-1]) * along)
    return np.asarray(tape.gradient(loss, layer.kernel.value))


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("sizes", [(1, 2, 2), (2, 3, 1), (2, 8, 8), (3, 4, 4), (4, 4, 4)])
def test_the_gradient_of_small_volumes_is_right_in_bfloat16(
    sizes: tuple[int, ...], strides: int
) -> None:
    """TensorFlow's own is garbage at a depth of 2, and with strides at a width of 1."""
    random = np.random.default_rng(0)
    scans = random.normal(size=(2, *sizes, 8)).astype(np.float32)
    kernel = random.normal(size=(3, 3, 3, 8, 8)).astype(np.float32)
    right = kernel_gradient("float32", scans, kernel, strides)
    for _ in range(4):
        found = kernel_gradient("mixed_bfloat16", scans, kernel, strides)
        np.testing.assert_allclose(found, right, atol=0.03 * np.abs(right).max())


def test_flat_volumes_train_in_bfloat16() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = UNet(size="tiny").build(space_of_masks(8, 16, 16, 1))
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.AdamW(1e-3), DiceCrossEntropy(2))
    scans = np.random.default_rng(0).random((2, 8, 16, 16, 1)).astype(np.float32)
    masks = (scans[..., 0] > 0.5).astype(np.int32)
    losses = [float(model.train_on_batch({"scan": scans}, masks)) for _ in range(8)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
