"""Which places of the spectrogram speak for what a network says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

import zoo

_HEARD = ("frontend", "frames", "steps")
"""Layers that make the spectrogram, and say which frames and states are no padding."""
_AT_ONCE = 1_000_000
"""Samples of the recordings whose gradients are taken together."""

_READ = 32
"""Windows that are held at once."""


def saliency(model: keras.Model, inputs: zoo.Batch) -> np.ndarray:
    """Return how much each place of the spectrogram speaks for what the network says.

    The gradient of a score times the spectrogram's difference from its mean over time
    (arXiv:1312.6034, arXiv:1605.01713): what would be lost if the place were as usual. The
    score is the logit of the likeliest class, or the log probability of the best path.

    Args:
        model: of this plugin, with logits [batch, classes] or [batch, steps, symbols].
        inputs: of the model.

    Returns:
        object [batch], each float32 [frames, bands]; frames of padding are left out.
    """
    heard = [model.get_layer(name).output for name in _HEARD]
    frontend, network = keras.Model(model.input, heard), keras.Model(heard, model.output)
    samples = inputs["sound"].shape[1]
    count = max(_AT_ONCE // samples, 1)
    found: list[np.ndarray] = []
    for start in range(0, len(inputs["length"]), count):
        part = {name: each[start : start + count] for name, each in inputs.items()}
        spectrograms, *masks = map(ops.convert_to_numpy, frontend(part))
        gradients = _gradients(network, spectrograms, masks)
        counts = np.ceil(part["length"] * spectrograms.shape[1] / samples).astype(int)
        for each, gradient, frames in zip(spectrograms, gradients, counts, strict=True):
            found.append(gradient[:frames] * (each[:frames] - each[:frames].mean(axis=0)))
    return zoo.object_column(found)


def _gradients(
    network: keras.Model, spectrograms: np.ndarray, masks: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the gradient of the score by the spectrogram, of its shape."""

    def best(inputs: dict[str, Any]) -> Any:
        logits = network([inputs["spectrogram"], *map(ops.convert_to_tensor, masks)])
        if len(logits.shape) == 2:
            return ops.max(logits, axis=1)
        return ops.sum(ops.max(ops.log_softmax(logits, axis=-1), axis=-1), axis=1)

    return zoo.gradients(best, {"spectrogram": spectrograms})["spectrogram"]


def of_first_windows(
    task: zoo.Task, model: keras.Model, preprocessing: Any, batch: zoo.Batch
) -> zoo.Batch:
    """Return `saliency` of the first window of each recording; see :func:`saliency`.

    Args:
        task: cuts the recordings into windows.
        model: of this plugin.
        preprocessing: makes its inputs.
        batch: the recordings.
    """
    windows = zoo.all_rows(task.windows(zoo.Columns(batch), preprocessing))
    first = np.flatnonzero(windows.get("start", np.zeros(len(windows["length"]))) == 0)
    found = []
    for start in range(0, len(first), _READ):
        rows = first[start : start + _READ]
        inputs = preprocessing.inputs({name: column[rows] for name, column in windows.items()})
        found.append(saliency(model, inputs))
    return {"saliency": np.concatenate(found)}
