"""Segmentation: which class each pixel of a scan is of."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from scipy.special import softmax

import zoo
from zoo_medical.evaluation import mask_baselines, mask_figures
from zoo_medical.evaluation.mask_metrics import MaskScores
from zoo_medical.explanation.overlays import file_name
from zoo_medical.inference.sliding import MULTIPLE, TiledScans, blended
from zoo_medical.models.losses import DiceCrossEntropy
from zoo_medical.preprocessing import MaskPreprocessing, look_at
from zoo_medical.scans.scan import Scan, Slice, put_together
from zoo_medical.tasks.subgroups import Subgrouped
from zoo_medical.tasks.varied import NOTICE, Varied

_LARGEST = {2: 512, 3: 96}
"""Longest side of a tile that is chosen by the scans, px, for pictures and volumes."""
_MULTIPLES = {2: 32, 3: MULTIPLE}
"""What sides of such a tile are multiples of, so that all architectures take it."""
_THRESHOLDS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True, kw_only=True)
class Segment(Varied, Subgrouped, zoo.Task):
    """Says of each pixel which class it is of, or background.

    An example has `id`, `scan`, and if labelled `mask` and `group`, the patient. A prediction
    has `mask`, uint8 [*sizes of the scan], `classes`, the names of its numbers from 1 on, and
    `confidence`, the mean probability of the pixels that are not background. Scans larger than
    a tile are seen in overlapping tiles.
    """

    monitor: ClassVar[str] = "dice"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = MaskPreprocessing
    notice: ClassVar[str] = NOTICE
    masks: ClassVar[bool] = True

    tile: int = zoo.setting(
        0,
        "Longest side of what the network sees at once, px; 0 takes that of the scans, up to 512, "
        "or 96 of volumes.",
        minimum=0,
    )
    overlap: float = zoo.setting(
        0.25, "Share of a tile's side that its neighbour sees too.", minimum=0.05, maximum=0.9
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> MaskPreprocessing:
        batch = zoo.all_rows(train)
        self.check_subgroups(batch)
        look = look_at(batch["scan"])
        return MaskPreprocessing(
            classes=tuple(info.facts["classes"]),
            tile=self._tile(look.shape),
            channels=look.channels,
            mean=look.mean,
            deviation=look.deviation,
        )

    def _tile(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the size of tiles for scans of a usual shape, px."""
        dimensions = len(shape)
        multiple = MULTIPLE if self.tile else _MULTIPLES[dimensions]
        most = self.tile or _LARGEST[dimensions]
        if most % MULTIPLE:
            raise zoo.ConfigError(
                f"task.tile is {self.tile}, and the side of a tile is a multiple of {MULTIPLE} px.",
                hint=f"Use {-(-most // MULTIPLE) * MULTIPLE}.",
            )
        return tuple(min(most, -(-side // multiple) * multiple) for side in shape)

    def windows(self, examples: zoo.Examples, preprocessing: Any) -> zoo.Examples:
        return TiledScans(examples, preprocessing.tile, self.overlap)

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return DiceCrossEntropy(len(space.classes))

    def reduce(self, outputs: Any, preprocessing: Any) -> np.ndarray:
        """Return the probabilities of all classes but background, float16."""
        count = 1 + len(preprocessing.classes)
        logits = np.asarray(outputs, np.float32)[..., :count]  # beyond are coarser levels
        return softmax(logits, axis=-1)[..., 1:].astype(np.float16)

    def restore(
        self, outputs: np.ndarray, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return the probabilities of each scan's pixels, blended over its tiles."""
        found, example = [], windows["example"]
        for row in range(len(examples["scan"])):
            own = np.flatnonzero(example == row)
            starts, size = windows["start"][own], windows["size"][own[0]]
            found.append(blended(list(outputs[own]), list(starts), size, self.overlap))
        names = np.array(preprocessing.classes, object)
        return {
            "probabilities": zoo.object_column(each.astype(np.float16) for each in found),
            "classes": np.broadcast_to(names, (len(found), len(names))),
        }

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        """Return the likeliest class where a pixel is likely enough to be of any."""
        threshold = decision.get("threshold", 0.5)
        masks = [_mask(each, threshold) for each in outputs["probabilities"]]
        confidence = [
            _confidence(*pair) for pair in zip(outputs["probabilities"], masks, strict=True)
        ]
        return {
            "mask": zoo.object_column(masks),
            "classes": outputs["classes"],
            "confidence": np.array(confidence, np.float64),
        }

    def tune(self, truth: zoo.Batch, outputs: zoo.Batch) -> dict[str, float]:
        """Choose the probability from which a pixel is not background: that of the best Dice."""
        masks, ones = _read_masks(truth), np.ones(len(truth["mask"]), np.int64)
        dice = []
        for threshold in _THRESHOLDS:
            found = self.decode(outputs, {"threshold": float(threshold)})
            (metric, *_) = self._scores(truth, masks, found).metrics()
            dice.append(metric.compute(ones))
        known = np.nan_to_num(np.array(dice), nan=-1.0)
        # Of equal ones the middle, which is nearest to none of the worse ones.
        best = np.flatnonzero(known >= known.max() - 1e-12)
        return {"threshold": float(_THRESHOLDS[best[len(best) // 2]])}

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        return self._scores(truth, _read_masks(truth), predictions).metrics()

    def _scores(
        self, truth: zoo.Batch, masks: Sequence[np.ndarray], predictions: zoo.Batch
    ) -> MaskScores:
        spacings = [scan.spacing for scan in truth["scan"]]
        classes = [str(name) for name in predictions["classes"][0]]
        return MaskScores(masks, list(predictions["mask"]), spacings, classes)

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        """Return Dice and intersection over union as scikit-learn has them."""
        from sklearn.metrics import f1_score, jaccard_score

        found: dict[str, float] = {}
        places = range(1, predictions["classes"].shape[1] + 1)
        pairs = list(zip(_read_masks(truth), predictions["mask"], strict=True))
        for name, score in (("dice", f1_score), ("iou", jaccard_score)):
            means = []
            for place in places:
                both = [(true.ravel() == place, said.ravel() == place) for true, said in pairs]
                values = [score(*each) for each in both if each[0].any() or each[1].any()]
                means += [np.mean(values)] if values else []
            found[name] = float(np.mean(means)) if means else float("nan")
        return found

    def labelled(self, batch: zoo.Batch) -> bool:
        return "mask" in batch

    def units(self, truth: zoo.Batch) -> np.ndarray | None:
        return truth.get("group")

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        classes = preprocessing.classes
        return {
            mask_baselines.USUAL: mask_baselines.usual_place(classes),
            mask_baselines.CLASSICAL: mask_baselines.pixel_by_pixel(classes),
        }

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        masks = _read_masks(truth)
        scores = self._scores(truth, masks, predictions)
        return [
            mask_figures.by_class(scores),
            mask_figures.by_size(scores, masks),
            mask_figures.worst(truth, masks, predictions, scores),
            *self.subgroup_figures(truth, scores.metrics(), self.units(truth)),
        ]

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield how large each class is in each scan: pixels, and mm² or ml by its spacing."""
        for row, scan in enumerate(batch["scan"]):
            yield {
                "id": str(batch["id"][row]),
                "confidence": _rounded(predictions["confidence"][row]),
                "classes": _sizes(predictions["mask"][row], scan, predictions["classes"][row]),
            }

    def files(
        self, batch: zoo.Batch, predictions: zoo.Batch, folder: Path, preprocessing: Any
    ) -> None:
        """Write each mask in its scan's own geometry, overlays, and a table of sizes.

        The slices of a volume are one volume again.
        """
        (folder / "masks").mkdir()
        (folder / "overlays").mkdir()
        with (folder / "sizes.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "class", "pixels", "size", "unit"])
            wholes = put_together(list(batch["scan"]), list(predictions["mask"]))
            for row, scan, mask in wholes:
                name = _whole_name(str(batch["id"][row]), batch["scan"][row])
                for kind, each in _sizes(mask, scan, predictions["classes"][row]).items():
                    (unit,) = each.keys() - {"pixels"}
                    table.writerow([name, kind, each["pixels"], each[unit], unit])
                stem = file_name(name, row)
                scan.write_like(folder / "masks" / stem, mask)
                mask_figures.write_overlay(folder / "overlays" / f"{stem}.png", scan.read(), mask)


def _whole_name(name: str, scan: Scan) -> str:
    """Return an example's name, and for a slice that of its volume."""
    return name.rpartition("#")[0] or name if isinstance(scan, Slice) else name


def _sizes(mask: np.ndarray, scan: Scan, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return how large each class is in a scan: pixels, and mm² or ml by its spacing."""
    counts = np.bincount(mask.ravel(), minlength=len(names) + 1)[1:]
    unit, size = _unit(scan.spacing)
    return {
        str(name): {"pixels": int(count), unit: round(float(count * size), 4)}
        for name, count in zip(names, counts, strict=True)
    }


def _mask(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return the place of each pixel's class, uint8 [*sizes]."""
    wide = probabilities.astype(np.float32)
    likeliest = wide.argmax(axis=-1) + 1
    return np.where(wide.sum(axis=-1) >= threshold, likeliest, 0).astype(np.uint8)


def _confidence(probabilities: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean probability of what is not background; NaN if all is."""
    seen = mask > 0
    return (
        float(probabilities[seen].astype(np.float64).sum(axis=-1).mean()) if seen.any() else np.nan
    )


def _read_masks(truth: zoo.Batch) -> list[np.ndarray]:
    return [mask.read() for mask in truth["mask"]]


def _unit(spacing: Sequence[float]) -> tuple[str, float]:
    """Return the unit of an area or volume, and how much of it a pixel has."""
    pixel = float(np.prod(spacing))
    return ("mm2", pixel) if len(spacing) == 2 else ("ml", pixel / 1000)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
