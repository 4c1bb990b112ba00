"""Metrics of predicted classes, under any weights; they equal scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import zoo


class Confusion:
    """Counts of true against predicted classes.

    Args:
        truth: names of the true classes [examples].
        predicted: names of the predicted ones [examples].
    """

    def __init__(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        names = np.concatenate([truth, predicted]).astype(str)
        classes, codes = np.unique(names, return_inverse=True)
        self.classes: list[str] = classes.tolist()
        """The classes that occur, sorted."""
        self._cells = codes[: len(truth)] * len(classes) + codes[len(truth) :]

    def counts(self, weights: np.ndarray) -> np.ndarray:
        """Return how often each class, a row, was predicted as each, a column; float64."""
        size = len(self.classes)
        return np.bincount(self._cells, weights, minlength=size**2).reshape(size, size)

    def accuracy(self, weights: np.ndarray) -> float:
        """Return the share of right predictions; NaN without examples."""
        counts = self.counts(weights)
        total = counts.sum()
        return float(np.trace(counts) / total) if total else math.nan

    def macro_f1(self, weights: np.ndarray) -> float:
        """Return the mean F1 over the classes that occur; NaN without examples."""
        scores = self.scores(weights)[2]
        return float(np.nanmean(scores)) if np.any(np.isfinite(scores)) else math.nan

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """Return precision, recall and F1 [3, classes]; NaN where there is nothing to divide by."""
        counts = self.counts(weights)
        true, found = counts.sum(axis=1), counts.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.diag(counts) / np.stack([found, true, (found + true) / 2])


def class_predictions(probabilities: np.ndarray, classes: np.ndarray) -> zoo.Batch:
    """Return predictions: the most likely class of each example, and all probabilities.

    Args:
        probabilities: float [examples, classes].
        classes: names [examples, classes].
    """
    rows, best = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    return {
        "label": classes[rows, best],
        "probability": probabilities[rows, best],
        "classes": classes,
        "probabilities": probabilities,
    }


def log_losses(truth: zoo.Batch, predictions: zoo.Batch) -> np.ndarray:
    """Return the negative logarithm of the true class's probability [examples]."""
    place = true_class(truth["label"], predictions["classes"])
    given = predictions["probabilities"][np.arange(len(place)), place]
    given = np.where(place < 0, 0.0, given)  # a class that a baseline never saw
    return -np.log(np.maximum(given, np.finfo(np.float64).eps))


def true_class(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the place of each label among the classes, int64 [examples]; -1 for another one.

    Args:
        labels: names of the true classes [examples].
        classes: names [examples, classes], each row the same.
    """
    places = {name: place for place, name in enumerate(classes[0])}
    return np.array([places.get(name, -1) for name in labels], np.int64)
