"""Heat maps of detections, and how they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zoo_vision.images import ImageArray
from zoo_vision.prediction.explanation import write_overlays
from zoo_vision.preprocessing import PicturePreprocessing
from zoo_vision.task import DetectObjects

import zoo

NAMES = ("star", "ring")
PATCH = {"star": (4, 4, 34, 24), "ring": (60, 30, 90, 55)}
WIDTH, HEIGHT = 100, 60
PREPROCESSING = PicturePreprocessing(classes=NAMES, height=64, width=96, boxes=4, objects=2.0)


class BrightPatches:
    """Stands for a network: is the surer of each patch, the more of it shows bright."""

    def __init__(self) -> None:
        letterbox = PREPROCESSING.letterbox(WIDTH, HEIGHT)
        self.boxes = letterbox.forward(np.array(list(PATCH.values())))

    def predict_on_batch(self, inputs: zoo.Batch) -> np.ndarray:
        images = np.asarray(inputs["image"])
        outputs = np.full((len(images), 2, 4 + len(NAMES)), -20, np.float32)
        outputs[..., :4] = self.boxes
        for row, (x1, y1, x2, y2) in enumerate(self.boxes.round().astype(int)):
            shown = (images[:, y1:y2, x1:x2] > 180).mean(axis=(1, 2, 3))
            outputs[:, row, 4 + row] = 6 * shown - 3
        return outputs


def batch_of(count: int = 1, names: list[str] | None = None) -> zoo.Batch:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for x1, y1, x2, y2 in PATCH.values():
        pixels[y1:y2, x1:x2] = 255
    return {
        "id": zoo.object_column(names or [f"{row}.png" for row in range(count)]),
        "image": zoo.object_column([ImageArray(pixels)] * count),
        "width": np.full(count, WIDTH),
        "height": np.full(count, HEIGHT),
    }


def predictions_of(*shown: list[bool]) -> zoo.Batch:
    """Return both patches as detections of each picture, ring first."""
    count = len(shown)
    boxes = np.array([PATCH["ring"], PATCH["star"]], np.float32)
    return {
        "boxes": zoo.object_column([boxes] * count),
        "classes": zoo.object_column([np.array(["ring", "star"], object)] * count),
        "scores": zoo.object_column([np.array([0.9, 0.8], np.float32)] * count),
        "shown": zoo.object_column([np.array(each) for each in shown]),
    }


def explained(batch: zoo.Batch, predictions: zoo.Batch, **settings: int) -> np.ndarray:
    task = DetectObjects(**settings)
    return task.explain(BrightPatches(), PREPROCESSING, batch, predictions)["heat"]


def test_each_shown_box_has_a_heat_map_of_its_picture() -> None:
    heat = explained(batch_of(3), predictions_of([True, True], [False, True], [False, False]))
    assert [each.shape for each in heat] == [
        (2, HEIGHT, WIDTH),
        (1, HEIGHT, WIDTH),
        (0, HEIGHT, WIDTH),
    ]
    assert all(each.dtype == np.float16 for each in heat)
    assert all(each.min() >= 0 and each.max() <= 1 for each in heat[:2])
    np.testing.assert_allclose(heat[0][1], heat[1][0], atol=2e-3)  # whatever else is shown


def test_a_heat_map_is_hot_where_its_box_is() -> None:
    (heat,) = explained(batch_of(), predictions_of([True, True]))
    for each, name in zip(heat.astype(float), ("ring", "star"), strict=True):
        x1, y1, x2, y2 = PATCH[name]
        other = PATCH["star" if name == "ring" else "ring"]
        inside = each[y1:y2, x1:x2].mean()
        assert inside > 3 * each.mean()
        assert inside > 5 * each[other[1] : other[3], other[0] : other[2]].mean()


def test_a_picture_that_was_seen_in_tiles_is_explained_as_a_whole() -> None:
    heat = explained(batch_of(), predictions_of([True, False]), tile=50)
    assert heat[0].shape == (1, HEIGHT, WIDTH)
    assert heat[0].max() > 0.9


def test_a_crowded_picture_has_maps_of_its_surest_boxes() -> None:
    count = 30
    predictions = {
        "boxes": zoo.object_column([np.tile(np.float32(PATCH["ring"]), (count, 1))]),
        "classes": zoo.object_column([np.array(["ring"] * count, object)]),
        "scores": zoo.object_column([np.linspace(0.9, 0.1, count)]),
        "shown": zoo.object_column([np.ones(count, bool)]),
    }
    (heat,) = explained(batch_of(), predictions)
    assert 10 < len(heat) < count


def test_the_folder_has_a_picture_for_each_heat_map(tmp_path: Path) -> None:
    names = ["day 1/a.png", "day 2/a.png", "b.png"]
    batch = batch_of(3, names)
    predictions = predictions_of([True, True], [False, True], [False, False])
    predictions["heat"] = explained(batch, predictions)
    DetectObjects().files(batch, predictions, tmp_path, PREPROCESSING)
    found = sorted(tmp_path.glob("explanations/**/*.jpg"))
    assert [path.relative_to(tmp_path / "explanations").as_posix() for path in found] == [
        "day 1/a.png-0-ring.jpg",
        "day 1/a.png-1-star.jpg",
        "day 2/a.png-0-star.jpg",
    ]
    assert np.asarray(Image.open(found[0])).shape == (HEIGHT, WIDTH, 3)
    assert (tmp_path / "detections.json").exists()


@pytest.mark.parametrize("name", ["{outside}/a.png", "../../a.png", "x/../../../a.png"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    """Pictures that lie elsewhere than their labels have such names."""
    folder = tmp_path / "one" / "two" / "explanations"
    predictions = predictions_of([True, False])
    predictions["heat"] = zoo.object_column([np.ones((1, HEIGHT, WIDTH), np.float16)])
    batch = batch_of(1, [name.format(outside=tmp_path / "outside")])
    write_overlays(batch, predictions, folder)
    (written,) = tmp_path.rglob("*.jpg")
    assert written.is_relative_to(folder)


def test_a_class_may_have_any_name(tmp_path: Path) -> None:
    predictions = predictions_of([True, True])
    predictions["classes"][0] = np.array(["a/b", "a\\b:é"], object)
    predictions["heat"] = zoo.object_column([np.ones((2, HEIGHT, WIDTH), np.float16)])
    write_overlays(batch_of(), predictions, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0.png-0-a_b.jpg",
        "0.png-1-a_b_é.jpg",
    ]
