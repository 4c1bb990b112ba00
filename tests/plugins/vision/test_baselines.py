from __future__ import annotations

import cv2
import numpy as np
import pytest
from zoo_vision.evaluation.baselines import hog_svm, usual_places
from zoo_vision.evaluation.hog import describe
from zoo_vision.geometry import iou
from zoo_vision.images import ImageArray

SQUARE, DISC = 0, 1


def column(values) -> np.ndarray:
    result = np.empty(len(values), object)
    for row, value in enumerate(values):
        result[row] = value
    return result


def pictures(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return examples with a dark square on the left and a light disc on the right each."""
    rng = np.random.default_rng(seed)
    images, boxes = [], []
    for _ in range(count):
        image = rng.integers(100, 140, (120, 160, 3)).astype(np.uint8)
        x, y = rng.integers(5, 40), rng.integers(5, 80)
        cv2.rectangle(image, (int(x), int(y)), (int(x + 31), int(y + 31)), (20, 30, 20), -1)
        u, v = rng.integers(100, 140), rng.integers(20, 100)
        cv2.circle(image, (int(u), int(v)), 16, (230, 220, 230), -1)
        images.append(ImageArray(image))
        boxes.append(np.float32([[x, y, x + 32, y + 32], [u - 16, v - 16, u + 17, v + 17]]))
    return {
        "image": column(images),
        "width": np.full(count, 160),
        "height": np.full(count, 120),
        "boxes": column(boxes),
        "classes": column([np.array([SQUARE, DISC])] * count),
        "crowd": column([np.zeros(2, bool)] * count),
    }


@pytest.fixture(scope="module")
def train():
    return pictures(25)


@pytest.fixture(scope="module")
def test():
    return pictures(6, seed=1)


@pytest.fixture(params=[usual_places, hog_svm])
def baseline(request):
    return request.param


def test_predictions_have_the_columns_of_detection(baseline, train, test):
    predictions = baseline(train, test)

    assert set(predictions) == {"boxes", "scores", "classes", "shown"}
    for row in range(6):
        boxes, scores = predictions["boxes"][row], predictions["scores"][row]
        assert boxes.dtype == np.float32
        assert boxes.shape == (len(scores), 4)
        assert predictions["classes"][row].dtype == np.int64
        assert np.all(np.diff(scores) <= 0)
        assert np.all((scores > 0) & (scores <= 1))
        assert np.array_equal(predictions["shown"][row], scores >= 0.5)


def test_equal_data_give_equal_predictions(baseline, train, test):
    first, second = baseline(train, test), baseline(train, test)

    assert all(
        np.array_equal(first[name][row], second[name][row]) for name in first for row in range(6)
    )


def test_training_pictures_without_objects_are_no_trouble(baseline, train, test):
    empty = {
        **train,
        "boxes": column([np.zeros((0, 4), np.float32)] * 25),
        "classes": column([np.zeros(0, np.int64)] * 25),
        "crowd": column([np.zeros(0, bool)] * 25),
    }

    assert [len(boxes) for boxes in baseline(empty, test)["boxes"]] == [0] * 6


def test_ignored_regions_are_no_objects(baseline, train, test):
    ignored = {**train, "crowd": column([np.array([False, True])] * 25)}

    assert set(np.concatenate(list(baseline(ignored, test)["classes"]))) == {SQUARE}


def test_usual_places_are_relative_to_the_picture(train, test):
    larger = {**test, "width": test["width"] * 2}

    usual, wide = usual_places(train, test)["boxes"][0], usual_places(train, larger)["boxes"][0]

    assert wide == pytest.approx(usual * [2, 1, 2, 1])


def test_usual_places_say_where_objects_of_a_class_are(train, test):
    predictions = usual_places(train, test)
    middle = predictions["boxes"][0][:, [0, 2]].mean(axis=1)

    assert np.array_equal(predictions["classes"][0] == DISC, middle > 80)


def test_hog_svm_finds_the_objects(train, test):
    predictions = hog_svm(train, test)

    for row, boxes in enumerate(test["boxes"]):
        for label in (SQUARE, DISC):
            own = predictions["classes"][row] == label
            best = predictions["boxes"][row][own][0]
            assert iou(best[None], boxes[label][None])[0, 0] > 0.5


def test_hog_svm_keeps_one_box_for_an_object(train, test):
    predictions = hog_svm(train, test)

    for boxes, classes in zip(predictions["boxes"], predictions["classes"], strict=True):
        overlaps = iou(boxes, boxes) * (classes[:, None] == classes)
        assert np.triu(overlaps, 1).max() <= 0.46


def test_hog_tells_directions_of_edges_apart():
    ramp = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :, None], 3, axis=2)
    across = describe(np.tile(ramp, (24, 1, 1)))[2, 2]
    down = describe(np.tile(ramp, (24, 1, 1)).swapaxes(0, 1).copy())[2, 2]

    assert across[:9].argmax() == 0
    assert down[:9].argmax() in (4, 5)
