"""Lists the settings of components and recipes, with the values they begin with."""

from __future__ import annotations

from typing import Any

from zoo.config import describe, from_settings
from zoo.discovery import Kind
from zoo.recipe import KINDS, SECTIONS, EvaluationConfig, Use, resolve_recipe
from zoo.registry import Registry
from zoo.training.config import TrainConfig


def component_settings(plugins: Registry, kind: Kind, address: str) -> list[dict[str, Any]]:
    """Return the settings of a component as name, type, default and help."""
    found = plugins.implementation(kind, address)
    section = f"metrics.{address}" if kind == "metrics" else SECTIONS[kind]
    return [row._asdict() for row in describe(found, section)]


def recipe_settings(plugins: Registry, address: str) -> dict[str, list[dict[str, Any]]]:
    """Return all settings of a recipe, by the component they belong to.

    The defaults are the recipe's own where it has some. The loader of the user's files and
    the one that is used without files are both there.
    """
    spec = plugins.spec("recipe", address)
    plugin = address.partition("/")[0]
    loader = plugins.resolve("dataset", spec.dataset, within=plugin)
    recipe = resolve_recipe(address, [from_settings({"use.dataset": loader}, "files")], plugins)
    rows = {"run": [_row("seed", "whole number", "Decides every random choice."), _WEIGHTS]}
    for kind in KINDS:
        used = recipe.addresses[kind]
        rows[f"{kind} {used}"] = component_settings(plugins, kind, used)
    for name, group in (("train", TrainConfig), ("evaluation", EvaluationConfig)):
        rows[name] = [row._asdict() for row in describe(group, name)]
    for each in recipe.metrics:
        rows[f"metrics {each}"] = component_settings(plugins, "metrics", each)
    values = recipe.resolved.dump()
    owners = {
        owner: [{**row, "default": _inside(values, row["name"], row["default"])} for row in group]
        for owner, group in rows.items()
    }
    sample = plugins.resolve("dataset", spec.sample, within=plugin)
    if sample != loader:
        owners[f"dataset {sample}, without files"] = component_settings(plugins, "dataset", sample)
    return {**owners, "use": [row._asdict() for row in describe(Use, "use")]}


def _row(name: str, type: str, help: str) -> dict[str, Any]:
    return {"name": name, "type": type, "default": None, "help": help}


_WEIGHTS = _row("weights", "text", "`none`, a preset handle, or the folder of a run or bundle.")


def _inside(values: Any, name: str, default: Any) -> Any:
    """Return the value of a dotted name, or the default if the values do not say.

    A `0` in a name stands for any place in a list, where the default is what counts.
    """
    for part in name.split("."):
        if not isinstance(values, dict) or part not in values:
            return default
        values = values[part]
    return values
