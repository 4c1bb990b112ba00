"""The formats of labels: equal content in any of them gives equal examples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from detection_files import (
    SHOTS,
    Shot,
    Thing,
    coco_content,
    paint,
    save,
    write_coco,
    write_voc,
    write_xml,
    write_yolo,
    yolo_line,
)
from PIL import Image
from zoo_vision.data.datasets import Boxes

from zoo import DataError

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}


def load(path: Path, cache: Path, **settings):
    return Boxes(path=str(path), **settings).load(seed=0, cache=cache)


def contents(data) -> dict:
    """Return what every image holds, by split and name."""
    return {
        (split, Path(batch["id"][row]).stem): (
            batch["width"][row],
            batch["height"][row],
            batch["boxes"][row].round(3).tolist(),
            batch["classes"][row].tolist(),
            batch["crowd"][row].tolist(),
        )
        for split, examples in data.splits.items()
        for batch in [examples[np.arange(len(examples))]]
        for row in range(len(batch["id"]))
    }


EXPECTED = {
    (SPLIT_NAMES[shot.split], shot.stem): (
        64,
        48,
        [list(map(float, thing[:4])) for thing in shot.things],
        [thing.name for thing in shot.things],
        [thing.crowd for thing in shot.things],
    )
    for shot in SHOTS
}


@pytest.mark.parametrize("format", WRITERS)
def test_equal_content_gives_equal_examples(tmp_path, format):
    data = load(WRITERS[format](tmp_path / "data"), tmp_path / "cache")

    assert contents(data) == EXPECTED
    assert data.info.facts["classes"] == ["cat", "dog"]
    assert data.info.facts["format"] == format
    batch = data.splits["train"][np.array([0])]
    assert batch["boxes"][0].dtype == np.float32
    assert np.array_equal(batch["image"][0].read(), np.array(paint(0)))


@pytest.mark.parametrize("format", WRITERS)
def test_the_fingerprint_is_of_content_and_not_of_place(tmp_path, format):
    first = load(WRITERS[format](tmp_path / "one"), tmp_path / "cache").info.fingerprint
    second = load(WRITERS[format](tmp_path / "two"), tmp_path / "cache").info.fingerprint
    shots = [SHOTS[0]._replace(things=[Thing(1, 2, 31, 40)]), *SHOTS[1:]]
    changed = load(WRITERS[format](tmp_path / "three", shots), tmp_path / "cache")

    assert first == second != changed.info.fingerprint


@pytest.mark.parametrize("format", ["coco", "voc"])
def test_crowd_and_difficult_regions_are_marked(tmp_path, format):
    crowd = [Thing(1, 2, 30, 40, "cat", True), Thing(1, 2, 20, 20)]
    shots = [SHOTS[0]._replace(things=crowd), *SHOTS[1:]]

    data = load(WRITERS[format](tmp_path / "data", shots), tmp_path / "cache")

    assert contents(data)["train", "a"][-1] == [True, False]


@pytest.mark.parametrize("format", WRITERS)
def test_classes_are_renamed_joined_and_left_out(tmp_path, format):
    path = WRITERS[format](tmp_path / "data")

    joined = load(path, tmp_path / "cache", rename={"dog": "cat"})
    without = load(path, tmp_path / "cache", rename={"dog": ""})
    other_order = load(path, tmp_path / "cache", classes=("dog", "cat"))

    assert joined.info.facts["classes"] == ["cat"]
    assert contents(joined)["train", "a"][3] == ["cat", "cat"]
    assert without.info.facts["classes"] == ["cat"]
    assert contents(without)["train", "b"][2] == []
    assert other_order.info.facts["classes"] == ["dog", "cat"]
    assert contents(other_order) == EXPECTED


def test_what_does_not_fit_together_is_an_error_that_says_what_was_looked_for(tmp_path):
    save(tmp_path / "bare" / "a.png")
    write_voc(write_yolo(tmp_path / "both"))
    (tmp_path / "nothing").mkdir()

    with pytest.raises(DataError, match="no labels") as error:
        load(tmp_path / "bare", tmp_path / "cache")
    assert all(name in error.value.hint for name in ("COCO", "VOC", "YOLO"))
    with pytest.raises(DataError, match=r"several formats: voc .*yolo"):
        load(tmp_path / "both", tmp_path / "cache")
    assert len(load(tmp_path / "both", tmp_path / "cache", format="voc").splits["train"]) == 3
    with pytest.raises(DataError, match="neither pictures nor labels"):
        load(tmp_path / "nothing", tmp_path / "cache")
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "gone", tmp_path / "cache")


# COCO ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["train/_annotations.coco.json", "labels.json", "annotations/labels.json"]
)
def test_coco_images_are_found_from_wherever_the_file_lies(tmp_path, place):
    shots = dict(enumerate(SHOTS))
    for number, shot in shots.items():
        save(tmp_path / "data" / "train" / f"{shot.stem}.png", number)
    file = tmp_path / "data" / place
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(coco_content(shots)))

    examples, findings = Boxes().read(str(file), cache=tmp_path / "cache")

    assert len(examples) == 5
    assert not findings


def test_coco_images_of_equal_name_are_told_apart_by_their_folders(tmp_path):
    for folder in ("one", "two"):
        save(tmp_path / "pool" / folder / "a.png", seed=len(folder))
    content = coco_content({1: Shot("deep/one/a", ""), 2: Shot("two/a", "")})
    (tmp_path / "labels.json").write_text(json.dumps(content))

    examples, _ = Boxes().read(str(tmp_path / "labels.json"), cache=tmp_path / "cache")

    assert examples[np.arange(2)]["id"].tolist() == ["pool/one/a.png", "pool/two/a.png"]


def test_coco_captions_beside_instances_are_left_alone(tmp_path):
    path = write_coco(tmp_path / "data")
    shutil.copy(path / "annotations/instances_train.json", path / "annotations/captions_train.json")

    assert contents(load(path, tmp_path / "cache")) == EXPECTED


def test_coco_annotations_that_fit_nothing_are_named_by_id(tmp_path):
    path = write_coco(tmp_path / "data")
    file = path / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    good = content["annotations"][0]
    content["annotations"] += [
        {**good, "id": 901, "image_id": 77},
        {**good, "id": 902, "category_id": 1},
        {**good, "id": 903, "bbox": [1, 2, 3]},
        {**good, "id": 904, "bbox": [1, 2, None, 4]},
        {**good, "id": 905, "image_id": [1]},
    ]
    file.write_text(json.dumps(content))

    data = load(path, tmp_path / "cache")

    assert contents(data) == EXPECTED
    broken = [each.where for each in data.findings if each.code == "broken-object"]
    assert broken == [f"{file}, annotation {number}" for number in range(901, 906)]


# VOC -------------------------------------------------------------------------------------


def test_voc_files_beside_their_images_are_split_by_folder(tmp_path):
    names = {"train": "train", "val": "valid", "test": "test"}
    for number, shot in enumerate(SHOTS):
        save(tmp_path / "data" / names[shot.split] / f"{shot.stem}.png", number)
        write_xml(tmp_path / "data" / names[shot.split] / f"{shot.stem}.xml", shot)

    assert contents(load(tmp_path / "data", tmp_path / "cache")) == EXPECTED


def test_voc_coordinates_are_shifted_on_demand_only(tmp_path):
    data = load(write_voc(tmp_path / "data"), tmp_path / "cache", voc_offset=1)

    assert contents(data)["train", "a"][2][0] == [0, 1, 30, 40]


def test_voc_trainval_is_split_where_there_is_no_train(tmp_path):
    shots = [Shot(f"{k:02d}", "trainval", [Thing(1, 1, 20, 20)]) for k in range(20)]
    shots += [Shot("t", "test", [Thing(1, 1, 20, 20)])]

    data = load(write_voc(tmp_path / "data", shots), tmp_path / "cache")

    assert data.info.counts == {"train": 17, "validation": 3, "test": 1}


def test_voc_images_without_labels_are_left_out_and_named(tmp_path):
    path = write_voc(tmp_path / "data")
    extra = save(path / "JPEGImages" / "x.png", 9)
    with (path / "ImageSets/Main/train.txt").open("a") as listed:
        listed.write("x\n")

    data = load(path, tmp_path / "cache")

    assert contents(data) == EXPECTED
    assert [each.where for each in data.findings if each.code == "missing-labels"] == [str(extra)]


def test_voc_objects_are_named_by_line(tmp_path):
    path = write_voc(tmp_path / "data")
    file = path / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("<xmin>10</xmin>", "<xmin>ten</xmin>"))

    data = load(path, tmp_path / "cache")

    line = next(k for k, text in enumerate(file.read_text().splitlines(), 1) if "dog" in text) - 1
    (finding,) = [each for each in data.findings if each.code == "broken-object"]
    assert finding.where == f"{file}, line {line}"
    assert contents(data)["train", "a"][3] == ["cat"]


# YOLO ------------------------------------------------------------------------------------


def test_yolo_polygons_become_boxes(tmp_path):
    path = write_yolo(tmp_path / "data")
    (path / "labels/train/b.txt").write_text("1 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75\n")

    data = load(path, tmp_path / "cache")

    assert contents(data)["train", "b"][2] == [[16, 12, 48, 36]]


@pytest.mark.parametrize(
    "yaml",
    [
        "path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames: {0: cat, 1: dog}",
        "path: /another/machine\ntrain: images/train\nval: images/val\ntest: images/test\n"
        "names: [cat, dog]",
        "train: ../images/train\nval: ../images/val\ntest: ../images/test\nnc: 2\n"
        "names: [cat, dog]",
        "train: [images/train]\nval: images/val/*.png\ntest: test.txt\nnames: [cat, dog]",
    ],
)
def test_yolo_entries_are_understood_as_exporters_write_them(tmp_path, yaml):
    path = write_yolo(tmp_path / "data")
    (path / "data.yaml").write_text(yaml)
    (path / "test.txt").write_text("./images/test/e.png\n")

    assert contents(load(path, tmp_path / "cache")) == EXPECTED
    assert contents(load(path / "data.yaml", tmp_path / "cache")) == EXPECTED


def test_yolo_works_without_its_yaml_file(tmp_path):
    path = write_yolo(tmp_path / "data")
    (path / "data.yaml").unlink()
    numbered = load(path, tmp_path / "cache")
    (path / "labels" / "classes.txt").write_text("cat\ndog\n")
    named = load(path, tmp_path / "cache")

    assert contents(named) == EXPECTED
    assert contents(numbered)["train", "a"][3] == ["0", "1"]
    assert numbered.info.facts["classes"] == ["0", "1"]
    assert named.info.facts["classes"] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("cat 0.5 0.5 0.1 0.1", "numbers"),
        ("0 0.5 0.5 0.1", "4 numbers"),
        ("2 0.5 0.5 0.1 0.1", "only 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "whole number"),
        ("0.5 0.5 0.5 0.1 0.1", "whole number"),
        ("0 nan 0.5 0.1 0.1", "finite"),
        ("0 32 24 10 10", "shares"),
    ],
)
def test_yolo_lines_that_say_something_else_are_named(tmp_path, line, problem):
    path = write_yolo(tmp_path / "data")
    file = path / "labels" / "train" / "b.txt"
    file.write_text(f"{yolo_line(SHOTS[1].things[0])}\n\n{line}\n")

    data = load(path, tmp_path / "cache")

    (finding,) = [each for each in data.findings if each.code == "broken-object"]
    assert finding.where == f"{file}, line 3"
    assert problem in finding.message
    assert contents(data) == EXPECTED


def test_yolo_labels_without_an_image_are_named(tmp_path):
    path = write_yolo(tmp_path / "data")
    orphan = path / "labels" / "train" / "orphan.txt"
    orphan.write_text("0 0.5 0.5 0.1 0.1")

    data = load(path, tmp_path / "cache")

    assert [each.where for each in data.findings if each.code == "missing-image"] == [str(orphan)]


# Sizes and orientation -------------------------------------------------------------------


def test_labels_made_on_the_stored_image_are_turned_with_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    boxes = {}
    for frame, size in (("stored", (64, 48)), ("upright", (48, 64))):
        root = tmp_path / frame
        save(root / "a.jpg", exif=exif)
        thing = Thing(10, 5, 30, 15)
        content = coco_content({1: Shot("a", "", [thing])})
        content["images"][0] |= {"file_name": "a.jpg", "width": size[0], "height": size[1]}
        (root / "coco.json").write_text(json.dumps(content))
        examples, _ = Boxes().read(str(root), cache=tmp_path / "cache")
        batch = examples[np.arange(1)]
        assert (batch["width"][0], batch["height"][0]) == (48, 64)
        assert batch["image"][0].read().shape == (64, 48, 3)
        boxes[frame] = batch["boxes"][0].tolist()

    assert boxes["upright"] == [[10, 5, 30, 15]]
    assert boxes["stored"] == [[48 - 15, 10, 48 - 5, 30]]


def test_labels_for_another_size_are_warned_of(tmp_path):
    path = write_voc(tmp_path / "data")
    file = path / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("<width>64<", "<width>640<"))

    data = load(path, tmp_path / "cache")

    assert [each.where for each in data.findings if each.code == "size-mismatch"] == [str(file)]
