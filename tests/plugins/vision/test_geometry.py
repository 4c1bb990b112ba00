from __future__ import annotations

import numpy as np
import pytest
from zoo_vision.geometry import (
    GREY,
    Letterbox,
    areas,
    clip,
    iou,
    xywh_of_corners,
)

SIZES = [(640, 480), (37, 1000), (1000, 37), (33, 47), (320, 256), (4001, 2999)]


def random_boxes(width: int, height: int, count: int = 50) -> np.ndarray:
    rng = np.random.default_rng(width)
    corners = rng.random((count, 2, 2)) * [width, height]
    return np.sort(corners, axis=1).reshape(count, 4).astype(np.float32)


def test_iou_of_known_boxes() -> None:
    a = np.array([[0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    b = np.array([[1, 0, 3, 2], [0, 0, 2, 2], [2, 0, 4, 2], [5, 5, 5, 5]], np.float32)
    np.testing.assert_allclose(iou(a, b), [[1 / 3, 1, 0, 0], [0, 0, 0, 0]], atol=1e-7)


def test_iou_without_boxes_is_empty() -> None:
    assert iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


def test_a_box_turned_inside_out_has_no_area() -> None:
    assert areas(np.array([[4, 4, 2, 2]])).tolist() == [0]


def test_boxes_as_coco_has_them() -> None:
    assert xywh_of_corners(np.array([[3, 4, 10, 6]])).tolist() == [[3, 4, 7, 2]]


def test_clip_keeps_boxes_in_the_picture() -> None:
    boxes = np.array([[-3, 5, 200, 90]], np.float32)
    assert clip(boxes, 100, 80).tolist() == [[0, 5, 100, 80]]


@pytest.mark.parametrize("size", SIZES)
def test_boxes_come_back_from_the_canvas(size: tuple[int, int]) -> None:
    letterbox = Letterbox(*size, canvas_height=256, canvas_width=320)
    boxes = random_boxes(*size)
    forward = letterbox.forward(boxes)
    assert forward.dtype == np.float32
    np.testing.assert_allclose(letterbox.backward(forward), boxes, rtol=0, atol=1e-6 * max(size))


@pytest.mark.parametrize("size", SIZES)
def test_the_picture_fills_the_canvas_one_way(size: tuple[int, int]) -> None:
    letterbox = Letterbox(*size, canvas_height=256, canvas_width=320)
    canvas = letterbox.apply(np.full((size[1], size[0], 3), 255, np.uint8))
    assert canvas.shape == (256, 320, 3)
    assert canvas.dtype == np.uint8
    white = (canvas == 255).all(axis=2)
    assert letterbox.content(white).all()
    assert white.sum() == letterbox.content(white).size
    assert (canvas[~white] == GREY).all()
    assert white.any(axis=0).all() or white.any(axis=1).all()


def test_pixels_and_boxes_go_to_the_same_place() -> None:
    image = np.zeros((400, 801, 3), np.uint8)
    image[80:160, 200:400] = 255
    letterbox = Letterbox(801, 400, canvas_height=256, canvas_width=320)
    bright = letterbox.apply(image)[..., 0] > 150
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    seen = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]])
    np.testing.assert_allclose(
        letterbox.forward(np.array([[200, 80, 400, 160]])), seen, rtol=0, atol=1
    )


def test_boxes_outside_the_picture_are_cut() -> None:
    letterbox = Letterbox(100, 50, canvas_height=200, canvas_width=200)
    assert letterbox.backward(np.array([[-10, 0, 300, 200]])).tolist() == [[0, 0, 100, 50]]


def test_a_picture_of_another_size_is_a_bug() -> None:
    with pytest.raises(ValueError, match=r"\(50, 100, 3\)"):
        Letterbox(100, 50, 64, 64).apply(np.zeros((50, 90, 3), np.uint8))
