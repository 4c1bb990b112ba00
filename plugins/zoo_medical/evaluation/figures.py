"""What a report shows of scans, beside what all tasks of classes have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import zoo
from zoo_medical.evaluation.operating_point import OperatingCurve
from zoo_medical.explanation.overlays import as_picture, overlay

_EXPLAINED = 4
"""Right and wrong predictions each whose maps are shown."""


def operating_curve(
    curve: OperatingCurve, finding: str, called: str, point: Sequence[float]
) -> zoo.Figure:
    """Draw sensitivity over specificity, with the point at which the finding is called.

    Args:
        curve: of the finding.
        finding: its name.
        called: how the point was chosen.
        point: specificity and sensitivity there.
    """
    ones = np.ones(curve.count, np.int64)
    sensitivity, specificity = curve.rates(ones)
    return zoo.charts.line_chart(
        "Operating points",
        f"What {finding} costs to find: the share of scans with it that are called, over the share "
        f"of those without it that are not. The mark is where it is called ({called}).",
        {"model": (specificity, sensitivity), "chosen": ([point[0]], [point[1]])},
        references={"chance": ([0, 1], [1, 0])},
        x_label="specificity",
        y_label="sensitivity",
        x_range=(0.0, 1.02),
        y_range=(0.0, 1.02),
    )


def telling_rows(truth: zoo.Batch, predictions: zoo.Batch) -> list[int]:
    """Return the surest wrong and the surest right predictions."""
    right = truth["label"] == predictions["label"]
    order = np.argsort(-predictions["probability"], kind="stable")
    wrong = [int(row) for row in order if not right[row]]
    sure = [int(row) for row in order if right[row]]
    return wrong[:_EXPLAINED] + sure[:_EXPLAINED]


def explanations(truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Figure]:
    """Show scans beside the maps of their classes, the surest mistakes first."""
    rows = [row for row in telling_rows(truth, predictions) if _explained(predictions, row)]
    return with_maps(predictions, {row: _verdict(truth, predictions, row) for row in rows})


def _explained(predictions: zoo.Batch, row: int) -> bool:
    return predictions["gradcam"][row] is not None


def with_maps(predictions: zoo.Batch, labels: Mapping[int, str]) -> list[zoo.Figure]:
    """Show scans beside their maps, and say how alike maps of shuffled weights are.

    Args:
        predictions: with the columns of `zoo_medical.explanation.maps`.
        labels: what is said of each row that is shown.
    """
    images, titles = [], []
    for row, label in labels.items():
        seen = predictions["seen"][row]
        images.append(as_picture(seen))
        titles.append(label)
        for kind, title in (("gradcam", "Grad-CAM"), ("occlusion", "occlusion")):
            heat = predictions[kind][row]
            strongest = float(heat.max())
            images.append(overlay(seen, heat / strongest if strongest else heat))
            titles.append(f"{title}, at most {strongest:.1f}" if kind == "occlusion" else title)
    shown = zoo.charts.image_grid(
        "Where it was told from",
        "Scans with what spoke for what was predicted: by the features before the head (Grad-CAM), "
        "and by the fall of its log-odds where a part is hidden (occlusion; 2.3 makes the odds ten "
        "times worse). They say what the model looked at, not that it was right to.",
        images,
        titles,
    )
    correlations = [predictions["sanity"][row] for row in labels]
    return [shown, sanity(np.array(correlations, np.float64))]


def _verdict(truth: zoo.Batch, predictions: zoo.Batch, row: int) -> str:
    said, true = str(predictions["label"][row]), str(truth["label"][row])
    probability = float(predictions["probability"][row])
    return f"{said} ({probability:.0%})" + ("" if said == true else f", but is {true}")


def sanity(correlations: np.ndarray) -> zoo.Figure:
    """List how alike Grad-CAM maps are with those of shuffled weights."""
    rows = [[len(correlations), *np.quantile(correlations, [0.5, 0.0, 1.0])]]
    return zoo.charts.table(
        "Do the maps depend on what was learnt?",
        "Rank correlation between the Grad-CAM map of a scan and that of the same network with "
        "shuffled weights. Near 1, maps would show the scan and not the model; near 0 they do not.",
        ["scans", "median", "least", "largest"],
        rows,
    )
