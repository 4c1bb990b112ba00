"""From pictures with boxes to the model's inputs and targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from zoo_vision.images import ImageArray
from zoo_vision.preprocessing import PicturePreprocessing

import zoo

NAMES = ("zebra", "ant")


def pictures(*sizes: tuple[int, int], boxes: object = (), classes: object = ()) -> zoo.Batch:
    """Return noisy pictures of these widths and heights, each with the same objects."""
    random = np.random.default_rng(0)
    pixels = [random.integers(0, 256, (height, width, 3), np.uint8) for width, height in sizes]
    every = np.array(boxes, np.float32).reshape(-1, 4)
    return {
        "image": zoo.object_column([ImageArray(each) for each in pixels]),
        "width": np.array([width for width, _ in sizes]),
        "height": np.array([height for _, height in sizes]),
        "boxes": zoo.object_column([every] * len(sizes)),
        "classes": zoo.object_column([np.array(classes, object)] * len(sizes)),
        "crowd": zoo.object_column([np.zeros(len(every), bool)] * len(sizes)),
    }


def fit(*sizes: tuple[int, int], size: int = 96, **objects: object) -> PicturePreprocessing:
    return PicturePreprocessing.fit(pictures(*sizes, **objects), NAMES, size)


def one_to_one(boxes: int = 8) -> PicturePreprocessing:
    """Return a preprocessing that leaves pictures of 64 x 64 px as they are."""
    return PicturePreprocessing(classes=NAMES, height=64, width=64, boxes=boxes, objects=1.0)


@pytest.mark.parametrize(
    ("sizes", "longer", "canvas"),
    [
        ([(100, 100)], 96, (96, 96)),
        ([(640, 480)], 320, (256, 320)),
        ([(480, 640)], 320, (320, 256)),
        ([(640, 480)], 416, (320, 416)),
        ([(200, 100)], 100, (64, 128)),
        ([(640, 480), (640, 480), (480, 640)], 320, (256, 320)),
        ([(3000, 1)], 320, (32, 320)),
        ([(1, 3000)], 320, (320, 32)),
    ],
)
def test_the_canvas_has_the_shape_of_the_usual_picture(
    sizes: list[tuple[int, int]], longer: int, canvas: tuple[int, int]
) -> None:
    preprocessing = fit(*sizes, size=longer)
    assert (preprocessing.height, preprocessing.width) == canvas
    assert preprocessing.space.inputs["image"].shape == (*canvas, 3)


def test_outputs_are_named_after_the_classes_in_their_order() -> None:
    space = fit((100, 80)).space
    assert space.outputs["detections"].names == ("x1", "y1", "x2", "y2", *NAMES)
    assert space.outputs["detections"].shape == (None, 6)


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (33, 200), (200, 33), (300, 1), (1, 300)])
def test_pictures_of_any_shape_fill_one_side_of_the_canvas(size: tuple[int, int]) -> None:
    preprocessing = fit((96, 64))
    batch = pictures(size)
    batch["image"][0].array[:] = 255
    (canvas,) = preprocessing.inputs(batch)["image"]
    assert canvas.shape == (64, 96, 3)
    assert canvas.dtype == np.uint8
    white = (canvas == 255).all(axis=2)
    assert white.any(axis=0).all() or white.any(axis=1).all()


def test_a_box_around_all_of_a_picture_is_where_the_picture_is() -> None:
    preprocessing = fit((96, 64))
    for width, height in [(300, 40), (40, 300), (97, 61), (600, 2)]:
        boxes = [(0, 0, width, height)]
        batch = pictures((width, height), boxes=boxes, classes=["ant"])
        batch["image"][0].array[:] = 255
        (target,) = preprocessing.targets(batch)
        (canvas,) = preprocessing.inputs(batch)["image"]
        rows, columns = np.nonzero((canvas == 255).all(axis=2))
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        if height > 10:
            np.testing.assert_allclose(target[0, :4], seen, atol=1e-4)
            assert target[0, 4] == NAMES.index("ant")
        else:
            assert (target[:, 4] == -1).all()  # less than two pixels high on the canvas


def test_inputs_are_the_same_alone_and_with_others() -> None:
    preprocessing = fit((96, 64))
    batch = pictures((96, 64), (64, 96), (500, 300), (7, 3))
    together = preprocessing.inputs(batch)["image"]
    for row in range(4):
        alone = {name: column[row : row + 1] for name, column in batch.items()}
        np.testing.assert_array_equal(preprocessing.inputs(alone)["image"][0], together[row])


def test_inputs_need_no_labels() -> None:
    batch = pictures((96, 64))
    unlabelled = {name: batch[name] for name in ("image", "width", "height")}
    assert fit((96, 64)).inputs(unlabelled)["image"].shape == (1, 64, 96, 3)


def test_only_what_can_be_learnt_is_a_target() -> None:
    boxes = [
        (1, 2, 30, 40),
        (5, 5, 50, 50),  # a crowd
        (10, 10, 11.9, 40),  # too narrow
        (10, 10, 40, 11),  # too flat
        (3, 3, 20, 20),  # of no known class
        (6, 7, 8, 9),
    ]
    names = ["ant", "ant", "ant", "zebra", "yeti", "zebra"]
    batch = pictures((64, 64), boxes=boxes, classes=names)
    batch["crowd"][0] = np.arange(6) == 1
    targets = one_to_one().targets(batch)
    assert targets.shape == (1, 8, 5)
    assert targets.dtype == np.float32
    assert targets[0, :2].tolist() == [[1, 2, 30, 40, 1], [6, 7, 8, 9, 0]]
    assert (targets[0, 2:] == [0, 0, 0, 0, -1]).all()


def test_a_picture_without_objects_has_padding_alone() -> None:
    assert (one_to_one().targets(pictures((64, 64)))[..., 4] == -1).all()


def test_more_boxes_than_any_training_picture_had_are_cut_off() -> None:
    boxes = [(k, k, k + 10, k + 10) for k in range(5)]
    targets = one_to_one(boxes=3).targets(pictures((64, 64), boxes=boxes, classes=["ant"] * 5))
    assert targets[0, :, 0].tolist() == [0, 1, 2]


def test_there_is_room_for_the_boxes_of_the_fullest_picture() -> None:
    full, empty = (
        pictures((64, 64), boxes=[(0, 0, 9, 9)] * 6, classes=["ant"] * 6),
        pictures((64, 64)),
    )
    both = {name: np.concatenate([full[name], empty[name]]) for name in full}
    preprocessing = PicturePreprocessing.fit(both, NAMES, 64)
    assert preprocessing.boxes == 6
    assert preprocessing.objects == 3
    assert fit((64, 64)).boxes == 1  # a model needs a target even if nothing is marked


def test_it_is_the_same_after_saving(tmp_path: Path) -> None:
    names = ("Größe 2", "ant", "x1")
    preprocessing = PicturePreprocessing.fit(pictures((97, 61), (61, 97)), names, 123)
    preprocessing.save(tmp_path)
    again = PicturePreprocessing.load(tmp_path)
    assert again == preprocessing
    assert again.space.outputs == preprocessing.space.outputs
    assert again.space.arrays["objects"] == preprocessing.space.arrays["objects"]
