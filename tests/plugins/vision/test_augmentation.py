"""Boxes stay on their pixels, and an example is varied alike wherever it turns up."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from zoo_vision.training.augmentation import Augment

HEIGHT, WIDTH = 96, 128
PICTURES, BOXES = 4, 3

EVERYTHING = {
    "mosaic": 0.7,
    "mixup": 0.5,
    "horizontal_flip": 0.5,
    "vertical_flip": 0.5,
    "quarter_turns": 0.5,
    "scale": 0.5,
    "translate": 0.2,
    "rotation": 10.0,
    "shear": 5.0,
    "hue": 0.05,
    "saturation": 0.7,
    "brightness": 0.4,
    "contrast": 0.3,
}
MOVES = [
    {"mosaic": 1.0},
    {"horizontal_flip": 1.0},
    {"vertical_flip": 1.0},
    {"quarter_turns": 1.0},
    {"scale": 0.5},
    {"translate": 0.3},
    {"rotation": 12.0},
    {"shear": 8.0},
    {name: EVERYTHING[name] for name in list(EVERYTHING)[:9] if name != "mixup"},
]


def padded(boxes: np.ndarray, room: int) -> np.ndarray:
    rows = np.zeros((*boxes.shape[:-2], room, 5), np.float32)
    rows[..., 4] = -1
    rows[..., : boxes.shape[-2], :] = boxes
    return rows


def random_boxes(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Boxes [pictures, boxes, 5], each with a class of its own."""
    draw = np.random.default_rng(seed)
    size = draw.integers(14, 40, (PICTURES, BOXES, 2))
    low = (draw.random((PICTURES, BOXES, 2)) * ([width, height] - size)).astype(int)
    classes = np.arange(PICTURES * BOXES).reshape(PICTURES, BOXES, 1)
    return np.concatenate([low, low + size, classes], axis=-1).astype(np.float32)


def random_batch(size: int, pictures: int = PICTURES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise, boxes padded to 20 rows, and seeds."""
    draw = np.random.default_rng(size)
    images = draw.integers(0, 256, (size, pictures, HEIGHT, WIDTH, 3), np.uint8)
    boxes = padded(np.stack([random_boxes(row)[:pictures] for row in range(size)]), 20)
    return images, boxes, np.stack([np.full(size, 5), np.arange(size)], axis=1)


def apply(augment, images, boxes, seeds, progress=0.0):
    if not augment.partners:
        images, boxes = images[:, 0], boxes[:, 0]
    else:
        images, boxes = images[:, : 1 + augment.partners], boxes[:, : 1 + augment.partners]
    graph = tf.function(augment.__call__)
    inputs, targets = graph(
        {"image": tf.constant(images)}, tf.constant(boxes), tf.constant(seeds), progress
    )
    return inputs["image"].numpy(), padded(targets.numpy(), max(boxes.shape[-2], targets.shape[1]))


def extent(picture: np.ndarray) -> np.ndarray:
    """The outline of what is white in a picture that is black, or grey where padded."""
    rows, columns = np.nonzero(picture[..., 0] > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def views_of_each_box(augment: Augment, boxes: np.ndarray, seed: int, height: int, width: int):
    """Vary the same pictures alike, each time with another box painted white on black."""
    images = np.zeros((PICTURES * BOXES, PICTURES, height, width, 3), np.uint8)
    for row in range(PICTURES * BOXES):
        x1, y1, x2, y2, _ = boxes[row // BOXES, row % BOXES].astype(int)
        images[row, row // BOXES, y1:y2, x1:x2] = 255
    targets = np.repeat(padded(boxes, PICTURES * BOXES)[None], len(images), axis=0)
    return apply(augment, images, targets, np.tile([[seed, 3]], (len(images), 1)))


@pytest.mark.parametrize("settings", MOVES, ids=lambda settings: "+".join(settings))
@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (112, 112)])
def test_boxes_follow_pixels(settings, height, width):
    compared = 0
    for seed in range(6):
        boxes = random_boxes(seed, height, width)
        images, targets = views_of_each_box(Augment(**settings), boxes, seed, height, width)
        for x1, y1, x2, y2, label in targets[0][targets[0, :, 4] >= 0]:
            box, seen = np.array([x1, y1, x2, y2]), extent(images[int(label)])
            assert (box >= 0).all()
            assert (box <= [width, height, width, height]).all()
            assert (seen[:2] >= box[:2] - 1.5).all()
            assert (seen[2:] <= box[2:] + 1.5).all()
            tilted = "rotation" in settings or "shear" in settings
            whole = (box[:2] > 0).all() and (box[2:] < [width, height]).all()
            # The edge may cut off the very corner that a tilted box's outline is drawn around.
            if whole or not tilted:
                np.testing.assert_allclose(seen, box, atol=1.5)
                compared += 1
    assert compared >= 10


def test_a_box_goes_when_too_little_of_it_is_left():
    outcomes = set()
    for seed in range(12):
        boxes = random_boxes(seed)
        augment = Augment(translate=0.5, visible=0.3)
        images, targets = views_of_each_box(augment, boxes, seed, HEIGHT, WIDTH)
        for row in range(BOXES):
            x1, y1, x2, y2, label = boxes[0, row]
            share = (images[row, ..., 0] > 127).sum() / ((x2 - x1) * (y2 - y1))
            kept = label in targets[row, :, 4]
            outcomes.add(kept)
            if abs(share - 0.3) > 0.08:
                assert kept == (share > 0.3)
    assert outcomes == {True, False}


def test_flips_and_turns_lose_nothing():
    images, boxes, seeds = random_batch(6)
    flipped, moved = apply(Augment(horizontal_flip=1.0), images, boxes, seeds)
    np.testing.assert_array_equal(flipped, images[:, 0, :, ::-1])
    np.testing.assert_array_equal(moved[:, :BOXES, 0], WIDTH - boxes[:, 0, :BOXES, 2])
    turned, _ = apply(Augment(quarter_turns=1.0), images, boxes, seeds)
    for picture, view in zip(images[:, 0], turned, strict=True):
        assert (view == picture).all() or (view == picture[::-1, ::-1]).all()
    square, _ = apply(Augment(quarter_turns=1.0), images[:, :, :, :HEIGHT], boxes, seeds)
    turns = [
        [np.array_equal(view, np.rot90(picture, turn)) for turn in range(4)].index(True)
        for picture, view in zip(images[:, 0, :, :HEIGHT], square, strict=True)
    ]
    assert len(set(turns)) > 2


def test_with_all_off_nothing_changes():
    images, boxes, seeds = random_batch(3)
    same, targets = apply(Augment(), images, boxes, seeds)
    np.testing.assert_array_equal(same, images[:, 0])
    np.testing.assert_array_equal(targets, boxes[:, 0])


def test_an_example_is_varied_alike_in_any_batch():
    images, boxes, seeds = random_batch(8)
    augment = Augment(**EVERYTHING)
    together, targets = apply(augment, images, boxes, seeds)
    for row in range(8):
        one = slice(row, row + 1)
        alone, target = apply(augment, images[one], boxes[one], seeds[one])
        np.testing.assert_array_equal(alone[0], together[row])
        np.testing.assert_array_equal(target[0], targets[row])


def test_eager_equals_graph():
    images, boxes, seeds = random_batch(8)
    augment = Augment(**EVERYTHING)
    graph, targets = apply(augment, images, boxes, seeds)
    inputs, eager_targets = augment({"image": images}, boxes, seeds, 0.0)
    # The graph's arithmetic may be ordered differently, which can tip a rounding.
    assert np.abs(inputs["image"].numpy().astype(int) - graph).max() <= 1
    np.testing.assert_allclose(padded(eager_targets.numpy(), targets.shape[1]), targets, atol=1e-3)


def test_seeds_decide():
    images, boxes, seeds = random_batch(1)
    augment = Augment(**EVERYTHING)
    first, _ = apply(augment, images, boxes, seeds)
    again, _ = apply(augment, images, boxes, seeds)
    np.testing.assert_array_equal(first, again)
    for change in ([[1, 0]], [[0, 1]]):
        assert (apply(augment, images, boxes, np.add(seeds, change))[0] != first).any()


def test_padding_stays_padding():
    images, boxes, seeds = random_batch(16)
    view, targets = apply(Augment(**EVERYTHING), images, boxes, seeds)
    assert view.dtype == np.uint8
    assert targets.dtype == np.float32
    there = targets[..., 4] >= 0
    assert (targets[~there] == [0, 0, 0, 0, -1]).all()
    # Boxes come first, padding after them.
    assert (np.diff(there.astype(int), axis=1) <= 0).all()
    assert (targets[there][:, 2:4] - targets[there][:, :2] >= 2).all()


def test_pictures_without_boxes():
    images, boxes, seeds = random_batch(4)
    boxes[:] = padded(np.zeros((4, PICTURES, 0, 5)), 20)
    view, targets = apply(Augment(**EVERYTHING), images, boxes, seeds)
    assert view.shape == (4, HEIGHT, WIDTH, 3)
    assert (targets == [0, 0, 0, 0, -1]).all()
    _, none = apply(Augment(**EVERYTHING), images, boxes[:, :, :0], seeds)
    assert none.shape == (4, 0, 5)


def flat_pictures(size: int) -> np.ndarray:
    """Four pictures of one grey each: 10, 20, 30 and 40."""
    images = np.zeros((size, PICTURES, HEIGHT, WIDTH, 3), np.uint8)
    images[:] = 10 * np.arange(1, 5)[:, None, None, None]
    return images


def test_mosaic_shows_four_pictures_until_it_closes():
    _, boxes, seeds = random_batch(16)
    images, augment = flat_pictures(16), Augment(mosaic=1.0, close_mosaic=0.85)
    assert augment.partners == 3
    open_views, _ = apply(augment, images, boxes, seeds, 0.84)
    seen = [set(np.unique(view)) & {10, 20, 30, 40} for view in open_views]
    assert sum(greys == {10, 20, 30, 40} for greys in seen) > 12
    closed_views, targets = apply(augment, images, boxes, seeds, 0.85)
    np.testing.assert_array_equal(closed_views, images[:, 0])
    np.testing.assert_array_equal(targets, boxes[:, 0])


def test_an_example_without_mosaic_shows_nothing_of_the_others():
    _, boxes, seeds = random_batch(32)
    augment = Augment(mosaic=0.5, scale=0.5, translate=0.3)
    views, targets = apply(augment, flat_pictures(32), boxes, seeds)
    single = [not set(np.unique(view)) & {20, 30, 40} for view in views]
    assert 6 < sum(single) < 26
    for view, rows, alone in zip(views, targets, single, strict=True):
        if alone:
            assert rows[:, 4].max() < BOXES
            assert 10 in view


def test_mixup_blends_and_keeps_the_boxes_of_both():
    _, boxes, seeds = random_batch(32)
    augment = Augment(mixup=0.5)
    assert augment.partners == 1
    views, targets = apply(augment, flat_pictures(32), boxes, seeds)
    blended = views.reshape(32, -1).max(axis=1) > 10
    assert 6 < blended.sum() < 26
    assert (np.abs(views[blended].astype(int) - 15) <= 1).all()
    both = np.concatenate([boxes[:, 0, :BOXES], boxes[:, 1, :BOXES]], axis=1)
    np.testing.assert_array_equal(targets[blended, : 2 * BOXES], both[blended])
    np.testing.assert_array_equal(targets[~blended], boxes[~blended, 0])
    closed, _ = apply(augment, flat_pictures(32), boxes, seeds, 1.0)
    assert (closed == 10).all()


def test_full_pictures_are_mixed_as_well():
    images, boxes, seeds = random_batch(8)
    full = boxes[:, :, :BOXES]  # no row is padding
    _, targets = apply(Augment(mixup=1.0), images, full, seeds)
    assert ((targets[..., 4] >= 0).sum(axis=1) == 2 * BOXES).all()
    _, targets = apply(Augment(mosaic=1.0, scale=0.5), images, full, seeds)
    assert (targets[..., 4] >= 0).sum(axis=1).max() > BOXES


def test_colours_change_without_moving_anything():
    images, boxes, seeds = random_batch(8)
    colours = {name: EVERYTHING[name] for name in ("hue", "saturation", "brightness", "contrast")}
    for settings in ({name: value} for name, value in colours.items()):
        view, targets = apply(Augment(**settings), images, boxes, seeds)
        assert (view != images[:, 0]).any(axis=(1, 2, 3)).all()
        np.testing.assert_array_equal(targets, boxes[:, 0])


def test_greys_and_padding_keep_what_they_should():
    grey, (_, boxes, seeds) = np.full((8, 1, HEIGHT, WIDTH, 3), 114, np.uint8), random_batch(8)
    tinted = Augment(hue=0.5, saturation=1.0, contrast=0.9)
    np.testing.assert_array_equal(apply(tinted, grey, boxes, seeds)[0], grey[:, 0])
    brighter, _ = apply(Augment(brightness=0.4), grey, boxes, seeds)
    factors = brighter[:, 0, 0, 0] / 114
    assert (np.abs(factors - 1) <= 0.41).all()
    assert np.ptp(factors) > 0.1


def test_a_third_of_the_colour_circle_swaps_channels():
    red = np.zeros((64, 1, HEIGHT, WIDTH, 3), np.uint8)
    red[..., 0] = 255
    _, boxes, seeds = random_batch(64)
    view, _ = apply(Augment(hue=1 / 3), red, boxes, seeds)
    corner = view[:, 0, 0].astype(int)
    # The sum of the channels stays, up to what goes below 0.
    assert (corner.sum(axis=1) >= 253).all()
    assert corner[:, 1].max() > 200
    assert corner[:, 2].max() > 200


@pytest.mark.parametrize("settings", [EVERYTHING, {"horizontal_flip": 0.5}])
def test_it_runs_in_the_input_pipeline(settings):
    images, boxes, seeds = random_batch(4)
    augment = Augment(**settings)
    if not augment.partners:
        images, boxes = images[:, 0], boxes[:, 0]
    dataset = tf.data.Dataset.from_tensors(({"image": images}, boxes, seeds, np.float32(0.2)))
    inputs, targets = next(iter(dataset.map(augment)))
    assert inputs["image"].shape == (4, HEIGHT, WIDTH, 3)
    assert targets.shape[0] == 4
    assert (targets[:, -8:, 4] >= 0).numpy().any()  # little more than the fullest picture needs
    spec, _ = dataset.map(augment).element_spec
    assert spec["image"].shape == (4, HEIGHT, WIDTH, 3)
