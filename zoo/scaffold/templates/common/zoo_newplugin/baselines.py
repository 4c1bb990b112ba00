"""What a model has to beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import zoo

from zoo_newplugin.metrics import class_predictions


def most_frequent_class(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
    """Predict the shares of the classes in training for every example, the trivial rule."""
    names, counts = np.unique(train["label"].astype(str), return_counts=True)
    return _predictions(np.tile(counts / counts.sum(), (len(test["label"]), 1)), names)


def classical(estimator: Any, features: Callable[[zoo.Batch], Any]) -> zoo.Baseline:
    """Return a scikit-learn classifier as a baseline.

    Args:
        estimator: with `fit` and `predict_proba`, such as a pipeline.
        features: from examples to what it takes, such as float [examples, features].
    """

    def fit_predict(train: zoo.Batch, test: zoo.Batch) -> zoo.Batch:
        estimator.fit(features(train), train["label"].astype(str))
        return _predictions(estimator.predict_proba(features(test)), estimator.classes_)

    return fit_predict


def _predictions(probabilities: np.ndarray, names: np.ndarray) -> zoo.Batch:
    classes = np.tile(names.astype(object), (len(probabilities), 1))
    return class_predictions(np.asarray(probabilities, np.float64), classes)
