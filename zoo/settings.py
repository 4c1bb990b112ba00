"""The user's own settings: environment variables and `config.toml`.

| variable | meaning |
| --- | --- |
| `ZOO_HOME` | folder for settings and caches, `~/.zoo` by default |
| `ZOO_CONFIG` | the settings file, `$ZOO_HOME/config.toml` by default |
| `ZOO_OFFLINE` | `1` forbids the network |
| `ZOO_PLUGINS` | which plugins are loaded; see :func:`plugin_settings` |
| `ZOO_PLUGIN_TIMEOUT` | seconds a plugin may take to import, 10 by default; 0 means no limit |

What stands in the file:

.. code-block:: toml

    [plugins]
    allow = ["fraud", "ocr"]        # load only these
    disable = ["speech"]            # load all but these
    use = {ocr = "acme-zoo-ocr"}    # the distribution where two offer one name

    [defaults]
    vision = "acme/factory"         # the recipe that a bare name stands for

    [recipes."vision/finetune"]     # settings over those of a recipe
    use.model = "acme/detector"
    train.batch_size = 8
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, nearest
from zoo.specs import check_name

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")
_ENVIRONMENT = "ZOO_PLUGINS"
_TABLES = ("defaults", "plugins", "recipes")


def home() -> Path:
    """Return the folder for the user's settings and caches; it may not exist yet."""
    return Path(os.environ.get("ZOO_HOME") or "~/.zoo").expanduser()


def cache_folder() -> Path:
    """Return the folder for files that can be made again; it may not exist yet."""
    return home() / "cache"


def config_path() -> Path:
    """Return the path of the user's settings file; it may not exist yet."""
    given = os.environ.get("ZOO_CONFIG")
    return Path(given).expanduser() if given else home() / "config.toml"


def offline() -> bool:
    """Return whether the network must not be used.

    Raises:
        ConfigError: `ZOO_OFFLINE` is neither true nor false.
    """
    given = os.environ.get("ZOO_OFFLINE", "").strip().lower()
    if given not in _TRUE + _FALSE:
        raise ConfigError(
            f"ZOO_OFFLINE is {given!r}, expected one of {', '.join(filter(None, _TRUE + _FALSE))}.",
            hint="ZOO_OFFLINE=1 forbids the network; leave it out to allow it.",
        )
    return given in _TRUE


def plugin_timeout() -> float:
    """Return how many seconds a plugin may take to import; 0 means no limit.

    Raises:
        ConfigError: `ZOO_PLUGIN_TIMEOUT` is not a number of seconds.
    """
    given = os.environ.get("ZOO_PLUGIN_TIMEOUT") or "10"
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(
            f"ZOO_PLUGIN_TIMEOUT is {given!r}, expected a number of seconds.",
            hint="For example ZOO_PLUGIN_TIMEOUT=30; 0 means no limit.",
        )
    return seconds


def user_config() -> dict[str, Any]:
    """Return the content of the user's settings file; empty if there is none.

    Raises:
        ConfigError: the file cannot be read, holds something else than tables of settings, or
            `ZOO_CONFIG` names a file that is missing.
    """
    path = config_path()
    text = _read(path)
    if not text:
        return {}
    import tomllib

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}.",
            hint="Correct that line, or set ZOO_CONFIG to another file.",
        ) from error
    for name, table in content.items():
        if name not in _TABLES:
            raise ConfigError(f"{path}: there is no table {name!r}.", hint=nearest(name, _TABLES))
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path}: {name} is {table!r}, expected a table.",
                hint=f"Write `[{name}]` and the settings below it.",
            )
    return content


def recipe_overrides() -> dict[str, dict[str, Any]]:
    """Return what the user's settings file sets of recipes, by their addresses.

    Raises:
        ConfigError: the file is malformed.
    """
    found = user_config().get("recipes", {})
    for address, settings in found.items():
        if "/" not in address or not isinstance(settings, dict):
            raise ConfigError(
                f"{config_path()}: recipes.{address} is no table of a recipe's settings.",
                hint='Write `[recipes."PLUGIN/NAME"]` and the settings below it.',
            )
    return found


@dataclass(frozen=True)
class PluginSettings:
    """Which plugins the user wants.

    Attributes:
        allow: names of the only plugins to load; None means all.
        disable: names of plugins not to load, each with the place that says so.
        use: plugin name -> the distribution to take it from.
        defaults: bare name -> the address of the recipe that it stands for.
        allowed_by: the place that says which are allowed.
    """

    allow: frozenset[str] | None = None
    disable: Mapping[str, str] = field(default_factory=dict)
    use: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    allowed_by: str = "the settings"

    @classmethod
    def none(cls, source: str = "--no-plugins") -> PluginSettings:
        """Return settings that load no plugin.

        Args:
            source: what asked for it, for messages.
        """
        return cls(allow=frozenset(), allowed_by=source)

    def why_disabled(self, name: str) -> tuple[str, str] | None:
        """Return why a plugin is not to be loaded and how to change that, or None if it is."""
        if name in self.disable:
            source = self.disable[name]
            reason = f"It is disabled by {source}."
        elif self.allow is not None and name not in self.allow:
            source = self.allowed_by
            reason = f"{source} allows only {', '.join(sorted(self.allow)) or 'none'}."
        else:
            return None
        in_file = source == str(config_path())
        return reason, f"zoo plugins enable {name}" if in_file else f"Change or drop {source}."


def plugin_settings() -> PluginSettings:
    """Return which plugins the user wants, from the file and then the environment.

    `ZOO_PLUGINS` holds parts with commas between them: `fraud,vision` loads only these,
    `-speech` disables one, `ocr@acme-zoo-ocr` chooses the distribution where two offer one
    name. `ZOO_PLUGINS=none` loads none.

    Raises:
        ConfigError: the file or the variable is malformed.
    """
    given = os.environ.get(_ENVIRONMENT, "").strip()
    if given == "none":
        return PluginSettings.none(f"{_ENVIRONMENT}=none")
    settings = _from_tables(user_config(), str(config_path()))
    return _with_environment(settings, given) if given else settings


def set_plugin_enabled(name: str, enabled: bool) -> Path:
    """Enable or disable a plugin in the user's settings file, which keeps its comments.

    Args:
        name: the plugin's name.
        enabled: whether it is to be loaded.

    Returns:
        the file that was written.

    Raises:
        ConfigError: the name is not a plugin name, or the file is malformed.
        StorageError: the file cannot be written.
    """
    _check_plugin_name(name, "The plugin's name")
    path = config_path()
    text = ""
    if path.exists():
        _from_tables(user_config(), str(path))
        text = _read(path)

    import tomlkit

    from zoo.storage import write_text

    document = tomlkit.parse(text)
    table: Any = document.setdefault("plugins", tomlkit.table())
    disabled = table.get("disable", [])
    if enabled:
        while name in disabled:
            disabled.remove(name)
        if name not in table.get("allow", [name]):
            table["allow"].append(name)
    elif name not in disabled:
        table.setdefault("disable", tomlkit.array()).append(name)
    write_text(path.resolve(), tomlkit.dumps(document))
    return path


def _read(path: Path) -> str:
    """Return the text of the settings file, empty if there is none at the default place."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if not os.environ.get("ZOO_CONFIG"):
            return ""
        raise ConfigError(
            f"ZOO_CONFIG names {path}, which does not exist.",
            hint="Correct the path, or unset ZOO_CONFIG.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.",
            hint="It has to be a TOML file in UTF-8 that you may read.",
        ) from error


def _from_tables(content: Mapping[str, Any], source: str) -> PluginSettings:
    """Check the tables `[plugins]` and `[defaults]` of the file and return what they say."""
    table = content.get("plugins", {})
    for key in table:
        if key not in ("allow", "disable", "use"):
            raise ConfigError(
                f"{source}: plugins.{key} is not a setting.",
                hint=nearest(key, ["allow", "disable", "use"]),
            )
    allow = _names(table["allow"], f"{source}: plugins.allow") if "allow" in table else None
    disable = _names(table.get("disable", []), f"{source}: plugins.disable")
    return PluginSettings(
        allow=None if allow is None else frozenset(allow),
        disable=dict.fromkeys(disable, source),
        use=_choices(table.get("use", {}), f"{source}: plugins.use"),
        defaults=_recipes(content.get("defaults", {}), f"{source}: defaults"),
        allowed_by=source,
    )


def _names(value: Any, where: str) -> list[str]:
    if not isinstance(value, list):
        raise ConfigError(
            f"{where} is {value!r}, expected a list of plugin names.",
            hint='For example ["fraud", "vision"].',
        )
    for name in value:
        _check_plugin_name(name, where)
    return value


def _choices(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ConfigError(
            f"{where} is {value!r}, expected a table of plugin name and distribution.",
            hint='For example {ocr = "acme-zoo-ocr"}.',
        )
    for name in value:
        _check_plugin_name(name, where)
    return value


def _recipes(table: Mapping[str, Any], where: str) -> Mapping[str, str]:
    for name, address in table.items():
        _check_plugin_name(name, where)
        if not isinstance(address, str) or "/" not in address:
            raise ConfigError(
                f"{where}.{name} is {address!r}, expected the address of a recipe.",
                hint=f'For example {name} = "{name}/finetune"; `zoo list recipes` shows all.',
            )
    return table


def _with_environment(settings: PluginSettings, given: str) -> PluginSettings:
    """Return the settings with those of the variable `ZOO_PLUGINS` over them."""
    only: set[str] = set()
    disabled: set[str] = set()
    chosen: dict[str, str] = {}
    for part in given.replace(" ", "").split(","):
        name, at, distribution = part.partition("@")
        _check_plugin_name(name.removeprefix("-"), _ENVIRONMENT)
        if name.startswith("-") and not at:
            disabled.add(name.removeprefix("-"))
        elif not at:
            only.add(name)
        elif distribution and not name.startswith("-"):
            chosen[name] = distribution
        else:
            raise ConfigError(
                f"{_ENVIRONMENT}: {part!r} does not choose a distribution.",
                hint="Write PLUGIN@DISTRIBUTION, such as ocr@acme-zoo-ocr.",
            )
    wanted = only | chosen.keys()
    if only:
        settings = replace(settings, allow=frozenset(wanted), allowed_by=_ENVIRONMENT)
    elif settings.allow is not None:
        settings = replace(settings, allow=settings.allow | wanted)
    disable = {name: source for name, source in settings.disable.items() if name not in wanted}
    return replace(
        settings,
        disable=disable | dict.fromkeys(sorted(disabled), _ENVIRONMENT),
        use={**settings.use, **chosen},
    )


def _check_plugin_name(name: Any, where: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise ConfigError(
            f"{where}: {name!r} is not a plugin name.",
            hint="A plugin is named like `fraud`: lower-case letters, digits, '-', '.' and '_'.",
        ) from error
