"""Metrics under weights, bootstrap intervals and calibration."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from hypothesis import given, strategies as st
from scipy.special import expit
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

import zoo
from zoo.components import Metric
from zoo.evaluation.bootstrap import Bootstrap, Interval
from zoo.evaluation.calibration import expected_calibration_error, fit_temperature
from zoo.evaluation.ranking import Ranking


@given(st.integers(0, 10_000), st.integers(4, 80), st.integers(2, 10))
def test_ranking_equals_scikit_learn_with_ties_and_weights(
    seed: int, examples: int, levels: int
) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, examples)
    labels[:2] = [0, 1]
    scores = generator.integers(0, levels, examples) / levels
    weights = generator.integers(0, 4, examples)
    weights[:2] = 1
    ranking = Ranking(labels, scores)
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert ranking.average_precision(weights) == pytest.approx(expected, abs=1e-12)
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert ranking.roc_auc(weights) == pytest.approx(expected, abs=1e-12)
    precision, recall, _ = precision_recall_curve(labels, scores, sample_weight=weights)
    best = max((r for p, r in zip(precision[:-1], recall[:-1], strict=True) if p >= 0.5), default=0)
    assert ranking.recall_at_precision(weights, 0.5) == pytest.approx(best, abs=1e-12)


def test_one_class_leaves_the_metrics_undefined() -> None:
    ranking = Ranking(np.zeros(5), np.arange(5))
    assert math.isnan(ranking.average_precision(np.ones(5)))
    assert math.isnan(ranking.roc_auc(np.ones(5)))
    assert math.isnan(ranking.recall_at_precision(np.ones(5), 0.5))


def _mean(values: np.ndarray) -> Metric:
    return Metric("mean", "Mean", lambda weights: float(np.average(values, weights=weights)))


def _interval(
    bootstrap: Bootstrap, metric: Metric, examples: int, units: np.ndarray | None = None
) -> Interval:
    return bootstrap.interval(bootstrap.sample(metric, bootstrap.draws(examples, units)))


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=80)
        bootstrap = Bootstrap(samples=200, level=0.9, seed=seed)
        interval = _interval(bootstrap, _mean(values), 80)
        covered += interval.low <= 0.0 <= interval.high
    assert 165 <= covered <= 195  # 180 expected


def test_examples_of_one_unit_are_drawn_together_and_widen_the_interval() -> None:
    units = np.repeat(np.arange(20), 50)
    values = np.random.default_rng(0).normal(size=20)[units]
    bootstrap = Bootstrap(samples=200)
    draws = bootstrap.draws(1000, units)
    for weights in list(draws)[1:]:
        assert all(len(set(weights[units == unit])) == 1 for unit in range(20))
    together = _interval(bootstrap, _mean(values), 1000, units)
    alone = _interval(bootstrap, _mean(values), 1000)
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_single_unit_has_no_interval_rather_than_a_sure_one() -> None:
    values = np.array([1.0, 0.0, 1.0])
    mean = Metric("mean", "Mean", lambda weights: float(np.average(values, weights=weights)))
    bootstrap = Bootstrap(samples=20)
    interval = bootstrap.interval(bootstrap.sample(mean, bootstrap.draws(3, np.zeros(3))))
    assert interval.value == pytest.approx(2 / 3)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_metric_that_most_samples_leave_undefined_has_no_interval() -> None:
    labels = np.array([1] + [0] * 9)
    metric = Metric("auc", "AUC", Ranking(labels, np.arange(10.0)).roc_auc)
    bootstrap = Bootstrap(samples=100)
    interval = _interval(bootstrap, metric, 10)
    assert interval.value == 0.0
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_is_found_again_and_mends_calibration(classes: int) -> None:
    generator = np.random.default_rng(0)
    if classes == 2:
        true = generator.normal(size=20_000) * 2
        labels = (generator.random(20_000) < expit(true)).astype(int)
        before = expected_calibration_error(expit(true * 3), labels)
        after = expected_calibration_error(
            expit(true * 3 / fit_temperature(true * 3, labels)), labels
        )
        assert after < 0.02 < before
    else:
        true = generator.normal(size=(20_000, classes)) * 2
        labels = np.argmax(true + generator.gumbel(size=true.shape), axis=1)
    assert fit_temperature(true * 3, labels) == pytest.approx(3.0, rel=0.05)


def test_lead_of_a_model_is_surer_than_two_intervals_say(toy_run: zoo.Run) -> None:
    model, baseline = toy_run.evaluation["systems"]
    lead = baseline["lead"]["auc"]
    assert lead["value"] == model["values"]["auc"]["value"] - baseline["values"]["auc"]["value"]
    assert lead["low"] > 0
    assert "lead" not in model


@pytest.mark.usefixtures("toy_plugin")
def test_figures_are_given_the_explanations_they_ask_for(
    toy_run: zoo.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[zoo.Batch] = []

    def explain(self: Any, model: Any, preprocessing: Any, batch: Any, found: Any) -> zoo.Batch:
        return {"why": batch["point"][:, 0] + len(found["score"])}

    def figures(self: Any, truth: Any, predictions: zoo.Batch, decision: Any) -> list[zoo.Figure]:
        seen.append(predictions)
        return [zoo.charts.table("Why", "The reasons.", ["why"], [[predictions["why"][7]]])]

    monkeypatch.setattr(toy.Classify, "explained", lambda *given: [3, 7])
    monkeypatch.setattr(toy.Classify, "explain", explain)
    monkeypatch.setattr(toy.Classify, "figures", figures)
    zoo.evaluate(toy_run.path, samples=0)
    assert not seen
    zoo.evaluate(toy_run.path, samples=0, report=tmp_path / "page.html")
    (found,) = seen
    assert "The reasons." in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(found["score"]) == len(found["why"])
    assert np.flatnonzero([each is not None for each in found["why"]]).tolist() == [3, 7]
