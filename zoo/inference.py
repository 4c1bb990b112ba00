"""Runs a network over examples: what validation, measuring and predicting have in common."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.components import Examples, Preprocessing
from zoo.data.examples import EncodedExamples, map_arrays
from zoo.data.pipeline import prediction_batches


def model_outputs(
    model: keras.Model, preprocessing: Preprocessing, examples: Examples, batch_size: int
) -> Any:
    """Return the raw outputs for all examples, in order: an array or a dict of arrays."""
    encoded = EncodedExamples(examples, preprocessing)
    return encoded_outputs(model, encoded, batch_size)


def encoded_outputs(model: keras.Model, examples: EncodedExamples, batch_size: int) -> Any:
    """As :func:`model_outputs`, of examples that are encoded already."""
    outputs = model.predict(prediction_batches(examples, batch_size), verbose=0)
    return map_arrays(outputs, lambda array: np.asarray(array[: len(examples)]))
