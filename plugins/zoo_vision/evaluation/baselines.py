"""What a detector has to beat: knowing where things usually are, and HOG with a linear SVM.

Classes are known by number here: the column `classes` is int64 [n] for each picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from sklearn.cluster import KMeans
from sklearn.svm import LinearSVC

import zoo
from zoo_vision.evaluation.hog import CELL, Window, slide
from zoo_vision.geometry import iou, xywh_of_corners
from zoo_vision.images import Picture

_SHOWN = 0.5
"""Score from which on a box is shown."""

_PLACES = 16
"""Typical boxes of a class."""
_MOST_BOXES = 20_000
"""Boxes of a class that its typical ones are made from."""

_SHAPES = ((8, 8), (6, 10), (10, 6), (5, 13), (13, 5))
"""Rows and columns of the windows, in cells; all have about the same area."""
_SIDE = 8 * CELL
"""Square root of that area, in pixels of a level."""
_USUAL = 0.1
"""Share of a class's objects from which on their shape gets a window."""
_STEP = 2**-0.25
"""Size of a level, of the one before."""
_LONG_SIDES = tuple(512 * _STEP**number for number in range(17))
"""Long sides of the levels, in pixels."""
_MOST_PICTURES = 200
"""Pictures that the SVMs are trained on."""
_SAMPLES = 40_000
"""Views that all SVMs together are trained on, in the last round."""
_OBJECT, _BACKGROUND = 0.65, 0.5
"""Overlap from which on a window shows an object, and up to which it does not."""
_SAME = 0.45
"""Overlap with a better box from which on a box is suppressed."""
_REGULARISATION = 0.001
"""The SVMs' C: the weight of errors against that of a wide margin."""
_LEAST_MARGIN = -1.0
"""From the border of an SVM, of what is kept at all."""
_MOST_FOUND = 300
"""Boxes in a picture."""


class _Boxes(NamedTuple):
    """Boxes in a picture: corners float32 [n, 4], float32 scores and int64 classes [n]."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def _joined(parts: Sequence[_Boxes]) -> _Boxes:
    none = _Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    return _Boxes(*(np.concatenate(each) for each in zip(none, *parts, strict=True)))


def _predictions(found: Sequence[_Boxes]) -> zoo.Batch:
    """Return prediction columns, each picture's boxes sorted by score."""
    ordered = [
        _Boxes(*(column[np.argsort(-each.scores, kind="stable")] for column in each))
        for each in found
    ]
    columns = {
        name: zoo.object_column(getattr(each, name) for each in ordered) for name in _Boxes._fields
    }
    return {**columns, "shown": zoo.object_column(each.scores >= _SHOWN for each in ordered)}


# Usual places ----------------------------------------------------------------------------


def usual_places(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
    """Predict, for every picture alike, where the objects of each class usually are.

    The boxes are the means of clusters of the training boxes, relative to their pictures.
    A box scores as many objects as a training picture has in its cluster, at most 1.
    """
    sizes = _sizes(train)
    relative = _joined(
        [
            _Boxes(boxes[~crowd] / size, np.ones(np.sum(~crowd), np.float32), classes[~crowd])
            for boxes, classes, crowd, size in zip(
                train["boxes"], train["classes"], train["crowd"], sizes, strict=True
            )
        ]
    )
    usual = []
    for label in np.unique(relative.classes):
        centres, counts = _clusters(relative.boxes[relative.classes == label])
        scores = np.minimum(counts / len(sizes), 1).astype(np.float32)
        usual.append(_Boxes(centres, scores, np.full(len(scores), label)))
    places = _joined(usual)
    return _predictions([places._replace(boxes=places.boxes * size) for size in _sizes(test)])


def _sizes(batch: zoo.Batch) -> np.ndarray:
    """Return what relative boxes are multiplied by, float32 [examples, 4]."""
    return np.stack([batch["width"], batch["height"]] * 2, axis=1).astype(np.float32)


def _clusters(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the typical ones of boxes [n, 4], float32 [k, 4], and how many are like each."""
    some = np.random.default_rng(0).permutation(boxes)[:_MOST_BOXES]
    places = min(_PLACES, len(np.unique(some, axis=0)))
    means = KMeans(places, n_init=1, random_state=0).fit(some)
    counts = np.bincount(means.labels_, minlength=places) * (len(boxes) / len(some))
    return means.cluster_centers_.astype(np.float32), counts


# HOG and linear SVMs ---------------------------------------------------------------------


def hog_svm(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
    """Slide linear SVMs over histograms of oriented gradients and colours.

    As Dalal and Triggs do (CVPR 2005): windows in an image pyramid, a second round of
    training with what the first takes for objects, and suppression of boxes that overlap
    a better one. Each class has a window for each of its usual shapes.
    """
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(len(train["boxes"]))[:_MOST_PICTURES])
    truths = [_Truth(*(train[name][row] for name in _Truth._fields)) for row in rows]
    windows = _untrained(truths)
    samples: list[list[_Sample]] = [[] for _ in windows]
    share = _SAMPLES // max(20 * len(windows) * len(truths), 1) + 1
    for _ in range(2):
        for truth in truths:
            for number, sample in _samples(truth, windows, share, rng):
                samples[number].append(sample)
        windows = [_trained(*each) for each in zip(windows, samples, strict=True)]
    return _predictions([_detect(picture, windows) for picture in test["image"]])


class _Truth(NamedTuple):
    """A training example, named as the columns are."""

    image: Picture
    width: int
    height: int
    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray


class _Sample(NamedTuple):
    """What a window sees, float32 [views, size], and whether it is an object, bool [views]."""

    views: np.ndarray
    objects: np.ndarray


def _untrained(truths: Sequence[_Truth]) -> list[Window]:
    """Return windows of the shapes and sizes that objects of each class usually have."""
    labels = np.concatenate([[], *(truth.classes[~truth.crowd] for truth in truths)])
    boxes = np.concatenate(
        [
            np.zeros((0, 4)),
            *(truth.boxes[~truth.crowd] / max(truth.width, truth.height) for truth in truths),
        ]
    )
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    sizes = np.sqrt(sides.prod(axis=1))
    aspects = [np.log(rows / columns) for rows, columns in _SHAPES]
    nearest = np.abs(np.log(sides[:, 1:] / sides[:, :1]) - aspects).argmin(axis=1)
    windows = []
    for label in np.unique(labels):
        own = labels == label
        small, large = np.quantile(sizes[own], [0.03, 0.97])
        shares = np.bincount(nearest[own], minlength=len(_SHAPES)) / own.sum()
        for shape, share in zip(_SHAPES, shares, strict=True):
            if share >= _USUAL:
                # Half a step further, as sizes lie between those of two levels.
                shortest, longest = _SIDE / large * _STEP**0.5, _SIDE / small / _STEP**0.5
                windows.append(Window(int(label), shape, shortest, longest))
    return windows


def _samples(
    truth: _Truth, windows: Sequence[Window], share: int, rng: np.random.Generator
) -> Iterator[tuple[int, _Sample]]:
    """Yield what each window sees on each level: objects, and what it takes for such.

    Args:
        truth: the picture.
        windows: an untrained one takes everything for an object, so chance decides.
        share: about how many views of either kind to take for a window.
        rng: decides where a window is as sure of several.
    """
    for number, window, level in slide(truth.image.read(), windows, _LONG_SIDES):
        overlaps = iou(window.boxes(level), truth.boxes[truth.classes == window.label])
        crowd = truth.crowd[truth.classes == window.label]
        objects = np.flatnonzero(overlaps[:, ~crowd].max(axis=1, initial=0) >= _OBJECT)
        background = np.flatnonzero(overlaps.max(axis=1, initial=0) <= _BACKGROUND)
        margins = window.margins(level)
        mistaken = rng.permutation(background[margins[background] > -1])
        order = np.argsort(-margins[mistaken], kind="stable")
        chosen = [rng.permutation(objects)[:share], mistaken[order][: 2 * share]]
        views = window.views(level, np.concatenate(chosen))
        yield number, _Sample(views, np.arange(len(views)) < len(chosen[0]))


def _trained(window: Window, samples: Sequence[_Sample]) -> Window:
    """Return the window with an SVM that is fitted to samples of all pictures."""
    views = np.concatenate([sample.views for sample in samples])
    objects = np.concatenate([sample.objects for sample in samples])
    if objects.all() or not objects.any():
        return replace(window, weights=None, bias=-np.inf)
    svm = LinearSVC(C=_REGULARISATION, random_state=0)
    svm.fit(views, objects)
    rows, columns = window.extent
    weights = svm.coef_.reshape(rows, columns, -1).astype(np.float32)
    return replace(window, weights=weights, bias=float(svm.intercept_[0]))


def _detect(picture: Picture, windows: Sequence[Window]) -> _Boxes:
    """Return what the windows find in a picture, without boxes that overlap a better one."""
    parts = []
    for _, window, level in slide(picture.read(), windows, _LONG_SIDES):
        margins = window.margins(level)
        likely = np.flatnonzero(margins > _LEAST_MARGIN)
        scores = 1 / (1 + np.exp(-2 * margins[likely]))
        label = np.full(len(likely), window.label)
        parts.append(_Boxes(window.boxes(level)[likely], scores, label))
    found = _joined(parts)
    kept = cv2.dnn.NMSBoxesBatched(
        xywh_of_corners(found.boxes).tolist(),
        found.scores.tolist(),
        found.classes.tolist(),
        score_threshold=0.0,
        nms_threshold=_SAME,
    )
    best = np.array(kept, np.int64).ravel()[:_MOST_FOUND]
    return _Boxes(*(column[best] for column in found))
