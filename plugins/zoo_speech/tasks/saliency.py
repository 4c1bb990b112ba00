"""Which places of the spectrogram speak for what a network says."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

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
    watched = keras.Model(model.inputs, [model.get_layer(_FRONTEND).output, model.output])
    samples = inputs["sound"].shape[1]
    found: list[np.ndarray] = []
    for start in range(0, len(inputs["length"]), _AT_ONCE):
        part = {name: each[start : start + _AT_ONCE] for name, each in inputs.items()}
        spectrograms, gradients = _spectrograms_and_gradients(watched, part)
        counts = np.ceil(part["length"] * spectrograms.shape[1] / samples).astype(int)
        for spectrogram, gradient, frames in zip(spectrograms, gradients, counts, strict=True):
            heard = spectrogram[:frames]
            found.append(gradient[:frames] * (heard - heard.mean(axis=0)))
    return zoo.object_column(found)


def _spectrograms_and_gradients(
    watched: keras.Model, inputs: zoo.Batch
) -> tuple[np.ndarray, np.ndarray]:
    """Return the spectrograms, and the gradient of the largest logit by them."""
    tensors = {name: tf.constant(each) for name, each in inputs.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors["sound"])
        spectrogram, logits = watched(tensors)
        best = tf.reduce_max(logits, axis=1)
    gradient = tape.gradient(best, spectrogram)
    return spectrogram.numpy(), gradient.numpy()
