"""Optimizers of TensorFlow's replicas, which do together what one device would do.

Keras clips gradients before it sums them over replicas, so that the norm it clips by is that of a
part of the batch, and its gradient accumulation raises an error under a strategy. Here gradients
are summed first. `tests/zoo/test_training.py` and `tests/zoo/test_multiworker.py` compare both
with one device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

Optimizer = type[keras.optimizers.Optimizer]


def summing(base: Optimizer) -> Optimizer:
    """Derive an optimizer that sums gradients over replicas before all else."""

    class SummingOptimizer(base):  # type: ignore[valid-type, misc]
        def _backend_apply_gradients(
            self, grads: Sequence[Any], trainable_variables: Sequence[keras.Variable]
        ) -> None:
            pairs = super()._all_reduce_sum_gradients(zip(grads, trainable_variables, strict=True))
            sums = [gradient for gradient, _ in pairs]
            if not self.gradient_accumulation_steps:
                super()._backend_apply_gradients(sums, trainable_variables)
                return
            self._accumulate(sums, trainable_variables)
            if self.use_ema:
                self._update_model_variables_moving_average(self._trainable_variables)

        def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
            return grads_and_vars

        def _accumulate(self, grads: Sequence[Any], variables: Sequence[keras.Variable]) -> None:
            """Add to the gradients of earlier steps, and update with their mean when it is time."""
            count = self.gradient_accumulation_steps
            earlier = [self._accumulated_gradients[self._get_variable_index(v)] for v in variables]
            means = [(g + e) / count for g, e in zip(grads, earlier, strict=True)]
            tf.distribute.get_replica_context().merge_call(
                self._update_or_wait,
                (
                    [variable.value for variable in variables],
                    [
                        (each.value, tf.convert_to_tensor(gradient), mean)
                        for each, gradient, mean in zip(
                            earlier, grads, self._clip_gradients(means), strict=True
                        )
                    ],
                    (self._iterations + 1) % count == 0,
                ),
            )

        def _update_or_wait(
            self,
            strategy: tf.distribute.Strategy,
            variables: Sequence[Any],
            gradients: Sequence[Any],
            is_time: Any,
        ) -> None:
            for variable, own in zip(variables, gradients, strict=True):
                strategy.extended.update(
                    variable, self._update_or_wait_for_one, args=(own, is_time), group=False
                )

        def _update_or_wait_for_one(self, variable: Any, gradients: Any, is_time: Any) -> None:
            """On one device: the branches compute nothing of several replicas, as they must not."""
            earlier, gradient, mean = gradients
            rate = self.learning_rate

            def update() -> None:
                if self.weight_decay is not None and self._use_weight_decay(variable):
                    variable.assign_sub(variable * self.weight_decay * rate)
                self.update_step(mean, variable, rate)
                earlier.assign(tf.zeros_like(earlier))

            def wait() -> None:
                earlier.assign_add(gradient)

            tf.cond(is_time, update, wait)

    return SummingOptimizer
