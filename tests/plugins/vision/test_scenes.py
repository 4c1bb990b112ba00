from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from zoo_vision.data.datasets import Boxes
from zoo_vision.scenes.dataset import Scene, Scenes
from zoo_vision.scenes.files import write_scenes
from zoo_vision.scenes.painting import paint
from zoo_vision.scenes.shapes import CLASSES


def scenes(count: int = 60, **settings) -> list[Scene]:
    return [Scene(seed=5, index=index, **settings) for index in range(count)]


def test_a_scene_depends_on_seed_and_index_alone():
    scene = Scene(seed=1, index=7)
    boxes, classes = scene.labels()

    assert np.array_equal(scene.read(), Scene(seed=1, index=7).read())
    assert np.array_equal(boxes, Scene(seed=1, index=7).labels()[0])
    assert len(boxes) == len(classes)
    assert not np.array_equal(scene.read(), Scene(seed=2, index=7).read())
    assert not np.array_equal(scene.read(), Scene(seed=1, index=8).read())


def test_a_picture_has_the_size_asked_for():
    picture = Scene(width=200, height=120).read()

    assert picture.shape == (120, 200, 3)
    assert picture.dtype == np.uint8


def test_boxes_are_the_extents_of_the_painted_pixels():
    things = [thing for scene in scenes(20) for thing in scene.things()]
    for thing in things:
        plain = thing.look._replace(
            step=np.full(3, 0.5), opacity=1.0, texture="plain", light=0.0, bulge=0.0, rim=0.0
        )
        canvas = np.full((3, 256, 320), 0.25, np.float32)
        paint(canvas, replace(thing, look=plain))
        rows, columns = np.nonzero(canvas[0] > 0.5)  # More than half of the way to 0.75.

        extents = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert thing.box() == extents


def test_boxes_are_within_the_picture_and_some_touch_its_border():
    boxes = np.concatenate([scene.labels()[0] for scene in scenes()])

    assert boxes.min() == 0
    assert boxes[:, 2].max() == 320
    assert boxes[:, 3].max() == 256
    assert np.all(boxes[:, 2:] > boxes[:, :2])


def test_objects_stand_out_from_what_is_behind_them():
    for scene in scenes(20):
        for thing in scene.things():
            canvas = np.full((3, 256, 320), 0.5, np.float32)
            paint(canvas, thing)

            assert np.abs(canvas - 0.5).max() > 0.05


def test_no_object_is_hidden_by_others():
    for scene in scenes(20, objects=30):
        shown = np.full((256, 320), -1)
        things = scene.things()
        for number, thing in enumerate(things):
            shown[thing.window][thing.drawn] = number
        for number, thing in enumerate(things):
            assert np.sum(shown == number) >= 0.6 * thing.drawn.sum()


def test_there_are_all_classes_and_sizes():
    labels = [scene.labels() for scene in scenes(100)]
    boxes = np.concatenate([boxes for boxes, _ in labels])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)

    assert set(np.concatenate([classes for _, classes in labels])) == set(range(len(CLASSES)))
    assert 0.2 < np.mean(area < 32**2) < 0.5
    assert np.mean(area > 96**2) > 0.05


@pytest.mark.parametrize(("share", "expected"), [(0.0, (0, 0.1)), (1.0, (1, 1))])
def test_small_objects_are_as_many_as_asked_for(share, expected):
    boxes = np.concatenate([scene.labels()[0] for scene in scenes(small_share=share)])
    small = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) < 32**2

    # What the border cuts is smaller, and a thing that is turned has a larger box.
    assert expected[0] - 0.15 <= small.mean() <= expected[1] + 0.15


def test_some_scenes_are_empty():
    assert all(len(scene.labels()[0]) == 0 for scene in scenes(5, empty_share=1))
    assert all(len(scene.labels()[0]) > 0 for scene in scenes(30, empty_share=0, objects=5))


def test_objects_that_are_alike_have_one_class():
    for scene in scenes(10, alike_share=1):
        assert len(np.unique(scene.labels()[1])) <= 1


def test_the_dataset_has_the_columns_of_detection(tmp_path):
    data = Scenes(images=40).load(seed=0, cache=tmp_path)
    train = data.splits["train"][np.array([3, 1])]

    assert data.info.counts == {"train": 32, "validation": 4, "test": 4}
    assert data.info.facts["classes"] == list(CLASSES)
    assert [picture.name for picture in train["image"]] == list(train["id"])
    assert train["boxes"][0].dtype == np.float32
    assert set(train["classes"][0]) <= set(CLASSES)
    assert not np.concatenate(list(train["crowd"])).any()
    assert train["image"][0].read().shape == (train["height"][0], train["width"][0], 3)
    for name, examples in data.splits.items():
        boxes = sum(len(each) for each in examples[np.arange(len(examples))]["boxes"])
        assert sum(data.info.classes[name].values()) == boxes


def test_more_images_move_none_to_another_split(tmp_path):
    few = Scenes(images=20).load(seed=0, cache=tmp_path)
    many = Scenes(images=50).load(seed=0, cache=tmp_path)

    for name, examples in few.splits.items():
        rows = np.arange(len(examples))
        assert np.array_equal(examples[rows]["id"], many.splits[name][rows]["id"])
    assert few.info.fingerprint != many.info.fingerprint
    assert few.info.fingerprint == Scenes(images=20).load(seed=0, cache=tmp_path).info.fingerprint


def test_the_user_s_pictures_are_read_as_such(tmp_path):
    write_scenes(tmp_path / "data", "coco", Scenes(images=10))

    examples, findings = Scenes().read(str(tmp_path / "data" / "train"), cache=tmp_path / "cache")

    assert len(examples) == 8
    assert examples[np.array([0])]["image"][0].read().shape == (256, 320, 3)
    assert not [each for each in findings if each.level == "error"]


def test_the_generator_has_no_findings(tmp_path):
    assert Scenes().check(seed=0, cache=tmp_path) == []


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_written_scenes_are_read_back(tmp_path, format):
    scenes = Scenes(images=10)
    generated = scenes.load(seed=0, cache=tmp_path / "cache")

    write_scenes(tmp_path / "data", format, scenes)
    settings = {"path": str(tmp_path / "data"), "classes": CLASSES}
    if format == "voc":
        settings["voc_offset"] = 1.0
    data = Boxes(**settings).load(seed=0, cache=tmp_path / "cache")

    assert data.info.counts == generated.info.counts
    for name, examples in generated.splits.items():
        rows = np.arange(len(examples))
        expected, found = examples[rows], data.splits[name][rows]
        for row, id in enumerate(expected["id"]):
            (place,) = (at for at, each in enumerate(found["id"]) if id in each)
            assert found["boxes"][place] == pytest.approx(expected["boxes"][row], abs=0.01)
            assert list(found["classes"][place]) == list(expected["classes"][row])
            difference = found["image"][place].read() - expected["image"][row].read().astype(float)
            assert np.abs(difference).mean() < 10


def test_written_boxes_follow_each_format(tmp_path):
    scene = Scene(index=9)  # The one to test on, of ten.
    boxes, classes = scene.labels()
    x1, y1, x2, y2 = boxes[0]
    for format in ("coco", "voc", "yolo"):
        write_scenes(tmp_path / format, format, Scenes(images=10))

    coco = json.loads((tmp_path / "coco/annotations/instances_test.json").read_text())
    assert coco["annotations"][0]["bbox"] == [x1, y1, x2 - x1, y2 - y1]
    assert coco["categories"][0] == {"id": 1, "name": "disc"}
    assert len(coco["annotations"]) == len(boxes)

    assert (tmp_path / "voc/ImageSets/Main/test.txt").read_text() == f"{scene.name}\n"
    found = ElementTree.parse(tmp_path / f"voc/Annotations/{scene.name}.xml").find("object")
    assert found is not None
    assert found.findtext("name") == CLASSES[classes[0]]
    corners = [float(found.findtext(f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax")]
    assert corners == [x1 + 1, y1 + 1, x2, y2]

    line = (tmp_path / f"yolo/labels/test/{scene.name}.txt").read_text().splitlines()[0].split()
    assert int(line[0]) == classes[0]
    centre = [(x1 + x2) / 2 / 320, (y1 + y2) / 2 / 256, (x2 - x1) / 320, (y2 - y1) / 256]
    assert [float(value) for value in line[1:]] == pytest.approx(centre, abs=1e-6)
