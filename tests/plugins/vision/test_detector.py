"""The dense loss, its assignment, and the compact detector."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_vision.models.compact import Compact
from zoo_vision.models.dense import STRIDES, DistancesToBoxes, grid
from zoo_vision.training.assignment import assign
from zoo_vision.training.losses import DenseLoss
from zoo_vision.training.overlaps import complete_iou

import zoo

CLASSES = ("ring", "star", "cross")
SIDE = 96


def space(classes: tuple[str, ...] = CLASSES) -> zoo.Space:
    return zoo.Space(
        inputs={"image": zoo.Tensor((SIDE, SIDE, 3), "uint8")},
        outputs={
            "detections": zoo.Tensor(
                (None, 4 + len(classes)), names=("x1", "y1", "x2", "y2", *classes)
            )
        },
        classes=classes,
        arrays={"objects": np.array(2.0)},
    )


def padded(*boxes: tuple[float, ...], room: int = 6) -> np.ndarray:
    truth = np.zeros((1, room, 5), np.float32)
    truth[..., 4] = -1
    for row, box in enumerate(boxes):
        truth[0, row] = box
    return truth


def answers(boxes: np.ndarray, classes: np.ndarray, bins: int = 16) -> np.ndarray:
    """Return predictions that say `boxes` and `classes` (-1 for none) with great confidence."""
    points, strides = grid(SIDE, SIDE, STRIDES)
    logits = np.where(classes[:, None] == np.arange(len(CLASSES)), 12.0, -12.0)
    distance = np.concatenate([points - boxes[:, :2], boxes[:, 2:] - points], axis=1)
    distance = np.clip(distance / strides[:, None], 0, bins - 1.01)
    share = np.maximum(1 - np.abs(distance[..., None] - np.arange(bins)), 1e-6)
    spread = np.log(share).reshape(len(boxes), -1)
    return np.concatenate([boxes, logits, spread], axis=1)[None].astype(np.float32)


def test_each_object_is_given_predictions_that_look_at_it():
    points, strides = grid(SIDE, SIDE, STRIDES)
    truth = padded((8, 8, 40, 40, 0), (50, 50, 90, 80, 2))
    half = strides[:, None] * 1.5
    boxes = np.concatenate([points - half, points + half], axis=1)[None].astype(np.float32)
    scores = np.full((1, len(points), 3), 0.3, np.float32)
    weight, targets, classes = map(np.asarray, assign(boxes, scores, points, strides / 2, truth))
    chosen = weight[0] > 0
    assert 10 <= chosen.sum() <= 30  # ten for each, and ties
    x, y = points[chosen].T
    x1, y1, x2, y2 = targets[0, chosen].T
    assert ((x > x1) & (x < x2) & (y > y1) & (y < y2)).all()
    assert set(classes[0, chosen]) == {0, 2}


def test_an_object_smaller_than_a_stride_is_still_learnt():
    points, strides = grid(SIDE, SIDE, STRIDES)
    truth = padded((17, 17, 19, 19, 1))  # no point lies within
    half = strides[:, None]
    boxes = np.concatenate([points - half, points + half], axis=1)[None]
    scores = np.full((1, len(points), 3), 0.3, np.float32)
    assert np.asarray(assign(boxes, scores, points, strides / 2, truth).weight).any()


def test_no_object_means_background_alone():
    points, strides = grid(SIDE, SIDE, STRIDES)
    boxes = np.tile(np.array([0, 0, 20, 20], np.float32), (1, len(points), 1))
    scores = np.full((1, len(points), 3), 0.3, np.float32)
    assert not np.asarray(assign(boxes, scores, points, strides / 2, padded()).weight).any()


def test_right_answers_cost_less_than_wrong_ones():
    points, strides = grid(SIDE, SIDE, STRIDES)
    loss = DenseLoss(space(), points, strides)
    truth = padded((8, 8, 40, 40, 0))
    x, y = points.T
    seen = (x > 8) & (x < 40) & (y > 8) & (y < 40)
    right = np.tile([8, 8, 40, 40], (len(points), 1)).astype(np.float32)
    moved = right + np.float32(6)

    def cost(boxes: np.ndarray, classes: np.ndarray) -> float:
        return float(loss(truth, answers(boxes, classes)))

    exact = cost(right, np.where(seen, 0, -1))
    assert exact < cost(moved, np.where(seen, 0, -1))
    assert exact < cost(right, np.where(seen, 1, -1))
    assert exact < cost(right, np.where(seen, -1, -1))
    assert exact < cost(right, np.full(len(points), 0))


def test_padding_costs_nothing():
    loss = DenseLoss(space(), *grid(SIDE, SIDE, STRIDES))
    generator = np.random.default_rng(0)
    boxes = np.tile([8, 8, 40, 40], (len(loss.points), 1)).astype(np.float32)
    said = answers(boxes, generator.integers(-1, 3, len(boxes)))
    little, much = padded((8, 8, 40, 40, 0), room=2), padded((8, 8, 40, 40, 0), room=9)
    assert float(loss(little, said)) == pytest.approx(float(loss(much, said)), rel=1e-6)


def test_a_pictures_loss_is_the_same_in_any_batch():
    loss = DenseLoss(space(), *grid(SIDE, SIDE, STRIDES))
    generator = np.random.default_rng(0)
    boxes = np.tile([8, 8, 40, 40], (len(loss.points), 1)).astype(np.float32)
    first, second = (
        answers(boxes + shift, generator.integers(-1, 3, len(boxes))) for shift in (0, 3)
    )
    one, two = padded((8, 8, 40, 40, 0)), padded((20, 8, 80, 60, 1), (5, 5, 15, 15, 0))
    together = loss(np.concatenate([one, two]), np.concatenate([first, second]))
    apart = (float(loss(one, first)) + float(loss(two, second))) / 2
    assert float(together) == pytest.approx(apart, rel=1e-5)


def test_complete_iou_is_one_for_equal_boxes_and_falls_with_distance_and_shape():
    box = np.array([10.0, 10, 30, 30], np.float32)
    near, far = box + np.float32(30), box + np.float32(60)
    wide = np.array([5.0, 15, 35, 25], np.float32)
    value = {
        name: float(complete_iou(box, other))
        for name, other in {"same": box, "near": near, "far": far, "wide": wide}.items()
    }
    assert value["same"] == pytest.approx(1, abs=1e-5)
    assert value["same"] > value["wide"] > value["near"] > value["far"]


def test_distances_become_boxes():
    layer = DistancesToBoxes(64, 64, (8, 16, 32), 16)
    points, strides = grid(64, 64, (8, 16, 32))
    logits = np.full((1, len(points), 4, 16), -30.0, np.float32)
    logits[..., 2] = 30.0  # every side is two strides away
    boxes = np.asarray(layer(logits.reshape(1, len(points), -1)))[0]
    reach = 2 * strides[:, None]
    np.testing.assert_allclose(
        boxes, np.concatenate([points - reach, points + reach], 1), atol=1e-3
    )


def test_parts_hold_every_weight_once_from_input_to_output():
    component = Compact(size="nano")
    model = component.build(space())
    parts = component.parts(model)
    names = [name for name, _ in parts]
    assert names[0] == "stem"
    assert names[-1] == "head"
    held = [id(weight) for _, layers in parts for layer in layers for weight in layer.weights]
    assert sorted(held) == sorted(id(weight) for weight in model.weights)


def test_classes_carry_over_by_name():
    component = Compact(size="nano")
    source, target = component.build(space()), component.build(space(("cross", "moon", "ring")))
    copied = component.transfer(source, space(), target, space(("cross", "moon", "ring")))
    assert len(copied) == len(target.weights)
    old, new = (model.get_layer("head.class1").kernel.numpy() for model in (source, target))
    np.testing.assert_array_equal(new[..., 0], old[..., 2])
    np.testing.assert_array_equal(new[..., 2], old[..., 0])
    assert not np.array_equal(new[..., 1], old[..., 1])
