"""Label files of a stranger read nothing but pictures and cannot swell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from detection_files import (
    SHOTS,
    Shot,
    Thing,
    paint,
    write_coco,
    write_voc,
    write_yolo,
)
from zoo_vision.data import coco, voc, yolo

from zoo import DataError

BOMB = "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9) if before else 'lol'}]\n"
    for before, name in zip(["", *"abcdefghi"], "abcdefghij", strict=True)
)
LAUGHS = (
    '<!DOCTYPE annotation [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<annotation><filename>&b;</filename></annotation>"
)
OUTSIDE = (
    '<!DOCTYPE annotation [<!ENTITY a SYSTEM "{secret}">]>'
    "<annotation><filename>&a;</filename></annotation>"
)


YAML = {
    "aliases": BOMB + "names: *j\n",
    "object": "names: !!python/object/apply:os.mkdir [{canary}]\n",
    "nested": "names: " + "[" * 5000,
    "many-classes": "nc: 1000000000\ntrain: images\n",
    "high-class": "names: {1000000000: cat}\ntrain: images\n",
}


@pytest.mark.parametrize("attack", YAML)
def test_yaml_is_refused(tmp_path: Path, attack: str) -> None:
    path = write_yolo(tmp_path / "data")
    canary = tmp_path / "canary"
    (file,) = path.glob("*.yaml")
    file.write_text(YAML[attack].replace("{canary}", str(canary)))
    with pytest.raises(DataError, match=r"not valid YAML|nested|classes"):
        yolo.read(file, yolo.find(file))
    assert not canary.exists()


def test_class_number_of_a_label_file_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    paint(1, 64, 64).save(tmp_path / "images" / "a.png")
    for number in ("1000000000", "1e300"):
        (tmp_path / "labels" / "a.txt").write_text(f"{number} 0.5 0.5 0.1 0.1\n")
        read = yolo.read(tmp_path, yolo.find(tmp_path))
        assert "too high" in read.findings[0].message
        assert not read.classes


def test_pictures_far_from_the_data_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    paint(1, 64, 64).save(tmp_path / "private" / "secret.png")
    path = write_yolo(tmp_path / "downloads" / "data")
    (file,) = path.glob("*.yaml")
    assert not [each for each in yolo.read(path, [file]).findings if each.code == "outside-folder"]
    (path / "list.txt").write_text(str(tmp_path / "private" / "secret.png"))
    file.write_text("names: [a]\ntrain: list.txt\n")
    (finding,) = yolo.read(path, [file]).findings
    assert finding.code == "outside-folder"
    assert "secret.png" in finding.message


def test_pictures_that_no_data_file_names_are_where_they_were_looked_for(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for folder in ("images", "labels"):
            (tmp_path / folder / split).mkdir(parents=True)
        paint(1, 64, 64).save(tmp_path / "images" / split / f"a-{split}.png")
        (tmp_path / "labels" / split / f"a-{split}.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    read = yolo.read(tmp_path, yolo.find(tmp_path))
    assert len(read.records) == 2
    assert read.findings == []


@pytest.mark.parametrize("xml", [LAUGHS, OUTSIDE])
def test_xml_with_entities_is_refused(tmp_path: Path, xml: str) -> None:
    (tmp_path / "secret").write_text("secret")
    path = write_voc(tmp_path / "data")
    file = min((path / "Annotations").iterdir())
    file.write_text(xml.replace("{secret}", str(tmp_path / "secret")))
    read = voc.read(path, voc.find(path))
    (finding,) = [each for each in read.findings if each.code == "broken-labels"]
    assert "entity 'a'" in finding.message
    assert len(read.records) == len(SHOTS) - 1


@pytest.mark.parametrize("name", ["../../secret.png", "{secret}", "images/../../../secret.png"])
def test_picture_of_a_label_file_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.png"
    paint(1, 64, 64).save(secret)
    name = name.replace("{secret}", str(secret))

    path = write_coco(tmp_path / "coco" / "data")
    for file in path.rglob("*.json"):
        content = json.loads(file.read_text())
        content["images"][0]["file_name"] = name
        file.write_text(json.dumps(content))
    read = coco.read(path, coco.find(path))
    assert any(each.code == "missing-image" for each in read.findings)
    assert not any("secret" in each.id for each in read.records)

    path = write_voc(tmp_path / "voc" / "data", [Shot("x", "train", [Thing(1, 1, 9, 9)]), *SHOTS])
    next(path.rglob("x.png")).unlink()
    file = path / "Annotations" / "x.xml"
    start, _, rest = file.read_text().partition("<filename>")
    file.write_text(f"{start}<filename>{name}{rest[rest.index('<') :]}")
    read = voc.read(path, voc.find(path))
    assert not any("secret" in each.id for each in read.records)


def test_numbers_without_end_are_findings(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "data")
    for file in path.rglob("*.json"):
        content = json.loads(file.read_text())
        content["annotations"][0] |= {"bbox": [10**400, 0, 1, 1], "id": 10**400}
        content["annotations"][1]["id"] = 10**400
        file.write_text(json.dumps(content))
    codes = [each.code for each in coco.read(path, coco.find(path)).findings]
    assert set(codes) == {"broken-object"}
    file.write_text('{"images": [{"id": ' + "9" * 5000 + "}]}")
    with pytest.raises(DataError, match="not valid JSON"):
        coco.read(file, [file])
    file.write_text('{"images": ' + "[" * 100_000)
    with pytest.raises(DataError, match="nested"):
        coco.read(file, [file])
