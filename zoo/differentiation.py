"""What an output owes to its inputs, on either backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np


def gradients(
    function: Callable[[dict[str, Any]], Any], inputs: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the gradients of the sum of a function's result, for explanations.

    Args:
        function: from the backend's tensors by name to one, by operations of Keras.
        inputs: floating-point arrays or tensors by name.

    Returns:
        for each input an array of its shape.
    """
    tensors = {name: keras.ops.convert_to_tensor(each) for name, each in inputs.items()}
    if keras.backend.backend() == "jax":
        import jax

        found = jax.grad(lambda each: keras.ops.sum(function(each)))(tensors)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = keras.ops.sum(function(tensors))
        found = tape.gradient(total, tensors)
    return {name: keras.ops.convert_to_numpy(each) for name, each in found.items()}
