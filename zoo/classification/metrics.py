"""Metrics of predicted classes, under any weights; they equal scikit-learn's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from zoo.components import Batch
from zoo.evaluation.ranking import Ranking


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
        return _mean_of_defined(self.scores(weights)[2])

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """Return precision, recall and F1 [3, classes]; NaN where there is nothing to divide by."""
        counts = self.counts(weights)
        true, found = counts.sum(axis=1), counts.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.diag(counts) / np.stack([found, true, (found + true) / 2])


class OneVersusRest:
    """How well probabilities rank the examples of each class above all others.

    Of two classes only the second is looked at, as is usual for a finding and its absence.

    Args:
        truth: labelled examples.
        predictions: what :func:`class_predictions` returned for them.
    """

    def __init__(self, truth: Batch, predictions: Batch) -> None:
        label, names = truth["label"], predictions["classes"][0]
        first = 1 if len(names) == 2 else 0
        self.rankings: list[Ranking] = [
            Ranking(label == names[place], predictions["probabilities"][:, place])
            for place in range(first, len(names))
        ]
        """A ranking for each class that is looked at."""

    def roc_auc(self, weights: np.ndarray) -> float:
        """Return the mean area under the ROC curve over the classes that have one, or NaN."""
        return _mean_of_defined([each.roc_auc(weights) for each in self.rankings])

    def average_precision(self, weights: np.ndarray) -> float:
        """Return the mean average precision over the classes that occur; NaN without any."""
        return _mean_of_defined([each.average_precision(weights) for each in self.rankings])


def class_predictions(probabilities: np.ndarray, classes: np.ndarray | Sequence[str]) -> Batch:
    """Return the predictions of a task over classes: the most likely one, and all of them.

    Args:
        probabilities: float [examples, classes].
        classes: names [classes], or of each example [examples, classes].

    Returns:
        `label` and its `probability` [examples]; `classes` and `probabilities`
        [examples, classes].
    """
    names = np.broadcast_to(np.asarray(classes, object), probabilities.shape)
    rows, best = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    return {
        "label": names[rows, best],
        "probability": probabilities[rows, best],
        "classes": names,
        "probabilities": probabilities,
    }


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean of values [examples] under weights; NaN without examples."""
    total = weights.sum()
    return float(values @ weights / total) if total else math.nan


def log_losses(truth: Batch, predictions: Batch) -> np.ndarray:
    """Return the negative logarithm of the true class's probability, float64 [examples]."""
    place = true_class(truth["label"], predictions["classes"])
    given = predictions["probabilities"][np.arange(len(place)), place]
    given = np.where(place < 0, 0.0, given)  # a class that the model does not know
    return -np.log(np.maximum(given, np.finfo(np.float64).eps))


def true_class(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the place of each label among the classes, int64 [examples]; -1 for another one.

    Args:
        labels: names of the true classes [examples].
        classes: names [examples, classes], each row the same.
    """
    places = {name: place for place, name in enumerate(classes[0])}
    return np.array([places.get(name, -1) for name in labels], np.int64)


def reference_values(truth: Batch, predictions: Batch) -> dict[str, float]:
    """Return scikit-learn's values of the metrics that a task over classes has, by name.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    from sklearn import metrics

    names = predictions["classes"][0].astype(str)
    label, found = truth["label"].astype(str), predictions["label"].astype(str)
    order = np.argsort(names)
    probabilities = predictions["probabilities"]
    first = 1 if len(names) == 2 else 0

    def mean(score: Callable[[np.ndarray, np.ndarray], float], *, others: bool) -> float:
        """Average a binary score over the classes that occur, beside others where it needs them."""
        values = []
        for place in range(first, len(names)):
            is_class = label == names[place]
            if is_class.any() and not (others and is_class.all()):
                values.append(score(is_class, probabilities[:, place]))
        return _mean_of_defined(values)

    return {
        "macro_f1": metrics.f1_score(label, found, average="macro"),
        "accuracy": metrics.accuracy_score(label, found),
        "auroc": mean(metrics.roc_auc_score, others=True),
        "average_precision": mean(metrics.average_precision_score, others=False),
        "log_loss": metrics.log_loss(label, probabilities[:, order], labels=names[order]),
    }


def _mean_of_defined(values: np.ndarray | Sequence[float]) -> float:
    defined = np.asarray(values, np.float64)
    defined = defined[np.isfinite(defined)]
    return float(defined.mean()) if len(defined) else math.nan
