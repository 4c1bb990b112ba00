"""Each kind of mistake on boxes placed for it, and what mending it gains."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_vision.evaluation.coco_metrics import Detections
from zoo_vision.evaluation.mistakes import KINDS, confusion, error_costs, find_mistakes

import zoo

Batch = dict[str, np.ndarray]
Labelled = list[tuple[list[float], int]]
Scored = list[tuple[list[float], int, float]]

HERE = [100.0, 100.0, 200.0, 200.0]
A_LITTLE_OFF = [110.0, 100.0, 210.0, 200.0]  # IoU .82
FAR_OFF = [150.0, 100.0, 250.0, 200.0]  # IoU .33
ELSEWHERE = [400.0, 400.0, 460.0, 460.0]


def scene(
    images: list[tuple[Labelled, Scored]], crowd: list[list[bool]] | None = None
) -> tuple[Batch, Batch]:
    """Return columns of truth and predictions; an image is its true boxes and detections."""
    truth = {
        "boxes": [
            np.array([b for b, _ in boxes], np.float32).reshape(-1, 4) for boxes, _ in images
        ],
        "classes": [np.array([c for _, c in boxes], np.int64) for boxes, _ in images],
        "crowd": [np.zeros(len(boxes), bool) for boxes, _ in images],
    }
    if crowd is not None:
        truth["crowd"] = [np.array(each) for each in crowd]
    predictions = {
        "boxes": [
            np.array([b for b, _, _ in found], np.float32).reshape(-1, 4) for _, found in images
        ],
        "classes": [np.array([c for _, c, _ in found], np.int64) for _, found in images],
        "scores": [np.array([s for _, _, s in found], np.float32) for _, found in images],
    }
    return (
        {name: zoo.object_column(values) for name, values in truth.items()},
        {name: zoo.object_column(values) for name, values in predictions.items()},
    )


CASES: dict[str, tuple[Labelled, Scored, list[str]]] = {
    "right": ([(HERE, 0)], [(A_LITTLE_OFF, 0, 0.9)], []),
    "confused": ([(HERE, 0)], [(A_LITTLE_OFF, 1, 0.9)], ["class"]),
    "badly placed": ([(HERE, 0)], [(FAR_OFF, 0, 0.9)], ["location"]),
    "confused and badly placed": ([(HERE, 0)], [(FAR_OFF, 1, 0.9)], ["both", "missed"]),
    "found twice": ([(HERE, 0)], [(HERE, 0, 0.9), (A_LITTLE_OFF, 0, 0.8)], ["duplicate"]),
    "background": ([(HERE, 0)], [(ELSEWHERE, 0, 0.9)], ["background", "missed"]),
    "missed": ([(HERE, 0)], [], ["missed"]),
    "nothing to find": ([], [(HERE, 0, 0.9)], ["background"]),
    "too unsure to be shown": ([(HERE, 0)], [(HERE, 0, 0.3), (ELSEWHERE, 0, 0.2)], ["missed"]),
}


@pytest.mark.parametrize(("boxes", "found", "kinds"), CASES.values(), ids=list(CASES))
def test_each_false_detection_has_one_cause(
    boxes: Labelled, found: Scored, kinds: list[str]
) -> None:
    mistakes = find_mistakes(*scene([(boxes, found)]), threshold=0.5)
    assert sorted(mistake.kind for mistake in mistakes) == sorted(kinds)


def test_a_mistake_says_what_was_found_and_what_is_true() -> None:
    right = ([(HERE, 0)], [(HERE, 0, 0.8)])
    confused = ([(ELSEWHERE, 2), (HERE, 0)], [(ELSEWHERE, 2, 0.7), (A_LITTLE_OFF, 1, 0.75)])
    (mistake,) = find_mistakes(*scene([right, confused]), threshold=0.5)
    assert (mistake.image, mistake.class_index, mistake.truth_class) == (1, 1, 0)
    assert mistake.score == pytest.approx(0.75)
    np.testing.assert_array_equal(mistake.box, np.array(A_LITTLE_OFF, np.float32))
    np.testing.assert_array_equal(mistake.truth_box, np.array(HERE, np.float32))


def test_sure_mistakes_and_misses_of_rare_classes_come_first() -> None:
    images = [
        ([(HERE, 0), (ELSEWHERE, 0)], [(HERE, 0, 0.9)]),
        ([(HERE, 1)], []),
        ([], [(HERE, 0, 0.6), (ELSEWHERE, 1, 0.8)]),
    ]
    mistakes = find_mistakes(*scene(images), threshold=0.5)
    assert [(mistake.kind, mistake.cost) for mistake in mistakes] == [
        ("missed", 1.0),
        ("background", pytest.approx(0.8)),
        ("background", pytest.approx(0.6)),
        ("missed", 0.5),
    ]


def test_ignored_regions_make_no_mistakes() -> None:
    inside = [120.0, 120.0, 160.0, 160.0]
    images = [([(HERE, 0)], [(inside, 0, 0.9), (HERE, 0, 0.8)])]
    assert find_mistakes(*scene(images, crowd=[[True]]), threshold=0.5) == []


def test_mending_all_of_a_kind_gains_what_it_cost() -> None:
    right = ([(HERE, 0)], [(HERE, 0, 0.6)])
    for boxes, found, kind in (
        ([(HERE, 0)], [(A_LITTLE_OFF, 1, 0.5)], "class"),
        ([(HERE, 0)], [(FAR_OFF, 0, 0.5)], "location"),
        ([(HERE, 0)], [], "missed"),
    ):
        costs = error_costs(*scene([right, (boxes, found)]))
        # Half of the boxes were found, at precision 1: 51 of the 101 recalls.
        assert costs.pop(kind) == pytest.approx(50 / 101)
        assert set(costs.values()) == {0.0}


def test_false_detections_cost_the_precision_of_those_below() -> None:
    images = [([(HERE, 0)], [(ELSEWHERE, 0, 0.9), (HERE, 0, 0.5)])]
    costs = error_costs(*scene(images))
    assert costs["background"] == pytest.approx(0.5)
    below = [([(HERE, 0)], [(HERE, 0, 0.9), (ELSEWHERE, 0, 0.5)])]
    assert error_costs(*scene(below))["background"] == pytest.approx(0.0)


def test_a_confused_box_that_is_found_anyhow_is_not_found_twice() -> None:
    images = [
        ([(HERE, 0)], [(HERE, 0, 0.9), (A_LITTLE_OFF, 1, 0.8)]),
        ([(HERE, 1)], [(HERE, 1, 0.7)]),
    ]
    costs = error_costs(*scene(images))
    # Without the false detection of class 1, its precision is 1 and not a half.
    assert costs["class"] == pytest.approx(0.25)


def test_a_class_missed_altogether_is_gained_whole() -> None:
    costs = error_costs(*scene([([(HERE, 0), (ELSEWHERE, 1)], [(HERE, 0, 0.9)])]))
    assert costs["missed"] == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_costs_start_from_the_same_precision_as_the_metrics(seed: int) -> None:
    truth, predictions = random_scene(seed)
    ones = np.ones(len(truth["boxes"]))
    now = Detections(truth, predictions, 3).average_precision(ones, iou=0.5)
    costs = error_costs(truth, predictions)
    assert set(costs) == set(KINDS)
    assert all(-1e-9 <= cost <= 1 - now + 1e-9 for cost in costs.values())

    # Keep what is right or ignored, as mending by hand would: the metric rises as promised.
    unwanted = find_mistakes(truth, predictions, threshold=0.0)
    kept = {name: values.copy() for name, values in predictions.items()}
    for image in range(len(ones)):
        bad = [m.box for m in unwanted if m.image == image and m.kind == "background"]
        good = np.array([not any((box == b).all() for b in bad) for box in kept["boxes"][image]])
        for values in kept.values():
            values[image] = values[image][good.astype(bool)]
    mended = Detections(truth, kept, 3).average_precision(ones, iou=0.5)
    assert costs["background"] == pytest.approx(mended - now)


def random_scene(seed: int) -> tuple[Batch, Batch]:
    generator = np.random.default_rng(seed)
    images: list[tuple[Labelled, Scored]] = []
    crowd = []
    for _ in range(15):
        corners = generator.uniform(0, 200, (generator.integers(0, 6), 2))
        boxes = np.hstack([corners, corners + generator.uniform(20, 90, corners.shape)])
        labels = generator.integers(0, 3, len(boxes))
        near = np.repeat(boxes, 3, axis=0) + generator.normal(0, 7, (3 * len(boxes), 4))
        far = generator.uniform(0, 200, (4, 2))
        near = np.vstack([near, np.hstack([far, far + 30])])
        guesses = np.append(np.repeat(labels, 3), generator.integers(0, 3, 4))
        guesses = np.where(generator.random(len(guesses)) < 0.7, guesses, (guesses + 1) % 3)
        scores = generator.random(len(near))
        truth = list(zip(boxes.tolist(), labels.tolist(), strict=True))
        images.append((truth, list(zip(near.tolist(), guesses.tolist(), scores, strict=True))))
        crowd.append((generator.random(len(boxes)) < 0.2).tolist())
    truth, predictions = scene(images)
    truth["crowd"] = zoo.object_column([np.array(each, bool) for each in crowd])
    return truth, predictions


def test_every_true_box_and_every_detection_is_in_the_confusion_matrix_once() -> None:
    images = [
        # Found, and taken for class 1 as well; the second is taken for class 1 only.
        ([(HERE, 0)], [(HERE, 0, 0.9), (A_LITTLE_OFF, 1, 0.8)]),
        ([(HERE, 0)], [(A_LITTLE_OFF, 1, 0.8)]),
        ([(HERE, 1), (ELSEWHERE, 0)], [(FAR_OFF, 1, 0.7)]),
    ]
    counts = confusion(*scene(images), threshold=0.5, classes=2)
    np.testing.assert_array_equal(
        counts,
        [
            [1, 1, 1],
            [0, 0, 1],
            [0, 2, 0],
        ],
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_confusion_matrix_adds_up(seed: int) -> None:
    truth, predictions = random_scene(seed)
    truth["crowd"] = zoo.object_column([np.zeros(len(each), bool) for each in truth["crowd"]])
    counts = confusion(truth, predictions, threshold=0.4, classes=3)
    labels, guesses = np.concatenate(truth["classes"]), np.concatenate(predictions["classes"])
    shown = np.concatenate(predictions["scores"]) >= 0.4
    np.testing.assert_array_equal(counts[:3].sum(axis=1), np.bincount(labels, minlength=3))
    np.testing.assert_array_equal(
        counts[:, :3].sum(axis=0), np.bincount(guesses[shown], minlength=3)
    )
