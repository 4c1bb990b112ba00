"""Metrics of a ranking that can weigh its examples quickly: sorted once, resampled often."""

from __future__ import annotations

import math

import numpy as np


class Ranking:
    """Examples sorted by score, for metrics under any weights.

    The values equal scikit-learn's `average_precision_score`, `roc_auc_score` and
    `precision_recall_curve` with the weights as `sample_weight`.

    Args:
        labels: 0 or 1, [examples].
        scores: higher means more likely 1, [examples].
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        scores = np.asarray(scores)
        self._order = np.argsort(-scores, kind="stable")
        self._labels = np.asarray(labels)[self._order].astype(bool)
        ranked = scores[self._order]
        last_of_equals = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
        self._ends = np.flatnonzero(last_of_equals)
        self.thresholds = ranked[self._ends]
        """The distinct scores, highest first."""

    def counts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return true and false positives at each threshold, float64 [thresholds]."""
        weights = np.asarray(weights, np.float64)[self._order]
        positives = np.cumsum(weights * self._labels)[self._ends]
        negatives = np.cumsum(weights * ~self._labels)[self._ends]
        return positives, negatives

    def precision_recall(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return precision and recall at each threshold; NaN without positives."""
        positives, negatives = self.counts(weights)
        flagged = positives + negatives
        precision = np.divide(positives, flagged, out=np.ones_like(flagged), where=flagged > 0)
        total = positives[-1] if len(positives) else 0.0
        return precision, positives / total if total else np.full_like(positives, math.nan)

    def average_precision(self, weights: np.ndarray) -> float:
        """Return the area under the precision-recall steps; NaN without positives."""
        precision, recall = self.precision_recall(weights)
        return float(np.sum(np.diff(recall, prepend=0.0) * precision))

    def roc_auc(self, weights: np.ndarray) -> float:
        """Return the area under the ROC curve; NaN with one class only."""
        positives, negatives = self.counts(weights)
        total = positives[-1] * negatives[-1] if len(positives) else 0.0
        if not total:
            return math.nan
        heights = np.concatenate([[0.0], positives])
        widths = np.diff(negatives, prepend=0.0)
        return float(np.sum(widths * (heights[1:] + heights[:-1]) / 2) / total)

    def recall_at_precision(self, weights: np.ndarray, precision: float) -> float:
        """Return the largest recall at no less than a precision; NaN without positives."""
        reached, recall = self.precision_recall(weights)
        if not len(recall) or math.isnan(recall[-1]):
            return math.nan
        return float(np.max(recall[reached >= precision], initial=0.0))
