"""The optimizer of a stage: schedule, clipping, and a learning rate for each part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from zoo.distribution.summing import Optimizer
from zoo.training.config import Stage, TrainConfig

_BASES: dict[str, Optimizer] = {
    "adamw": keras.optimizers.AdamW,
    "adam": keras.optimizers.Adam,
    "sgd": keras.optimizers.SGD,
}


def build_optimizer(
    config: TrainConfig,
    stage: Stage,
    variables: Sequence[keras.Variable],
    *,
    steps: int,
    scale: float,
    rates: dict[int, float],
    adapt: Callable[[Optimizer], Optimizer],
) -> keras.optimizers.Optimizer:
    """Return the optimizer of one stage.

    Args:
        config: the recipe's settings.
        stage: the stage to train.
        variables: those that train. Vectors, such as biases and the scales of a
            normalisation, do not decay.
        steps: how long it is, in steps.
        scale: factor on the learning rate for more replicas.
        rates: factor on the learning rate of a variable, by its `id`; 1 if it has none.
        adapt: derives from a kind of optimizer the one for the devices.
    """
    peak = (config.learning_rate if stage.learning_rate is None else stage.learning_rate) * scale
    options: dict[str, Any] = {
        "learning_rate": _schedule(config, peak, max(1, steps // config.accumulate)),
        "global_clipnorm": config.clip_norm,
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
    }
    if config.ema is not None:
        options |= {"use_ema": True, "ema_momentum": config.ema}
    if config.optimizer == "sgd":
        options["momentum"] = config.momentum
    if config.optimizer == "adamw":
        options["weight_decay"] = config.weight_decay
    base = _averaging(adapt(_BASES[config.optimizer]))
    if all(rate == 1.0 for rate in rates.values()):
        optimizer = base(**options)
    else:
        optimizer = _with_rates(base)(rates=rates, **options)
    vectors = [variable for variable in variables if len(variable.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=vectors)
    optimizer.build(variables)
    return optimizer


def _schedule(config: TrainConfig, peak: float, steps: int) -> Any:
    warmup = int(config.warmup * steps)
    if config.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else peak,
            decay_steps=max(1, steps - warmup),
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    if config.schedule == "inverse-sqrt":
        return InverseSquareRoot(peak, max(1, warmup))
    if warmup:
        return keras.optimizers.schedules.PolynomialDecay(0.0, warmup, end_learning_rate=peak)
    return peak


class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line, then falls with the square root of the steps (arXiv:1706.03762).

    Args:
        peak: the highest learning rate.
        warmup: the step at which it is reached, 1 or later.
    """

    def __init__(self, peak: float, warmup: int) -> None:
        self.peak, self.warmup = peak, warmup

    def __call__(self, step: Any) -> Any:
        done = (keras.ops.cast(step, "float32") + 1) / self.warmup
        return self.peak * keras.ops.minimum(done, keras.ops.rsqrt(done))

    def get_config(self) -> dict[str, float]:
        """Return the arguments."""
        return {"peak": self.peak, "warmup": self.warmup}


def _averaging(base: Optimizer) -> Optimizer:
    """Derive an optimizer whose moving average of the weights soon forgets the first of them.

    Keras' average begins at the weights after one step and keeps momentum ** n of them after n
    more: most of it, where a stage is short. Here momentum rises to what is set, and is at most
    (1 + n) / (10 + n), as in TensorFlow's `tf.train.ExponentialMovingAverage`. Steps that only
    accumulate share the momentum of their update.
    """

    class AveragingOptimizer(base):  # type: ignore[valid-type, misc]
        @property
        def ema_momentum(self) -> Any:
            done = keras.ops.cast(self.iterations, "float32")
            momentum = keras.ops.minimum(self._last_momentum, (1 + done) / (10 + done))
            return momentum ** (1 / (self.gradient_accumulation_steps or 1))

        @ema_momentum.setter
        def ema_momentum(self, value: float) -> None:
            self._last_momentum = value

    return AveragingOptimizer


def _with_rates(base: Optimizer) -> Any:
    """Derive an optimizer whose update multiplies each variable's learning rate.

    Keras has one learning rate for all variables (keras issue 21741). `update_step` is
    where every optimizer applies it, under every backend and distribution strategy.
    """

    class LayerwiseOptimizer(base):  # type: ignore[valid-type, misc]
        def __init__(self, rates: dict[int, float], **options: Any) -> None:
            super().__init__(**options)
            self._rates_by_id = rates
            self._rates: list[float] = []

        def build(self, variables: list[keras.Variable]) -> None:
            super().build(variables)
            self._rates = [self._rates_by_id.get(id(variable), 1.0) for variable in variables]

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            rate = self._rates[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * rate)

    return LayerwiseOptimizer
