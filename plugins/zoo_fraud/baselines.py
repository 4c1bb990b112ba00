"""What a fraud model has to beat."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import zoo

Batch = dict[str, np.ndarray]


def by_amount(train: Batch, test: Batch) -> Batch:
    """Rank transactions by their amount, the trivial rule."""
    known = np.sort(train["amount"])
    return _predictions(np.searchsorted(known, test["amount"]) / max(len(known), 1))


def logistic_regression(preprocessing: zoo.Preprocessing) -> zoo.Baseline:
    """Return a logistic regression on the standardised features, missing ones at the median."""

    def fit_predict(train: Batch, test: Batch) -> Batch:
        model = LogisticRegression(max_iter=500)
        model.fit(np.nan_to_num(_table(preprocessing, train)), train["label"])
        return _predictions(model.predict_proba(np.nan_to_num(_table(preprocessing, test)))[:, 1])

    return fit_predict


def gradient_boosting(preprocessing: zoo.Preprocessing) -> zoo.Baseline:
    """Return gradient-boosted trees on the same features, stopped early by themselves."""

    def fit_predict(train: Batch, test: Batch) -> Batch:
        model = HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=300, early_stopping=True, random_state=0
        )
        model.fit(_table(preprocessing, train), train["label"])
        return _predictions(model.predict_proba(_table(preprocessing, test))[:, 1])

    return fit_predict


def _table(preprocessing: zoo.Preprocessing, batch: Batch) -> np.ndarray:
    inputs = preprocessing.inputs(batch)
    columns = [inputs[name] for name in ("number", "category") if name in inputs]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def _predictions(probability: np.ndarray) -> Batch:
    return {"probability": probability, "alert": probability >= 0.5}
