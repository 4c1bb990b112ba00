"""The fraud task: what transactions, scores and alerts mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import keras
import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, roc_auc_score

import zoo
from zoo_fraud import baselines, figures, reasons
from zoo_fraud.losses import MemberCrossEntropy
from zoo_fraud.metrics import DailyCards
from zoo_fraud.preprocessing import TablePreprocessing

_SAMPLE = 300_000
"""Transactions that the preprocessing is learnt from, at most."""


@dataclass(frozen=True, kw_only=True)
class DetectFraud(zoo.Task):
    """Scores each transaction and raises alerts within a daily budget.

    An example has `number` (float32 [features], NaN where missing), `category` (object
    [features]), `label` (0 or 1), `id`, `time`, `day`, `card` and `amount`. A prediction
    has `probability`, calibrated, and `alert`. With a history, an example also has `history`
    (float32 [history, features], oldest first) and `age` (float32 [history], days before,
    NaN where the card has no such transaction).
    """

    monitor: ClassVar[str] = "average_precision"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = TablePreprocessing

    cards_a_day: int = zoo.setting(100, "Cards that can be checked a day.", minimum=1)
    alert_cost: float = zoo.setting(5.0, "Cost of checking a card, in the amounts' currency.")
    precision: float = zoo.setting(
        0.5, "Precision at which recall is reported.", minimum=0, maximum=1
    )
    objective: Literal["cross-entropy", "focal"] = zoo.setting(
        "cross-entropy", "Loss; `focal` weighs easy examples down (arXiv:1708.02002)."
    )
    focal_gamma: float = zoo.setting(2.0, "How strongly `focal` does so.", minimum=0)
    class_weight: Literal["none", "balanced"] = zoo.setting(
        "none", "`balanced` makes frauds weigh as much as all else in the loss."
    )
    bins: int = zoo.setting(16, "Bins of the piecewise-linear encoding.", minimum=2)
    minimum_count: int = zoo.setting(
        20, "Occurrences below which a category counts as unseen.", minimum=1
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> TablePreprocessing:
        rows = np.arange(len(train))
        if len(rows) > _SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
        columns = train[rows]
        frauds = int(np.sum(columns["label"] == 1))
        balance = (len(rows) - frauds) / max(frauds, 1)
        return TablePreprocessing.fit(
            columns,
            info.facts["numbers"],
            info.facts["categories"],
            bins=self.bins,
            minimum_count=self.minimum_count,
            positive_weight=balance if self.class_weight == "balanced" else 1.0,
        )

    def loss(self, space: zoo.Space) -> keras.losses.Loss:
        return MemberCrossEntropy(self.focal_gamma if self.objective == "focal" else 0.0)

    def decode(self, outputs: np.ndarray, decision: Mapping[str, float]) -> zoo.Batch:
        probability = expit(_logit(outputs) / decision.get("temperature", 1.0))
        return {
            "probability": probability,
            "alert": probability >= decision.get("threshold", 0.5),
        }

    def tune(self, truth: zoo.Batch, outputs: np.ndarray) -> dict[str, float]:
        """Choose temperature and threshold on validation.

        The threshold raises alerts for `cards_a_day` cards on an average day.
        """
        raw = _logit(outputs)
        temperature = zoo.fit_temperature(raw, truth["label"])
        probability = expit(raw / temperature)
        label = truth["label"]
        days = len(np.unique(truth["day"]))
        return {
            "temperature": temperature,
            "threshold": _budget_threshold(truth, probability, self.cards_a_day * days),
            "calibration_before": zoo.expected_calibration_error(expit(raw), label),
            "calibration_after": zoo.expected_calibration_error(probability, label),
        }

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        score = predictions["probability"]
        ranking = zoo.Ranking(truth["label"], score)
        cards = self._daily_cards(truth, predictions)
        k, percent = self.cards_a_day, round(100 * self.precision)
        return [
            zoo.Metric("average_precision", "Average precision", ranking.average_precision),
            zoo.Metric("roc_auc", "ROC AUC", ranking.roc_auc),
            zoo.Metric(
                "card_precision", f"Card precision@{k}", lambda weights: cards.precision(weights, k)
            ),
            zoo.Metric(
                "recall_at_precision",
                f"Recall at {percent} % precision",
                lambda weights: ranking.recall_at_precision(weights, self.precision),
            ),
            zoo.Metric(
                "daily_cost",
                f"Cost a day, {k} cards checked",
                lambda weights: cards.cost(weights, k, self.alert_cost),
                higher_is_better=False,
            ),
        ]

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        """Return the two ranking metrics as scikit-learn has them."""
        label, score = truth["label"], predictions["probability"]
        return {
            "average_precision": float(average_precision_score(label, score)),
            "roc_auc": float(roc_auc_score(label, score)),
        }

    def units(self, truth: zoo.Batch) -> np.ndarray:
        return truth["card"]

    def baselines(self, preprocessing: zoo.Preprocessing) -> Mapping[str, zoo.Baseline]:
        return {
            "Largest amount first": baselines.by_amount,
            "Logistic regression": baselines.logistic_regression(preprocessing),
            "Gradient boosting": baselines.gradient_boosting(preprocessing),
        }

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        return [
            figures.precision_recall(truth, predictions, decision),
            figures.daily_cards(self._daily_cards(truth, predictions), self.cards_a_day, truth),
            figures.budget(self._daily_cards(truth, predictions), truth, self.cards_a_day),
            figures.reliability(truth, predictions),
        ]

    def explain(
        self,
        model: keras.Model,
        preprocessing: zoo.Preprocessing,
        batch: zoo.Batch,
        predictions: zoo.Batch,
    ) -> zoo.Batch:
        """Give each alert the features that raised its score most."""
        return {"reasons": reasons.reasons(model, preprocessing, batch, predictions["alert"])}

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        for row in range(len(batch["id"])):
            record = {
                "id": batch["id"][row],
                "time": str(batch["time"][row]),
                "probability": round(float(predictions["probability"][row]), 6),
                "alert": bool(predictions["alert"][row]),
            }
            if batch["card"][row] != batch["id"][row]:
                record["card"] = batch["card"][row]
            if "reasons" in predictions:
                record["reasons"] = predictions["reasons"][row]
            yield record

    def _daily_cards(self, truth: zoo.Batch, predictions: zoo.Batch) -> DailyCards:
        return DailyCards(
            truth["day"],
            truth["card"],
            truth["label"],
            predictions["probability"],
            truth["amount"],
        )


def _logit(outputs: np.ndarray) -> np.ndarray:
    """Return one logit for each example: that of the members' mean probability."""
    members = np.asarray(outputs, np.float64).reshape(len(outputs), -1)
    if members.shape[1] == 1:
        return members[:, 0]
    return logit(np.clip(expit(members).mean(axis=1), 1e-12, 1 - 1e-12))


def _budget_threshold(truth: zoo.Batch, probability: np.ndarray, card_days: int) -> float:
    """Return the threshold at which so many (card, day) pairs have an alert."""
    _, cards = np.unique(truth["card"], return_inverse=True)
    pair = truth["day"].astype(np.int64) * (cards.max() + 1) + cards
    _, codes = np.unique(pair, return_inverse=True)
    riskiest = np.zeros(codes.max() + 1)
    np.maximum.at(riskiest, codes, probability)
    ranked = np.sort(riskiest)[::-1]
    return float(ranked[min(card_days, len(ranked)) - 1])
