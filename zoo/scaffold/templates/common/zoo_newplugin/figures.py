"""The figures of a report on classes."""

from __future__ import annotations

import numpy as np
import zoo

from zoo_newplugin.metrics import Confusion

_GROUPS = 10


def confusion(truth: zoo.Batch, predictions: zoo.Batch) -> zoo.Figure:
    """Draw which classes are taken for which."""
    found = Confusion(truth["label"], predictions["label"])
    return zoo.charts.confusion_matrix(
        "Confusion",
        "How often each true class, a row, was predicted as each class, a column.",
        found.counts(np.ones(len(truth["label"]))),
        found.classes,
    )


def by_class(truth: zoo.Batch, predictions: zoo.Batch) -> zoo.Figure:
    """List how well each class is told from the others."""
    found = Confusion(truth["label"], predictions["label"])
    scores = found.scores(np.ones(len(truth["label"]))).T
    rows = [
        [name, int(np.count_nonzero(truth["label"] == name)), *map(float, scores[place])]
        for place, name in enumerate(found.classes)
    ]
    return zoo.charts.table(
        "Each class",
        "Precision: of what was predicted as the class, the share that is. Recall: of the class, "
        "the share that was found.",
        ["class", "examples", "precision", "recall", "F1"],
        rows,
    )


def reliability(truth: zoo.Batch, predictions: zoo.Batch) -> zoo.Figure:
    """Draw how often a stated probability comes true."""
    correct = truth["label"] == predictions["label"]
    order = np.argsort(predictions["probability"], kind="stable")
    groups = [part for part in np.array_split(order, _GROUPS) if len(part)]
    stated = [float(predictions["probability"][part].mean()) for part in groups]
    observed = [float(correct[part].mean()) for part in groups]
    return zoo.charts.line_chart(
        "Calibration",
        f"Mean stated probability and share of right predictions, in {len(groups)} groups of "
        "equal size.",
        {"model": (stated, observed)},
        references={"perfect": ([0, 1], [0, 1])},
        x_label="stated probability",
        y_label="share that is right",
    )
