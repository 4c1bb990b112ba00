"""The figures by which a detector is judged, and pictures of what it gets wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

import zoo
from zoo_vision.evaluation.coco_metrics import RECALLS, Detections
from zoo_vision.evaluation.mistakes import (
    KINDS,
    Kind,
    Mistake,
    confusion,
    error_costs,
    find_mistakes,
)
from zoo_vision.geometry import clip, iou
from zoo_vision.prediction.drawing import draw_boxes

_CURVES = 4
"""How many classes have a curve of their own: two means are drawn beside them."""
_MATRIX = 20
"""How many classes the confusion matrix has room for."""
_GALLERY, _GALLERY_OF_KIND = 24, 6
_CROP, _EXAMPLE = 320, 640
"""The longest side of a drawn picture, in px."""
_TRUE, _DETECTED = 2, 5
"""Places of green and orange in the palette of drawings."""


def all_figures(
    truth: zoo.Batch, predictions: zoo.Batch, classes: Sequence[str], decision: Mapping[str, float]
) -> list[zoo.Figure]:
    """Return all figures of this module, in the order of a report.

    Args:
        truth: columns `id`, `image`, `boxes`, `classes` and `crowd`.
        predictions: columns `boxes`, `scores` and `classes`.
        classes: names in the order of their indices.
        decision: its `threshold` is the least score of a detection that is shown to a user.
    """
    threshold = decision.get("threshold", 0.5)
    detections = Detections(truth, predictions, len(classes))
    mistakes = find_mistakes(truth, predictions, threshold)
    return [
        precision_recall(detections, classes),
        by_class(detections, classes),
        by_size(detections),
        error_types(error_costs(truth, predictions), mistakes, threshold),
        confusion_matrix(truth, predictions, classes, threshold),
        reliability(detections, threshold),
        error_gallery(truth, mistakes, classes),
        examples(truth, predictions, classes, threshold),
    ]


def precision_recall(detections: Detections, classes: Sequence[str]) -> zoo.Figure:
    """Draw precision against recall: means over classes, and the most frequent classes."""
    counts = np.array([detections.count(class_index=index) for index in range(len(classes))])
    present = np.flatnonzero(counts)
    frequent = present[np.argsort(-counts[present], kind="stable")][:_CURVES].tolist()

    def mean(iou: float) -> tuple[np.ndarray, np.ndarray]:
        curves = [detections.precision_recall(iou, index)[1] for index in present.tolist()]
        return RECALLS, np.mean(curves, axis=0) if curves else np.full(len(RECALLS), np.nan)

    series = {"mean at IoU .5": mean(0.5), "mean at IoU .75": mean(0.75)}
    for index in frequent:
        recall, precision, _ = detections.precision_recall(0.5, index)
        series[classes[index]] = recall, precision
    return zoo.charts.line_chart(
        "Precision and recall",
        "Share of detections that are right, against the share of boxes found. The area under"
        " a curve is the average precision. Single classes are at IoU .5"
        + (f"; the {_CURVES} most frequent." if len(present) > _CURVES else "."),
        series,
        x_label="recall",
        y_label="precision",
        y_range=(0.0, 1.02),
    )


def by_class(detections: Detections, classes: Sequence[str]) -> zoo.Figure:
    """Tabulate how well each class is found."""
    ones = np.ones(detections.images)

    def precision(iou: float | None, index: int) -> float:
        return detections.average_precision(ones, iou=iou, class_index=index)

    rows = [
        [
            name,
            detections.count(class_index=index),
            *(precision(iou, index) for iou in (None, 0.5, 0.75)),
            detections.average_recall(ones, class_index=index),
        ]
        for index, name in enumerate(classes)
    ]
    return zoo.charts.table(
        "Classes",
        "Average precision and recall of each class; a dash where there is no true box.",
        ["class", "boxes", "AP@[.5:.95]", "AP@.5", "AP@.75", "AR@100"],
        rows,
    )


def by_size(detections: Detections) -> zoo.Figure:
    """Tabulate how well small, medium and large boxes are found."""
    ones = np.ones(detections.images)
    limits = {
        "small": "up to 32 x 32",
        "medium": "to 96 x 96",
        "large": "above 96 x 96",
        "all": "any",
    }
    rows = [
        [
            size,
            limit,
            detections.count(area=size),
            detections.average_precision(ones, area=size),
            detections.average_precision(ones, iou=0.5, area=size),
            detections.average_recall(ones, area=size),
        ]
        for size, limit in limits.items()
    ]
    return zoo.charts.table(
        "Sizes",
        "Average precision and recall by the area of a box in pixels of the original picture.",
        ["size", "px", "boxes", "mAP@[.5:.95]", "mAP@.5", "AR@100"],
        rows,
    )


def error_types(
    costs: Mapping[Kind, float], mistakes: Sequence[Mistake], threshold: float
) -> zoo.Figure:
    """Draw what each kind of mistake costs, with how many there are at the threshold."""
    counts = Counter(mistake.kind for mistake in mistakes)
    labels = [f"{title} ({counts[kind]})" for kind, title in KINDS.items()]
    return zoo.charts.bar_chart(
        "Kinds of mistakes",
        "How much mAP@.5 would rise if all mistakes of a kind were mended, at any score"
        f" (TIDE). In brackets, how many there are at a score of {threshold:.2f} or more.",
        labels,
        {"cost": [costs[kind] for kind in KINDS]},
        x_label="mAP@.5 lost",
        horizontal=True,
    )


def confusion_matrix(
    truth: zoo.Batch, predictions: zoo.Batch, classes: Sequence[str], threshold: float
) -> zoo.Figure:
    """Draw which class is taken for which, and for background; many classes as a table."""
    counts = confusion(truth, predictions, threshold, len(classes))
    names = [*classes, "background"]
    title, which = "Confusion", f"at IoU .5 and a score of {threshold:.2f} or more"
    if len(classes) > _MATRIX:
        np.fill_diagonal(counts, 0)
        cells = np.argsort(-counts, axis=None, kind="stable")[:_MATRIX]
        pairs = np.transpose(np.unravel_index(cells, counts.shape)).tolist()
        rows = [[names[i], names[j], counts[i, j]] for i, j in pairs if counts[i, j]]
        caption = f"The most frequent confusions {which}. Detected background is a missed box."
        return zoo.charts.table(title, caption, ["true", "detected", "boxes"], rows)
    caption = (
        f"True against detected classes {which}. The last column counts missed boxes, the last"
        " row detections of nothing."
    )
    return zoo.charts.confusion_matrix(title, caption, counts, names)


def reliability(detections: Detections, threshold: float) -> zoo.Figure:
    """Draw how often a detection of some score is right."""
    scores, right = detections.outcomes(0.5)
    bins = np.clip((scores * 10).astype(int), 0, 9)
    filled = np.unique(bins)
    stated = [float(scores[bins == each].mean()) for each in filled]
    observed = [float(right[bins == each].mean()) for each in filled]
    return zoo.charts.line_chart(
        "Reliability of scores",
        f"Share of detections that are right at IoU .5, by their score: {len(scores):,}"
        " detections in ten ranges of equal width.",
        {"model": (stated, observed)},
        references={"perfect": ([0, 1], [0, 1])},
        marks={"threshold": threshold},
        x_label="score",
        y_label="share right",
        x_range=(0.0, 1.0),
    )


def error_gallery(
    truth: zoo.Batch, mistakes: Sequence[Mistake], classes: Sequence[str]
) -> zoo.Figure:
    """Show the costliest mistakes of each kind, cut out of their pictures."""
    groups = {kind: [m for m in mistakes if m.kind == kind] for kind in KINDS}
    groups = {kind: group for kind, group in groups.items() if group}
    most = min(_GALLERY_OF_KIND, _GALLERY // max(len(groups), 1))
    unreadable: set[str] = set()
    sections = []
    for kind, group in groups.items():
        images, labels = [], []
        for mistake in sorted(group, key=lambda mistake: -mistake.cost):
            image = _read(truth, mistake.image, unreadable)
            if image is not None:
                images.append(_crop(image, mistake))
                labels.append(f"{_description(mistake, classes)} · {truth['id'][mistake.image]}")
            if len(images) == most:
                break
        shown = zoo.charts.images_html(images, labels)
        sections.append(f"<h4>{KINDS[kind]}: {len(group):,}</h4>{shown}")
    return zoo.Figure(
        "Costliest mistakes",
        "The surest false detections and the rarest classes missed, of each kind. The true box"
        " is green, the detected one orange." + _left_out(unreadable),
        "".join(sections) or "<p>No mistakes.</p>",
    )


def examples(
    truth: zoo.Batch,
    predictions: zoo.Batch,
    classes: Sequence[str],
    threshold: float,
    most: int = 6,
) -> zoo.Figure:
    """Show what is detected in some pictures, taken at even distances."""
    unreadable: set[str] = set()
    images, captions = [], []
    for row in np.unique(np.linspace(0, len(truth["id"]) - 1, most).round().astype(int)).tolist():
        image = _read(truth, row, unreadable)
        if image is None:
            continue
        shown = predictions["scores"][row] >= threshold
        labels = predictions["classes"][row][shown]
        small, scale = _shrunk(image, _EXAMPLE)
        images.append(
            draw_boxes(
                small,
                predictions["boxes"][row][shown] * scale,
                [classes[label] for label in labels],
                labels,
                scores=predictions["scores"][row][shown],
            )
        )
        found, there = len(labels), int(np.count_nonzero(~truth["crowd"][row]))
        captions.append(f"{found} detected, {there} true · {truth['id'][row]}")
    return zoo.Figure(
        "Examples",
        f"Detections with a score of {threshold:.2f} or more." + _left_out(unreadable),
        zoo.charts.images_html(images, captions, column="18rem"),
    )


def _read(truth: zoo.Batch, row: int, unreadable: set[str]) -> np.ndarray | None:
    """Return a picture's pixels; or None, and note its id, if it cannot be read any more."""
    try:
        return truth["image"][row].read()
    except zoo.DataError:
        unreadable.add(str(truth["id"][row]))
        return None


def _left_out(unreadable: set[str]) -> str:
    """Return a sentence for the caption about pictures that could not be read."""
    if not unreadable:
        return ""
    return f" {len(unreadable):,} pictures could not be read, among them {min(unreadable)}."


def _description(mistake: Mistake, classes: Sequence[str]) -> str:
    true = "" if mistake.truth_class is None else classes[mistake.truth_class]
    if mistake.class_index is None:
        return true
    detected = f"{classes[mistake.class_index]} {mistake.score:.2f}"
    if mistake.box is None or mistake.truth_box is None:
        return detected
    overlap = iou(mistake.box[None], mistake.truth_box[None])[0, 0]
    return f"{detected}, true {true}, IoU {overlap:.2f}"


def _crop(image: np.ndarray, mistake: Mistake) -> np.ndarray:
    """Return a mistake and what is around it, with its boxes drawn."""
    parts = {_TRUE: mistake.truth_box, _DETECTED: mistake.box}
    colours = [colour for colour, box in parts.items() if box is not None]
    boxes = np.stack([box for box in parts.values() if box is not None])
    left, top, right, bottom = _surroundings(boxes, image.shape)
    cut, scale = _shrunk(image[top:bottom, left:right], _CROP, enlarge=True)
    placed = (boxes - [left, top, left, top]) * scale
    return draw_boxes(cut, placed, [""] * len(boxes), colours)


def _surroundings(boxes: np.ndarray, shape: tuple[int, ...]) -> list[int]:
    """Return left, top, right and bottom of a part of the picture with room around `boxes`, px."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    reach = max(32.0, 0.9 * float((high - low).max()))
    middle = (low + high) / 2
    region = np.concatenate([middle - reach, middle + reach])[None]
    left, top, right, bottom = clip(region, shape[1], shape[0])[0].astype(int).tolist()
    # A box outside the picture leaves a line of it, as there is nothing else to show.
    left, top = min(left, shape[1] - 1), min(top, shape[0] - 1)
    return [left, top, max(right, left + 1), max(bottom, top + 1)]


def _shrunk(
    image: np.ndarray, longest: int, *, enlarge: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture whose longest side is at most `longest` px, or just that, and the scale.

    Returns:
        uint8 [height, width, 3]; and what boxes [n, 4] are multiplied with, float64 [4].
    """
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale > 1 and not enlarge:
        return image, np.ones(4)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(resized), np.tile([size[0] / width, size[1] / height], 2)
