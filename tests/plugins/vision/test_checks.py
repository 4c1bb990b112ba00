from __future__ import annotations

from pathlib import Path

from detection_files import SHOTS, Shot, Thing, paint, write_coco, write_voc
from PIL import Image
from zoo_vision.data.datasets import Boxes

from zoo import Finding

SPLITS = ("train", "val", "test")


def check(path: Path, tmp_path: Path, **settings) -> dict[str, list[Finding]]:
    """Return the findings by their code."""
    found: dict[str, list[Finding]] = {}
    dataset = Boxes(path=str(path), **settings)
    for finding in dataset.check(seed=0, cache=tmp_path / "cache"):
        found.setdefault(finding.code, []).append(finding)
    return found


def test_the_same_image_in_two_splits_is_found_in_whatever_size_and_quality(tmp_path):
    path = write_voc(tmp_path / "data")
    paint(0, 32, 24).save(path / "JPEGImages" / "d.jpg", quality=50)
    (path / "JPEGImages" / "d.png").unlink()

    found = check(path, tmp_path)

    (finding,) = found["copies-across-splits"]
    assert "a.png in train" in finding.message
    assert "d.jpg in validation" in finding.message


def test_copies_within_a_split_are_a_note(tmp_path):
    path = write_voc(tmp_path / "data")
    paint(0).save(path / "JPEGImages" / "b.png")

    found = check(path, tmp_path)

    assert "copies-across-splits" not in found
    assert found["copies-within-split"][0].message.startswith("1 examples")


def test_classes_that_cannot_be_learnt_or_measured_are_named(tmp_path):
    path = write_coco(tmp_path / "data", [*SHOTS[:3], SHOTS[3], Shot("e", "test")])
    only_test = write_voc(
        tmp_path / "other",
        [Shot(s, s, [Thing(1, 1, 9, 9, "fox" if s == "test" else "cat")]) for s in SPLITS],
    )

    found = check(path, tmp_path, classes=("cat", "dog", "emu"))

    assert [each.where for each in found["unseen-class"]] == ["emu"]
    assert {each.where for each in found["unmeasured-class"]} == {"cat", "dog"}
    assert {each.where for each in found["rare-class"]} == {"cat", "dog"}
    assert [each.where for each in found["no-boxes"]] == ["test"]
    assert check(only_test, tmp_path)["untrained-class"][0].where == "fox"


def test_crowded_tiny_and_odd_sized_images_are_noted(tmp_path):
    grid = [Thing(x, y, x + 1.5, y + 1.5) for x in range(0, 60, 2) for y in range(0, 40, 2)]
    path = write_voc(tmp_path / "data", [SHOTS[0]._replace(things=grid), *SHOTS[1:]])
    Image.new("RGB", (400, 300)).save(path / "JPEGImages" / "c.png")

    found = check(path, tmp_path)

    assert found["crowded-image"][0].where == "JPEGImages/a.png"
    assert found["size-outlier"][0].where == "JPEGImages/c.png"
    assert "tiny-objects" in found


def test_a_wrong_suffix_and_further_frames_are_told_and_the_image_used(tmp_path):
    path = write_voc(tmp_path / "data")
    images = path / "JPEGImages"
    paint(0).save(images / "a.png", format="JPEG")
    paint(1).save(images / "b.png", save_all=True, append_images=[paint(9)])

    found = check(path, tmp_path)

    assert [each.where for each in found["wrong-suffix"]] == [str(images / "a.png")]
    assert [each.where for each in found["several-frames"]] == [str(images / "b.png")]
    assert not [code for code in found if code.startswith("unreadable")]


def test_clean_data_have_nothing_wrong(tmp_path):
    shots = [
        Shot(f"{split}{k:02d}", split, [Thing(1, 2, 30, 40), Thing(9, 9, 60, 44, "dog")])
        for split in SPLITS
        for k in range(25)
    ]

    assert check(write_voc(tmp_path / "data", shots), tmp_path) == {}
