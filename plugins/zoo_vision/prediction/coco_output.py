"""Predictions in the field's own formats: COCO JSON, drawn pictures and drawn videos."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

import zoo
from zoo_vision.data.video import VideoFrame, frames_per_second, write_video
from zoo_vision.geometry import xywh_of_corners
from zoo_vision.prediction.drawing import draw_boxes, write_picture


def coco_results(
    batch: zoo.Batch,
    predictions: zoo.Batch,
    classes: Sequence[str],
    category_ids: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return the detections that are shown as one COCO object, as JSON has it.

    It is a complete data set, which annotation tools open; its `annotations` alone are
    what COCO calls results, with a `score` each.

    Args:
        batch: examples, with `id`, `width` and `height`.
        predictions: `boxes`, `scores`, `classes` and `shown` for each.
        classes: names, in the order of the class indices.
        category_ids: the COCO number of each class; 1, 2, 3 and so on by default.
    """
    numbers = list(category_ids or range(1, len(classes) + 1))
    annotations: list[dict[str, Any]] = []
    for row in range(len(batch["id"])):
        boxes, scores, labels = _shown(predictions, row)
        for box, score, label in zip(xywh_of_corners(boxes), scores, labels, strict=True):
            x, y, width, height = (round(float(side), 3) for side in box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": row + 1,
                    "category_id": numbers[label],
                    "bbox": [x, y, width, height],
                    "area": round(width * height, 3),
                    "iscrowd": 0,
                    "score": round(float(score), 6),
                }
            )
    return {
        "info": {"description": "Detections whose score reaches the model's threshold."},
        "images": [
            {
                "id": row + 1,
                "file_name": str(name),
                "width": int(batch["width"][row]),
                "height": int(batch["height"][row]),
            }
            for row, name in enumerate(batch["id"])
        ],
        "categories": [
            {"id": number, "name": name} for number, name in zip(numbers, classes, strict=True)
        ],
        "annotations": annotations,
    }


def write_detections(
    batch: zoo.Batch, predictions: zoo.Batch, classes: Sequence[str], folder: Path
) -> None:
    """Write the detections that are shown, as JSON and drawn.

    - `detections.json`: see :func:`coco_results`;
    - `pictures/ID.jpg`: each picture, under its own folders;
    - `NAME.mp4`: each video, of the frames that were looked at.

    An ID that already ends in `.jpg`, or a NAME in `.mp4`, stays as it is. One that is
    taken gets a number.

    Args:
        batch: examples, with `id`, `image`, `width` and `height`.
        predictions: `boxes`, `scores`, `classes` and `shown` for each.
        classes: names, in the order of the class indices.
        folder: where; made if it is not there.

    Raises:
        DataError: a picture can no longer be read.
        StorageError: a file cannot be written.
    """
    with zoo.publish_file(folder / "detections.json") as temporary:
        results = coco_results(batch, predictions, classes)
        text = json.dumps(results, ensure_ascii=False, indent=1)
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    taken: set[str] = set()
    videos: dict[Path, list[tuple[int, int]]] = {}
    for row, picture in enumerate(batch["image"]):
        if isinstance(picture, VideoFrame):
            videos.setdefault(picture.path, []).append((picture.index, row))
        else:
            place = free_place(folder / "pictures", str(batch["id"][row]), ".jpg", taken)
            write_picture(place, _drawn(batch, predictions, row, classes))
    for path, places in videos.items():
        indices, rows = zip(*sorted(places), strict=True)
        frames = (_drawn(batch, predictions, row, classes) for row in rows)
        place = free_place(folder, path.name, ".mp4", taken)
        write_video(place, frames, frames_per_second(path) / _step(indices))


def _shown(predictions: zoo.Batch, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes [k, 4], scores [k] and classes [k] at or above the threshold."""
    shown = predictions["shown"][row]
    boxes, scores = predictions["boxes"][row][shown], predictions["scores"][row][shown]
    return boxes, scores, predictions["classes"][row][shown]


def _drawn(
    batch: zoo.Batch, predictions: zoo.Batch, row: int, classes: Sequence[str]
) -> np.ndarray:
    boxes, scores, labels = _shown(predictions, row)
    names = [classes[label] for label in labels]
    return draw_boxes(batch["image"][row].read(), boxes, names, labels, scores=scores)


def free_place(folder: Path, name: str, suffix: str, taken: set[str]) -> Path:
    """Return a path within `folder` for `name` that no earlier name has, and note it.

    Letters count alike in upper and lower case, as on some disks they do.
    """
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..")]
    wanted = str(Path(folder, *parts)).removesuffix(suffix)
    numbered = (f"{wanted}-{number}{suffix}" for number in itertools.count(2))
    candidates = itertools.chain([f"{wanted}{suffix}"], numbered)
    place = next(place for place in candidates if place.casefold() not in taken)
    taken.add(place.casefold())
    return Path(place)


def _step(indices: Sequence[int]) -> float:
    """Return how far apart frames of a video usually are; 1 where each was looked at."""
    return float(np.median(np.diff(indices))) if len(indices) > 1 else 1.0
