"""The figures of a report on classes."""

from __future__ import annotations

import numpy as np

from zoo.classification.metrics import Confusion
from zoo.components import Batch, Figure
from zoo.evaluation.ranking import Ranking
from zoo.reporting import charts

_GROUPS = 10
_POINTS = 200
"""Points of a curve at most."""


def confusion(truth: Batch, predictions: Batch) -> Figure:
    """Draw which classes are taken for which."""
    found = Confusion(truth["label"], predictions["label"])
    return charts.confusion_matrix(
        "Confusion",
        "How often each true class, a row, was predicted as each class, a column.",
        found.counts(np.ones(len(truth["label"]))),
        found.classes,
    )


def by_class(truth: Batch, predictions: Batch) -> Figure:
    """List how well each class is told from the others."""
    found = Confusion(truth["label"], predictions["label"])
    scores = found.scores(np.ones(len(truth["label"]))).T
    rows = [
        [name, int(np.count_nonzero(truth["label"] == name)), *map(float, scores[place])]
        for place, name in enumerate(found.classes)
    ]
    return charts.table(
        "Each class",
        "Precision: of what was predicted as the class, the share that is. Recall: of the class, "
        "the share that was found.",
        ["class", "examples", "precision", "recall", "F1"],
        rows,
    )


def reliability(truth: Batch, predictions: Batch) -> Figure:
    """Draw how often a stated probability comes true."""
    correct = truth["label"] == predictions["label"]
    order = np.argsort(predictions["probability"], kind="stable")
    groups = [part for part in np.array_split(order, _GROUPS) if len(part)]
    stated = [float(predictions["probability"][part].mean()) for part in groups]
    observed = [float(correct[part].mean()) for part in groups]
    return charts.line_chart(
        "Calibration",
        f"Mean stated probability and share of right predictions, in {len(groups)} groups of "
        "equal size.",
        {"model": (stated, observed)},
        references={"perfect": ([0, 1], [0, 1])},
        x_label="stated probability",
        y_label="share that is right",
    )


def abstention(truth: Batch, predictions: Batch) -> Figure:
    """Draw what is gained by leaving out the least sure predictions (arXiv:1705.08500)."""
    coverage, accuracy = accuracy_by_coverage(truth, predictions)
    chosen = np.unique(np.linspace(0, len(coverage) - 1, _POINTS).astype(np.int64))
    return charts.line_chart(
        "Abstention",
        "Share of right predictions among the surest ones, where the others are left to a human; "
        f"{accuracy[-1]:.1%} where none is left out.",
        {"model": (coverage[chosen], accuracy[chosen])},
        x_label="share of examples that are predicted",
        y_label="share that is right",
        x_range=(0, 1),
    )


def accuracy_by_coverage(truth: Batch, predictions: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of examples that are predicted and the accuracy on them.

    Returns:
        two float64 [thresholds], one value for each distinct probability that is asked for,
        from the strictest, which the fewest predictions reach, to none.
    """
    correct = truth["label"] == predictions["label"]
    right, wrong = Ranking(correct, predictions["probability"]).counts(np.ones(len(correct)))
    return (right + wrong) / len(correct), right / (right + wrong)
