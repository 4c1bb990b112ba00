"""Detection metrics against pycocotools, on random boxes and under weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval
from zoo_vision.evaluation.coco_metrics import Detections, best_threshold, coco_metrics
from zoo_vision.evaluation.reference import coco_eval

import zoo

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Crowding:
    """How many boxes a random image has, and how they come out."""

    images: int = 12
    classes: int = 3
    boxes: int = 8
    detections: int = 20
    crowd: float = 0.15
    tied: bool = False
    whole_pixels: bool = False


def random_boxes(seed: int, case: Crowding) -> tuple[Batch, Batch]:
    """Return true boxes of all sizes, and detections near them with confused classes."""
    generator = np.random.default_rng(seed)
    truth: dict[str, list] = {"boxes": [], "classes": [], "crowd": []}
    predictions: dict[str, list] = {"boxes": [], "scores": [], "classes": []}
    for _ in range(case.images):
        count = generator.integers(0, case.boxes + 1)
        boxes = _boxes(generator, count)
        # The last class has no true boxes.
        classes = generator.integers(0, max(case.classes - 1, 1), count)
        found = generator.integers(0, case.detections + 1)
        near, labels = _boxes(generator, found), generator.integers(0, case.classes, found)
        if count:
            source = generator.integers(0, count, found)
            moved = boxes[source] + generator.normal(0, 3, (found, 4))
            sane = np.all(moved[:, 2:] > moved[:, :2] + 1, axis=1)
            near = np.where(sane[:, None], moved, near)
            labels = np.where(generator.random(found) < 0.8, classes[source], labels)
        scores = generator.random(found)
        truth["boxes"].append(boxes)
        truth["classes"].append(classes)
        truth["crowd"].append(generator.random(count) < case.crowd)
        predictions["boxes"].append(near)
        predictions["scores"].append((scores.round(1) if case.tied else scores).astype(np.float32))
        predictions["classes"].append(labels)
    for columns in (truth, predictions):
        rounded = [each.round() if case.whole_pixels else each for each in columns["boxes"]]
        columns["boxes"] = [each.astype(np.float32) for each in rounded]
    return (
        {name: zoo.object_column(values) for name, values in truth.items()},
        {name: zoo.object_column(values) for name, values in predictions.items()},
    )


def _boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    corner = generator.uniform(0, 300, (count, 2))
    return np.hstack(
        [corner, corner + np.exp(generator.uniform(np.log(6), np.log(250), (count, 2)))]
    )


def _of_class(evaluation: COCOeval, index: int) -> float:
    precision = evaluation.eval["precision"][:, :, index, 0, 2]
    return float(precision.mean()) if precision.max() > -1 else math.nan


def _expected(evaluation: COCOeval, classes: int) -> list[float]:
    summary = np.where(evaluation.stats == -1, np.nan, evaluation.stats).tolist()
    return summary + [_of_class(evaluation, index) for index in range(classes)]


def _computed(truth: Batch, predictions: Batch, classes: int, weights: np.ndarray) -> list[float]:
    names = [f"kind {index}" for index in range(classes)]
    return [metric.compute(weights) for metric in coco_metrics(truth, predictions, names)]


CASES = {
    "ordinary": Crowding(),
    "ties": Crowding(tied=True),
    "whole pixels, so that boxes overlap alike": Crowding(whole_pixels=True, detections=60),
    "more detections than count": Crowding(images=3, classes=1, boxes=30, detections=400),
    "mostly regions to ignore": Crowding(crowd=0.8),
    "hardly a true box": Crowding(images=3, boxes=1),
    "hardly a detection": Crowding(detections=1),
    "one image": Crowding(images=1),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_all_figures_equal_those_of_pycocotools(case: Crowding, seed: int) -> None:
    truth, predictions = random_boxes(seed, case)
    evaluation = coco_eval(truth, predictions, case.classes, np.arange(case.images))
    ours = _computed(truth, predictions, case.classes, np.ones(case.images, np.int64))
    np.testing.assert_allclose(ours, _expected(evaluation, case.classes), atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("case", [Crowding(), Crowding(images=30, detections=150, boxes=20)])
def test_weights_equal_images_that_are_there_so_often(case: Crowding, seed: int) -> None:
    truth, predictions = random_boxes(seed, case)
    generator = np.random.default_rng(seed + 100)
    drawn = np.sort(generator.integers(0, case.images, case.images))
    evaluation = coco_eval(truth, predictions, case.classes, drawn)
    weights = np.bincount(drawn, minlength=case.images)
    ours = _computed(truth, predictions, case.classes, weights)
    np.testing.assert_allclose(ours, _expected(evaluation, case.classes), atol=1e-6)


def test_tied_scores_in_different_images_are_resampled_exactly() -> None:
    # One detection of a class in an image, all of equal score: their order is the images'.
    truth, predictions = random_boxes(0, Crowding(images=40, classes=1, boxes=1, detections=1))
    for scores in predictions["scores"]:
        scores[:] = 0.5
    drawn = np.sort(np.random.default_rng(1).integers(0, 40, 40))
    ours = _computed(truth, predictions, 1, np.bincount(drawn, minlength=40))
    expected = _expected(coco_eval(truth, predictions, 1, drawn), 1)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_without_a_true_box_there_is_nothing_to_measure() -> None:
    truth, predictions = random_boxes(0, Crowding(boxes=0))
    assert all(math.isnan(value) for value in _computed(truth, predictions, 3, np.ones(12)))


def test_without_a_detection_everything_is_missed() -> None:
    truth, predictions = random_boxes(0, Crowding(detections=0, crowd=0.0))
    values = _computed(truth, predictions, 3, np.ones(12))
    assert set(values[:12]) == {0.0}


def test_the_monitored_figure_comes_first_and_names_are_distinct() -> None:
    truth, predictions = random_boxes(0, Crowding(classes=6))
    names = ["Red cell", "red-cell", "Small", "猫", "+", "-"]
    metrics = coco_metrics(truth, predictions, names)
    keys = [metric.name for metric in metrics]
    assert keys[:3] == ["map", "map50", "map75"]
    assert keys[6:12] == ["ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"]
    assert keys[12] == "map_red_cell"
    assert len(set(keys)) == 12 + len(names)
    assert "AP of Red cell" in [metric.title for metric in metrics]


def test_many_classes_have_no_metrics_of_their_own() -> None:
    truth, predictions = random_boxes(0, Crowding())
    assert len(coco_metrics(truth, predictions, [str(index) for index in range(80)])) == 12


def test_curves_equal_those_of_pycocotools() -> None:
    truth, predictions = random_boxes(3, Crowding())
    recall, precision, scores = Detections(truth, predictions, 3).precision_recall(0.5, 0)
    evaluation = coco_eval(truth, predictions, 3, np.arange(12)).eval
    np.testing.assert_allclose(recall, evaluation["params"].recThrs)
    np.testing.assert_allclose(precision, evaluation["precision"][0, :, 0, 0, 2])
    # At recall 0, pycocotools gives the first detection's score and not the first right one's.
    expected = evaluation["scores"][0, 1:, 0, 0, 2]
    np.testing.assert_allclose(np.nan_to_num(scores[1:]), expected)


def test_an_overlap_that_is_not_measured_is_refused() -> None:
    truth, predictions = random_boxes(0, Crowding())
    with pytest.raises(ValueError, match="not one of"):
        Detections(truth, predictions, 3).average_precision(np.ones(12), iou=0.42)


def test_true_boxes_are_counted_by_size_and_class() -> None:
    sides = np.array([10, 31, 40, 200], np.float32)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
    truth = {
        "boxes": zoo.object_column([boxes]),
        "classes": zoo.object_column([np.array([0, 1, 1, 1])]),
        "crowd": zoo.object_column([np.array([False, False, False, True])]),
    }
    none = {name: zoo.object_column([np.zeros(0, np.int64)]) for name in ("scores", "classes")}
    detections = Detections(truth, none | {"boxes": zoo.object_column([np.zeros((0, 4))])}, 2)
    assert [detections.count(area=size) for size in ("all", "small", "medium", "large")] == [
        *(3, 2, 1, 0)
    ]
    assert detections.count(class_index=1) == 2


def test_the_best_threshold_keeps_what_is_mostly_right() -> None:
    square = np.array([0, 0, 50, 50], np.float32)
    elsewhere = square + 500
    truth = {
        "boxes": zoo.object_column([np.stack([square])] * 4),
        "classes": zoo.object_column([np.zeros(1, np.int64)] * 4),
        "crowd": zoo.object_column([np.zeros(1, bool)] * 4),
    }
    scores = [(0.9, 0.3), (0.8, 0.3), (0.7, 0.2), (0.1, 0.05)]
    predictions = {
        "boxes": zoo.object_column([np.stack([square, elsewhere])] * 4),
        "classes": zoo.object_column([np.zeros(2, np.int64)] * 4),
        "scores": zoo.object_column([np.array(pair, np.float32) for pair in scores]),
    }
    threshold = best_threshold(truth, predictions)
    assert threshold == pytest.approx(0.7)
    # What was chosen keeps the detection that it was chosen by.
    assert np.count_nonzero(np.concatenate(predictions["scores"]) >= threshold) == 3


@pytest.mark.parametrize("case", [Crowding(boxes=0), Crowding(detections=0)])
def test_with_nothing_to_choose_by_the_threshold_is_a_half(case: Crowding) -> None:
    assert best_threshold(*random_boxes(0, case)) == 0.5
