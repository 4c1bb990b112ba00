"""Why each detection was made: heat maps, and pictures of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import keras
import numpy as np

import zoo
from zoo_vision.geometry import Letterbox
from zoo_vision.prediction.coco_output import free_place
from zoo_vision.prediction.drawing import draw_boxes, write_picture
from zoo_vision.prediction.heatmaps import box_heatmaps, overlay
from zoo_vision.preprocessing import PicturePreprocessing

_MOST_BOXES = 20
"""Detections of a picture that are explained, the surest first."""

_SIDE = 128
"""Longer side of a heat map that is kept: many places for each cell of a mask."""


def explain(
    task: zoo.Task,
    model: keras.Model,
    preprocessing: PicturePreprocessing,
    batch: zoo.Batch,
    predictions: zoo.Batch,
) -> zoo.Batch:
    """Return the column `heat`: for each picture, float16 [k, rows, columns], all over it.

    A map has at most 128 places a side, so that those of many pictures fit in memory. The
    first `k` shown detections of a picture have one each; values are from 0 to 1. A picture
    is looked at whole, also where the task looks at tiles of it.
    """

    def detect(images: np.ndarray) -> np.ndarray:
        return task.reduce(model.predict_on_batch({"image": images}), preprocessing)

    heat = []
    for row, picture in enumerate(batch["image"]):
        chosen = np.flatnonzero(predictions["shown"][row])[:_MOST_BOXES]
        letterbox = preprocessing.letterbox(batch["width"][row], batch["height"][row])
        classes = [
            preprocessing.classes.index(name) for name in predictions["classes"][row][chosen]
        ]
        maps = box_heatmaps(
            detect,
            letterbox.apply(picture.read()),
            letterbox.forward(predictions["boxes"][row][chosen]),
            np.array(classes, np.int64),
        )
        heat.append(_of_the_picture(maps, letterbox))
    return {"heat": zoo.object_column(heat)}


def _of_the_picture(maps: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """Cut heat maps [k, height, width] of the canvas to the picture on it, and shrink them."""
    shrunk = min(1.0, _SIDE / max(letterbox.width, letterbox.height))
    size = [max(1, round(shrunk * side)) for side in (letterbox.width, letterbox.height)]
    whole = [cv2.resize(letterbox.content(each), size) for each in maps]
    return np.array(whole, np.float16).reshape(-1, size[1], size[0])


def write_overlays(batch: zoo.Batch, predictions: zoo.Batch, folder: Path) -> None:
    """Write each explained detection's heat map over its picture: ID-NUMBER-CLASS.jpg."""
    taken: set[str] = set()
    for row, picture in enumerate(batch["image"]):
        pixels = picture.read()
        shown = np.flatnonzero(predictions["shown"][row])
        for number, (each, heat) in enumerate(zip(shown, predictions["heat"][row], strict=False)):
            name = str(predictions["classes"][row][each])
            label = f"{name} {predictions['scores'][row][each]:.2f}"
            image = overlay(pixels, heat.astype(np.float32))
            image = draw_boxes(image, predictions["boxes"][row][each][None], [label], [0])
            title = f"{batch['id'][row]}-{number}-{_file_name(name)}"
            write_picture(free_place(folder, title, ".jpg", taken), image)


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)
