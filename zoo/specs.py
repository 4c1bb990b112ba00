"""What a plugin declares about its components: small, frozen and lazy.

A spec names its implementation as ``"package.module:Name"``. The module is imported
when the component is first used, so a plugin can declare a hundred models without
importing TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.deprecation import Former

CONTRACT = 1
"""The version of the contract between the core and its plugins."""

SUPPORTED_CONTRACTS = range(1, CONTRACT + 1)
"""The contracts whose plugins can be used; an old one stays for two releases of the core."""

_NAME = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def check_name(name: str) -> None:
    """Raise `ValueError` unless `name` can stand in an address such as ``fraud/tabm``."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a component name: use lower-case letters, digits, '-', '.' and '_', "
            "beginning with a letter"
        )


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every component declares.

    Attributes:
        name: the second part of the address `plugin/name`.
        summary: one sentence, shown by `zoo list`.
        formerly: names the component had before, for old files and commands.
    """

    name: str
    summary: str
    formerly: tuple[Former, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.summary.strip():
            raise ValueError(f"{type(self).__name__} {self.name!r} has no summary")


@dataclass(frozen=True, kw_only=True)
class ComponentSpec(Spec):
    """A component with code behind it.

    Attributes:
        implementation: ``"package.module:Class"``, imported on first use.
        reference: the paper or specification the component follows.
    """

    implementation: str
    reference: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _TARGET.fullmatch(self.implementation):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: implementation is {self.implementation!r}, "
                "expected 'package.module:Class'"
            )


@dataclass(frozen=True, kw_only=True)
class TaskSpec(ComponentSpec):
    """Declares a :class:`zoo.Task`.

    Attributes:
        like: addresses of tasks whose models, datasets and metrics this one takes too, since
            its examples, its space and its predictions have what theirs have.
    """

    like: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelSpec(ComponentSpec):
    """Declares a :class:`zoo.Model`.

    Attributes:
        tasks: addresses of the tasks the model can be trained for.
        backends: the Keras backends it builds, trains and predicts on.
    """

    tasks: tuple[str, ...]
    backends: tuple[str, ...] = ("tensorflow",)


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(ComponentSpec):
    """Declares a :class:`zoo.Dataset`.

    Attributes:
        tasks: addresses of the tasks whose examples the dataset yields.
    """

    tasks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StrategySpec(ComponentSpec):
    """Declares a :class:`zoo.Strategy`."""


@dataclass(frozen=True, kw_only=True)
class MetricsSpec(ComponentSpec):
    """Declares :class:`zoo.Metrics`.

    Attributes:
        tasks: addresses of the tasks whose predictions they measure.
    """

    tasks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RecipeSpec(Spec):
    """A task, a model, a dataset and a strategy with settings that work well together.

    Component names are addresses; a name without a plugin means the recipe's own.

    Attributes:
        task: what is learned.
        model: the architecture.
        dataset: the loader for the user's own files.
        sample: the dataset used when no files are given: the plugin's generator.
        strategy: how the work is spread over devices.
        settings: dotted settings that differ from the components' own defaults, such as
            ``{"train.batch_size": 1024, "model.width": 256}``.
        trial: settings over those, under which the recipe runs on its sample in seconds and
            still learns something: what `--trial` and `zoo plugins check` run. Those of `data`
            are the sample's, and left out where files are given.
        default: whether a bare plugin name means this recipe.
    """

    task: str
    model: str
    dataset: str
    sample: str
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    trial: Mapping[str, Any] = field(default_factory=dict)
    default: bool = False
