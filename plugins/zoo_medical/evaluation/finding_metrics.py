"""Metrics of findings, each of which may be there or not, under any weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

import zoo
from zoo_medical.evaluation.operating_point import Calls, OperatingCurve
from zoo_medical.preprocessing import has_findings

_LISTED = 20
"""Findings, at most, that have an AUROC of their own in the table."""


class FindingScores:
    """How well each finding is ranked and called.

    Args:
        truth: labelled examples.
        predictions: `probabilities`, `called` and `classes`, each [examples, findings].
    """

    def __init__(self, truth: zoo.Batch, predictions: zoo.Batch) -> None:
        self.names = [str(name) for name in predictions["classes"][0]]
        self.there = has_findings(truth["label"], self.names)
        self.probabilities = predictions["probabilities"]
        columns = range(len(self.names))
        pairs = [(self.there[:, place], self.probabilities[:, place]) for place in columns]
        self.rankings = [zoo.Ranking(*pair) for pair in pairs]
        self.curves = [OperatingCurve(*pair) for pair in pairs]
        called = predictions["called"]
        self.calls = [Calls(self.there[:, place], called[:, place]) for place in columns]

    def metrics(self, specificity: float) -> list[zoo.Metric]:
        """Return means over the findings for which each is defined, then each one's AUROC.

        Args:
            specificity: at which sensitivity is said.
        """
        at = f"Sensitivity at {specificity:.0%} specificity"
        found = [
            zoo.Metric("auroc", "Mean AUROC", _mean([each.roc_auc for each in self.rankings])),
            zoo.Metric(
                "average_precision",
                "Mean average precision",
                _mean([each.average_precision for each in self.rankings]),
            ),
            zoo.Metric(
                "sensitivity_at_specificity",
                at,
                _mean([_at(each, specificity) for each in self.curves]),
            ),
            zoo.Metric("sensitivity", "Sensitivity", _mean([c.sensitivity for c in self.calls])),
            zoo.Metric("specificity", "Specificity", _mean([c.specificity for c in self.calls])),
        ]
        return [*found, *self._by_finding()] if len(self.names) <= _LISTED else found

    def _by_finding(self) -> Iterator[zoo.Metric]:
        for name, ranking in zip(self.names, self.rankings, strict=True):
            yield zoo.Metric(f"auroc_{name}", f"AUROC of {name}", ranking.roc_auc)


_Compute = Callable[[np.ndarray], float]


def _at(curve: OperatingCurve, specificity: float) -> _Compute:
    return lambda weights: curve.sensitivity_at(specificity, weights)


def _mean(scores: list[_Compute]) -> _Compute:
    """Return the mean of the scores that are defined, or NaN."""

    def compute(weights: np.ndarray) -> float:
        values = [score(weights) for score in scores]
        known = [value for value in values if not math.isnan(value)]
        return float(np.mean(known)) if known else math.nan

    return compute
