"""Which places of the spectrogram speak for what a network says."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

import zoo

_FRONTEND = "frontend"
"""Name of the layer that makes the spectrogram."""
_AT_ONCE = 64
"""Recordings whose gradients are taken together."""


def saliency(model: keras.Model, inputs: zoo.Batch) -> np.ndarray:
    """Return how much each place of the spectrogram speaks for the likeliest class.

    The gradient of the class's logit times the spectrogram's difference from its mean over
    time (arXiv:1312.6034, arXiv:1605.01713): what would be lost if the place were as usual.

    Args:
        model: gives logits [batch, classes], and has a layer `frontend`.
        inputs: of the model.

    Returns:
        object [batch], each float32 [frames, bands]; frames of padding are left out.
    """
    spectrogram = model.get_layer(_FRONTEND).output
    frontend = keras.Model(model.input, spectrogram)
    network = keras.Model([spectrogram, model.input["length"]], model.output)
    samples = inputs["sound"].shape[1]
    found: list[np.ndarray] = []
    for start in range(0, len(inputs["length"]), _AT_ONCE):
        part = {name: each[start : start + _AT_ONCE] for name, each in inputs.items()}
        spectrograms = ops.convert_to_numpy(frontend(part))
        gradients = _gradients(network, spectrograms, part["length"])
        counts = np.ceil(part["length"] * spectrograms.shape[1] / samples).astype(int)
        for heard, gradient, frames in zip(spectrograms, gradients, counts, strict=True):
            found.append(gradient[:frames] * (heard[:frames] - heard[:frames].mean(axis=0)))
    return zoo.object_column(found)


def _gradients(network: keras.Model, spectrograms: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the gradient of the largest logit by the spectrogram, of its shape."""

    def best(inputs: dict[str, Any]) -> Any:
        return ops.max(network([inputs["spectrogram"], ops.convert_to_tensor(lengths)]), axis=1)

    return zoo.gradients(best, {"spectrogram": spectrograms})["spectrogram"]
