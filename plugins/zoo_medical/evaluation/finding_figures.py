"""What a report shows of findings."""

from __future__ import annotations

import numpy as np

import zoo
from zoo_medical.evaluation import figures
from zoo_medical.evaluation.finding_metrics import FindingScores

_CURVES = 6
_GROUPS = 10
_EXPLAINED = 6


def by_finding(scores: FindingScores, specificity: float) -> zoo.Figure:
    """List how well each finding is found."""
    ones = np.ones(len(scores.there), np.int64)
    rows = [
        [
            name,
            int(scores.there[:, place].sum()),
            scores.rankings[place].roc_auc(ones),
            scores.rankings[place].average_precision(ones),
            scores.curves[place].sensitivity_at(specificity, ones),
            scores.calls[place].sensitivity(ones),
            scores.calls[place].specificity(ones),
        ]
        for place, name in enumerate(scores.names)
    ]
    return zoo.charts.table(
        "Findings",
        "Sensitivity: of the scans with the finding, the share in which it is called. Specificity: "
        "of those without it, the share in which it is not. Thresholds are from validation.",
        [
            *("finding", "scans", "AUROC", "average precision"),
            *(f"sensitivity at {specificity:.0%}", "sensitivity", "specificity"),
        ],
        rows,
    )


def operating_curves(scores: FindingScores) -> zoo.Figure:
    """Draw sensitivity over specificity of the most frequent findings."""
    ones = np.ones(len(scores.there), np.int64)
    frequent = np.argsort(-scores.there.sum(axis=0), kind="stable")[:_CURVES]
    series = {}
    for place in frequent.tolist():
        sensitivity, specificity = scores.curves[place].rates(ones)
        series[scores.names[place]] = specificity, sensitivity
    return zoo.charts.line_chart(
        "Operating points",
        "What it costs to find each: the share of scans with it that are called, over the share of "
        "those without it that are not"
        + (f"; the {_CURVES} most frequent." if len(scores.names) > _CURVES else "."),
        series,
        references={"chance": ([0, 1], [1, 0])},
        x_label="specificity",
        y_label="sensitivity",
        x_range=(0.0, 1.02),
        y_range=(0.0, 1.02),
    )


def reliability(scores: FindingScores) -> zoo.Figure:
    """Draw how often a stated probability comes true, over all findings."""
    stated, true = scores.probabilities.ravel(), scores.there.ravel()
    order = np.argsort(stated, kind="stable")
    groups = [part for part in np.array_split(order, _GROUPS) if len(part)]
    points = [
        [float(values[part].mean()) for part in groups] for values in (stated, true.astype(float))
    ]
    return zoo.charts.line_chart(
        "Calibration",
        f"Mean stated probability and share that is true, of all findings in {len(groups)} groups "
        "of equal size.",
        {"model": (points[0], points[1])},
        references={"perfect": ([0, 1], [0, 1])},
        x_label="stated probability",
        y_label="share that is true",
    )


def surest_rows(truth: zoo.Batch, predictions: zoo.Batch) -> list[int]:
    """Return the scans with the surest findings."""
    surest = predictions["probabilities"].max(axis=1)
    return np.argsort(-surest, kind="stable")[:_EXPLAINED].tolist()


def explanations(truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Figure]:
    """Show scans beside the maps of their likeliest findings."""
    probability = predictions["probabilities"].max(axis=1)
    labels = {}
    for row, name in enumerate(predictions["finding"]):
        if name is not None:
            given = str(truth["label"][row]).replace("|", ", ") or "nothing"
            labels[row] = f"{name} ({probability[row]:.0%}); true: {given}"
    return figures.with_maps(predictions, labels)
