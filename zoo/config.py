"""Typed settings: read from many places, checked once, and traced to where they came from.

Settings live in frozen dataclasses whose fields are declared with
:func:`zoo.components.setting`. A setting is named by a dotted name, such as
``train.stages.0.learning_rate``. Values come in layers, each over the one before:

1. the default of the field,
2. the settings of the recipe, :func:`from_settings`,
3. what the user's settings file says of the recipe,
4. a TOML file, :func:`from_file`,
5. the environment, :func:`from_environment`,
6. ``--set`` on the command line, :func:`from_options`.

A group of settings given as a table changes only those it names. A list or a dict given
whole replaces the one below; a dotted name reaches inside it. Values are parsed, never
evaluated. A setting that may be empty is emptied with ``none``.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from zoo.deprecation import find
from zoo.errors import ConfigError, nearest
from zoo.kinds import (
    MISFIT,
    Rule,
    Text,
    choices,
    dict_in,
    fit,
    group_in,
    has_inside,
    inside,
    items_of,
    list_in,
    members,
    parse_text,
    rules,
    takes_none,
    values_of,
)

T = TypeVar("T")
_Path = tuple[str, ...]

ENVIRONMENT_PREFIX = "ZOO_SET_"
DEFAULT = "default"
NONE = "none"


class Given(NamedTuple):
    """One value that somebody gave.

    Attributes:
        name: the dotted name of the setting.
        value: plain data, or :class:`Text`.
        where: where it was given, as shown in messages: ``--set``, a file, a variable.
    """

    name: str
    value: Any
    where: str


class SettingInfo(NamedTuple):
    """What documentation says of one setting.

    Attributes:
        name: dotted name; ``0`` stands for the place in a list.
        type: what the setting takes, in words.
        default: plain data; None if there is no default or it is empty.
        help: the sentence the setting was declared with.
    """

    name: str
    type: str
    default: Any
    help: str


@dataclass(frozen=True)
class Resolved:
    """Settings over which every layer has been applied and checked.

    Attributes:
        values: the instance or plain value of each section.
        origins: dotted name -> where it was given; what is not named is a default.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def __getitem__(self, section: str) -> Any:
        return self.values[section]

    def origin(self, name: str) -> str:
        """Return where the value of the setting `name` was given, or ``default``."""
        return _origin(self.origins, name)

    def dump(self) -> dict[str, Any]:
        """Return all values as plain data, as :func:`dump` does for one section.

        A setting of a section is there even if it is None by default: read back, it stands
        over a recipe's own value.
        """
        present = {name: value for name, value in self.values.items() if value is not None}
        return {name: _whole_section(value) for name, value in present.items()}


# Reading


def parse(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Return an instance of `cls` with these settings; those not given keep their defaults.

    Args:
        cls: a dataclass of settings.
        values: nested plain data, as a TOML or JSON file holds it.
        where: where the values came from, for messages.

    Raises:
        ConfigError: a name is unknown, or a value does not fit its type or range.
    """
    layers = _Layers(cls)
    layers.give((), values, where)
    return typing.cast(T, layers.build())


def resolve(sections: Mapping[str, Any], layers: Iterable[Iterable[Given]]) -> Resolved:
    """Apply layers of settings over the defaults and check the result.

    Args:
        sections: top-level names and what they take: a dataclass of settings such as
            ``train``, or a plain type such as ``int`` for ``seed``.
        layers: what was given, the weakest first.

    Raises:
        ConfigError: a name is unknown, or a value does not fit its type or range.
    """
    merged = _Layers(group_of(sections))
    for layer in layers:
        for name, value, where in layer:
            merged.give(tuple(name.split(".")), value, where)
    return Resolved(values=dict(vars(merged.build())), origins=merged.origins)


def group_of(sections: Mapping[str, Any]) -> type:
    """Return a group with settings of these names and types.

    Args:
        sections: names, which may be addresses, and what they take, as :func:`resolve` does.
    """

    def fill(self: Any, **values: Any) -> None:
        vars(self).update(values)

    made = type("Settings", (), {"__annotations__": dict(sections), "__init__": fill})
    return dataclass(init=False, repr=False, eq=False)(made)


def from_settings(settings: Mapping[str, Any], where: str) -> list[Given]:
    """Return settings given in Python, by dotted names or as nested mappings."""
    return [Given(name, value, where) for name, value in settings.items()]


def dotted(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings by dotted names; a list counts as one value."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def from_file(path: str | Path) -> list[Given]:
    """Return the settings in a TOML file.

    Raises:
        ConfigError: the file cannot be read or is not TOML; names the line.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        return from_settings(tomllib.loads(text), str(path))
    except OSError as error:
        raise ConfigError(
            f"Cannot read the settings file {path}: {error.strerror}.",
            hint="Give the path of a TOML file that you may read.",
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: the settings file is not UTF-8 text.",
            hint="Save the file in the encoding UTF-8.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}.",
            hint="Write settings as: name = value. Text stands in quotes.",
        ) from error


def from_environment(environ: Mapping[str, str] | None = None) -> list[Given]:
    """Return the settings in variables such as ``ZOO_SET_train__learning_rate=1e-4``.

    Args:
        environ: the environment, by default that of this process.
    """
    environ = os.environ if environ is None else environ
    return [
        Given(
            variable.removeprefix(ENVIRONMENT_PREFIX).replace("__", "."),
            Text(value),
            f"environment variable {variable}",
        )
        for variable, value in sorted(environ.items())
        if variable.startswith(ENVIRONMENT_PREFIX)
    ]


def from_options(options: Iterable[str]) -> list[Given]:
    """Return the settings in ``--set`` options such as ``train.learning_rate=1e-4``.

    Raises:
        ConfigError: an option has no ``=`` or no name.
    """
    return [Given(name, value, "--set") for name, value in assignments(options)]


def assignments(options: Iterable[str]) -> list[tuple[str, Text]]:
    """Split options such as ``train.learning_rate=1e-4`` at their first ``=``.

    Raises:
        ConfigError: an option has no ``=`` or no name.
    """
    pairs = []
    for option in options:
        name, equals, value = (part.strip() for part in option.partition("="))
        if not (name and equals):
            raise ConfigError(
                f"--set {option!r} does not set anything: expected name=value.",
                hint="For instance: --set train.learning_rate=1e-4",
            )
        pairs.append((name, Text(value)))
    return pairs


# Writing


def dump(instance: Any) -> dict[str, Any]:
    """Return settings as plain data that TOML and JSON can hold and :func:`parse` reads back.

    A setting that is None by default and None now is left out; any other None is ``none``.

    Args:
        instance: an instance of a dataclass of settings.
    """
    plain: dict[str, Any] = _plain(instance, none=NONE)
    return plain


def to_toml(values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Write plain data as TOML that reads back equal.

    Args:
        values: nested plain data, as :func:`dump` returns it.
        comments: dotted name -> what is written above the setting, such as its help.
    """
    import tomlkit

    return tomlkit.dumps(_fill(tomlkit.document(), values, "", comments or {}))


def describe(cls: type, prefix: str = "") -> list[SettingInfo]:
    """Return what is to be known of each setting, in the order of declaration.

    Args:
        cls: a dataclass of settings.
        prefix: the dotted name of the group, such as ``train``.
    """
    return _rows(cls, prefix, {name: rule.default for name, rule in rules(cls).items()})


def _rows(group: type, prefix: str, defaults: Mapping[str, Any]) -> list[SettingInfo]:
    """Return the rows of :func:`describe`, with the defaults that the group has at `prefix`."""
    rows = []
    for key, rule in rules(group).items():
        name, default = f"{prefix}.{key}" if prefix else key, defaults[key]
        if nested := group_in(rule.kind):
            given = dataclasses.is_dataclass(default)
            rows += _rows(nested, name, vars(default)) if given else describe(nested, name)
            continue
        plain = None if default is MISSING else _plain(default)
        rows.append(SettingInfo(name, str(rule), plain, rule.help))
        if item := group_in(inside(rule.kind, "0")):
            rows += describe(item, f"{name}.0")
    return rows


def _whole_section(value: Any) -> Any:
    plain = _plain(value, none=NONE)
    if not dataclasses.is_dataclass(value):
        return plain
    return {key: plain.get(key, NONE) for key in rules(typing.cast(type, type(value)))}


def _plain(value: Any, none: Any = None) -> Any:
    """Return `value` with dataclasses, tuples and paths as dicts, lists and text."""
    if dataclasses.is_dataclass(value):
        group = typing.cast(type, type(value))
        entries = [(key, getattr(value, key), rule.default) for key, rule in rules(group).items()]
        return {
            key: _plain(item, none)
            for key, item, default in entries
            if not (item is None and default is None)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item, none) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, none) for item in value]
    if isinstance(value, Path):
        return str(value)
    return none if value is None else value


def _fill(table: Any, values: Mapping[str, Any], prefix: str, comments: Mapping[str, str]) -> Any:
    """Add `values` to a tomlkit table and return it: single values first, then tables."""
    import tomlkit

    for key, value in sorted(values.items(), key=lambda item: _holds_tables(item[1])):
        name = f"{prefix}.{key}" if prefix else key
        for line in comments.get(name, "").splitlines():
            table.add(tomlkit.comment(line))
        if isinstance(value, Mapping):
            table.add(key, _fill(tomlkit.table(), value, name, comments))
        elif _holds_tables(value):
            array = tomlkit.aot()
            for index, item in enumerate(value):
                array.append(_fill(tomlkit.table(), item, f"{name}.{index}", comments))
            table.add(key, array)
        else:
            table.add(key, value)
    return table


def _holds_tables(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(isinstance(item, Mapping) for item in items)


# Layers


class _Layers:
    """The settings given so far, one layer over the other, and where each came from.

    Args:
        cls: the dataclass of all settings.
    """

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.tree: Any = _defaults(cls)
        self.origins: dict[str, str] = {}

    def give(self, path: _Path, value: Any, where: str) -> None:
        """Put a value over what was given so far.

        Raises:
            ConfigError: no setting has this name.
        """
        kind: Any = self.cls
        asked, path = path, ()
        for key in asked:
            path = (*path, _present_name(kind, key, path, where))
            kind = inside(kind, path[-1])
            if kind is None:
                raise self._unknown(asked, where)
        value = _plain(value)
        if isinstance(value, Text) and has_inside(kind):
            parsed = parse_text(value)
            value = parsed if isinstance(parsed, dict | list) else value
        if isinstance(value, Mapping) and group_in(kind):
            for key, item in value.items():
                self.give((*path, key), item, where)
        else:
            self._replace(path, value, where)

    def _replace(self, path: _Path, value: Any, where: str) -> None:
        name = ".".join(path)
        try:
            self.tree = _put(self.cls, self.tree, path, value)
        except IndexError as error:
            raise ConfigError(
                f"There is no setting {name!r} yet (from {where}): {error}.",
                hint="Items are added to a list one after the other.",
            ) from None
        kept = {at: old for at, old in self.origins.items() if not at.startswith(f"{name}.")}
        self.origins = {**kept, name: where}

    def build(self) -> Any:
        """Check everything that was given and return it as an instance.

        Raises:
            ConfigError: a value does not fit its type or range, or is missing.
        """
        return self._build(Rule(self.cls), self.tree, ())

    def _build(self, rule: Rule, value: Any, path: _Path) -> Any:
        kind = rule.kind
        if takes_none(kind) and (value is None or str(value).lower() == NONE):
            return None
        if isinstance(value, Mapping):
            if group := group_in(kind):
                return self._group(group, value, path)
            if table := dict_in(kind):
                inner = rule.of(values_of(table))
                return {key: self._build(inner, value[key], (*path, key)) for key in value}
        if isinstance(value, list) and (sequence := list_in(kind)):
            kinds = items_of(sequence, len(value))
            if len(kinds) == len(value):
                items = [
                    self._build(rule.of(kinds[index]), item, (*path, str(index)))
                    for index, item in enumerate(value)
                ]
                return items if typing.get_origin(sequence) is list else tuple(items)
        return self._single(rule, value, path)

    def _group(self, group: type, table: Mapping[str, Any], path: _Path) -> Any:
        known = rules(group)
        values = {}
        for given, value in table.items():
            key = _present_name(group, given, path, self._where((*path, given)))
            if key not in known:
                raise self._unknown((*path, key), self._where((*path, key)))
            values[key] = self._build(known[key], value, (*path, key))
        for key, rule in known.items():
            if key not in values and rule.default is MISSING:
                if not takes_none(rule.kind):
                    raise self._missing(rule, (*path, key))
                values[key] = None
        try:
            return group(**values)
        except ValueError as error:
            raise ConfigError(f"{'.'.join(path) or group.__name__}: {error}") from error

    def _single(self, rule: Rule, value: Any, path: _Path) -> Any:
        """Check a value that has nothing inside it; text, which takes most, is tried last."""
        for member in sorted(members(rule.kind), key=lambda each: each in (str, Path, Any)):
            fitted = fit(member, value)
            if fitted is not MISFIT and rule.in_range(fitted):
                return fitted
        raise self._misfit(rule, value, path)

    def _misfit(self, rule: Rule, value: Any, path: _Path) -> ConfigError:
        shown = value if isinstance(value, Text) else json.dumps(value, default=str)
        hint = rule.help
        if isinstance(value, str) and has_inside(rule.kind):
            hint = 'Write a list as ["a", "b"] and a table as {name = 1}.'
        elif known := choices(rule.kind):
            hint = nearest(str(value), map(str, known))
        return ConfigError(
            f"{'.'.join(path)} = {shown[:200] or repr('')} (from {self._where(path)}): "
            f"expected {rule}.",
            hint=hint,
        )

    def _missing(self, rule: Rule, path: _Path) -> ConfigError:
        name = ".".join(path)
        return ConfigError(
            f"{name} is not set and has no default: expected {rule}.",
            hint=f"Set it with --set {name}=VALUE.",
        )

    def _where(self, path: _Path) -> str:
        return _origin(self.origins, ".".join(path))

    def _unknown(self, path: _Path, where: str) -> ConfigError:
        name = ".".join(path)
        return ConfigError(
            f"There is no setting {name!r} (from {where}).",
            hint=_suggest(name, [row.name for row in describe(self.cls)]),
        )


def _defaults(group: type) -> dict[str, Any]:
    """Return what a group holds if nothing is given, as plain data."""
    defaults = {}
    for name, rule in rules(group).items():
        if rule.default is MISSING and dataclasses.is_dataclass(rule.kind):
            defaults[name] = _defaults(typing.cast(type, rule.kind))
        elif rule.default is not MISSING and rule.default is not None:
            defaults[name] = _plain(rule.default)
    return defaults


def _put(kind: Any, node: Any, path: _Path, value: Any) -> Any:
    """Return `node`, the content of a setting of type `kind`, with `value` at `path`."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if key.isdecimal() and list_in(kind):
        items = list(node) if isinstance(node, list) else []
        index = int(key)
        if index > len(items):
            raise IndexError(f"the list has {len(items)} items")
        present = items[index] if index < len(items) else None
        items[index : index + 1] = [_put(inside(kind, key), present, rest, value)]
        return items
    table = dict(node) if isinstance(node, Mapping) else {}
    return {**table, key: _put(inside(kind, key), table.get(key), rest, value)}


def _present_name(kind: Any, key: str, path: _Path, where: str) -> str:
    """Return what a setting inside `kind` is called today; `key` itself if it has no other name.

    Raises:
        ConfigError: `key` is a former name whose time is up.
    """
    group = group_in(kind)
    known = rules(group) if group else {}
    found = None if key in known else find(key, {new: r.formerly for new, r in known.items()})
    if found is None:
        return key
    name, former = found
    old, new = (".".join((*path, each)) for each in (key, name))
    former.admit(f"The setting {old!r} (from {where})", repr(new), ConfigError)
    return name


def _origin(origins: Mapping[str, str], name: str) -> str:
    """Return where `name`, or the nearest that holds it, was given."""
    while name and name not in origins:
        name = name.rpartition(".")[0]
    return origins.get(name, DEFAULT)


def _suggest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the settings closest to an unknown name."""
    place = next((part for part in name.split(".") if part.isdecimal()), "0")
    names = {each.replace(".0.", f".{place}.") for each in known}
    groups = {each.rpartition(".")[0] for each in names} - {""}
    group, _, last = name.rpartition(".")
    right_name_wrong_group = [each for each in names if each.rpartition(".")[2] == last]
    slip_of_the_keys = difflib.get_close_matches(name, names | groups, n=1, cutoff=0.8)
    if right_name_wrong_group or slip_of_the_keys:
        return nearest(name, right_name_wrong_group or slip_of_the_keys)
    if group and group not in groups:
        return nearest(group, groups)
    in_group = {each for each in names | groups if each.rpartition(".")[0] == group}
    return nearest(last, {each.rpartition(".")[2] for each in in_group})
