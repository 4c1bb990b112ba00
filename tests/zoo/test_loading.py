"""What a recipe trains on: generated where nothing is given, and else the user's files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import zoo
from zoo.actions.loading import load_data
from zoo.api import resolve
from zoo.registry import registry

RECIPES = sorted(
    address
    for address, recipe in registry().specs("recipe").items()
    if isinstance(recipe, zoo.RecipeSpec) and recipe.default
)


@pytest.mark.parametrize("address", RECIPES)
def test_files_are_no_part_of_what_is_made(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    made = resolve(address, trial=True)
    assert load_data(made).info.source == "generator"
    files = {"use.dataset": made.addresses["dataset"], "data.path": "mine/"}
    with pytest.raises(zoo.ConfigError, match=r"mine/ is given, and .* are made, not read"):
        load_data(resolve(address, trial=True, settings=files))
