"""A recipe with every setting resolved: which components, and how each is configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from zoo.components import Dataset, Metrics, Model, Strategy, Task, setting
from zoo.config import Given, Resolved, from_settings, group_of, resolve
from zoo.errors import ConfigError, UnknownNameError
from zoo.registry import Kind, Registry
from zoo.settings import config_path, recipe_overrides
from zoo.specs import RecipeSpec
from zoo.training.config import TrainConfig

T = TypeVar("T")

KINDS: tuple[Kind, ...] = ("task", "model", "dataset", "strategy")
"""The components a recipe is made of."""

SECTIONS: dict[Kind, str] = {kind: "data" if kind == "dataset" else kind for kind in KINDS}
"""The section of the settings that configures each component."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """Components that replace those of the recipe; an empty name keeps the recipe's."""

    task: str = setting("", "Address of the task.")
    model: str = setting("", "Address of the model.")
    dataset: str = setting("", "Address of the dataset.")
    strategy: str = setting("", "Address of the strategy.")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How a recipe measures itself."""

    samples: int = setting(300, "Bootstrap samples for the intervals.", minimum=0)
    level: float = setting(0.95, "Share of samples within an interval.", minimum=0.5, maximum=0.999)
    baselines: bool = setting(True, "Fit the task's baselines for the same table.")
    batch_size: int = setting(64, "Examples predicted at once.", minimum=1)
    metrics: tuple[str, ...] = setting(
        (), 'Addresses of metrics beside the task\'s own; `metrics."ADDRESS"` holds their settings.'
    )


@dataclass(frozen=True)
class Recipe:
    """What a run does.

    Attributes:
        address: of the recipe.
        spec: as the plugin declared it.
        addresses: of the components in use, by kind.
        task: what is learned.
        model: the architecture.
        dataset: the loader.
        strategy: how it is spread over devices.
        train: stages and optimisation.
        evaluation: bootstrap and baselines.
        metrics: those beside the task's own, by address.
        seed: decides initial weights, order, dropout and random splits.
        weights: where the model starts: `none`, a preset handle, or a bundle or run.
        resolved: all settings, and where each was given.
    """

    address: str
    spec: RecipeSpec
    addresses: Mapping[Kind, str]
    task: Task
    model: Model
    dataset: Dataset
    strategy: Strategy
    train: TrainConfig
    evaluation: EvaluationConfig
    metrics: Mapping[str, Metrics]
    seed: int
    weights: str
    resolved: Resolved


def recipe_address(name: str, layers: Iterable[Iterable[Given]], plugins: Registry) -> str:
    """Return the address of the recipe that is named, by itself or in a layer of settings.

    Args:
        name: a recipe's address, a plugin's name, or empty if a layer gives `recipe`.
        layers: settings, the weakest first.
        plugins: where recipes are looked up.

    Raises:
        ConfigError: no recipe is named.
        UnknownNameError: there is none of this name.
    """
    name = name or _last(layers, "recipe") or ""
    if not name:
        raise ConfigError(
            "No recipe was named.",
            hint="Name one, as in `zoo train fraud`; `zoo list recipes` shows all.",
        )
    return plugins.resolve("recipe", str(name))


def user_layer(address: str, plugins: Registry) -> list[Given]:
    """Return what the user's settings file sets of a recipe.

    Raises:
        ConfigError: the file names a recipe that its plugin does not have.
    """
    overrides, place = recipe_overrides(), str(config_path())
    present: dict[str, Mapping[str, Any]] = {}
    installed = {each.name for each in plugins.plugins() if each.specs}
    for name, settings in overrides.items():
        if name.partition("/")[0] in installed:
            try:
                present[plugins.resolve("recipe", name)] = settings
            except UnknownNameError as error:
                raise ConfigError(f"{place}: {error.message}", hint=error.hint) from error
    return from_settings(present.get(address, {}), place)


def resolve_recipe(name: str, layers: Sequence[Iterable[Given]], plugins: Registry) -> Recipe:
    """Find a recipe's components and apply all settings to them.

    Args:
        name: a recipe's address, a plugin's name, or empty if a layer gives `recipe`.
        layers: settings, the weakest first; a recipe's own come before all of them.
        plugins: where components are looked up.

    Raises:
        ConfigError: no recipe is named, or a setting is unknown or does not fit.
        UnknownNameError: a component does not exist.
        MissingRequirementError: a component's plugin lacks a package.
    """
    given = [list(layer) for layer in layers]
    address = recipe_address(name, given, plugins)
    spec = plugins.spec("recipe", address)
    addresses = _addresses(address, spec, given, plugins)
    plugin, task = address.partition("/")[0], addresses["task"]
    _check_fit("model", addresses["model"], task, plugins)
    _check_fit("dataset", addresses["dataset"], task, plugins)
    declared = from_settings(spec.settings, f"recipe {address}")
    metrics = _metrics(plugin, declared, given, task, plugins)
    sections = {
        "recipe": str,
        "seed": int,
        "weights": str,
        "use": Use,
        **{SECTIONS[kind]: plugins.implementation(kind, addresses[kind]) for kind in KINDS},
        "train": TrainConfig,
        "evaluation": EvaluationConfig,
    }
    if metrics:
        sections["metrics"] = group_of(metrics)
    base = from_settings({"seed": 0, "weights": "none"}, "default")
    unused = _unused(spec, plugin, addresses, plugins)
    own = [each for each in declared if _applies(each.name, unused, metrics)]
    fixed = from_settings({"recipe": address}, "command line")
    resolved = resolve(sections, [base, own, *given, fixed])
    if resolved["seed"] < 0:
        raise ConfigError(f"The seed is {resolved['seed']}, expected 0 or more.")
    return Recipe(
        address=address,
        spec=spec,
        addresses=addresses,
        task=resolved["task"],
        model=resolved["model"],
        dataset=resolved["data"],
        strategy=resolved["strategy"],
        train=resolved["train"],
        evaluation=resolved["evaluation"],
        metrics={each: vars(resolved["metrics"])[each] for each in metrics},
        seed=resolved["seed"],
        weights=resolved["weights"],
        resolved=resolved,
    )


def _addresses(
    address: str, spec: RecipeSpec, layers: Sequence[list[Given]], plugins: Registry
) -> dict[Kind, str]:
    """Return the component of each kind: as given, or else the recipe's."""
    use = _early("use", Use, layers)
    plugin = address.partition("/")[0]
    own = {kind: getattr(spec, kind) for kind in KINDS}
    if not _last(layers, "data.path"):
        own["dataset"] = spec.sample
    return {
        kind: plugins.resolve(kind, getattr(use, kind) or own[kind], within=plugin)
        for kind in KINDS
    }


def _check_fit(kind: Kind, address: str, task: str, plugins: Registry) -> None:
    """Raise unless a model, dataset or metrics are for the task."""
    made_for = plugins.made_for(kind, address)
    if task in made_for:
        return
    fitting = [each for each in plugins.specs(kind) if task in plugins.made_for(kind, each)]
    plural = "" if kind == "metrics" else "s"
    raise ConfigError(
        f"The {kind} {address} cannot be used with the task {task}: it is for "
        f"{' and '.join(made_for)}.",
        hint=f"The {kind}{plural} for {task}: {', '.join(sorted(fitting)) or 'none is installed'}.",
    )


def _metrics(
    plugin: str, own: list[Given], layers: Sequence[list[Given]], task: str, plugins: Registry
) -> dict[str, type[Metrics]]:
    """Return the metrics that `evaluation.metrics` asks for, by address."""
    config = _early("evaluation", EvaluationConfig, [own, *layers])
    found = {}
    for address in (plugins.resolve("metrics", each, within=plugin) for each in config.metrics):
        _check_fit("metrics", address, task, plugins)
        found[address] = plugins.implementation("metrics", address)
    stray = next((e for e in chain(*layers) if e.name.partition(".")[0] == "metrics"), None)
    if stray and not found:
        raise ConfigError(
            f"{stray.name} (from {stray.where}) is of no use: evaluation.metrics asks for none.",
            hint='Ask for metrics by address: evaluation.metrics=["PLUGIN/NAME"].',
        )
    return found


def _early(name: str, group: type[T], layers: Sequence[list[Given]]) -> T:
    """Return one section of the settings before the others are known."""
    chosen = [
        [each for each in layer if each.name == name or each.name.startswith(f"{name}.")]
        for layer in layers
    ]
    section: T = resolve({name: group}, [from_settings({name: {}}, "default"), *chosen])[name]
    return section


def _applies(name: str, unused: Iterable[str], metrics: Iterable[str]) -> bool:
    """Return whether a setting of the recipe is one of the components in use."""
    section = name.partition(".")[0]
    if section == "metrics":
        return any(f"{name}.".startswith(f"metrics.{address}.") for address in metrics)
    return section not in unused


def _unused(
    spec: RecipeSpec, plugin: str, addresses: Mapping[Kind, str], plugins: Registry
) -> set[str]:
    """Return the sections of the recipe's components in whose place another was put."""
    return {
        SECTIONS[kind]
        for kind in KINDS
        if addresses[kind] != plugins.resolve(kind, getattr(spec, kind), within=plugin)
    }


def _last(layers: Iterable[Iterable[Given]], name: str) -> Any:
    """Return the value that the strongest layer gives a dotted name, or None."""
    found = None
    for layer in layers:
        for given in layer:
            if given.name == name:
                found = given.value
            elif isinstance(given.value, Mapping) and name.startswith(given.name + "."):
                value: Any = given.value
                for key in name.removeprefix(given.name + ".").split("."):
                    value = value.get(key) if isinstance(value, Mapping) else None
                found = value if value is not None else found
    return found
