"""`zoo plugins`: which plugins are loaded."""

from __future__ import annotations

import argparse

from zoo.cli.commands.catalogue import plugin_info, show_plugins
from zoo.cli.output import Output
from zoo.cli.parser import Commands, completed_by


def register(commands: Commands) -> None:
    """Declare the command and its subcommands."""
    parser = commands.add(
        "plugins",
        None,
        "List, inspect, enable and disable plugins.",
        examples=["zoo plugins list", "zoo plugins info fraud", "zoo plugins disable speech"],
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


def _names() -> list[str]:
    from zoo.registry import registry

    return [plugin.name for plugin in registry().plugins()]


def _info(arguments: argparse.Namespace, out: Output) -> None:
    plugin_info(arguments.name, out)


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
