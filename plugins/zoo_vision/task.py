"""The detection task: what pictures, boxes and detections mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

import zoo
from zoo_vision.evaluation import baselines, coco_metrics, figures
from zoo_vision.evaluation.reference import coco_reference
from zoo_vision.geometry import canvas_of
from zoo_vision.labels import class_names, named, numbered
from zoo_vision.prediction import explanation
from zoo_vision.prediction.coco_output import write_detections
from zoo_vision.prediction.nms import distinct_detections
from zoo_vision.prediction.tiles import TiledExamples, merge_windows
from zoo_vision.preprocessing import PicturePreprocessing, suggested_size, whole_multiple
from zoo_vision.training.augmentation import Augment

_SMALLEST_TILE = 32


@dataclass(frozen=True, kw_only=True)
class DetectObjects(zoo.Task):
    """Finds objects of known classes and puts a box around each.

    An example has `id`, `image` (a reference whose `read()` gives uint8 [height, width, 3]),
    `width` and `height`, and if labelled, for each of its objects, `boxes` (float32 [n, 4],
    corners in px), `classes` (names [n]) and `crowd` (bool [n], regions that do not count).
    A prediction has `boxes`, `classes` and `scores` of all detections, best first, and
    `shown`, which says whether a score reaches the threshold.
    """

    monitor: ClassVar[str] = "map"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = PicturePreprocessing

    size: int = zoo.setting(
        0,
        "Longer side of the model's input, px; 0 takes 320 to 640, by how small the objects are.",
        minimum=0,
    )
    tile: int = zoo.setting(
        0, "Side of the tiles that larger pictures are cut into, px; 0 for none.", minimum=0
    )
    tile_overlap: float = zoo.setting(
        0.2, "Share of a tile's side that its neighbour sees too.", minimum=0, maximum=0.9
    )
    nms_overlap: float = zoo.setting(
        0.65, "IoU above which the worse of two detections is dropped.", minimum=0, maximum=1
    )
    detections: int = zoo.setting(300, "Detections kept of a picture or tile.", minimum=1)
    mosaic: float = zoo.setting(
        0.5, "Probability that four pictures are put together.", minimum=0, maximum=1
    )
    mixup: float = zoo.setting(
        0.0, "Probability that two pictures are blended.", minimum=0, maximum=1
    )
    close_mosaic: float = zoo.setting(
        0.7, "Share of training after which mosaic and mixup end.", minimum=0, maximum=1
    )
    horizontal_flip: float = zoo.setting(
        0.5, "Probability to swap left and right.", minimum=0, maximum=1
    )
    vertical_flip: float = zoo.setting(
        0.0, "Probability to swap top and bottom.", minimum=0, maximum=1
    )
    quarter_turns: float = zoo.setting(
        0.0, "Probability to turn by 90, 180 or 270 degrees.", minimum=0, maximum=1
    )
    scale: float = zoo.setting(0.5, "Pictures grow or shrink by this share.", minimum=0, maximum=1)
    translate: float = zoo.setting(
        0.1, "Pictures move by this share of the input.", minimum=0, maximum=1
    )
    rotation: float = zoo.setting(0.0, "Largest turn, degrees.", minimum=0, maximum=180)
    hue: float = zoo.setting(
        0.015, "Largest change, as a share of the colour circle.", minimum=0, maximum=0.5
    )
    saturation: float = zoo.setting(
        0.5, "Largest change of colourfulness, as a share.", minimum=0, maximum=1
    )
    brightness: float = zoo.setting(0.4, "Largest change, as a share.", minimum=0, maximum=1)
    contrast: float = zoo.setting(0.2, "Largest change, as a share.", minimum=0, maximum=1)

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> PicturePreprocessing:
        windows = zoo.all_rows(self._tiled(train))
        size = self.size or suggested_size(windows)
        return PicturePreprocessing.fit(windows, tuple(info.facts["classes"]), size)

    def windows(self, examples: zoo.Examples, preprocessing: zoo.Preprocessing) -> zoo.Examples:
        trained = max(canvas_of(preprocessing.space))
        if self.size and whole_multiple(self.size) != trained:
            raise zoo.ConfigError(
                f"task.size is {self.size}, but the model was trained on {trained} px.",
                hint="Train with that size, or look at large pictures in tiles: task.tile=640.",
            )
        return self._tiled(examples)

    def _tiled(self, examples: zoo.Examples) -> TiledExamples:
        if 0 < self.tile < _SMALLEST_TILE:
            raise zoo.ConfigError(
                f"task.tile is {self.tile}, and a tile has at least {_SMALLEST_TILE} px.",
                hint="Use a tile as large as task.size or larger, or 0 for none.",
            )
        return TiledExamples(examples, self.tile, self.tile_overlap)

    def augmentation(self, space: zoo.Space) -> Augment:
        return Augment(
            mosaic=self.mosaic,
            mixup=self.mixup,
            close_mosaic=self.close_mosaic,
            horizontal_flip=self.horizontal_flip,
            vertical_flip=self.vertical_flip,
            quarter_turns=self.quarter_turns,
            scale=self.scale,
            translate=self.translate,
            rotation=self.rotation,
            hue=self.hue,
            saturation=self.saturation,
            brightness=self.brightness,
            contrast=self.contrast,
        )

    def reduce(self, outputs: np.ndarray, preprocessing: zoo.Preprocessing) -> np.ndarray:
        """Return float32 [batch, detections, 6]: corners on the canvas, score, class."""
        classes = len(preprocessing.space.classes)
        return distinct_detections(outputs, classes, overlap=self.nms_overlap, most=self.detections)

    def restore(
        self, outputs: np.ndarray, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return boxes in px of the picture, classes by name and scores, best first."""
        found = []
        for row, detections in enumerate(outputs):
            kept = detections[detections[:, 4] > 0]
            letterbox = preprocessing.letterbox(windows["width"][row], windows["height"][row])
            corner = np.array([windows["left"][row], windows["top"][row]] * 2, np.float32)
            boxes = letterbox.backward(kept[:, :4]) + corner
            found.append(np.concatenate([boxes, kept[:, 4:]], axis=1))
        merged = merge_windows(found, windows, examples)
        return {
            "boxes": zoo.object_column(each[:, :4] for each in merged),
            "scores": zoo.object_column(each[:, 4] for each in merged),
            "classes": named(
                (each[:, 5].astype(np.int64) for each in merged), preprocessing.classes
            ),
        }

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        threshold = decision.get("threshold", 0.5)
        shown = zoo.object_column(scores >= threshold for scores in outputs["scores"])
        return {**outputs, "shown": shown}

    def tune(self, truth: zoo.Batch, outputs: zoo.Batch) -> dict[str, float]:
        """Choose the score from which detections are shown: that of the best F1."""
        names = class_names(truth, outputs)
        threshold = coco_metrics.best_threshold(numbered(truth, names), numbered(outputs, names))
        return {"threshold": threshold}

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        names = class_names(truth)
        return coco_metrics.coco_metrics(
            numbered(truth, names), numbered(predictions, names), names
        )

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        """Return COCO's figures as pycocotools has them."""
        names = class_names(truth)
        return coco_reference(numbered(truth, names), numbered(predictions, names), len(names))

    def labelled(self, batch: zoo.Batch) -> bool:
        return "boxes" in batch

    def units(self, truth: zoo.Batch) -> np.ndarray | None:
        return truth.get("group")

    def baselines(self, preprocessing: zoo.Preprocessing) -> Mapping[str, zoo.Baseline]:
        return {
            "Usual places": partial(_by_number, baselines.usual_places),
            "HOG and linear SVM": partial(_by_number, baselines.hog_svm),
        }

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        names = class_names(truth, predictions)
        return figures.all_figures(
            numbered(truth, names), numbered(predictions, names), names, decision
        )

    def explain(
        self,
        model: keras.Model,
        preprocessing: Any,
        batch: zoo.Batch,
        predictions: zoo.Batch,
    ) -> zoo.Batch:
        """Give each detection that is shown a heat map of what it was found by."""
        return explanation.explain(self, model, preprocessing, batch, predictions)

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        for row in range(len(batch["id"])):
            detections = []
            for each in np.flatnonzero(predictions["shown"][row]):
                x1, y1, x2, y2 = (round(float(side), 2) for side in predictions["boxes"][row][each])
                detections.append(
                    {
                        "class": str(predictions["classes"][row][each]),
                        "score": round(float(predictions["scores"][row][each]), 4),
                        "box": [x1, y1, x2, y2],
                    }
                )
            yield {
                "id": str(batch["id"][row]),
                "width": int(batch["width"][row]),
                "height": int(batch["height"][row]),
                "detections": detections,
            }

    def files(
        self,
        batch: zoo.Batch,
        predictions: zoo.Batch,
        folder: Path,
        preprocessing: zoo.Preprocessing,
    ) -> None:
        """Write COCO JSON, the pictures with their detections drawn, and any heat maps."""
        names = preprocessing.space.classes
        write_detections(batch, numbered(predictions, names), names, folder)
        if "heat" in predictions:
            explanation.write_overlays(batch, predictions, folder / "explanations")


def _by_number(baseline: Any, train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
    """Call a baseline that knows classes by number."""
    names = class_names(train)
    found = baseline(numbered(train, names), test)
    return {**found, "classes": named(found["classes"], names)}
