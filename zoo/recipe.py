"""A recipe with every setting resolved: which components, and how each is configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.components import Dataset, Model, Strategy, Task, setting
from zoo.config import Given, Resolved, from_settings, resolve
from zoo.errors import ConfigError
from zoo.registry import Kind, Registry
from zoo.specs import RecipeSpec
from zoo.training.config import TrainConfig

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
    seed: int
    weights: str
    resolved: Resolved


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
    address = plugins.resolve("recipe", name or _recipe_in(given))
    spec = plugins.spec("recipe", address)
    addresses = _addresses(address, spec, given, plugins)
    sections = {
        "recipe": str,
        "seed": int,
        "weights": str,
        "use": Use,
        **{SECTIONS[kind]: plugins.implementation(kind, addresses[kind]) for kind in KINDS},
        "train": TrainConfig,
        "evaluation": EvaluationConfig,
    }
    base = from_settings({"seed": 0, "weights": "none"}, "default")
    own = from_settings(_applicable(spec, address, addresses, plugins), f"recipe {address}")
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
        seed=resolved["seed"],
        weights=resolved["weights"],
        resolved=resolved,
    )


def _recipe_in(layers: Iterable[Iterable[Given]]) -> str:
    name = _last(layers, "recipe")
    if not name:
        raise ConfigError(
            "No recipe was named.",
            hint="Name one, as in `zoo train fraud`; `zoo list recipes` shows all.",
        )
    return str(name)


def _addresses(
    address: str, spec: RecipeSpec, layers: Sequence[list[Given]], plugins: Registry
) -> dict[Kind, str]:
    """Return the component of each kind: as given, or else the recipe's."""
    chosen = [
        [each for each in layer if each.name == "use" or each.name.startswith("use.")]
        for layer in layers
    ]
    use = resolve({"use": Use}, [from_settings({"use": {}}, "default"), *chosen])["use"]
    plugin = address.partition("/")[0]
    own = {kind: getattr(spec, kind) for kind in KINDS}
    if not _last(layers, "data.path"):
        own["dataset"] = spec.sample
    return {
        kind: plugins.resolve(kind, getattr(use, kind) or own[kind], within=plugin)
        for kind in KINDS
    }


def _applicable(
    spec: RecipeSpec, address: str, addresses: Mapping[Kind, str], plugins: Registry
) -> dict[str, Any]:
    """Return the recipe's settings, less those of a component that was replaced."""
    plugin = address.partition("/")[0]
    replaced = set()
    for kind in KINDS:
        if addresses[kind] != plugins.resolve(kind, getattr(spec, kind), within=plugin):
            replaced.add(SECTIONS[kind])
    return {
        name: value
        for name, value in spec.settings.items()
        if name.partition(".")[0] not in replaced
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
