from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from detection_files import SHOTS, Shot, Thing, paint, save, write_coco, write_voc, write_yolo
from PIL import Image
from zoo_vision.data.datasets import Boxes

from zoo import ConfigError, DataError

THING = Thing(5, 5, 40, 30)


def many(count: int, split: str = "") -> list[Shot]:
    return [Shot(f"{split}{k:03d}", split, [THING]) for k in range(count)]


def load(path: Path, cache: Path, seed: int = 0, **settings):
    return Boxes(path=str(path), **settings).load(seed=seed, cache=cache)


def names(data, split: str) -> list[str]:
    return [
        Path(name).stem for name in data.splits[split][np.arange(len(data.splits[split]))]["id"]
    ]


def codes(findings) -> list[str]:
    return [finding.code for finding in findings]


# Splits ----------------------------------------------------------------------------------


def test_without_official_lists_images_are_drawn_by_seed(tmp_path):
    path = write_voc(tmp_path / "data", many(40))

    first, again, other = (load(path, tmp_path / "cache", seed=seed) for seed in (1, 1, 2))

    assert first.info.counts == {"train": 28, "validation": 6, "test": 6}
    assert sorted(name for split in first.splits for name in names(first, split)) == [
        f"{k:03d}" for k in range(40)
    ]
    assert names(first, "test") == names(again, "test") != names(other, "test")
    assert first.info.fingerprint == again.info.fingerprint != other.info.fingerprint


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("train", "val"), {"train": 17, "validation": 5, "test": 3}),
        (("train", "test"), {"train": 17, "validation": 3, "test": 5}),
    ],
)
def test_official_lists_stay_and_what_is_missing_comes_out_of_train(tmp_path, given, expected):
    shots = [*many(20, given[0]), *many(5, given[1])]

    path = write_coco(tmp_path / "data", shots)
    data = load(path, tmp_path / "cache")
    read, _ = Boxes().read(str(path), cache=tmp_path / "cache")

    assert data.info.counts == expected
    kept = {"val": "validation", "test": "test"}[given[1]]
    assert sorted(names(data, kept)) == [f"{given[1]}{k:03d}" for k in range(5)]
    assert read[np.arange(25)]["split"].tolist().count(kept) == 5
    assert "random-split" in codes(data.findings)


def test_a_test_split_alone_is_drawn_from_like_any_images(tmp_path):
    data = load(write_yolo(tmp_path / "data", many(20, "test")), tmp_path / "cache")

    assert data.info.counts == {"train": 14, "validation": 3, "test": 3}
    assert "no-train-split" in codes(data.findings)


def test_images_of_one_group_stay_together(tmp_path):
    shots = [Shot(f"p{k % 10}_{k:02d}", "", [THING]) for k in range(40)]
    path = write_voc(tmp_path / "data", shots)

    data = load(path, tmp_path / "cache", group=r"(p\d)_")

    patients = [{name[:2] for name in names(data, split)} for split in data.splits]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 10
    assert data.splits["test"][np.array([0])]["group"][0] in patients[2]
    with pytest.raises(ConfigError, match="regular expression"):
        load(path, tmp_path / "cache", group="(p")


def test_near_copies_are_never_drawn_into_two_splits(tmp_path):
    path = write_voc(tmp_path / "data", many(40))
    for k in range(20):  # A second of each of the first twenty, compressed and smaller.
        paint(k, 56, 42).save(path / "JPEGImages" / f"{20 + k:03d}.jpg", quality=40)
        (path / "JPEGImages" / f"{20 + k:03d}.png").unlink()

    for seed in range(3):
        data = load(path, tmp_path / "cache", seed=seed)
        for split in data.splits:
            first = {int(name) % 20 for name in names(data, split) if int(name) < 20}
            second = {int(name) % 20 for name in names(data, split) if int(name) >= 20}
            assert first == second
        assert "copies-across-splits" not in codes(data.findings)


def test_too_few_images_and_too_large_shares_are_refused(tmp_path):
    path = write_voc(tmp_path / "data", many(2))

    with pytest.raises(DataError, match="No example is left for the"):
        load(path, tmp_path / "cache")
    with pytest.raises(ConfigError, match="nothing to train on"):
        load(path, tmp_path / "cache", validation=0.5, test=0.5)


# Boxes and images ------------------------------------------------------------------------


def test_boxes_are_cut_at_the_border_and_useless_ones_left_out(tmp_path):
    things = [
        Thing(-10, 5, 20, 60),
        Thing(10, 10, 10, 20),
        Thing(30, 20, 20, 30),
        Thing(70, 5, 90, 20),
        Thing(5, 5, 20, 20),
        Thing(5.05, 5, 20, 20),
        Thing(5, 5, 20, 20, "dog"),
    ]
    shots = [SHOTS[0]._replace(things=things), *SHOTS[1:]]

    data = load(write_coco(tmp_path / "data", shots), tmp_path / "cache")

    batch = data.splits["train"][np.array([0])]
    assert batch["boxes"][0].tolist() == [[0, 5, 20, 48], [5, 5, 20, 20], [5, 5, 20, 20]]
    found = {each.where.rpartition(" ")[2]: each.code for each in data.findings}
    assert {found[str(k)] for k in (101, 102)} == {"degenerate-box"}
    assert [found[str(k)] for k in (100, 103, 105)] == [
        "clipped-box",
        "outside-box",
        "duplicate-box",
    ]


def test_small_objects_are_ignored_on_demand(tmp_path):
    data = load(write_yolo(tmp_path / "data"), tmp_path / "cache", ignore_below=9)

    crowd = data.splits["train"][np.arange(3)]["crowd"]
    assert [each.tolist() for each in crowd] == [[False, False], [True], []]


def test_a_changed_file_is_looked_at_again(tmp_path):
    path = write_voc(tmp_path / "data")
    load(path, tmp_path / "cache")
    (path / "JPEGImages" / "a.png").write_bytes(b"no image any more")

    data = load(path, tmp_path / "cache")

    assert names(data, "train") == ["b", "c"]
    assert "unreadable-image-not-an-image" in codes(data.findings)


def test_headers_alone_are_read_on_demand(tmp_path):
    path = write_voc(tmp_path / "data")
    cut_off = path / "JPEGImages" / "a.png"
    cut_off.write_bytes(cut_off.read_bytes()[:-200])

    assert names(load(path, tmp_path / "cache", check_images=False), "train") == ["a", "b", "c"]
    assert names(load(path, tmp_path / "cache"), "train") == ["b", "c"]


def test_if_nothing_is_usable_the_first_causes_are_named(tmp_path):
    path = write_voc(tmp_path / "data")
    for image in (path / "JPEGImages").iterdir():
        image.write_bytes(b"")

    with pytest.raises(DataError, match=r"Nothing in .*\n.*a.png: The picture is empty"):
        load(path, tmp_path / "cache")


def test_a_class_to_rename_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match="no class 'dgo'") as error:
        load(write_voc(tmp_path / "data"), tmp_path / "cache", rename={"dgo": "cat"})
    assert "dog" in error.value.hint


# New files -------------------------------------------------------------------------------


def test_bare_images_are_read_from_a_folder_a_glob_or_a_file(tmp_path):
    for k, name in enumerate(("a.jpg", "deep/b.png", "deep/c.JPG")):
        save(tmp_path / "new" / name, k)
    (tmp_path / "new" / "notes.txt").write_text("not an image")
    expected = {
        "new": ["a.jpg", "deep/b.png", "deep/c.JPG"],
        "new/*/*.png": ["deep/b.png"],
        "new/a.jpg": ["a.jpg"],
    }

    for path, ids in expected.items():
        examples, findings = Boxes().read(str(tmp_path / path), cache=tmp_path / "cache")
        batch = examples[np.arange(len(examples))]
        assert batch["id"].tolist() == ids
        assert set(batch) == {"id", "image", "width", "height"}
        assert not findings


def test_new_labelled_files_have_the_classes_of_training(tmp_path):
    trained = load(write_voc(tmp_path / "data"), tmp_path / "cache")
    settled = Boxes(format="voc").settled(trained.info)
    assert settled.classes == ("cat", "dog")
    things = [Thing(5, 5, 20, 20, "dog"), Thing(9, 9, 30, 30, "cat")]
    path = write_coco(tmp_path / "new", [Shot("x", "", [things[0]]), Shot("y", "", things)])

    examples, _ = settled.read(str(path), cache=tmp_path / "cache")

    assert [each.tolist() for each in examples[np.arange(2)]["classes"]] == [
        ["dog"],
        ["dog", "cat"],
    ]


def test_classes_that_training_did_not_have_are_left_out_and_named(tmp_path):
    path = write_voc(tmp_path / "data")

    examples, findings = Boxes(classes=("dog",)).read(str(path), cache=tmp_path / "cache")

    assert [each.tolist() for each in examples[np.arange(2)]["classes"]] == [["dog"], ["dog"]]
    assert codes(findings) == ["unknown-class"]
    assert "'cat'" in findings[0].message


def test_broken_new_images_are_named_and_the_others_read(tmp_path):
    save(tmp_path / "new" / "good.png")
    (tmp_path / "new" / "bad.png").write_bytes(b"")

    examples, findings = Boxes().read(str(tmp_path / "new"), cache=tmp_path / "cache")

    assert examples[np.arange(1)]["id"].tolist() == ["good.png"]
    assert [(each.where, each.code) for each in findings] == [
        (str(tmp_path / "new" / "bad.png"), "unreadable-image-empty")
    ]


def test_a_video_is_read_as_its_frames(tmp_path):
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for k in range(6):
        writer.write(np.full((48, 64, 3), 40 * k, np.uint8))
    writer.release()

    examples, _ = Boxes(every_frame=2).read(str(tmp_path / "a.avi"), cache=tmp_path / "cache")

    batch = examples[np.arange(3)]
    assert batch["id"].tolist() == ["a.avi#0", "a.avi#2", "a.avi#4"]
    assert (batch["width"][0], batch["height"][0]) == (64, 48)
    assert [round(image.read().mean() / 40) for image in batch["image"]] == [0, 2, 4]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    save(tmp_path / "new" / "good.png")
    save(tmp_path / "new" / "secret.png", 1).chmod(0)

    examples, findings = Boxes().read(str(tmp_path / "new"), cache=tmp_path / "cache")

    assert len(examples) == 1
    assert codes(findings) == ["unreadable-image-no-permission"]


def test_tiny_and_grey_images_count_like_others(tmp_path):
    (tmp_path / "new").mkdir()
    Image.new("L", (1, 1)).save(tmp_path / "new" / "a.png")

    examples, findings = Boxes().read(str(tmp_path / "new"), cache=tmp_path / "cache")

    assert examples[np.arange(1)]["image"][0].read().shape == (1, 1, 3)
    assert not findings
