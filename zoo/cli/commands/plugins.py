"""`zoo plugins`: which plugins are loaded, and whether they keep the contract."""

from __future__ import annotations

import argparse
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING

from zoo.cli.commands.catalogue import plugin_info, show_plugins
from zoo.cli.output import Output
from zoo.cli.parser import Commands, completed_by
from zoo.discovery import CORE
from zoo.errors import ConfigError, ExitCode, MissingRequirementError
from zoo.requirements import install_command

if TYPE_CHECKING:
    from zoo.testing.runner import Outcome


def register(commands: Commands) -> None:
    """Declare the command and its subcommands."""
    parser = commands.add(
        "plugins",
        None,
        "List, inspect, check, enable and disable plugins.",
        examples=["zoo plugins list", "zoo plugins check fraud", "zoo plugins disable speech"],
    )
    actions = Commands(parser)
    actions.add(
        "list",
        lambda arguments, out: show_plugins(out),
        "List the plugins that were found.",
        examples=["zoo plugins list", "zoo plugins list --json"],
        details="Also those that cannot be used, with what mends them.",
    )
    for name, run, summary in (
        ("info", _info, "Show where a plugin comes from and what it offers."),
        ("enable", _enable, "Let a plugin be loaded."),
        ("disable", _disable, "Keep a plugin from being loaded."),
    ):
        action = actions.add(
            name,
            run,
            summary,
            examples=[f"zoo plugins {name} speech"],
            details="Written to the user's settings, config.toml." if name != "info" else "",
        )
        completed_by(action.add_argument("name", metavar="NAME", help="the plugin"), _names)
    check = actions.add(
        "check",
        _check,
        "Check that a plugin keeps the contract with the core.",
        examples=["zoo plugins check fraud", "zoo plugins check fraud --only dataset"],
        details="Runs each recipe on its sample under its trial settings, without a network.",
    )
    completed_by(check.add_argument("name", metavar="NAME", help="the plugin"), _names)
    check.add_argument(
        "--only",
        metavar="PATTERN",
        default="",
        help="make only the checks whose name holds this, such as 'dataset' or 'model and learns'",
    )


def _names() -> list[str]:
    from zoo.registry import registry

    return [plugin.name for plugin in registry().plugins()]


def _info(arguments: argparse.Namespace, out: Output) -> None:
    plugin_info(arguments.name, out)


def _check(arguments: argparse.Namespace, out: Output) -> ExitCode:
    from zoo.registry import registry

    name = registry().plugin(arguments.name).name
    if find_spec("pytest") is None:
        raise MissingRequirementError(
            "Checking a plugin needs pytest, which is not installed.",
            hint=f"Run: {install_command(CORE, 'test')}",
        )
    from zoo.testing.runner import run_suite

    outcomes = run_suite(name, arguments.only, lambda each: _show(each, out))
    if not outcomes:
        raise ConfigError(
            f"No check of {name} has a name that fits {arguments.only!r}.",
            hint=f"`zoo plugins check {name}` makes all of them.",
        )
    counts = Counter(outcome.status for outcome in outcomes)
    if out.json:
        out.data({"plugin": name, "counts": counts, "checks": [vars(each) for each in outcomes]})
    out.note(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
    return ExitCode.PLUGIN if counts["failed"] else ExitCode.OK


def _show(outcome: Outcome, out: Output) -> None:
    """Write the line of a check as soon as it is made."""
    if not out.json:
        message = f": {outcome.message}" if outcome.message else ""
        out.data(None, f"{outcome.status:8}{outcome.check}{message}")


def _enable(arguments: argparse.Namespace, out: Output) -> None:
    _set(arguments.name, True, out)


def _disable(arguments: argparse.Namespace, out: Output) -> None:
    _set(arguments.name, False, out)


def _set(name: str, enabled: bool, out: Output) -> None:
    from zoo.errors import UnknownNameError, nearest
    from zoo.settings import set_plugin_enabled

    if name not in _names():
        raise UnknownNameError(f"No plugin is called {name!r}.", hint=nearest(name, _names()))
    path = set_plugin_enabled(name, enabled)
    state = "enabled" if enabled else "disabled"
    out.data(
        {"plugin": name, "enabled": enabled, "file": str(path)}, f"{name} is {state} in {path}."
    )
