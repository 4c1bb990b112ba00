"""Probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes `logits / temperature` most likely.

    Temperature scaling as in arXiv:1706.04599, to be fitted on validation data.

    Args:
        logits: float [examples] for two classes or [examples, classes].
        labels: int [examples].
    """

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if scaled.ndim == 1:
            return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))
        chosen = scaled[np.arange(len(labels)), labels]
        return float(np.mean(logsumexp(scaled, axis=1) - chosen))

    best = minimize_scalar(loss, bounds=(-4, 4), method="bounded")
    return float(np.exp(best.x))


def expected_calibration_error(
    probabilities: np.ndarray, correct: np.ndarray, bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal count.

    Args:
        probabilities: float [examples], of the class that is predicted, or of the
            positive class.
        correct: bool or 0/1 [examples], whether that class was true.
        bins: how many.
    """
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(part) * abs(probabilities[part].mean() - correct[part].mean()) for part in parts]
    return float(sum(gaps) / len(order))
