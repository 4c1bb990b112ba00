"""What a fraud model has to beat."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

import zoo

_MOST_VALUES = 255


def by_amount(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
    """Rank transactions by their amount, the trivial rule."""
    known = np.sort(train["amount"])
    return _predictions(np.searchsorted(known, test["amount"]) / max(len(known), 1))


def logistic_regression(preprocessing: zoo.Preprocessing) -> zoo.Baseline:
    """Return a logistic regression: numbers standardised, missing ones at the mean and marked,
    categories one-hot."""

    def table(batch: zoo.Batch) -> zoo.Batch:
        inputs = preprocessing.inputs(batch)
        missing = np.isnan(inputs["number"]).astype(np.float32)
        return {**inputs, "number": np.hstack([np.nan_to_num(inputs["number"]), missing])}

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        columns, others = table(train), table(test)
        encoder = OneHotEncoder(handle_unknown="ignore", max_categories=100, sparse_output=False)
        if "category" in columns:
            columns["category"] = encoder.fit_transform(columns["category"])
            others["category"] = encoder.transform(others["category"])
        model = LogisticRegression(max_iter=500)
        model.fit(np.hstack(list(columns.values())), train["label"])
        return _predictions(model.predict_proba(np.hstack(list(others.values())))[:, 1])

    return fit_predict


def gradient_boosting(preprocessing: zoo.Preprocessing) -> zoo.Baseline:
    """Return gradient-boosted trees on the same features, stopped early by themselves."""

    def table(batch: zoo.Batch) -> np.ndarray:
        inputs = preprocessing.inputs(batch)
        columns = [inputs[name] for name in ("number", "category") if name in inputs]
        return np.concatenate(columns, axis=1, dtype=np.float32)

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        spaces = preprocessing.space.inputs
        numbers = len(spaces["number"].names)
        sizes = spaces["category"].sizes if "category" in spaces else ()
        # Trees treat up to 255 values of a category as such, and more as if in order.
        few = [numbers + column for column, size in enumerate(sizes) if size <= _MOST_VALUES]
        model = HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=300,
            early_stopping=True,
            random_state=0,
            categorical_features=few,
        )
        model.fit(table(train), train["label"])
        return _predictions(model.predict_proba(table(test))[:, 1])

    return fit_predict


def _predictions(probability: np.ndarray) -> zoo.Batch:
    return {"probability": probability, "alert": probability >= 0.5}
