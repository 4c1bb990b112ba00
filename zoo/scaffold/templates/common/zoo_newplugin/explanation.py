"""Says why: the pieces of an example without which its class would be less likely."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import zoo
from scipy.special import softmax

from zoo_newplugin.encoding import ClassPreprocessing

_LEAST = 0.01
"""Fall in probability below which a piece is no reason."""


def reasons(
    model: keras.Model, preprocessing: ClassPreprocessing, batch: zoo.Batch, most: int = 3
) -> np.ndarray:
    """Return what speaks most for each example's class, found by occlusion (arXiv:1311.2901).

    Args:
        model: the network.
        preprocessing: knows the pieces.
        batch: the examples.
        most: how many pieces an example is given.

    Returns:
        object [examples], each a list of `{"piece": name, "effect": fall in probability}`.
    """
    whole = _probabilities(model, preprocessing.inputs(batch))
    rows, best = np.arange(len(whole)), whole.argmax(axis=1)
    found: list[list[dict[str, Any]]] = [[] for _ in rows]
    for names, inputs in preprocessing.occlusions(batch):
        effects = (whole - _probabilities(model, inputs))[rows, best]
        for row in np.flatnonzero((effects >= _LEAST) & (names != "")):
            effect = round(float(effects[row]), 4)
            found[row].append({"piece": str(names[row]), "effect": effect})
    return zoo.object_column(
        sorted(each, key=lambda reason: -reason["effect"])[:most] for each in found
    )


def _probabilities(model: keras.Model, inputs: zoo.Batch) -> np.ndarray:
    return softmax(np.asarray(model.predict(inputs, verbose=0), np.float64), axis=1)
