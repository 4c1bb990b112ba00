"""What a detector gets wrong, and what each kind of mistake costs.

Kinds and costs follow TIDE (arXiv:2008.08115): every false detection has one cause, and a
cause costs what mAP@.5 would gain if all mistakes of that kind were mended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

import zoo
from zoo_vision.evaluation.coco_metrics import (
    MAX_DETECTIONS,
    interpolate,
    match_boxes,
    overlaps,
)

Kind: TypeAlias = Literal["class", "location", "both", "duplicate", "background", "missed"]

KINDS: Mapping[Kind, str] = {
    "class": "Confused class",
    "location": "Badly placed",
    "both": "Confused and badly placed",
    "duplicate": "Found twice",
    "background": "Background",
    "missed": "Missed",
}
"""Each kind of mistake with its title."""

_RIGHT = 0.5
"""The IoU at which a detection is right."""
_NEAR = 0.1
"""The IoU up to which a detection has to do with nothing."""


@dataclass(frozen=True)
class Mistake:
    """A false detection or a missed box.

    Attributes:
        image: row of the picture.
        kind: a key of `KINDS`.
        cost: 0 to 1. A false detection costs its score: surer is worse. A missed box costs
            1 in the rarest class, and less in others as they have more boxes.
        box: detected, float32 [4] in px; None if missed.
        class_index: detected class; None if missed.
        score: of the detection; 0 if missed.
        truth_box: the true box that is meant, float32 [4] in px; None for background.
        truth_class: its class; None for background.
    """

    image: int
    kind: Kind
    cost: float
    box: np.ndarray | None
    class_index: int | None
    score: float
    truth_box: np.ndarray | None
    truth_class: int | None


def find_mistakes(truth: zoo.Batch, predictions: zoo.Batch, threshold: float) -> list[Mistake]:
    """Return all mistakes among detections of some score, the costliest first.

    Args:
        truth: columns `boxes`, `classes` and `crowd` [pictures].
        predictions: columns `boxes`, `scores` and `classes` [pictures].
        threshold: the least score of a detection that is looked at.
    """
    verdicts = judge(truth, predictions, threshold)
    mistakes = [
        _false_detection(verdicts, detection)
        for detection in np.flatnonzero(np.isin(verdicts.kinds, list(KINDS))).tolist()
    ]
    counts = np.bincount(verdicts.true_classes[~verdicts.crowd])
    rarest = counts[counts > 0].min(initial=len(verdicts.crowd))
    for missed in np.flatnonzero(verdicts.missed).tolist():
        cost = float(rarest / counts[verdicts.true_classes[missed]])
        mistakes.append(_missed_box(verdicts, missed, cost))
    return sorted(mistakes, key=lambda mistake: -mistake.cost)


def error_costs(truth: zoo.Batch, predictions: zoo.Batch) -> dict[Kind, float]:
    """Return how much mAP@.5 would rise if all mistakes of a kind were mended, for each kind.

    Confused and badly placed detections become right, unless their box is found anyhow;
    then, as other false detections, they are left out. Missed boxes are taken out of the
    truth. All detections are looked at, whatever their score, as mAP does.

    Args:
        truth: columns `boxes`, `classes` and `crowd`.
        predictions: columns `boxes`, `scores` and `classes`.
    """
    verdicts = judge(truth, predictions, threshold=0.0)
    now = _mean_average_precision(verdicts, None)
    return {kind: _mean_average_precision(verdicts, kind) - now for kind in KINDS}


def confusion(
    truth: zoo.Batch, predictions: zoo.Batch, threshold: float, classes: int
) -> np.ndarray:
    """Count the true class of each detection, and the detected class of each true box.

    Every true box is in one cell of its row and every detection in one cell of its column.
    A confused detection of a box that is found otherwise counts as background.

    Args:
        truth: columns `boxes`, `classes` and `crowd`.
        predictions: columns `boxes`, `scores` and `classes`.
        threshold: the least score of a detection that is looked at.
        classes: how many there are.

    Returns:
        int64 [classes + 1, classes + 1], true by detected class; the last is background.
    """
    verdicts = judge(truth, predictions, threshold)
    true_class = np.full(len(verdicts.kinds), classes)
    named = np.concatenate([np.flatnonzero(verdicts.kinds == "right"), verdicts.mendable("class")])
    true_class[named] = verdicts.true_classes[verdicts.meant[named]]
    unnamed = ~verdicts.crowd
    unnamed[verdicts.meant[named]] = False

    counts = np.zeros((classes + 1, classes + 1), np.int64)
    counted = verdicts.kinds != "ignored"
    np.add.at(counts, (true_class[counted], verdicts.classes[counted]), 1)
    np.add.at(counts, (verdicts.true_classes[unnamed], classes), 1)
    return counts


@dataclass(frozen=True)
class Verdicts:
    """What became of every detection and every true box of all pictures.

    Attributes:
        images: row of each detection's picture [detections].
        boxes: float32 [detections, 4].
        classes: int64 [detections].
        scores: float32 [detections].
        kinds: `right`, `ignored` or a kind of mistake, str [detections].
        meant: the true box that a detection is about [detections]; -1 for background.
        true_images: row of each true box's picture [boxes].
        true_boxes: float32 [boxes, 4].
        true_classes: int64 [boxes].
        crowd: which of them are ignored regions, bool [boxes].
    """

    images: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    kinds: np.ndarray
    meant: np.ndarray
    true_images: np.ndarray
    true_boxes: np.ndarray
    true_classes: np.ndarray
    crowd: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Which true boxes have a right detection, bool [boxes]."""
        return self._meant_by("right")

    @property
    def missed(self) -> np.ndarray:
        """Which true boxes no detection is about, bool [boxes]."""
        return ~(self.crowd | self._meant_by("right", "class", "location"))

    def mendable(self, kind: Kind) -> np.ndarray:
        """Return the surest mistake of a kind for each true box that is not found."""
        mistakes = np.flatnonzero(self.kinds == kind)
        mistakes = mistakes[~self.found[self.meant[mistakes]]]
        surest = mistakes[np.argsort(-self.scores[mistakes], kind="stable")]
        _, first = np.unique(self.meant[surest], return_index=True)
        return surest[first]

    def _meant_by(self, *kinds: str) -> np.ndarray:
        result = np.zeros(len(self.crowd), bool)
        result[self.meant[np.isin(self.kinds, kinds)]] = True
        return result


def judge(truth: zoo.Batch, predictions: zoo.Batch, threshold: float) -> Verdicts:
    """Say of each detection of some score what it is.

    Args:
        truth: columns `boxes`, `classes` and `crowd` [pictures].
        predictions: columns `boxes`, `scores` and `classes` [pictures].
        threshold: the least score of a detection that is looked at.
    """
    shown = [scores >= threshold for scores in predictions["scores"]]
    columns = [
        [column[keep] for column, keep in zip(predictions[name], shown, strict=True)]
        for name in ("boxes", "classes", "scores")
    ]
    starts = np.cumsum([0] + [len(boxes) for boxes in truth["boxes"]])
    kinds, meant = [], []
    for image, detections in enumerate(zip(*columns, strict=True)):
        of_image = {name: truth[name][image] for name in ("boxes", "classes", "crowd")}
        found, box = _judge_image(of_image, *detections)
        kinds.append(found)
        meant.append(np.where(box < 0, -1, box + starts[image]))
    boxes, classes, scores = map(np.concatenate, columns)
    true_boxes, true_classes, crowd = (
        np.concatenate(list(truth[name])) for name in ("boxes", "classes", "crowd")
    )
    rows = np.arange(len(shown))
    return Verdicts(
        images=np.repeat(rows, [np.count_nonzero(keep) for keep in shown]),
        boxes=boxes,
        classes=classes,
        scores=scores,
        kinds=np.concatenate(kinds),
        meant=np.concatenate(meant),
        true_images=np.repeat(rows, np.diff(starts)),
        true_boxes=true_boxes,
        true_classes=true_classes,
        crowd=crowd,
    )


def _judge_image(
    truth: zoo.Batch, boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return kind and meant true box of each detection in one picture."""
    if not len(truth["boxes"]):
        return np.full(len(boxes), "background", "<U10"), np.full(len(boxes), -1)
    overlap = overlaps(boxes, truth["boxes"], truth["crowd"])
    counted, taken = _match_each_class(overlap, truth, classes, scores)
    same = classes[:, None] == truth["classes"]
    own = np.where(same & ~truth["crowd"], overlap, 0.0)
    other = np.where(~same & ~truth["crowd"], overlap, 0.0)
    near_own, near_other = own.max(axis=1), other.max(axis=1)
    # The first that holds, in the order of TIDE's own code.
    tests = [
        ("ignored", ~counted, -1),
        ("right", taken >= 0, taken),
        ("location", (near_own >= _NEAR) & (near_own < _RIGHT), own.argmax(axis=1)),
        ("class", near_other >= _RIGHT, other.argmax(axis=1)),
        ("duplicate", near_own >= _RIGHT, own.argmax(axis=1)),
        ("both", near_other > _NEAR, other.argmax(axis=1)),
    ]
    names, holds, meant = zip(*tests, strict=True)
    return np.select(holds, names, "background"), np.select(holds, meant, -1)


def _match_each_class(
    overlap: np.ndarray, truth: zoo.Batch, classes: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match detections with true boxes as mAP@.5 does.

    Returns:
        which detections count, bool [detections], and the true box of each, -1 for none.
    """
    taken = np.full(len(classes), -1)
    counted = np.zeros(len(classes), bool)
    for each in np.unique(classes):
        of_class = np.flatnonzero(classes == each)
        ranked = of_class[np.argsort(-scores[of_class], kind="stable")][: MAX_DETECTIONS[-1]]
        true = np.flatnonzero(truth["classes"] == each)
        crowd = truth["crowd"][true]
        matched = match_boxes(overlap[np.ix_(ranked, true)], crowd, crowd[None], np.array([_RIGHT]))
        counted[ranked] = True
        if len(true):
            taken[ranked] = np.where(matched[0, 0] >= 0, true[matched[0, 0]], -1)
    counted &= ~((taken >= 0) & truth["crowd"][taken])
    return counted, taken


def _mean_average_precision(verdicts: Verdicts, mended: Kind | None) -> float:
    """Return mAP@.5 with all mistakes of a kind mended."""
    right = verdicts.kinds == "right"
    kept = verdicts.kinds != "ignored"
    classes = verdicts.classes.copy()
    totals = np.bincount(verdicts.true_classes[~verdicts.crowd])
    remaining = totals
    if mended == "missed":
        remaining = totals - np.bincount(
            verdicts.true_classes[verdicts.missed], minlength=len(totals)
        )
    elif mended is not None:
        kept &= verdicts.kinds != mended
    if mended in {"class", "location"}:
        now_right = verdicts.mendable(mended)
        kept[now_right] = right[now_right] = True
        classes[now_right] = verdicts.true_classes[verdicts.meant[now_right]]
    ranked = np.argsort(-verdicts.scores, kind="stable")
    ranked = ranked[kept[ranked]]
    values = [
        _average_precision(right[ranked[classes[ranked] == each]], int(remaining[each]))
        for each in np.flatnonzero(totals)
    ]
    return float(np.mean(values)) if values else math.nan


def _average_precision(right: np.ndarray, total: int) -> float:
    """Return average precision of detections by falling score; 1 if there is nothing to find."""
    if not total:
        return 1.0
    hits = np.flatnonzero(right)
    precision, _ = interpolate(np.arange(1, len(hits) + 1), hits + 1, total)
    return float(precision.mean())


def _false_detection(verdicts: Verdicts, detection: int) -> Mistake:
    meant = verdicts.meant[detection]
    score = float(verdicts.scores[detection])
    return Mistake(
        image=int(verdicts.images[detection]),
        kind=str(verdicts.kinds[detection]),  # type: ignore[arg-type]
        cost=score,
        box=verdicts.boxes[detection],
        class_index=int(verdicts.classes[detection]),
        score=score,
        truth_box=verdicts.true_boxes[meant] if meant >= 0 else None,
        truth_class=int(verdicts.true_classes[meant]) if meant >= 0 else None,
    )


def _missed_box(verdicts: Verdicts, missed: int, cost: float) -> Mistake:
    return Mistake(
        image=int(verdicts.true_images[missed]),
        kind="missed",
        cost=cost,
        box=None,
        class_index=None,
        score=0.0,
        truth_box=verdicts.true_boxes[missed],
        truth_class=int(verdicts.true_classes[missed]),
    )
