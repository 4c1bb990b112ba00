"""Random changes of training scans: what moves, what is mixed, and by what they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from zoo_medical.augmentation import Augment, Place, moved

SEEDS = np.stack([np.full(4, 7), np.arange(4)], axis=1).astype(np.int64)


def apply(augment: Augment, scans: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
    inputs, changed = augment(
        {"scan": tf.constant(scans)}, tf.constant(targets), tf.constant(SEEDS), tf.constant(0.0)
    )
    return inputs["scan"].numpy(), changed.numpy()


def place(**given: float) -> Place:
    usual = {"angle": 0, "zoom": 1, "shift_x": 0, "shift_y": 0, "flip_x": 1, "flip_y": 1}
    return Place(
        **{name: tf.constant([value], tf.float32) for name, value in (usual | given).items()}
    )


def picture() -> np.ndarray:
    return np.random.default_rng(0).random((1, 12, 12, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, lambda x: x),
        ({"flip_x": -1.0}, lambda x: x[:, :, ::-1]),
        ({"flip_y": -1.0}, lambda x: x[:, ::-1]),
        ({"angle": np.pi}, lambda x: x[:, ::-1, ::-1]),
    ],
    ids=["nothing", "left and right", "top and bottom", "half a turn"],
)
def test_scans_are_moved_exactly(given: dict[str, float], expected: Any) -> None:
    np.testing.assert_allclose(
        moved(tf.constant(picture()), place(**given)), expected(picture()), atol=1e-5
    )


def test_a_quarter_turn_is_one_of_the_two() -> None:
    turned = moved(tf.constant(picture()), place(angle=np.pi / 2)).numpy()
    either = [np.rot90(picture(), times, axes=(1, 2)) for times in (1, 3)]
    assert min(np.abs(turned - each).max() for each in either) < 1e-5


def test_a_shift_is_a_share_of_the_side_and_edges_go_on() -> None:
    shifted = moved(tf.constant(picture()), place(shift_x=0.25)).numpy()
    np.testing.assert_allclose(shifted[:, :, 3:], picture()[:, :, :-3], atol=1e-5)
    np.testing.assert_allclose(
        shifted[:, :, :3], np.repeat(picture()[:, :, :1], 3, axis=2), atol=1e-5
    )


def test_zoom_enlarges_the_middle() -> None:
    spot = np.zeros((1, 21, 21, 1), np.float32)
    spot[:, 8:13, 8:13] = 1
    grown = moved(tf.constant(spot), place(zoom=2.0)).numpy()
    assert grown.sum() == pytest.approx(4 * spot.sum(), rel=0.15)


def test_the_slices_of_a_volume_move_alike() -> None:
    volume = np.random.default_rng(0).random((1, 5, 12, 12, 1)).astype(np.float32)
    where = place(angle=0.3, shift_x=0.1, zoom=1.1)
    found = moved(tf.constant(volume), where).numpy()
    for depth in range(5):
        alone = moved(tf.constant(volume[:, depth]), where).numpy()
        np.testing.assert_allclose(found[:, depth], alone, atol=1e-6)


def test_masks_move_with_their_scans() -> None:
    random = np.random.default_rng(0)
    masks = np.zeros((4, 24, 24), np.int32)
    masks[:, 6:15, 9:18] = random.integers(1, 3, (4, 1, 1))
    scans = masks[..., None].astype(np.float32) / 4
    augment = Augment(masks=True, rotation=30, shift=0.2, zoom=0.2, horizontal_flip=0.5)
    varied, moved_masks = apply(augment, scans, masks)
    assert set(np.unique(moved_masks)) <= {0, 1, 2}
    assert moved_masks.dtype == np.int32
    assert (moved_masks != masks).any()
    agree = np.round(varied[..., 0] * 4) == moved_masks
    assert agree.mean() > 0.95


def test_depth_is_turned_over_with_the_mask() -> None:
    masks = np.arange(4 * 3 * 8 * 8).reshape(4, 3, 8, 8).astype(np.int32)
    varied, turned = apply(
        Augment(masks=True, depth_flip=1.0), masks[..., None] / np.float32(800), masks
    )
    np.testing.assert_array_equal(turned, masks[:, ::-1])
    np.testing.assert_allclose(varied[..., 0] * 800, masks[:, ::-1], rtol=1e-5)


def test_examples_are_blended_with_their_targets() -> None:
    scans = np.stack([np.zeros((4, 8, 8, 1)), np.ones((4, 8, 8, 1))], axis=1).astype(np.float32)
    targets = np.tile(np.eye(2, dtype=np.float32), (4, 1, 1))
    varied, mixed = apply(Augment(mixup=1.0), scans, targets)
    shares = varied[:, 0, 0, 0]
    assert ((shares >= 0) & (shares <= 0.5)).all()
    assert len(np.unique(shares)) == 4
    np.testing.assert_allclose(mixed, np.stack([1 - shares, shares], axis=1), atol=1e-6)


def test_brightness_and_noise_stay_within_their_limits() -> None:
    scans = np.full((4, 16, 16, 1), 0.5, np.float32)
    bright, _ = apply(Augment(brightness=0.2), scans, np.zeros((4, 2), np.float32))
    assert np.ptp(bright, axis=(1, 2, 3)).max() < 1e-6
    assert (np.abs(bright - 0.5) <= 0.2 + 1e-6).all()
    noisy, _ = apply(Augment(noise=0.1), scans, np.zeros((4, 2), np.float32))
    deviations = noisy.std(axis=(1, 2, 3))
    assert (deviations < 0.11).all()
    assert len(np.unique(deviations)) == 4
    assert noisy.min() >= 0
    assert noisy.max() <= 1
