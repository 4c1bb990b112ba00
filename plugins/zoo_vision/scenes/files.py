"""Writes generated scenes as files, in each format that detection data come in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias
from xml.etree import ElementTree

import cv2
import numpy as np

from zoo import publish_folder
from zoo_vision.scenes.dataset import Scenes
from zoo_vision.scenes.shapes import CLASSES

Format: TypeAlias = Literal["coco", "voc", "yolo"]

_JPEG_QUALITY = 95
_SHORT_NAMES = {"train": "train", "validation": "val", "test": "test"}


def write_scenes(folder: Path, format: Format, scenes: Scenes | None = None, seed: int = 0) -> None:
    """Write scenes and their boxes to a new folder, split as the generator splits them.

    - `coco`: `SPLIT/*.jpg` and `annotations/instances_SPLIT.json`
    - `voc`: `JPEGImages/*.jpg`, `Annotations/*.xml` and `ImageSets/Main/SPLIT.txt`
    - `yolo`: `images/SPLIT/*.jpg`, `labels/SPLIT/*.txt` and `data.yaml`

    with `train`, `val` and `test` for SPLIT.

    Args:
        folder: to write; one that is there is replaced.
        format: of the annotations.
        scenes: what to generate; the defaults if None.
        seed: of the generator.
    """
    data = (scenes or Scenes()).load(seed=seed, cache=folder)
    with publish_folder(folder) as temporary:
        for name, examples in data.splits.items():
            batch = examples[np.arange(len(examples))]
            rows = [
                {key: column[row] for key, column in batch.items()} for row in range(len(examples))
            ]
            _WRITERS[format](temporary, _SHORT_NAMES[name], rows)


def _write_coco(folder: Path, split: str, rows: list[dict[str, Any]]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, row in enumerate(rows, 1):
        name = _write_picture(folder / split, row)
        images.append(
            {
                "id": number,
                "file_name": name,
                "width": int(row["width"]),
                "height": int(row["height"]),
            }
        )
        for label, (x1, y1, x2, y2) in _boxes(row):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    _write(folder / "annotations" / f"instances_{split}.json", json.dumps(content))


def _write_voc(folder: Path, split: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        root = ElementTree.Element("annotation")
        _add(root, "filename", _write_picture(folder / "JPEGImages", row))
        size = ElementTree.SubElement(root, "size")
        for key, value in (("width", row["width"]), ("height", row["height"]), ("depth", 3)):
            _add(size, key, value)
        for label, (x1, y1, x2, y2) in _boxes(row):
            found = ElementTree.SubElement(root, "object")
            for key, value in (("name", CLASSES[label]), ("truncated", 0), ("difficult", 0)):
                _add(found, key, value)
            box = ElementTree.SubElement(found, "bndbox")
            # VOC counts pixels from 1 and names the last one that is inside.
            for key, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
                _add(box, key, value)
        ElementTree.indent(root)
        text = ElementTree.tostring(root, encoding="unicode")
        _write(folder / "Annotations" / f"{row['id']}.xml", text)
    names = "".join(f"{row['id']}\n" for row in rows)
    _write(folder / "ImageSets" / "Main" / f"{split}.txt", names)


def _write_yolo(folder: Path, split: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        _write_picture(folder / "images" / split, row)
        width, height = int(row["width"]), int(row["height"])
        lines = [
            f"{label} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} "
            f"{(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}\n"
            for label, (x1, y1, x2, y2) in _boxes(row)
        ]
        _write(folder / "labels" / split / f"{row['id']}.txt", "".join(lines))
    names = "".join(f"  {label}: {name}\n" for label, name in enumerate(CLASSES))
    splits = "".join(f"{each}: images/{each}\n" for each in _SHORT_NAMES.values())
    _write(folder / "data.yaml", f"{splits}names:\n{names}")


_WRITERS: dict[Format, Callable[[Path, str, list[dict[str, Any]]], None]] = {
    "coco": _write_coco,
    "voc": _write_voc,
    "yolo": _write_yolo,
}


def _boxes(row: dict[str, Any]) -> Iterator[tuple[int, list[int]]]:
    """Yield each object's class index and box; scenes have whole pixels."""
    for name, box in zip(row["classes"], row["boxes"], strict=True):
        yield CLASSES.index(name), [int(edge) for edge in box]


def _write_picture(folder: Path, row: dict[str, Any]) -> str:
    """Write a picture as JPEG and return its file name."""
    bgr = cv2.cvtColor(row["image"].read(), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{row['id']}.jpg").write_bytes(encoded.tobytes())
    return f"{row['id']}.jpg"


def _add(parent: ElementTree.Element, tag: str, value: Any) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
