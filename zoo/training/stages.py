"""What a stage trains, and at which rate each part of the model learns."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

import keras

from zoo.errors import ConfigError, PluginError
from zoo.training.config import Stage
from zoo.weights import leaf_layers

Parts = Sequence[tuple[str, Sequence[keras.Layer]]]
"""Named groups of layers from a model's input to its output."""


def active_stages(stages: Sequence[Stage], *, transfer: bool) -> list[Stage]:
    """Return the stages that a run goes through.

    Args:
        stages: those of the recipe.
        transfer: whether the run starts from weights.

    Raises:
        ConfigError: none is left.
    """
    skipped = "scratch" if transfer else "transfer"
    active = [stage for stage in stages if stage.when != skipped]
    if not active:
        start = "from weights" if transfer else "from scratch"
        raise ConfigError(
            f"No stage of the recipe applies to a run that starts {start}.",
            hint="Set train.stages to at least one stage with when = 'always'.",
        )
    return active


def check_parts(parts: Parts, model: keras.Model, address: str) -> None:
    """Check that every weight belongs to a part: others would train in every stage.

    Args:
        parts: the model's parts.
        model: the network.
        address: of the architecture, for messages.

    Raises:
        PluginError: some weights belong to no part.
    """
    within = {id(weight) for _, layers in parts for layer in layers for weight in layer.weights}
    if left := [each.path for each in model.trainable_weights if id(each) not in within]:
        raise PluginError(
            f"{len(left)} weights of {address} belong to none of its parts, such as {left[0]!r}.",
            hint="This is a bug of the plugin: `part_patterns` or `parts` of its model has to "
            "cover them.",
        )


def set_trainable(parts: Parts, stage: Stage) -> None:
    """Freeze and unfreeze the parts of a model as a stage wants it.

    Raises:
        ConfigError: a pattern matches no part.
    """
    names = [name for name, _ in parts]
    for pattern in stage.trainable:
        if not any(fnmatch(name, pattern) for name in names):
            raise ConfigError(
                f"Stage {stage.name!r} trains {pattern!r}, which is no part of the model.",
                hint=f"Parts: {', '.join(names)}.",
            )
    for name, layers in parts:
        trains = any(fnmatch(name, pattern) for pattern in stage.trainable)
        for layer in layers:
            layer.trainable = trains
            if trains and stage.batchnorm == "freeze":
                _freeze_batchnorm(layer)


def learning_rates(parts: Parts, layer_decay: float) -> dict[int, float]:
    """Return the factor on the learning rate of each trainable variable, by its `id`.

    The part nearest to the output learns at the full rate, each one before it at
    `layer_decay` of the next (discriminative fine-tuning, arXiv:1801.06146).
    """
    rates: dict[int, float] = {}
    training = [layers for _, layers in parts if any(layer.trainable for layer in layers)]
    for distance, layers in enumerate(reversed(training)):
        for layer in layers:
            rates |= {id(variable): layer_decay**distance for variable in layer.trainable_variables}
    return rates


def _freeze_batchnorm(layer: keras.Layer) -> None:
    for leaf in leaf_layers(layer):
        if isinstance(leaf, keras.layers.BatchNormalization):
            leaf.trainable = False
