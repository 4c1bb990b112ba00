"""A recipe with every setting resolved: which components, and how each is configured."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from zoo.components import Dataset, Metrics, Model, Strategy, Task, setting
from zoo.config import Given, Resolved, from_settings, group_of, resolve
from zoo.errors import ConfigError, UnknownNameError
from zoo.kinds import Text, parse_text
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


def resolve_recipe(
    name: str, layers: Sequence[Iterable[Given]], plugins: Registry, *, trial: bool = False
) -> Recipe:
    """Find a recipe's components and apply all settings to them.

    What a layer says of a component holds as long as no stronger layer puts another component
    in its place.

    Args:
        name: a recipe's address, a plugin's name, or empty if a layer gives `recipe`.
        layers: settings, the weakest first; a recipe's own come before all of them.
        plugins: where components are looked up.
        trial: put the recipe's trial settings directly over its own.

    Raises:
        ConfigError: no recipe is named, it has no trial, or a setting is unknown or does not
            fit.
        UnknownNameError: a component does not exist.
        MissingRequirementError: a component's plugin lacks a package.
    """
    given = [[_opened(each) for each in layer] for layer in layers]
    address = recipe_address(name, given, plugins)
    spec = plugins.spec("recipe", address)
    plugin = address.partition("/")[0]
    stack = _stack(address, spec, given, trial)
    addresses = {
        kind: plugins.resolve(kind, used, within=plugin) for kind, used in stack[-1].uses.items()
    }
    _check_fit("model", addresses["model"], addresses["task"], plugins)
    _check_fit("dataset", addresses["dataset"], addresses["task"], plugins)
    metrics = _metrics(plugin, stack, addresses["task"], plugins)
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
    holding = _holding(plugin, stack, addresses, metrics, plugins)
    _check_use_of_metrics(metrics, chain(*holding))
    resolved = resolve(sections, [base, *holding])
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
        weights=os.path.expanduser(resolved["weights"]),
        resolved=resolved,
    )


class _Layer(NamedTuple):
    """Settings from one place.

    Attributes:
        settings: what was given there.
        uses: the name of the component that the settings of each kind are meant for; empty if
            they are for none.
    """

    settings: list[Given]
    uses: Mapping[Kind, str]


def _stack(
    address: str, spec: RecipeSpec, given: Sequence[list[Given]], trial: bool
) -> list[_Layer]:
    """Return all layers, from the recipe's own to one that says which components are used."""
    own = {kind: getattr(spec, kind) for kind in KINDS}
    on_files = bool(_last(given, "data.path"))
    stack = [_Layer(from_settings(spec.settings, f"recipe {address}"), own)]
    if trial:
        tried = from_settings(_trial(address, spec), f"trial of {address}")
        stack.append(_Layer(tried, own | {"dataset": "" if on_files else spec.sample}))
    used = own if on_files else own | {"dataset": spec.sample}
    fixed = from_settings({"recipe": address}, "command line")
    for number, layer in enumerate([*given, fixed], start=1):
        use = _early("use", Use, given[:number])
        stack.append(_Layer(layer, {kind: getattr(use, kind) or used[kind] for kind in KINDS}))
    return stack


def _trial(address: str, spec: RecipeSpec) -> Mapping[str, Any]:
    """Return the recipe's trial settings, or raise that there are none."""
    if not spec.trial:
        raise ConfigError(
            f"The recipe {address} has no trial: its plugin does not say how it runs in seconds.",
            hint="Shorten it yourself, for example --set 'train.stages=[{steps = 20}]'.",
        )
    return spec.trial


def _holding(
    plugin: str,
    stack: Sequence[_Layer],
    addresses: Mapping[Kind, str],
    metrics: Collection[str],
    plugins: Registry,
) -> list[list[Given]]:
    """Return the settings of each layer without those of components that were replaced above."""

    def of_layer(number: int) -> list[Given]:
        settings, uses = stack[number]
        replaced = {
            SECTIONS[kind]
            for kind, name in uses.items()
            if plugins.present(kind, name, within=plugin) != addresses[kind]
        }
        above = [each.settings for each in stack[number + 1 :]]
        others = _last(above, "evaluation.metrics") is not None

        def holds(section: str, key: str) -> bool:
            if section == "metrics":
                return key in metrics or not others
            if number and (section, key) == ("data", "path"):
                return True  # the user's files are the user's, whatever loads them
            return section not in replaced

        return list(_only(settings, holds))

    return [of_layer(number) for number in range(len(stack))]


def _only(settings: Iterable[Given], holds: Callable[[str, str], bool]) -> Iterator[Given]:
    """Yield the settings that hold, by section and the key within it."""
    for each in settings:
        section, _, rest = each.name.partition(".")
        if rest:
            if holds(section, rest.partition(".")[0]):
                yield each
        elif isinstance(each.value, Mapping):
            if value := {key: item for key, item in each.value.items() if holds(section, key)}:
                yield each._replace(value=value)
        else:
            yield each


def _check_fit(kind: Kind, address: str, task: str, plugins: Registry) -> None:
    """Raise unless the task takes a model, a dataset or metrics."""
    if plugins.takes(task, kind, address):
        return
    made_for = plugins.made_for(kind, address)
    fitting = [each for each in plugins.specs(kind) if plugins.takes(task, kind, each)]
    plural = "" if kind == "metrics" else "s"
    raise ConfigError(
        f"The {kind} {address} cannot be used with the task {task}: it is for "
        f"{' and '.join(made_for)}.",
        hint=f"The {kind}{plural} for {task}: {', '.join(sorted(fitting)) or 'none is installed'}.",
    )


def _metrics(
    plugin: str, stack: Sequence[_Layer], task: str, plugins: Registry
) -> dict[str, type[Metrics]]:
    """Return the metrics that `evaluation.metrics` asks for, by address."""
    config = _early("evaluation", EvaluationConfig, [each.settings for each in stack])
    found = {}
    for address in (plugins.resolve("metrics", each, within=plugin) for each in config.metrics):
        _check_fit("metrics", address, task, plugins)
        found[address] = plugins.implementation("metrics", address)
    return found


def _check_use_of_metrics(metrics: Collection[str], settings: Iterable[Given]) -> None:
    """Raise if there are settings of metrics, but no metrics."""
    stray = next((each for each in settings if each.name.partition(".")[0] == "metrics"), None)
    if stray and not metrics:
        raise ConfigError(
            f"{stray.name} (from {stray.where}) is of no use: evaluation.metrics asks for none.",
            hint='Ask for metrics by address: evaluation.metrics=["PLUGIN/NAME"].',
        )


def _early(name: str, group: type[T], layers: Sequence[list[Given]]) -> T:
    """Return one section of the settings before the others are known."""
    chosen = [
        [each for each in layer if each.name == name or each.name.startswith(f"{name}.")]
        for layer in layers
    ]
    section: T = resolve({name: group}, [from_settings({name: {}}, "default"), *chosen])[name]
    return section


def _opened(given: Given) -> Given:
    """Return a section that was typed as one table, such as `model={width = 4}`, as a mapping."""
    if isinstance(given.value, Text) and "." not in given.name:
        value = parse_text(given.value)
        return given._replace(value=value) if isinstance(value, Mapping) else given
    return given


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
