from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from zoo_vision.data.video import frames_per_second, read_frames, write_video
from zoo_vision.images import ImageArray
from zoo_vision.prediction.coco_output import coco_results, write_detections

import zoo

CLASSES = ["cell", "platelet"]
Batch = dict[str, np.ndarray]


def batch_of(names: list[str], images: list[object] | None = None) -> Batch:
    grey = np.full((60, 80, 3), 128, np.uint8)
    return {
        "id": zoo.object_column(names),
        "image": zoo.object_column(images or [ImageArray(grey, name) for name in names]),
        "width": np.full(len(names), 80),
        "height": np.full(len(names), 60),
    }


def predictions_of(count: int) -> Batch:
    """Return for each picture one detection that is shown and one that is not."""
    boxes = np.array([[10, 20, 40, 50], [0, 0, 5.5, 5]], np.float32)
    columns: Batch = {
        name: np.empty(count, object) for name in ("boxes", "scores", "classes", "shown")
    }
    for row in range(count):
        columns["boxes"][row] = boxes
        columns["scores"][row] = np.array([0.9, 0.1], np.float32)
        columns["classes"][row] = np.array([1, 0])
        columns["shown"][row] = np.array([True, False])
    return columns


def load(path: Path) -> COCO:
    return COCO(str(path))


def test_detections_are_a_coco_data_set() -> None:
    results = coco_results(batch_of(["a/1.png", "2.png"]), predictions_of(2), CLASSES)
    assert results["images"][0] == {"id": 1, "file_name": "a/1.png", "width": 80, "height": 60}
    assert results["categories"] == [{"id": 1, "name": "cell"}, {"id": 2, "name": "platelet"}]
    assert results["annotations"][1] == {
        "id": 2,
        "image_id": 2,
        "category_id": 2,
        "bbox": [10.0, 20.0, 30.0, 30.0],
        "area": 900.0,
        "iscrowd": 0,
        "score": 0.9,
    }
    assert len(results["annotations"]) == 2


def test_categories_may_have_numbers_of_their_own() -> None:
    results = coco_results(batch_of(["1.png"]), predictions_of(1), CLASSES, [44, 62])
    assert [each["id"] for each in results["categories"]] == [44, 62]
    assert results["annotations"][0]["category_id"] == 62


def test_pycocotools_reads_what_is_written(tmp_path: Path) -> None:
    write_detections(batch_of(["a.png", "ü.png"]), predictions_of(2), CLASSES, tmp_path)
    truth = load(tmp_path / "detections.json")
    assert len(truth.getAnnIds()) == 2
    results = truth.loadRes(truth.dataset["annotations"])
    assert [each["score"] for each in results.dataset["annotations"]] == [0.9, 0.9]


def test_no_detections_are_written_too(tmp_path: Path) -> None:
    predictions = predictions_of(1)
    predictions["shown"][0] = np.zeros(2, bool)
    write_detections(batch_of(["a.jpg"]), predictions, CLASSES, tmp_path)
    assert load(tmp_path / "detections.json").getAnnIds() == []
    assert (tmp_path / "pictures" / "a.jpg").is_file()


def test_shown_detections_are_drawn(tmp_path: Path) -> None:
    write_detections(batch_of(["a.jpg"]), predictions_of(1), CLASSES, tmp_path)
    drawn = np.asarray(Image.open(tmp_path / "pictures" / "a.jpg")).astype(int)
    assert np.abs(drawn[20:50, 10] - 128).max() > 50
    assert np.abs(drawn[:5, 55:] - 128).max() < 10


def test_each_picture_has_a_place_of_its_own(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "a.png.jpg", "A.JPG", "b/a.jpg", "../../c.png", "/d.png", "train/7"]
    write_detections(batch_of(names), predictions_of(len(names)), CLASSES, tmp_path / "out")
    folder = tmp_path / "out" / "pictures"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.relative_to(folder).as_posix() for path in files if folder in path.parents} == {
        "a.jpg",
        "a.png.jpg",
        "a.png-2.jpg",
        "A.JPG.jpg",
        "b/a.jpg",
        "c.png.jpg",
        "d.png.jpg",
        "train/7.jpg",
    }
    assert len(files) == len(names) + 1


@pytest.mark.parametrize(("every", "pace"), [(1, 12), (3, 4)])
def test_frames_become_a_video_at_the_old_pace(tmp_path: Path, every: int, pace: float) -> None:
    frames = [np.full((60, 80, 3), 20 * index, np.uint8) for index in range(12)]
    write_video(tmp_path / "in" / "clip.mp4", frames, 12)
    pictures = read_frames(tmp_path / "in" / "clip.mp4", every)[::-1]
    batch = batch_of([picture.name for picture in pictures], list(pictures))
    out = tmp_path / "out"
    write_detections(batch, predictions_of(len(pictures)), CLASSES, out)
    drawn = read_frames(out / "clip.mp4")
    levels = [frame.read()[55, 70].mean() / 20 for frame in drawn]
    np.testing.assert_allclose(levels, np.arange(0, 12, every), atol=0.6)
    assert frames_per_second(out / "clip.mp4") == pytest.approx(pace)
    assert sorted(path.name for path in out.iterdir()) == ["clip.mp4", "detections.json"]


def test_pictures_and_videos_are_written_side_by_side(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        write_video(tmp_path / folder / "clip.mp4", [np.zeros((60, 80, 3), np.uint8)] * 2, 12)
    pictures = [
        frame for folder in ("x", "y") for frame in read_frames(tmp_path / folder / "clip.mp4")
    ]
    grey = ImageArray(np.zeros((60, 80, 3), np.uint8), "a.png")
    batch = batch_of([f"{row}" for row in range(5)], [*pictures, grey])
    write_detections(batch, predictions_of(5), CLASSES, tmp_path / "out")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"clip.mp4", "clip-2.mp4", "pictures", "detections.json"}
    assert len(json.loads((tmp_path / "out" / "detections.json").read_text())["images"]) == 5
