"""Why a transaction raised an alert: integrated gradients over its features."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import zoo


def reasons(
    model: keras.Model,
    preprocessing: zoo.Preprocessing,
    batch: zoo.Batch,
    alerts: np.ndarray,
    *,
    top: int = 3,
) -> np.ndarray:
    """Return for each alert the features that raised its score most.

    Args:
        model: the trained network.
        preprocessing: makes its inputs and names its features.
        batch: the examples.
        alerts: bool [examples], which ones to explain.
        top: how many features to name.

    Returns:
        object [examples]: a list of `{"feature", "value", "effect"}` each, where effect
        is in units of the logit; empty where there is no alert.
    """
    result = np.empty(len(alerts), object)
    result[:] = [[] for _ in alerts]
    rows = np.flatnonzero(alerts)
    if not len(rows):
        return result
    chosen = {name: column[rows] for name, column in batch.items()}
    inputs = preprocessing.inputs(chosen)
    effects, names = number_effects(model, inputs), list(preprocessing.space.inputs["number"].names)
    if "category" in inputs:
        effects = np.concatenate([effects, category_effects(model, inputs)], axis=1)
        names += preprocessing.space.inputs["category"].names
    values = np.concatenate([chosen["number"].astype(object), chosen["category"]], axis=1)
    for place, row in enumerate(rows):
        strongest = np.argsort(-effects[place])[:top]
        result[row] = [
            {
                "feature": names[feature],
                "value": _shown(values[place, feature]),
                "effect": round(float(effects[place, feature]), 3),
            }
            for feature in strongest
            if effects[place, feature] > 0
        ]
    return result


def number_effects(model: keras.Model, inputs: zoo.Batch, steps: int = 32) -> np.ndarray:
    """Return each number's effect on the logit by integrated gradients (arXiv:1703.01365).

    The path begins at the mean of every feature. A missing number has no effect.

    Returns:
        float32 [examples, numbers]; a row sums to the logit less that at the mean.
    """
    missing = np.isnan(inputs["number"])
    number = np.where(missing, 0.0, inputs["number"]).astype(np.float32)
    start = np.where(missing, np.nan, 0.0).astype(np.float32)
    fixed = {name: keras.ops.convert_to_tensor(each) for name, each in inputs.items()}

    def score(point: dict[str, Any]) -> Any:
        return keras.ops.mean(model({**fixed, **point}), axis=1)

    total = np.zeros_like(number)
    for step in range(steps):
        point = start + np.float32((step + 0.5) / steps) * number
        gradient = zoo.gradients(score, {"number": point})["number"]
        total += np.where(missing, 0.0, gradient)
    return number * total / steps


def category_effects(model: keras.Model, inputs: zoo.Batch) -> np.ndarray:
    """Return how much the logit falls when a category is replaced by an unseen one.

    Returns:
        float32 [examples, categories].
    """
    categories = inputs["category"]
    effects = np.zeros(categories.shape, np.float32)
    score = _score(model, inputs)
    for column in range(categories.shape[1]):
        unseen = categories.copy()
        unseen[:, column] = 0
        effects[:, column] = score - _score(model, {**inputs, "category": unseen})
    return effects


def _score(model: keras.Model, inputs: zoo.Batch) -> np.ndarray:
    outputs = keras.ops.convert_to_numpy(model(inputs))
    return np.asarray(outputs, np.float32).reshape(len(outputs), -1).mean(axis=1)


def _shown(value: object) -> object:
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return str(value)
