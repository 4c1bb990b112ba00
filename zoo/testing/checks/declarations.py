"""What is declared of components and their settings: complete, typed and documented."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from zoo.config import dump, from_settings, parse
from zoo.discovery import Kind
from zoo.errors import ConfigError, ZooError
from zoo.kinds import MISSING, dict_in, group_in, list_in, members, rules, takes_none
from zoo.recipe import resolve_recipe
from zoo.registry import registry
from zoo.specs import RecipeSpec
from zoo.testing.subject import Subject
from zoo.testing.violations import ContractViolation, require

_PLAIN = (int, float, str, bool, Path, Any)
_LONGEST_SUMMARY = 120


def is_documented(subject: Subject, kind: Kind, name: str) -> None:
    """A component has a summary in one sentence, and its class a docstring."""
    spec, address = subject.spec(kind, name), f"{subject.name}/{name}"
    summary = spec.summary
    require(
        summary[:1].upper() == summary[:1] and summary.endswith(".") and "\n" not in summary,
        f"The summary of the {kind} {address} is {summary!r}, expected one sentence with a "
        "capital letter and a full stop.",
    )
    require(
        len(summary) <= _LONGEST_SUMMARY,
        f"The summary of the {kind} {address} has {len(summary)} characters, and `zoo list` shows "
        f"it in one line: use at most {_LONGEST_SUMMARY}.",
    )
    if kind == "recipe":
        return
    cls = subject.implementation(kind, name)
    text = cls.__dict__.get("__doc__") or ""
    require(
        text.strip() and not text.startswith(f"{cls.__name__}("),
        f"The class {cls.__qualname__} of the {kind} {address} has no docstring: say in it what "
        "it does.",
    )


def is_a_component(subject: Subject, kind: Kind, name: str) -> None:
    """A component's class is of the right kind, and a frozen dataclass of its own."""
    cls = subject.implementation(kind, name)
    require(
        "__dataclass_fields__" in cls.__dict__,
        f"{cls.__qualname__} is not a dataclass of its own, so what it declares is no setting: "
        "decorate it with @dataclass(frozen=True, kw_only=True).",
    )
    require(
        cls.__dataclass_params__.frozen,  # type: ignore[attr-defined]
        f"{cls.__qualname__} can be changed after it is made, so a run does not know its settings: "
        "decorate it with @dataclass(frozen=True, kw_only=True).",
    )
    abstract = sorted(getattr(cls, "__abstractmethods__", ()))
    require(
        not abstract,
        f"{cls.__qualname__} lacks {', '.join(f'`{each}`' for each in abstract)}: implement "
        f"{'it' if len(abstract) == 1 else 'them'}.",
    )


def settings_are_typed(cls: type[Any]) -> None:
    """Each setting has a type that files and the command line can give."""
    try:
        hints = get_type_hints(cls)
    except Exception as error:
        raise ContractViolation(
            f"The types of the settings of {cls.__qualname__} cannot be worked out ({error}): "
            "import what its annotations name, outside of `if TYPE_CHECKING`."
        ) from error
    names = {field.name for field in dataclasses.fields(cls)}
    for name in names:
        unknown = unreadable(hints[name])
        require(
            unknown is None,
            f"The setting {name!r} of {cls.__qualname__} has the type {unknown}, which no file and "
            "no option can give: use int, float, str, bool, Path, Literal, None, and tuples, "
            "dicts and dataclasses of them.",
        )
    for name in _bare_attributes(cls) - names:
        raise ContractViolation(
            f"{cls.__qualname__}.{name} is neither a setting nor a class variable: annotate it, "
            "as in `width: int = zoo.setting(...)` or `width: ClassVar[int] = ...`."
        )


def _bare_attributes(cls: type[Any]) -> set[str]:
    """Return the names of plain values in a class's own body that have no annotation."""
    plain = (int, float, str, bool, dataclasses.Field)
    return {
        name
        for name, value in cls.__dict__.items()
        if not name.startswith("_")
        and name not in inspect.get_annotations(cls)
        and isinstance(value, plain)
        and not any(_declares(base, name) for base in cls.__mro__[1:])
    }


def _declares(cls: type[Any], name: str) -> bool:
    return hasattr(cls, name) or name in inspect.get_annotations(cls)


def unreadable(kind: Any) -> Any:
    """Return what in the type of a setting cannot be read from a file, or None."""
    for member in members(kind):
        if get_origin(member) is ClassVar or member in _PLAIN or get_origin(member) is Literal:
            continue
        if group_in(member):
            inner = [rule.kind for rule in rules(member).values()]
        elif dict_in(member) or list_in(member):
            inner = [each for each in get_args(member) if each is not ...]
        else:
            return getattr(member, "__name__", member)
        for each in inner:
            if (found := unreadable(each)) is not None:
                return found
    return None


def settings_are_documented(cls: type[Any]) -> None:
    """Each setting says in a sentence what it does."""
    for field in dataclasses.fields(cls):
        text = str(field.metadata.get("help", "")).strip()
        require(
            text,
            f"The setting {field.name!r} of {cls.__qualname__} says nothing of itself: declare it "
            "with zoo.setting(default, help) and one sentence.",
        )
        require(
            text.endswith("."),
            f"The help of the setting {field.name!r} of {cls.__qualname__} is {text!r}, expected a "
            "sentence with a full stop.",
        )


def defaults_fit(cls: type[Any]) -> None:
    """Each default is of the setting's own type and within its bounds, and reads back equal."""
    declared: Any = cls
    for name, rule in rules(declared).items():
        require(
            rule.default is not MISSING,
            f"The setting {name!r} of {cls.__qualname__} has no default, so the component cannot "
            "be made without it: give one, if need be None.",
        )
        if rule.default is None and takes_none(rule.kind):
            continue
        plain = dump(_Wrapped(rule.default))["value"]
        try:
            parsed = getattr(parse(cls, {name: plain}, where="default"), name)
        except ConfigError as error:
            raise ContractViolation(
                f"The default of the setting {name!r} of {cls.__qualname__}, {rule.default!r}, is "
                f"not one that a user could give: {error.message}"
            ) from error
        require(
            parsed == rule.default and type(parsed) is type(rule.default),
            f"The default of the setting {name!r} of {cls.__qualname__} is {rule.default!r}, but "
            f"reads back from a file as {parsed!r}: annotate it with its own type.",
        )


@dataclasses.dataclass(frozen=True)
class _Wrapped:
    """Lets :func:`zoo.config.dump` turn a single value into plain data."""

    value: Any = None


def recipe_resolves(subject: Subject, name: str) -> None:
    """A recipe's settings fit its components, on its sample, on files and on trial."""
    address = f"{subject.name}/{name}"
    spec = subject.spec("recipe", name)
    uses: list[tuple[str, Mapping[str, Any]]] = [
        ("on its sample", {}),
        ("on files", {"data.path": "files"}),
        ("under its trial settings", spec.trial),
    ]
    for words, settings in uses:
        try:
            resolve_recipe(address, [from_settings(settings, "the recipe")], registry())
        except ZooError as error:
            raise ContractViolation(
                f"The recipe {address} cannot be resolved {words}: {error}"
            ) from error


def recipe_has_a_trial(subject: Subject, name: str) -> None:
    """A recipe says under which settings it can be tried in seconds."""
    spec: RecipeSpec = subject.spec("recipe", name)
    require(
        spec.trial or subject.settings,
        f"The recipe {subject.name}/{name} has no `trial`: give its RecipeSpec settings under "
        "which it runs on its sample in seconds, such as {'train.stages': [{'steps': 20}]}.",
    )


def stage_patterns_match(subject: Subject, name: str) -> None:
    """What the stages of a recipe train are parts of its model."""
    from zoo.training.stages import set_trainable

    trial = subject.of_recipe(name)
    own = resolve_recipe(trial.address, [], registry()).train.stages
    for stage in (*own, *trial.recipe.train.stages):
        model = trial.build()
        try:
            set_trainable(trial.recipe.model.parts(model), stage)
        except ZooError as error:
            raise ContractViolation(f"Recipe {trial.address}: {error}") from error
        require(
            model.trainable_weights,
            f"Stage {stage.name!r} of the recipe {trial.address} trains nothing.",
        )
