"""Metrics of masks and findings, against SciPy, scikit-learn and plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, roc_auc_score
from zoo_medical.evaluation.finding_metrics import FindingScores
from zoo_medical.evaluation.mask_metrics import MaskScores, hausdorff_95
from zoo_medical.preprocessing import has_findings

import zoo

ONES = np.ones(6, np.int64)


def draw_masks(*sizes: int, seed: int) -> list[np.ndarray]:
    """Return six masks of two classes, each in some rectangles or ellipses."""
    random = np.random.default_rng(seed)
    grid = np.indices(sizes)
    masks = []
    for _ in range(6):
        mask = np.zeros(sizes, np.uint8)
        for place in (1, 2):
            centre = [random.uniform(0.3, 0.7) * side for side in sizes]
            radius = random.uniform(0.1, 0.25) * min(sizes)
            away = sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True))
            mask[away < radius**2] = place
        masks.append(mask)
    return masks


def scores(truth: list[np.ndarray], found: list[np.ndarray], *spacing: float) -> MaskScores:
    spacings = [spacing or (1.0,) * truth[0].ndim] * len(truth)
    return MaskScores(truth, found, spacings, ("organ", "lesion"))


def value(metrics: list[zoo.Metric], name: str, weights: np.ndarray = ONES) -> float:
    return next(each for each in metrics if each.name == name).compute(weights)


@pytest.mark.parametrize("sizes", [(40, 50), (12, 20, 18)])
def test_overlaps_equal_those_of_scikit_learn(sizes: tuple[int, ...]) -> None:
    truth, found = draw_masks(*sizes, seed=1), draw_masks(*sizes, seed=2)
    metrics = scores(truth, found).metrics()
    for name, reference in (("dice", f1_score), ("iou", jaccard_score)):
        expected = np.mean(
            [
                reference(true.ravel() == place, said.ravel() == place)
                for true, said in zip(truth, found, strict=True)
                for place in (1, 2)
            ]
        )
        assert value(metrics, name) == pytest.approx(expected, abs=1e-6)


def by_distance_transform(true: np.ndarray, found: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Return the 95 % Hausdorff distance as MONAI computes it, by SciPy."""
    edges = [each ^ binary_erosion(each) for each in (true, found)]
    directed = []
    for own, other in (edges, edges[::-1]):
        distances = distance_transform_edt(~other, sampling=spacing)
        directed.append(np.percentile(distances[own], 95))
    return float(max(directed))


@pytest.mark.parametrize(
    ("sizes", "spacing"), [((40, 50), (0.7, 1.3)), ((12, 20, 18), (3.0, 0.8, 0.9))]
)
def test_hausdorff_distance_equals_that_by_distance_transform(
    sizes: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    truth, found = draw_masks(*sizes, seed=1), draw_masks(*sizes, seed=2)
    for true, said in zip(truth, found, strict=True):
        ours = hausdorff_95(true == 1, said == 1, spacing)
        expected = by_distance_transform(true == 1, said == 1, spacing)
        assert ours == pytest.approx(expected, abs=1e-6)


def test_a_mask_moved_by_three_pixels_is_six_millimetres_away() -> None:
    true, found = np.zeros((2, 30, 30), bool)
    true[5:15, 5:15] = found[8:18, 5:15] = True
    assert hausdorff_95(true, found, (2.0, 1.0)) == pytest.approx(6.0)


def test_what_was_missed_costs_the_diagonal_and_what_is_not_there_nothing() -> None:
    some, none = np.zeros((2, 30, 40), bool)
    some[3:9, 3:9] = True
    assert hausdorff_95(some, none, (1.0, 1.0)) == pytest.approx(50.0)
    assert math.isnan(hausdorff_95(none, some, (1.0, 1.0)))


def test_a_class_in_neither_mask_is_left_out_and_one_invented_counts_as_zero() -> None:
    empty, lesion = np.zeros((2, 10, 10), np.uint8)
    lesion[2:5, 2:5] = 2
    found = scores([empty, empty, lesion], [empty, lesion, lesion])
    assert np.isnan(found.dice[:, 0]).all()
    np.testing.assert_allclose(found.dice[:, 1], [np.nan, 0, 1])
    assert value(found.metrics(), "dice", np.ones(3, np.int64)) == pytest.approx(0.5)
    assert list(found.occurrences) == [0, 1]
    assert list(found.misses) == [0, 0]


def test_weights_count_scans() -> None:
    truth, found = draw_masks(20, 20, seed=1), draw_masks(20, 20, seed=2)
    weights = np.array([0, 2, 1, 0, 3, 0])
    rows = np.repeat(np.arange(6), weights)
    copied = scores([truth[row] for row in rows], [found[row] for row in rows])
    for name in ("dice", "iou", "hausdorff_95", "dice_lesion"):
        weighted = value(scores(truth, found).metrics(), name, weights)
        assert weighted == pytest.approx(value(copied.metrics(), name), abs=1e-9)


def test_findings_equal_scikit_learn() -> None:
    random = np.random.default_rng(0)
    names = ("cyst", "lesion", "nodule")
    there = random.random((60, 3)) < (0.2, 0.5, 0.0)
    labels = zoo.object_column("|".join(np.array(names)[row]) for row in there)
    probabilities = np.clip(0.3 * there + random.normal(0.3, 0.2, there.shape), 0, 1)
    predictions = {
        "classes": np.broadcast_to(np.array(names, object), there.shape),
        "probabilities": probabilities,
        "called": probabilities > 0.5,
    }
    np.testing.assert_array_equal(has_findings(labels, names), there)
    metrics = FindingScores({"label": labels}, predictions).metrics(0.9)
    ones = np.ones(60, np.int64)
    for name, reference in (
        ("auroc", roc_auc_score),
        ("average_precision", average_precision_score),
    ):
        expected = np.mean([reference(there[:, each], probabilities[:, each]) for each in (0, 1)])
        assert value(metrics, name, ones) == pytest.approx(expected, abs=1e-6)
    assert math.isnan(value(metrics, "auroc_nodule", ones))
