"""Trains networks for a few steps, without all that a run does besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import keras
import numpy as np

from zoo.data.examples import Encoded
from zoo.training.config import Stage, TrainConfig
from zoo.training.state import weights
from zoo.weights import leaf_layers

if TYPE_CHECKING:
    from zoo.testing.subject import Trial

STEPS = 100
"""Most steps on one batch: a loss that assigns targets by itself rises before it falls."""

_FALL = 0.1
"""Share of the first loss by which it has to fall for training on one batch to end early."""

_AT_ENDS = 3
"""Losses at each end that are averaged, as a single one is noisy."""

_REPLICA_STEPS = 2
"""Enough to see a gradient that is off, too few for rounding to grow."""

_MOST_REPLICAS = 4
"""Batches can be shared evenly by so many."""

_SEEDS = "seed_generator_state"
"""How the path of a random generator's state ends."""


def fit_one_batch(
    model: keras.Model, batch: Encoded, loss: Any, config: TrainConfig, steps: int = STEPS
) -> list[float]:
    """Train on the same batch until its loss has clearly fallen, and for `steps` at most.

    Returns:
        the loss before each step.
    """
    model.compile(keras.optimizers.Adam(config.learning_rate, clipnorm=config.clip_norm), loss)
    losses: list[float] = []
    while len(losses) < steps:
        model.reset_metrics()
        result = model.train_on_batch(batch.inputs, batch.targets, sample_weight=batch.weights)
        losses.append(float(np.ravel(result)[0]))
        before, after = first_and_last(losses)
        if len(losses) > 2 * _AT_ENDS and after < before - _FALL * abs(before):
            break
    return losses


def first_and_last(losses: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the first few losses and of the last few."""
    return float(np.mean(losses[:_AT_ENDS])), float(np.mean(losses[-_AT_ENDS:]))


def change_on_replicas(trial: Trial, replicas: int) -> np.ndarray:
    """Return how far plain gradient descent moves all weights on so many replicas."""
    before, after = plain_descent(
        trial, kind="mirrored" if replicas > 1 else "single", devices=replicas
    )
    return after - before


def plain_descent(trial: Trial, **strategy: Any) -> tuple[np.ndarray, np.ndarray]:
    """Take a few steps of plain gradient descent on some devices.

    Random layers of Keras pass their input on, but for Dropout.

    Args:
        trial: of the recipe.
        strategy: settings over those of the recipe's strategy.

    Returns:
        all weights before and after it, each as one vector.
    """
    from zoo.data.examples import EncodedExamples
    from zoo.distribution import distribute
    from zoo.training.loop import Trainer

    recipe = trial.recipe
    plain = replace(
        recipe.strategy,
        precision="float32",
        xla="off",
        batch="global",
        learning_rate_scaling="none",
    )
    distribution = distribute(replace(plain, **strategy), recipe.model)
    preprocessing = trial.preprocessing
    windows = recipe.task.windows(trial.data.splits["train"], preprocessing)
    keras.utils.set_random_seed(recipe.seed)
    with distribution.scope():
        model = recipe.model.build(preprocessing.space)
    distribution.devices.prepare(model)
    with _nothing_random(model):
        before = _flat(model)
        trainer = Trainer(
            model=model,
            parts=recipe.model.parts(model),
            loss=trial.loss,
            config=_plain_descent(recipe.train),
            stages=[Stage(steps=_REPLICA_STEPS)],
            examples=EncodedExamples(windows, preprocessing),
            distribution=distribution,
            seed=recipe.seed,
            augment=recipe.task.augmentation(preprocessing.space),
        )
        trainer.run()
        return before, _flat(model)


def _plain_descent(config: TrainConfig) -> TrainConfig:
    """Return settings under which rounding stays small: a step is as long as its gradient."""
    return replace(
        config,
        optimizer="sgd",
        momentum=0.0,
        learning_rate=1e-3,
        weight_decay=0.0,
        clip_norm=None,
        schedule="constant",
        warmup=0.0,
        accumulate=1,
        ema=None,
        patience=None,
        keep="last",
        batch_size=-(-config.batch_size // _MOST_REPLICAS) * _MOST_REPLICAS,
    )


def _flat(model: keras.Model) -> np.ndarray:
    return np.concatenate([np.ravel(each).astype(np.float64) for each in weights(model)])


@contextmanager
def _nothing_random(model: keras.Model) -> Iterator[None]:
    """Within it, random layers of Keras pass their input on, but for Dropout.

    Their draws depend on how the batch is shared. Those of Dropout do not, nor those of a layer
    that draws by `zoo.uniform_by_example`.
    """

    def passed_on(layer: keras.layers.Layer, inputs: Any, *args: Any, **options: Any) -> Any:
        return inputs

    kinds = {type(layer) for layer in leaf_layers(model) if _draws_for_itself(layer)}
    with ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(mock.patch.object(kind, "call", passed_on))
        yield


def _draws_for_itself(layer: keras.layers.Layer) -> bool:
    kind = type(layer)
    if kind is keras.layers.Dropout or not kind.__module__.startswith("keras."):
        return False
    paths = [variable.path for variable in layer.variables]
    return bool(paths) and all(path.endswith(_SEEDS) for path in paths)
