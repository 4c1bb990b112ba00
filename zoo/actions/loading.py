"""Loads what a recipe trains on."""

from __future__ import annotations

from zoo.components import Data
from zoo.errors import ConfigError, DataError
from zoo.recipe import Recipe
from zoo.settings import cache_folder


def load_data(recipe: Recipe) -> Data:
    """Return the data of a recipe.

    Raises:
        ConfigError: files are given to a generator.
        DataError: the data cannot be used.
    """
    data = recipe.dataset.load(seed=recipe.seed, cache=cache_folder())
    if recipe.dataset.path and data.info.source == "generator":
        raise ConfigError(
            f"--data {recipe.dataset.path} is given, and {data.info.name} are made, not read.",
            hint="Leave out --data, or choose a dataset that reads files: `zoo list datasets`.",
        )
    errors = [finding for finding in data.findings if finding.level == "error"]
    if errors:
        raise DataError(
            "\n".join(f"{each.where}: {each.message}" for each in errors[:10]),
            hint="`zoo check-data` lists everything that is wrong.",
        )
    return data
