from __future__ import annotations

import numpy as np
import pytest
from zoo_vision.prediction.heatmaps import box_heatmaps, overlay

PATCH = (slice(20, 40), slice(90, 110))
BOX = np.array([[70, 10, 130, 60]], np.float32)


def image() -> np.ndarray:
    return np.full((96, 160, 3), 255, np.uint8)


def patch_detector(images: np.ndarray) -> list[np.ndarray]:
    """Find class 1 in the box as surely as the patch, a part of it, is bright."""
    scores = [(each[PATCH].mean() - 114) / 141 for each in images]
    other = [5, 60, 30, 90, 0.99, 0]
    return [np.array([[*BOX[0], score, 1], other], np.float32) for score in scores]


def test_the_map_peaks_where_the_detector_looks() -> None:
    heat = box_heatmaps(patch_detector, image(), BOX, np.array([1]))
    assert heat.shape == (1, 96, 160)
    assert heat.dtype == np.float32
    assert heat.min() == 0
    assert heat.max() == 1
    row, column = np.unravel_index(heat[0].argmax(), heat[0].shape)
    assert 20 <= row < 40
    assert 90 <= column < 110
    assert heat[0][PATCH].mean() > 5 * heat[0].mean()


def test_each_box_has_a_map_of_its_own() -> None:
    def two(images: np.ndarray) -> list[np.ndarray]:
        return [
            np.array([[0, 0, 40, 40, left, 0], [100, 50, 150, 90, right, 0]])
            for left, right in images[:, 20, [20, 120], 0] / 255
        ]

    boxes = np.array([[0, 0, 40, 40], [100, 50, 150, 90]], np.float32)
    heat = box_heatmaps(two, image(), boxes, np.array([0, 0]))
    assert heat[0, :, :80].max() == 1
    assert heat[1, :, 80:].max() == 1
    assert heat[0, 20, 120] < 0.5


def test_a_class_or_box_that_is_not_found_has_an_empty_map() -> None:
    boxes = np.array([*BOX, [0, 0, 4, 4]], np.float32)
    heat = box_heatmaps(patch_detector, image(), boxes, np.array([2, 1]), masks=40)
    assert not heat.any()


def test_what_no_part_changes_has_an_empty_map() -> None:
    fixed = np.array([5, 60, 30, 90], np.float32)[None]
    assert not box_heatmaps(patch_detector, image(), fixed, np.array([0]), masks=40).any()


def test_equal_seeds_give_equal_maps_whatever_the_batches() -> None:
    calls = [
        box_heatmaps(patch_detector, image(), BOX, np.array([1]), masks=40, seed=seed)
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(calls[0], calls[1])
    assert (calls[0] != calls[2]).any()


def test_a_detector_that_finds_nothing_is_fine() -> None:
    def nothing(images: np.ndarray) -> np.ndarray:
        return np.zeros((len(images), 0, 6), np.float32)

    assert not box_heatmaps(nothing, image(), BOX, np.array([1]), masks=20).any()
    assert box_heatmaps(nothing, image(), BOX[:0], np.array([], int), masks=20).shape[0] == 0


@pytest.mark.parametrize("size", [(96, 160), (24, 40)])
def test_the_overlay_is_brightest_where_the_heat_is(size: tuple[int, int]) -> None:
    heat = np.zeros(size, np.float32)
    heat[: size[0] // 2] = 1
    black = np.zeros((96, 160, 3), np.uint8)
    laid = overlay(black, heat)
    assert laid.shape == black.shape
    assert laid.dtype == np.uint8
    assert laid[10].mean() > laid[85].mean() + 50
