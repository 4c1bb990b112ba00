"""Writes small labelled images in the formats that the vision plugin reads."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog")
WIDTH, HEIGHT = 64, 48


class Thing(NamedTuple):
    """An object: corners in pixels, a class, and whether it is a crowd."""

    x1: float
    y1: float
    x2: float
    y2: float
    name: str = "cat"
    crowd: bool = False


class Shot(NamedTuple):
    """An image: its name without suffix, split and objects."""

    stem: str
    split: str
    things: Sequence[Thing] = ()


SHOTS = (
    Shot("a", "train", [Thing(1, 2, 30, 40), Thing(10, 8, 60, 44, "dog")]),
    Shot("b", "train", [Thing(4, 4, 20, 12, "dog")]),
    Shot("c", "train"),
    Shot("d", "val", [Thing(0, 0, 64, 48), Thing(32, 16, 48, 32, "dog")]),
    Shot("e", "test", [Thing(5, 6, 15, 16), Thing(8, 8, 24, 28, "dog")]),
)


def paint(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return a picture of coloured patches, unlike that of any other seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def save(path: Path, seed: int = 0, **options: object) -> Path:
    """Save a painted picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    paint(seed).save(path, **options)
    return path


def write_coco(root: Path, shots: Sequence[Shot] = SHOTS) -> Path:
    """Write `annotations/instances_SPLIT.json` and a folder of images for each split."""
    for split in dict.fromkeys(shot.split for shot in shots):
        members = [(k, shot) for k, shot in enumerate(shots) if shot.split == split]
        for number, shot in members:
            save(root / split / f"{shot.stem}.png", number)
        content = coco_content(dict(members))
        file = root / "annotations" / f"instances_{split}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    return root


def coco_content(shots: Mapping[int, Shot]) -> dict[str, list[dict[str, object]]]:
    """Return what a COCO file holds; category ids are 3 and 7."""
    things = [(number, thing) for number, shot in shots.items() for thing in shot.things]
    return {
        "images": [
            {"id": number, "file_name": f"{shot.stem}.png", "width": WIDTH, "height": HEIGHT}
            for number, shot in shots.items()
        ],
        "annotations": [
            {
                "id": 100 + k,
                "image_id": number,
                "category_id": 3 + 4 * CLASSES.index(thing.name),
                "bbox": [thing.x1, thing.y1, thing.x2 - thing.x1, thing.y2 - thing.y1],
                "iscrowd": int(thing.crowd),
            }
            for k, (number, thing) in enumerate(things)
        ],
        "categories": [{"id": 3 + 4 * k, "name": name} for k, name in enumerate(CLASSES)],
    }


def write_voc(root: Path, shots: Sequence[Shot] = SHOTS) -> Path:
    """Write `Annotations`, `JPEGImages` and `ImageSets/Main`."""
    for number, shot in enumerate(shots):
        save(root / "JPEGImages" / f"{shot.stem}.png", number)
        write_xml(root / "Annotations" / f"{shot.stem}.xml", shot)
        if shot.split:
            listed = root / "ImageSets" / "Main" / f"{shot.split}.txt"
            listed.parent.mkdir(parents=True, exist_ok=True)
            with listed.open("a") as stream:
                stream.write(f"{shot.stem}\n")
    return root


def write_xml(path: Path, shot: Shot) -> Path:
    """Write the VOC file of one image."""
    top = ET.Element("annotation")
    ET.SubElement(top, "filename").text = f"{shot.stem}.png"
    size = ET.SubElement(top, "size")
    ET.SubElement(size, "width").text = str(WIDTH)
    ET.SubElement(size, "height").text = str(HEIGHT)
    for thing in shot.things:
        item = ET.SubElement(top, "object")
        ET.SubElement(item, "name").text = thing.name
        ET.SubElement(item, "difficult").text = str(int(thing.crowd))
        box = ET.SubElement(item, "bndbox")
        for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), thing[:4], strict=True):
            ET.SubElement(box, corner).text = str(value)
    ET.indent(top)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(top).write(path)
    return path


def write_yolo(root: Path, shots: Sequence[Shot] = SHOTS) -> Path:
    """Write `data.yaml`, `images/SPLIT` and `labels/SPLIT`; empty images get no text file."""
    lines = [f"{split}: images/{split}" for split in dict.fromkeys(shot.split for shot in shots)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text("\n".join([*lines, f"names: {list(CLASSES)}"]))
    for number, shot in enumerate(shots):
        save(root / "images" / shot.split / f"{shot.stem}.png", number)
        labels = root / "labels" / shot.split / f"{shot.stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        if shot.things:
            labels.write_text("\n".join(yolo_line(thing) for thing in shot.things))
    return root


def yolo_line(thing: Thing) -> str:
    """Return class, centre, width and height as shares of the image."""
    x, width = (thing.x1 + thing.x2) / 2 / WIDTH, (thing.x2 - thing.x1) / WIDTH
    y, height = (thing.y1 + thing.y2) / 2 / HEIGHT, (thing.y2 - thing.y1) / HEIGHT
    return f"{CLASSES.index(thing.name)} {x} {y} {width} {height}"
