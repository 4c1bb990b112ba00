"""What the type of a setting allows: how it reads in words, what is inside it, what fits.

A kind is a type as a field is annotated with it: a plain type, a `Literal`, a union with
None, a tuple or dict of kinds, or a dataclass of settings, called a group.
"""

from __future__ import annotations

import dataclasses
import sys
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from datetime import date, time
from functools import lru_cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from zoo.deprecation import Former

MISFIT = object()
"""What :func:`fit` returns for a value that does not fit."""


class Text(str):
    """A value as the user typed it; the kind of its setting decides how it is read."""


class Rule(NamedTuple):
    """What a setting takes.

    Attributes:
        kind: its type.
        default: `dataclasses.MISSING` if it has none.
        help: the sentence it was declared with.
        minimum: the smallest number allowed, also inside it.
        maximum: the largest number allowed, also inside it.
        formerly: what it was called.
    """

    kind: Any
    default: Any = MISSING
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    formerly: tuple[Former, ...] = ()

    def of(self, kind: Any) -> Rule:
        """Return the rule for something inside the setting."""
        return self._replace(kind=kind)

    def in_range(self, value: Any) -> bool:
        """Return whether `value`, if it is a number, is within the limits."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        high_enough = self.minimum is None or value >= self.minimum
        return high_enough and (self.maximum is None or value <= self.maximum)

    def __str__(self) -> str:
        words = [_words(member, self) for member in members(self.kind)]
        optional = takes_none(self.kind) and self.kind is not Any
        return " or ".join([*words, "none"] if optional else words)


@lru_cache
def rules(group: type) -> Mapping[str, Rule]:
    """Return the rule of each setting of a group, in the order of declaration."""
    kinds = typing.get_type_hints(group)
    return {
        field.name: Rule(kinds[field.name], _default(field), **field.metadata)
        for field in dataclasses.fields(group)
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    made_by = field.default_factory
    return field.default if made_by is MISSING else made_by()


def members(kind: Any) -> list[Any]:
    """Return the alternatives of a kind, None left out."""
    union = get_origin(kind) in (Union, types.UnionType)
    return [each for each in (get_args(kind) if union else (kind,)) if each is not types.NoneType]


def takes_none(kind: Any) -> bool:
    """Return whether a setting of this kind may be empty."""
    return kind is Any or types.NoneType in get_args(kind)


def group_in(kind: Any) -> Any:
    """Return the group among the alternatives of a kind, or None."""
    return next(filter(dataclasses.is_dataclass, members(kind)), None)


def dict_in(kind: Any) -> Any:
    """Return the dict among the alternatives of a kind, or None."""
    return _with_origin(kind, (dict, Mapping))


def list_in(kind: Any) -> Any:
    """Return the tuple or list among the alternatives of a kind, or None."""
    return _with_origin(kind, (tuple, list, Sequence))


def _with_origin(kind: Any, origins: tuple[Any, ...]) -> Any:
    return next((each for each in members(kind) if (get_origin(each) or each) in origins), None)


def has_inside(kind: Any) -> bool:
    """Return whether dotted names can reach inside a setting of this kind."""
    return any(find(kind) is not None for find in (group_in, dict_in, list_in))


def values_of(kind: Any) -> Any:
    """Return the kind of the values of a dict."""
    return (get_args(kind) or (str, Any))[1]


def items_of(kind: Any, length: int) -> Sequence[Any]:
    """Return the kind of each place of a tuple or list; a fixed one keeps its own length."""
    items = get_args(kind) or (Any, ...)
    open_ended = get_origin(kind) is not tuple or items[-1] is ...
    return [items[0]] * length if open_ended else items


def inside(kind: Any, key: str) -> Any:
    """Return the kind of what `key` names inside a setting, or None if there is no such."""
    if group := group_in(kind):
        rule = rules(group).get(key)
        return rule.kind if rule else None
    if table := dict_in(kind):
        return values_of(table)
    if key.isdecimal() and (sequence := list_in(kind)):
        places = items_of(sequence, int(key) + 1)
        return places[int(key)] if int(key) < len(places) else None
    return Any if kind is Any else None


def choices(kind: Any) -> list[Any]:
    """Return the values that the `Literal` alternatives of a kind name."""
    literals = [each for each in members(kind) if get_origin(each) is Literal]
    return [choice for literal in literals for choice in get_args(literal)]


def parse_text(text: str) -> Any:
    """Read a value as TOML writes it; what is not valid TOML is plain text.

    >>> parse_text("1e-4"), parse_text("[1, 2]"), parse_text("{a = true}"), parse_text("adam")
    (0.0001, [1, 2], {'a': True}, 'adam')
    """
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return str(text)
    return document["value"] if len(document) == 1 else str(text)


def fit(kind: Any, value: Any) -> Any:
    """Return `value` as a `kind` that has nothing inside it, or :data:`MISFIT`.

    A whole number or a date is taken for text, and one that was typed keeps its digits.
    """
    if isinstance(value, Text):
        typed, value = str(value), parse_text(value)
        if not isinstance(value, str) and (kind in (str, Path) or typed in choices(kind)):
            value = typed
    if get_origin(kind) is Literal:
        same = (each for each in get_args(kind) if type(each) is type(value) and each == value)
        return next(same, MISFIT)
    if kind is Any:
        return value
    if isinstance(value, bool):
        return value if kind is bool else MISFIT
    if kind is int and isinstance(value, Integral):
        return int(value)
    if kind is float and isinstance(value, Real):
        return _finite(value)
    if kind in (str, Path) and isinstance(value, date | time):
        return kind(value.isoformat())
    if kind in (str, Path) and isinstance(value, str | Path | Integral):
        return kind(str(value))
    return MISFIT


def _finite(value: Any) -> Any:
    return float(value) if abs(value) <= sys.float_info.max else MISFIT


def _words(kind: Any, rule: Rule) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(str(choice) for choice in get_args(kind))}"
    if dataclasses.is_dataclass(kind):
        return "table"
    if dict_in(kind):
        return f"table, each {rule.of(values_of(kind))}"
    if list_in(kind):
        items = [str(rule.of(item)) for item in items_of(kind, 1)]
        return f"list, each {items[0]}" if len(items) == 1 else f"list of {', '.join(items)}"
    if kind in (int, float):
        return ("whole number" if kind is int else "number") + _range(rule.minimum, rule.maximum)
    names = {bool: "true or false", str: "text", Path: "path", Any: "any value"}
    return names.get(kind, str(kind))


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return f" of at most {high}" if high is not None else ""
