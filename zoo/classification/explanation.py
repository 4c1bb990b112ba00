"""Says why: the pieces of an example without which its class would be less likely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from zoo.classification.preprocessing import ClassPreprocessing
from zoo.components import Batch
from zoo.data.examples import object_column

if TYPE_CHECKING:
    import keras

_LEAST = 0.01
"""Fall in probability below which a piece is no reason."""


def reasons(
    model: keras.Model, preprocessing: ClassPreprocessing, batch: Batch, most: int = 3
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
    return object_column(
        sorted(each, key=lambda reason: -reason["effect"])[:most] for each in found
    )


def _probabilities(model: keras.Model, inputs: Batch) -> np.ndarray:
    return softmax(np.asarray(model.predict(inputs, verbose=0), np.float64), axis=1)
