"""`zoo list` and `zoo info`: what is installed, whether it can be used, what it takes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo.cli.output import Output, Table
from zoo.cli.parser import Commands, completed_by

if TYPE_CHECKING:
    from zoo.discovery import Kind, Plugin
    from zoo.specs import Spec

KINDS: dict[str, Kind] = {
    "recipes": "recipe",
    "models": "model",
    "datasets": "dataset",
    "tasks": "task",
    "strategies": "strategy",
    "metrics": "metrics",
}


def register(commands: Commands) -> None:
    """Declare the commands."""
    listing = commands.add(
        "list",
        _list,
        "List what is installed and whether it can be used.",
        examples=["zoo list", "zoo list models", "zoo list recipes --json"],
        details="Without WHAT: each plugin with its recipes, and how to mend what cannot be used.",
    )
    listing.add_argument(
        "what",
        nargs="?",
        metavar="WHAT",
        choices=["plugins", *KINDS],
        help=f"plugins, {', '.join(KINDS)}",
    )
    info = commands.add(
        "info",
        _info,
        "Show a plugin, a recipe with its settings, or a component.",
        examples=["zoo info fraud", "zoo info fraud/finetune", "zoo info fraud/tabm --json"],
    )
    name = info.add_argument("name", metavar="NAME", help="a plugin, or an address PLUGIN/NAME")
    completed_by(name, all_names)


def all_names() -> list[str]:
    """Return the names of all plugins and the addresses of all components."""
    from zoo.registry import registry

    addresses = (registry().specs(kind, usable=False) for kind in KINDS.values())
    return [plugin.name for plugin in registry().plugins()] + [
        address for found in addresses for address in found
    ]


def recipe_names() -> list[str]:
    """Return the addresses of all recipes, and the names of plugins that have one."""
    from zoo.registry import registry

    addresses = list(registry().specs("recipe", usable=False))
    return addresses + sorted({address.partition("/")[0] for address in addresses})


# list


def _list(arguments: argparse.Namespace, out: Output) -> None:
    from zoo.registry import registry

    plugins = registry().plugins()
    if arguments.what is None:
        out.data([_with_recipes(plugin) for plugin in plugins], *_overview(plugins))
    elif arguments.what == "plugins":
        show_plugins(out)
    else:
        kind = KINDS[arguments.what]
        rows = [
            (address, str(plugin.status), spec.summary)
            for plugin in plugins
            for address, spec in _components(plugin, kind)
        ]
        keys = ("address", "status", "summary")
        out.data(
            [dict(zip(keys, row, strict=True)) for row in rows],
            Table((kind.capitalize(), "Status", "Summary"), rows),
        )


def show_plugins(out: Output) -> None:
    """Show every plugin that was found, and how to mend what cannot be used."""
    from zoo.registry import registry

    plugins = registry().plugins()
    out.data([describe_plugin(plugin) for plugin in plugins], *plugin_blocks(plugins))


def plugin_blocks(plugins: list[Plugin]) -> list[Table | str]:
    """Return plugins as a table, with what mends those that cannot be used."""
    if not plugins:
        return ["No plugin is installed."]
    rows = [
        (plugin.name, str(plugin.status), plugin.distribution, plugin.version) for plugin in plugins
    ]
    return [Table(("Plugin", "Status", "Distribution", "Version"), rows), *_remedies(plugins)]


def describe_plugin(plugin: Plugin) -> dict[str, Any]:
    """Return a plugin as JSON shows it."""
    return {
        "name": plugin.name,
        "status": str(plugin.status),
        "distribution": plugin.distribution,
        "version": plugin.version,
        "reason": plugin.reason,
        "remedy": plugin.remedy,
    }


def _with_recipes(plugin: Plugin) -> dict[str, Any]:
    recipes = [
        {"address": address, "summary": spec.summary}
        for address, spec in _components(plugin, "recipe")
    ]
    return {**describe_plugin(plugin), "recipes": recipes}


def _overview(plugins: list[Plugin]) -> list[Table | str]:
    rows = []
    for plugin in plugins:
        recipes = _components(plugin, "recipe")
        rows += [
            (plugin.name, str(plugin.status), address, spec.summary) for address, spec in recipes
        ]
        if not recipes:
            rows.append((plugin.name, str(plugin.status), "", ""))
    if not plugins:
        return ["No plugin is installed."]
    return [Table(("Plugin", "Status", "Recipe", "Summary"), rows), *_remedies(plugins)]


def _remedies(plugins: Iterable[Plugin]) -> list[str]:
    """Return a text that says why plugins cannot be used and what mends them, if there are any."""
    lines = [
        f"{plugin.name}: {plugin.reason}\n  {plugin.remedy}"
        for plugin in plugins
        if plugin.status != "ok"
    ]
    return ["\n".join(lines)] if lines else []


def _components(plugin: Plugin, kind: Kind) -> list[tuple[str, Spec]]:
    specs = plugin.specs.get(kind, {})
    return [(f"{plugin.name}/{name}", spec) for name, spec in sorted(specs.items())]


# info


def _info(arguments: argparse.Namespace, out: Output) -> None:
    if "/" in arguments.name:
        _component_info(arguments.name, out)
    else:
        plugin_info(arguments.name, out)


def plugin_info(name: str, out: Output) -> None:
    """Show all that is known of a plugin, the traceback of a broken one too."""
    import traceback

    from zoo.registry import registry

    plugin = registry().plugin(name)
    components = [
        (kind, address, spec.summary)
        for kind in KINDS.values()
        for address, spec in _components(plugin, kind)
    ]
    about = describe_plugin(plugin)
    trace = "".join(traceback.format_exception(plugin.error)) if plugin.error else ""
    keys = ("kind", "address", "summary")
    value = {
        "kind": "plugin",
        **about,
        "components": [dict(zip(keys, row, strict=True)) for row in components],
        "output": plugin.output,
        "traceback": trace,
    }
    blocks: list[Table | str] = [Table((), [(key, text) for key, text in about.items() if text])]
    if components:
        blocks.append(Table(("Kind", "Address", "Summary"), components))
    blocks += [text.rstrip() for text in (plugin.output, trace) if text]
    out.data([value], *blocks)


def _component_info(address: str, out: Output) -> None:
    """Show every component of an address: a task and a dataset may share a name."""
    from zoo.registry import registry

    plugins = registry()
    present = plugins.named(address)
    values: list[dict[str, Any]] = []
    blocks: list[Table | str] = []
    for kind in (each for each in KINDS.values() if each in present):
        value = _declared(kind, present[kind], plugins.spec(kind, present[kind]))
        settings = _settings(kind, present[kind], out)
        blocks.append(Table((), [(key, _shown(text)) for key, text in value.items() if text]))
        blocks += [_settings_table(owner, rows) for owner, rows in settings.items() if rows]
        values.append({**value, "settings": [row for rows in settings.values() for row in rows]})
    out.data(values, *blocks)


def _declared(kind: str, address: str, spec: Spec) -> dict[str, Any]:
    """Return what a plugin declares of a component."""
    hidden = ("name", "settings", "formerly")
    plain = {key: value for key, value in vars(spec).items() if key not in hidden}
    return {"kind": kind, "address": address, **plain}


def _settings(kind: Kind, address: str, out: Output) -> dict[str, list[dict[str, Any]]]:
    """Return the settings of a component, or of all that a recipe uses, by their owner."""
    from zoo.cli.settings import component_settings, recipe_settings
    from zoo.registry import registry
    from zoo.startup import load_tensorflow

    plugin = registry().plugin(address.partition("/")[0])
    if plugin.status != "ok":
        out.note(f"Its settings are not shown. {plugin.reason}\n  {plugin.remedy}")
        return {}
    load_tensorflow()
    if kind == "recipe":
        return recipe_settings(registry(), address)
    return {f"{kind} {address}": component_settings(registry(), kind, address)}


def _settings_table(owner: str, rows: list[dict[str, Any]]) -> Table:
    cells = [
        (row["name"], _shown(row["default"]), f"{row['help']} ({row['type']})".strip())
        for row in rows
    ]
    return Table(("Setting", "Default", "Meaning"), cells, title=owner)


def _shown(value: Any) -> str:
    """Return plain data as short text."""
    import json

    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and value:
        items = [each.get("name", "...") if isinstance(each, dict) else each for each in value]
        return ", ".join(map(_shown, items))
    return json.dumps(value)
