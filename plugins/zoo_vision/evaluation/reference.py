"""The same figures by pycocotools, COCO's own evaluation, to check ours against."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

import zoo
from zoo_vision.evaluation.coco_metrics import coco_metrics
from zoo_vision.geometry import xywh_of_corners


def coco_reference(truth: zoo.Batch, predictions: zoo.Batch, classes: int) -> dict[str, float]:
    """Return the twelve figures of COCO, by the names of ours; NaN where one is undefined.

    Args:
        truth: as :func:`zoo_vision.evaluation.coco_metrics.coco_metrics` takes it.
        predictions: as there.
        classes: how many there are.

    Raises:
        ImportError: pycocotools is not installed.
    """
    stats = coco_eval(truth, predictions, classes, np.arange(len(truth["boxes"]))).stats
    ours = coco_metrics(truth, predictions, [str(index) for index in range(classes)])
    values = np.where(stats == -1, np.nan, stats).tolist()
    return {metric.name: value for metric, value in zip(ours, values, strict=False)}


def coco_eval(truth: zoo.Batch, predictions: zoo.Batch, classes: int, images: np.ndarray) -> Any:
    """Return a `pycocotools.cocoeval.COCOeval` that has run over the given images.

    Args:
        truth: `boxes`, `classes` by number, and `crowd`.
        predictions: `boxes`, `scores` and `classes` by number.
        classes: how many there are.
        images: rows; one named twice is there twice.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = {
            "info": {},
            "images": [{"id": place} for place in range(len(images))],
            "categories": [{"id": index, "name": str(index)} for index in range(classes)],
            "annotations": _annotations(truth, images),
        }
        ground.createIndex()
        results = _results(predictions, images)
        evaluation = COCOeval(ground, ground.loadRes(results) if results else COCO(), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _annotations(truth: zoo.Batch, images: np.ndarray) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for place, image in enumerate(images.tolist()):
        columns = (_xywh(truth, image), truth["classes"][image], truth["crowd"][image])
        for box, label, crowd in zip(*columns, strict=True):
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": place,
                    "category_id": int(label),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(crowd),
                }
            )
    return found


def _results(predictions: zoo.Batch, images: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"image_id": place, "category_id": int(label), "bbox": box, "score": float(score)}
        for place, image in enumerate(images.tolist())
        for box, score, label in zip(
            _xywh(predictions, image),
            predictions["scores"][image],
            predictions["classes"][image],
            strict=True,
        )
    ]


def _xywh(columns: zoo.Batch, image: int) -> list[list[float]]:
    corners = columns["boxes"][image].astype(np.float64).reshape(-1, 4)
    boxes: list[list[float]] = xywh_of_corners(corners).tolist()
    return boxes
