"""Operating points, against scikit-learn's curves and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from zoo_medical.evaluation.operating_point import Calls, OperatingCurve


def draw(count: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truth = random.random(count) < 0.4
    scores = np.round(np.clip(0.3 * truth + random.normal(0.4, 0.2, count), 0, 1), 2)
    return truth, scores, random.integers(1, 4, count)


def test_rates_equal_those_of_scikit_learn() -> None:
    truth, scores, weights = draw()
    sensitivity, specificity = OperatingCurve(truth, scores).rates(weights)
    alarms, called, _ = roc_curve(truth, scores, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(sensitivity, called, atol=1e-12)
    np.testing.assert_allclose(1 - specificity, alarms, atol=1e-12)


@pytest.mark.parametrize("specificity", [0.5, 0.9, 1.0])
def test_sensitivity_at_a_specificity_is_the_best_that_keeps_it(specificity: float) -> None:
    truth, scores, weights = draw()
    alarms, called, _ = roc_curve(truth, scores, sample_weight=weights, drop_intermediate=False)
    expected = called[1 - alarms >= specificity - 1e-12].max()
    found = OperatingCurve(truth, scores).sensitivity_at(specificity, weights)
    assert found == pytest.approx(expected, abs=1e-12)


def test_sensitivity_is_undefined_where_nothing_is_to_be_found() -> None:
    curve = OperatingCurve(np.zeros(5, bool), np.arange(5) / 5)
    assert math.isnan(curve.sensitivity_at(0.9, np.ones(5, np.int64)))


@pytest.mark.parametrize("rule", ["youden", "specificity"])
def test_a_threshold_is_as_good_as_any_other(rule: str) -> None:
    truth, scores, _ = draw()
    curve, ones = OperatingCurve(truth, scores), np.ones(len(truth), np.int64)

    def merit(threshold: float) -> float:
        calls = Calls(truth, scores >= threshold)
        sensitivity, specificity = calls.sensitivity(ones), calls.specificity(ones)
        if rule == "youden":
            return sensitivity + specificity
        return sensitivity if specificity >= 0.9 - 1e-12 else -1.0

    chosen = curve.threshold(rule, 0.9)
    assert chosen not in scores
    assert merit(chosen) == pytest.approx(max(map(merit, np.linspace(0, 1.01, 500))))


def test_with_one_class_alone_the_threshold_stays_in_the_middle() -> None:
    assert OperatingCurve(np.ones(4, bool), np.arange(4) / 4).threshold("youden", 0.9) == 0.5


def test_calls_count_examples_as_often_as_their_weights_say() -> None:
    truth, called = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 1, 1, 0], bool)
    weights = np.array([2, 1, 1, 3, 1])
    calls = Calls(truth, called)
    assert calls.sensitivity(weights) == pytest.approx(3 / 4)
    assert calls.specificity(weights) == pytest.approx(1 / 4)
