"""COCO's detection metrics, matched once and then resampled cheaply.

The definitions are those of pycocotools' `COCOeval` for boxes. What a detection matches
depends on its own picture alone, so it is found once. A bootstrap draw only says how often
each picture counts, which changes the running sums along the ranking and nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

import zoo
from zoo_vision.geometry import areas, intersections

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Smallest and largest area of each size in square pixels, both included."""
MAX_DETECTIONS = (1, 10, 100)
"""How many detections of a class count in a picture; average precision takes the last."""
_MOST_CLASSES = 20
"""With more, classes have no metrics of their own, only a table."""


class Detections:
    """Detections matched with the truth, for metrics under any weights of the pictures.

    With duplicated pictures, values equal pycocotools' on the copies, but for detections of
    equal score within one picture: their order among copies is not defined.

    Args:
        truth: columns `boxes`, `classes` and `crowd` [pictures]; the size of a true box is its
            area, as in detection data without masks.
        predictions: columns `boxes`, `scores` and `classes` [pictures].
        classes: how many there are.
    """

    def __init__(self, truth: zoo.Batch, predictions: zoo.Batch, classes: int) -> None:
        self.images = len(truth["boxes"])
        self._boxes = np.zeros((len(AREAS), self.images, classes))
        self._found = np.zeros((len(AREAS), len(MAX_DETECTIONS), self.images, classes))
        matches: list[list[_Match]] = [[] for _ in range(classes)]
        for match in _matches(truth, predictions):
            matches[match.class_index].append(match)
            self._boxes[:, match.image, match.class_index] = match.boxes
            for place, most in enumerate(MAX_DETECTIONS):
                found = match.right[..., :most].sum(axis=(1, 2))
                self._found[:, place, match.image, match.class_index] = found
        self._rankings = [_ranking(of_class) for of_class in matches]
        self._curves = [
            [[ranking.curve(area, iou) for iou in range(len(IOUS))] for area in range(len(AREAS))]
            for ranking in self._rankings
        ]

    def average_precision(
        self,
        weights: np.ndarray,
        *,
        iou: float | None = None,
        area: str = "all",
        class_index: int | None = None,
    ) -> float:
        """Return the area under the interpolated precision-recall curve.

        Args:
            weights: how often each picture counts [pictures].
            iou: overlap that makes a detection right; None takes the mean over
                .5, .55 to .95.
            area: `all`, `small`, `medium` or `large`.
            class_index: the class; None takes the mean over classes that have boxes.

        Returns:
            0 to 1; NaN without a true box.
        """
        weights = np.asarray(weights, np.float64)
        size = list(AREAS).index(area)
        totals = weights @ self._boxes[size]
        ious = range(len(IOUS)) if iou is None else [_iou_index(iou)]
        values = [
            self._curves[each][size][place].average_precision(weights, totals[each])
            for each in self._present(totals, class_index)
            for place in ious
        ]
        return float(np.mean(values)) if values else math.nan

    def average_recall(
        self,
        weights: np.ndarray,
        *,
        max_detections: int = 100,
        area: str = "all",
        class_index: int | None = None,
    ) -> float:
        """Return the share of true boxes found, as a mean over overlaps and classes.

        Args:
            weights: how often each picture counts [pictures].
            max_detections: 1, 10 or 100 of each class in a picture.
            area: `all`, `small`, `medium` or `large`.
            class_index: the class; None takes the mean over classes that have boxes.

        Returns:
            0 to 1; NaN without a true box.
        """
        weights = np.asarray(weights, np.float64)
        size, most = list(AREAS).index(area), MAX_DETECTIONS.index(max_detections)
        totals = weights @ self._boxes[size]
        found = weights @ self._found[size, most]
        present = self._present(totals, class_index)
        shares = found[present] / (len(IOUS) * totals[present])
        return float(np.mean(shares)) if len(shares) else math.nan

    def precision_recall(
        self, iou: float, class_index: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the interpolated curve of a class: the best precision from each recall on.

        Args:
            iou: overlap that makes a detection right, one of .5, .55 to .95.
            class_index: the class.

        Returns:
            three float64 arrays [101]: recall, precision (0 beyond what is reached) and the
            score down to which detections are taken (NaN beyond).
        """
        place = _iou_index(iou)
        hits = self._curves[class_index][0][place].hits
        scores, _ = self._rankings[class_index].outcomes(place)
        total = max(self.count(class_index=class_index), 1)
        precision, places = interpolate(np.arange(1, len(hits) + 1), hits + 1, total)
        return RECALLS, precision, np.append(scores[hits], np.nan)[places]

    def outcomes(self, iou: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
        """Return score and whether it is right for each detection that counts, of any class."""
        place = _iou_index(iou)
        if not self._rankings:
            return np.zeros(0), np.zeros(0, bool)
        parts = [ranking.outcomes(place) for ranking in self._rankings]
        scores, right = zip(*parts, strict=True)
        return np.concatenate(scores), np.concatenate(right)

    def count(self, *, area: str = "all", class_index: int | None = None) -> int:
        """Return how many true boxes there are; ignored regions are none."""
        of_class = self._boxes[list(AREAS).index(area)].sum(axis=0)
        return int(of_class.sum() if class_index is None else of_class[class_index])

    def _present(self, totals: np.ndarray, class_index: int | None) -> np.ndarray:
        """Return the classes to average over: those with true boxes."""
        present = np.flatnonzero(totals)
        return present if class_index is None else present[present == class_index]


def coco_metrics(
    truth: zoo.Batch, predictions: zoo.Batch, classes: Sequence[str]
) -> list[zoo.Metric]:
    """Return COCO's twelve figures, and the average precision of each class if there are few.

    Args:
        truth: columns `boxes`, `classes` and `crowd`.
        predictions: columns `boxes`, `scores` and `classes`.
        classes: names in the order of their indices.
    """
    detections = Detections(truth, predictions, len(classes))

    precision, recall = detections.average_precision, detections.average_recall
    sizes = [size for size in AREAS if size != "all"]
    metrics = [
        zoo.Metric("map", "mAP@[.5:.95]", precision),
        zoo.Metric("map50", "mAP@.5", partial(precision, iou=0.5)),
        zoo.Metric("map75", "mAP@.75", partial(precision, iou=0.75)),
    ]
    metrics += [
        zoo.Metric(f"map_{size}", f"mAP, {size} boxes", partial(precision, area=size))
        for size in sizes
    ]
    metrics += [
        zoo.Metric(f"ar{most}", f"AR@{most}", partial(recall, max_detections=most))
        for most in MAX_DETECTIONS
    ]
    metrics += [
        zoo.Metric(f"ar_{size}", f"AR, {size} boxes", partial(recall, area=size)) for size in sizes
    ]
    if len(classes) <= _MOST_CLASSES:
        keys = _class_keys(classes, {metric.name for metric in metrics})
        metrics += [
            zoo.Metric(key, f"AP of {classes[index]}", partial(precision, class_index=index))
            for index, key in enumerate(keys)
        ]
    return metrics


def best_threshold(truth: zoo.Batch, predictions: zoo.Batch) -> float:
    """Return the score from which on detections have the best F1 at IoU .5, all classes as one.

    Without true boxes or right detections there is nothing to choose by: .5.

    Args:
        truth: columns `boxes`, `classes` and `crowd`.
        predictions: columns `boxes`, `scores` and `classes`.
    """
    indices = [*truth["classes"], *predictions["classes"]]
    classes = 1 + max((int(each.max()) for each in indices if len(each)), default=0)
    detections = Detections(truth, predictions, classes)
    scores, right = detections.outcomes(0.5)
    if not right.any():
        return 0.5
    ranking = zoo.Ranking(right, scores)
    found, wrong = ranking.counts(np.ones(len(right)))
    f1 = 2 * found / (found + wrong + detections.count())
    return float(ranking.thresholds[np.argmax(f1)])


def overlaps(boxes: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes with true boxes; with an ignored region, the share inside it.

    Args:
        boxes: [detections, 4], x1, y1, x2, y2 in px.
        truth: [boxes, 4].
        crowd: bool [boxes], which of them are ignored regions.

    Returns:
        float64 [detections, boxes], 0 to 1.
    """
    boxes, truth = boxes.astype(np.float64), truth.astype(np.float64)
    shared = intersections(boxes[:, None], truth)
    own = areas(boxes)[:, None]
    whole = np.where(crowd, own, own + areas(truth) - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)


def match_boxes(
    overlap: np.ndarray, crowd: np.ndarray, ignored: np.ndarray, ious: np.ndarray
) -> np.ndarray:
    """Give each detection, by falling score, the free true box that it overlaps most.

    A box that counts goes before an ignored one. An ignored region takes any number of
    detections, every other box one.

    Args:
        overlap: float64 [detections, boxes], detections by falling score.
        crowd: bool [boxes], ignored regions.
        ignored: bool [areas, boxes], what does not count at a size: regions and other sizes.
        ious: [ious], the least overlaps to match at.

    Returns:
        int64 [areas, ious, detections], the box of each detection; -1 for none.
    """
    least = np.minimum(ious, 1 - 1e-10)[:, None]
    counting = ~ignored[:, None]
    free = np.ones((len(ignored), len(ious), overlap.shape[1]), bool)
    taken = np.full((len(ignored), len(ious), len(overlap)), -1)
    for detection in np.flatnonzero((overlap >= least.min()).any(axis=1)):
        near = free & (overlap[detection] >= least)
        preferred = near & counting
        choice = np.where(preferred.any(axis=-1, keepdims=True), preferred, near)
        # Of equal overlaps, pycocotools takes the last.
        ranked = np.where(choice, overlap[detection], -1.0)[..., ::-1]
        best = overlap.shape[1] - 1 - ranked.argmax(axis=-1)
        found = choice.any(axis=-1)
        taken[found, detection] = best[found]
        free[found, best[found]] = crowd[best[found]]
    return taken


def interpolate(
    found: np.ndarray, flagged: np.ndarray, total: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best precision at each of `RECALLS` or beyond; its mean is average precision.

    Args:
        found: how many detections are right up to and with each right one, by falling score.
        flagged: how many detections there are up to there.
        total: true boxes.

    Returns:
        precision, float64 [101], 0 where the recall is not reached; and the first right
        detection with that recall, int64 [101], the number of them where it is not reached.
    """
    precision = found / (flagged + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(found / total, RECALLS)
    return np.append(best, 0.0)[places], places


@dataclass(frozen=True)
class _Match:
    """What became of the detections of one class in one picture, by falling score.

    Attributes:
        image: row.
        class_index: class.
        scores: [detections].
        boxes: true boxes of each size [areas].
        right: bool [areas, ious, detections].
        counted: bool [areas, ious, detections], false where a detection is ignored.
    """

    image: int
    class_index: int
    scores: np.ndarray
    boxes: np.ndarray
    right: np.ndarray
    counted: np.ndarray


def _matches(truth: zoo.Batch, predictions: zoo.Batch) -> Iterator[_Match]:
    """Match picture by picture and class by class."""
    for image, (true_classes, classes) in enumerate(
        zip(truth["classes"], predictions["classes"], strict=True)
    ):
        for each in np.union1d(true_classes, classes):
            of_class = np.flatnonzero(classes == each)
            scores = predictions["scores"][image][of_class]
            ranked = np.argsort(-scores, kind="stable")[: MAX_DETECTIONS[-1]]
            yield _Match(
                image,
                int(each),
                scores[ranked],
                *_match_class(
                    truth["boxes"][image][true_classes == each],
                    truth["crowd"][image][true_classes == each],
                    predictions["boxes"][image][of_class[ranked]],
                ),
            )


def _match_class(
    truth: np.ndarray, crowd: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `boxes`, `right` and `counted` of :class:`_Match`."""
    ignored = crowd | _outside(truth)
    taken = match_boxes(overlaps(boxes, truth, crowd), crowd, ignored, IOUS)
    matched = taken >= 0
    spared = np.zeros_like(matched)
    if len(truth):
        sizes = np.arange(len(AREAS))[:, None, None]
        spared = matched & ignored[sizes, taken]
    counted = ~spared & (matched | ~_outside(boxes)[:, None])
    return np.count_nonzero(~ignored, axis=1), matched & ~spared, counted


def _outside(boxes: np.ndarray) -> np.ndarray:
    """Return which boxes are of another size, bool [areas, boxes]."""
    smallest, largest = np.transpose(list(AREAS.values()))[..., None]
    area = areas(boxes.astype(np.float64))
    return (area < smallest) | (area > largest)


@dataclass(frozen=True)
class _Curve:
    """What average precision needs of the ranked detections of a class.

    Attributes:
        images: the picture of each detection that counts.
        hits: the places of the right ones among them.
    """

    images: np.ndarray
    hits: np.ndarray

    def average_precision(self, weights: np.ndarray, total: float) -> float:
        """Return average precision with `total` true boxes under float weights [pictures]."""
        if not len(self.hits):
            return 0.0
        upto_last_hit = self.images[: self.hits[-1] + 1]
        copies = weights[upto_last_hit]
        found, flagged = copies[self.hits].cumsum(), copies.cumsum()[self.hits]
        precision, _ = interpolate(found, flagged, total)
        return float(precision.mean())


@dataclass(frozen=True)
class _Ranking:
    """The detections of a class in all pictures, by falling score.

    Attributes:
        images: rows [detections].
        scores: [detections].
        right: bool [areas, ious, detections].
        counted: bool [areas, ious, detections].
    """

    images: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    counted: np.ndarray

    def curve(self, area: int, iou: int) -> _Curve:
        counted = self.counted[area, iou]
        return _Curve(self.images[counted], np.flatnonzero(self.right[area, iou][counted]))

    def outcomes(self, iou: int) -> tuple[np.ndarray, np.ndarray]:
        """Return score and whether it is right for each detection that counts, of any size."""
        counted = self.counted[0, iou]
        return self.scores[counted], self.right[0, iou][counted]


def _ranking(matches: Sequence[_Match]) -> _Ranking:
    """Rank the detections of one class; equal scores stay in the order of pictures."""
    if not matches:
        none = np.zeros((len(AREAS), len(IOUS), 0), bool)
        return _Ranking(np.zeros(0, np.intp), np.zeros(0), none, none)
    scores = np.concatenate([match.scores for match in matches])
    images = np.repeat([match.image for match in matches], [len(m.scores) for m in matches])
    order = np.argsort(-scores, kind="stable")
    return _Ranking(
        images[order],
        scores[order],
        np.concatenate([match.right for match in matches], axis=-1)[..., order],
        np.concatenate([match.counted for match in matches], axis=-1)[..., order],
    )


def _iou_index(iou: float) -> int:
    (places,) = np.nonzero(np.isclose(IOUS, iou))
    if not len(places):
        raise ValueError(f"IoU {iou} is not one of .5, .55 to .95")
    return int(places[0])


def _class_keys(classes: Sequence[str], taken: set[str]) -> list[str]:
    """Return a metric's name for each class, told apart by index where words do not."""
    keys: list[str] = []
    for index, name in enumerate(classes):
        words = re.sub(r"\W+", "_", name.lower()).strip("_")
        key = f"map_{words}"
        if not words or key in taken or key in keys:
            key = f"map_{words}_{index}" if words else f"map_{index}"
        keys.append(key)
    return keys
