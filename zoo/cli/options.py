"""Options that several commands share, and the settings they stand for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.cli.commands.catalogue import recipe_names
from zoo.cli.parser import Parser, completed_by
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.config import Given

_SET = "NAME=VALUE"
STRATEGY_KINDS = (
    *("auto", "single", "mirrored", "multiworker"),
    *("jax-data-parallel", "jax-model-parallel"),
)
"""What --strategy takes beside addresses: the recipe's strategy on devices of this kind."""


def add_recipe_options(parser: Parser) -> None:
    """Add what says which recipe on which data: RECIPE, --data, --dataset, --config, --set."""
    recipe = parser.add_argument(
        "recipe",
        nargs="?",
        default="",
        metavar="RECIPE",
        help="address of a recipe, or a plugin's name for its default one",
    )
    completed_by(recipe, recipe_names)
    parser.add_argument(
        "--data",
        default="",
        metavar="PATH",
        help="file, folder or glob of your data, or tfds:NAME; the plugin's generator without it",
    )
    parser.add_argument("--dataset", metavar="ADDRESS", help="loader instead of the recipe's")
    parser.add_argument("--config", default="", metavar="FILE", help="TOML file of settings")
    add_set(parser, "a setting, such as train.learning_rate=1e-4; may be repeated")


def add_set(parser: Parser, help: str) -> None:
    """Add the option --set."""
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar=_SET, help=help
    )


def add_strategy(parser: Parser) -> None:
    """Add the option --strategy."""
    kinds = f"{', '.join(STRATEGY_KINDS[:-1])} or {STRATEGY_KINDS[-1]}"
    parser.add_argument(
        "--strategy",
        metavar="KIND",
        help=f"{kinds}, or the address of a strategy instead of the recipe's",
    )


def choose_backend(arguments: argparse.Namespace) -> None:
    """Let Keras run on the backend that the strategy needs, before it is imported."""
    strategy = getattr(arguments, "strategy", None) or ""
    wants_jax = strategy in STRATEGY_KINDS and strategy.startswith("jax-")
    if wants_jax and "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")


def given_settings(arguments: argparse.Namespace) -> list[Given]:
    """Return the settings that options give; --set is over the options that have a name."""
    from zoo.config import Given, from_options

    named = [
        ("use.model", "model"),
        ("use.dataset", "dataset"),
        ("use.strategy", "strategy"),
        ("seed", "seed"),
    ]
    if getattr(arguments, "strategy", None) in STRATEGY_KINDS:
        named[2] = ("strategy.kind", "strategy")
    return [
        Given(name, value, f"--{option}")
        for name, option in named
        if (value := getattr(arguments, option, None)) is not None
    ] + from_options(arguments.settings)


def trained_settings(options: Sequence[str]) -> dict[str, Any]:
    """Return what `--set` changes of the dataset or the task of a trained model.

    Raises:
        ConfigError: an option sets something else, which a trained model no longer has.
    """
    from zoo.config import assignments

    settings = dict(assignments(options))
    for name in settings:
        section, _, rest = name.partition(".")
        if section not in ("data", "task") or not rest:
            raise ConfigError(
                f"--set {name}: only settings of the dataset and the task can change after "
                "training.",
                hint="They are called data.NAME and task.NAME, for instance "
                "--set data.time=TX_DATETIME",
            )
    return settings
