"""Random views of training pictures, drawn in the graph of the input pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import zoo


@dataclass(frozen=True)
class Flips(zoo.Augmentation):
    """Mirrors half of the pictures."""

    def __call__(self, inputs: Any, targets: Any, seeds: Any, progress: Any) -> tuple[Any, Any]:
        def draw(seed: tf.Tensor) -> tf.Tensor:
            return tf.random.stateless_uniform([], seed, alg="philox")

        draws = tf.map_fn(draw, seeds, fn_output_signature=tf.float32)
        mirrored = tf.reverse(inputs["picture"], axis=[2])
        chosen = tf.where(draws[:, None, None, None] < 0.5, mirrored, inputs["picture"])
        return {"picture": chosen}, targets
