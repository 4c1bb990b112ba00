"""Where to put the threshold of a finding, and what it costs: sensitivity and specificity.

Sensitivity is the share of scans with a finding that are called; specificity is the share of
those without it that are not.
"""

from __future__ import annotations

import math

import numpy as np

import zoo

_ROUNDING = 1e-12


class OperatingCurve:
    """All operating points of a finding: a threshold at each distinct score.

    Args:
        truth: whether each scan has the finding, bool [scans].
        scores: higher means more likely, [scans].
    """

    def __init__(self, truth: np.ndarray, scores: np.ndarray) -> None:
        self._truth = np.asarray(truth, bool)
        self._ranking = zoo.Ranking(self._truth, scores)
        self.count = len(self._truth)
        """How many scans there are."""

    def rates(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return sensitivity and specificity at each threshold, from the strictest one on.

        The first of them calls nothing. NaN where there are no scans to divide by.

        Args:
            weights: how often each scan counts [scans].

        Returns:
            two float64 [1 + thresholds].
        """
        called, alarms = (np.concatenate([[0.0], each]) for each in self._ranking.counts(weights))
        weights = np.asarray(weights, np.float64)
        ill, well = weights[self._truth].sum(), weights[~self._truth].sum()
        with np.errstate(invalid="ignore"):
            return called / ill, 1 - alarms / well

    def sensitivity_at(self, specificity: float, weights: np.ndarray) -> float:
        """Return the largest sensitivity at no less than a specificity; NaN if undefined."""
        sensitivity, reached = self.rates(weights)
        if np.isnan(sensitivity).any() or np.isnan(reached).any():
            return math.nan
        return float(sensitivity[reached >= specificity - _ROUNDING].max())

    def threshold(self, rule: str, specificity: float) -> float:
        """Return the score from which on a scan is called.

        It lies halfway between two scores, so that neither is called by rounding.

        Args:
            rule: `youden`, the largest sum of sensitivity and specificity, or `specificity`,
                the largest sensitivity at no less than the given specificity.
            specificity: for that rule.
        """
        sensitivity, reached = self.rates(np.ones(len(self._truth), np.int64))
        if np.isnan(sensitivity).any() or np.isnan(reached).any():
            return 0.5  # with one class alone nothing can be chosen
        if rule == "youden":
            merit = sensitivity + reached
        else:
            merit = np.where(reached >= specificity - _ROUNDING, sensitivity, -1.0)
        best = int(np.flatnonzero(merit == merit.max())[0])
        scores = np.concatenate([[1.0], self._ranking.thresholds, [0.0]])
        return float((scores[best] + scores[best + 1]) / 2)


class Calls:
    """How often a finding is called where it is there, and not called where it is not.

    Args:
        truth: whether each scan has the finding, bool [scans].
        called: whether it was predicted, bool [scans].
    """

    def __init__(self, truth: np.ndarray, called: np.ndarray) -> None:
        self._truth, self._called = np.asarray(truth, bool), np.asarray(called, bool)

    def sensitivity(self, weights: np.ndarray) -> float:
        """Return the share of scans with the finding that are called; NaN without any."""
        return _share(self._called[self._truth], weights[self._truth])

    def specificity(self, weights: np.ndarray) -> float:
        """Return the share of scans without it that are not called; NaN without any."""
        return _share(~self._called[~self._truth], weights[~self._truth])


def _share(right: np.ndarray, weights: np.ndarray) -> float:
    total = weights.sum()
    return float(weights[right].sum() / total) if total else math.nan
