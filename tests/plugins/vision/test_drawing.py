from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zoo_vision.prediction.drawing import PALETTE, draw_boxes, write_picture

import zoo

BOX = np.array([[20, 30, 60, 70]], np.float32)


def grey(height: int = 100, width: int = 120) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def test_a_box_is_drawn_on_its_first_and_last_pixels() -> None:
    image = grey()
    drawn = draw_boxes(image, BOX, [""], [2], width=1)
    coloured = (drawn == PALETTE[2]).all(axis=2)
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    assert (columns[0], rows[0], columns[-1], rows[-1]) == (20, 30, 59, 69)
    assert (image == 128).all()


def test_a_class_has_one_colour_in_every_picture() -> None:
    first = draw_boxes(grey(), BOX, [""], [4])
    second = draw_boxes(grey(), np.concatenate([BOX, BOX + 9]), ["", ""], [1, 4])
    assert (first[30, 25] == PALETTE[4]).all()
    assert (second[39, 34] == PALETTE[4]).all()


def test_the_label_and_score_are_written() -> None:
    alone = draw_boxes(grey(), BOX, [""], [0])
    labelled = draw_boxes(grey(), BOX, ["platelet"], [0])
    scored = draw_boxes(grey(), BOX, ["platelet"], [0], scores=[0.5])
    assert (alone != labelled).any()
    assert (labelled != scored).any()


def test_letters_beyond_ascii_differ() -> None:
    first = draw_boxes(grey(), BOX, ["é"], [0])
    assert (first != draw_boxes(grey(), BOX, ["ж"], [0])).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (2000, 3000)])
def test_any_size_and_any_box_can_be_drawn(size: tuple[int, int]) -> None:
    boxes = np.array([[-50, -50, 5000, 5000], [0, 0, 0, 0], [1e4, 1e4, 2e4, 2e4]], np.float32)
    drawn = draw_boxes(grey(*size), boxes, ["a"] * 3, [0, 8, 100], scores=[1, 0.5, 0])
    assert drawn.shape == (*size, 3)
    assert drawn.dtype == np.uint8


def test_the_label_of_a_box_at_the_top_right_is_within_the_picture() -> None:
    edge = np.array([[110, 0, 120, 10]], np.float32)
    drawn = draw_boxes(grey(), edge, ["a long label"], [0])
    plate = (drawn[:30, :100] == PALETTE[0]).all(axis=2)
    assert plate.sum() > 50


def test_the_highest_score_is_on_top() -> None:
    boxes = np.tile(BOX, (2, 1))
    drawn = draw_boxes(grey(), boxes, ["", ""], [1, 2], scores=[0.9, 0.1])
    assert (drawn[40, 20] == PALETTE[1]).all()


def test_no_boxes_leave_the_picture() -> None:
    np.testing.assert_array_equal(draw_boxes(grey(), np.zeros((0, 4)), [], []), grey())


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    write_picture(tmp_path / "new" / "a.png", image)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), image)


def test_jpeg_is_written_under_its_name_alone(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg", grey())
    assert Image.open(tmp_path / "a.jpg").format == "JPEG"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_folder_of_the_name_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(zoo.StorageError, match="folder"):
        write_picture(tmp_path / "a.jpg", grey())
