"""What a model of classes has to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.classification.metrics import class_predictions
from zoo.components import Baseline, Batch


def most_frequent_class(classes: Sequence[str]) -> Baseline:
    """Return the trivial rule: the shares of the classes in training, for every example.

    Args:
        classes: names of the classes, in the order of the model's outputs.
    """

    def fit_predict(train: Batch, test: Batch) -> Batch:
        counts = np.array([np.count_nonzero(train["label"] == name) for name in classes])
        return class_predictions(np.tile(counts / counts.sum(), (len(test["label"]), 1)), classes)

    return fit_predict


def classical_baseline(
    estimator: Any, features: Callable[[Batch], Any], classes: Sequence[str]
) -> Baseline:
    """Return a scikit-learn classifier as a baseline.

    Args:
        estimator: with `fit` and `predict_proba`, such as a pipeline.
        features: from examples to what it takes, such as float [examples, features].
        classes: names of the classes, in the order of the model's outputs.
    """

    def fit_predict(train: Batch, test: Batch) -> Batch:
        estimator.fit(features(train), train["label"].astype(str))
        known = {name: place for place, name in enumerate(estimator.classes_)}
        found = estimator.predict_proba(features(test))
        probabilities = np.zeros((len(found), len(classes)))
        for place, name in enumerate(classes):
            if name in known:  # one without training examples keeps the probability 0
                probabilities[:, place] = found[:, known[name]]
        return class_predictions(probabilities, classes)

    return fit_predict
