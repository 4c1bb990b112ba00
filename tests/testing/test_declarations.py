"""Faults in what a plugin declares, and in its package, are found and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import toy

import zoo
from zoo.registry import registry
from zoo.testing import ContractViolation
from zoo.testing.checks import declarations, package
from zoo.testing.subject import Subject

HOOKS = ("tasks", "models", "datasets", "strategies", "recipes")


@dataclass(frozen=True, kw_only=True)
class Abstract(zoo.Model):
    """It builds nothing."""


@dataclass(frozen=True, kw_only=True)
class Built(zoo.Model):
    """What the models here have in common."""

    def build(self, space: zoo.Space) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Good(Built):
    """A model with settings of all kinds."""

    KINDS: ClassVar[tuple[str, ...]] = ("a", "b")

    width: int = zoo.setting(8, "Hidden units.", minimum=1)
    rates: tuple[float, ...] = zoo.setting((0.1, 0.2), "Learning rates.")
    names: dict[str, str] | None = zoo.setting(None, "New names.")
    where: Path = zoo.setting(Path("here"), "A folder.")


@dataclass(frozen=True, kw_only=True)
class TakesSet(Built):
    """Its setting is a set."""

    names: set[str] = zoo.setting(frozenset(), "Names.")


@dataclass(frozen=True, kw_only=True)
class Undeclared(Built):
    """What looks like a setting is none."""

    width = 8


@dataclass(frozen=True, kw_only=True)
class Unresolved(Built):
    """Its type is known to nobody."""

    width: Widths = zoo.setting(8, "Hidden units.")  # type: ignore[name-defined]  # noqa: F821


@dataclass(frozen=True, kw_only=True)
class WithoutHelp(Built):
    """Its setting says nothing."""

    width: int = 8


@dataclass(frozen=True, kw_only=True)
class HalfSentence(Built):
    """Its setting says half a sentence."""

    width: int = zoo.setting(8, "hidden units")


@dataclass(frozen=True, kw_only=True)
class OutOfBounds(Built):
    """Its default is below its minimum."""

    width: int = zoo.setting(0, "Hidden units.", minimum=1)


@dataclass(frozen=True, kw_only=True)
class WrongType(Built):
    """Its default is of another type."""

    rate: float = zoo.setting(1, "Learning rate.")


@dataclass(frozen=True, kw_only=True)
class Required(Built):
    """It has a setting without default."""

    width: int


class NoDataclass(Built):
    """It is not decorated."""

    width: int = zoo.setting(8, "Hidden units.")


@pytest.mark.parametrize(
    ("check", "cls", "said"),
    [
        (declarations.settings_are_typed, TakesSet, "'names' of TakesSet has the type set"),
        (declarations.settings_are_typed, Undeclared, "Undeclared.width is neither a setting"),
        (declarations.settings_are_typed, Unresolved, "'Widths' is not defined"),
        (declarations.settings_are_documented, WithoutHelp, "'width' of WithoutHelp says nothing"),
        (declarations.settings_are_documented, HalfSentence, "'hidden units'"),
        (declarations.defaults_fit, OutOfBounds, "at least 1"),
        (declarations.defaults_fit, WrongType, "reads back from a file as 1.0"),
        (declarations.defaults_fit, Required, "'width' of Required has no default"),
    ],
)
def test_a_fault_of_settings_is_named(check: Callable[[Any], None], cls: Any, said: str) -> None:
    check(Good)
    with pytest.raises(ContractViolation) as caught:
        check(cls)
    assert said in str(caught.value)


def test_a_component_is_a_whole_dataclass_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subject = Subject("toy", tmp_path)
    for cls, said in ((NoDataclass, "@dataclass(frozen=True"), (Abstract, "`build`")):
        monkeypatch.setattr(Subject, "implementation", lambda *_, cls=cls: cls)
        with pytest.raises(ContractViolation) as caught:
            declarations.is_a_component(subject, "model", "net")
        assert said in str(caught.value)


def test_a_class_without_a_docstring_is_named(
    monkeypatch: pytest.MonkeyPatch, changed: Callable[..., Subject]
) -> None:
    monkeypatch.setattr(toy.Net, "__doc__", "Net(*, width: int = 8)")
    with pytest.raises(ContractViolation, match="Net of the model changed/net has no docstring"):
        declarations.is_documented(changed(), "model", "net")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Subject]:
    """A function that registers the smallest plugin with some changes to its recipe's spec."""

    def register(*, copies: int = 1, **changes: Any) -> Subject:
        module = ModuleType("changed")
        module.ZOO_CONTRACT = 1
        for name in HOOKS:
            setattr(module, f"zoo_{name}", getattr(toy, f"zoo_{name}"))
        (recipe,) = toy.zoo_recipes()
        recipes = [replace(recipe, **changes, name=f"train{number}") for number in range(copies)]
        tasks = ("changed/classify",)
        (model,), (dataset,) = toy.zoo_models(), toy.zoo_datasets()
        module.zoo_models = zoo.hookimpl(lambda: [replace(model, tasks=tasks)])
        module.zoo_datasets = zoo.hookimpl(lambda: [replace(dataset, tasks=tasks)])
        module.zoo_recipes = zoo.hookimpl(lambda: recipes)
        registry().register(module, "changed")
        return Subject("changed", tmp_path)

    return register


@pytest.mark.parametrize(
    ("check", "changes", "said"),
    [
        ("recipe_has_a_trial", {"trial": {}}, "has no `trial`"),
        ("recipe_resolves", {"settings": {"train.speed": 1}}, "train.speed"),
        ("recipe_resolves", {"trial": {"model.width": "wide"}}, "under its trial settings"),
        (
            "stage_patterns_match",
            {"settings": {"train.stages": [{"name": "top", "trainable": ["neck"]}]}},
            "trains 'neck', which is no part of the model",
        ),
    ],
)
def test_a_fault_of_a_recipe_is_named(
    check: str, changes: dict[str, Any], said: str, changed: Callable[..., Subject]
) -> None:
    getattr(declarations, check)(changed(), "train0")
    with pytest.raises(ContractViolation) as caught:
        getattr(declarations, check)(changed(**changes), "train0")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("summary", "said"),
    [("trains the network", "capital letter and a full stop"), ("A" * 200 + ".", "one line")],
)
def test_a_summary_is_one_sentence(
    summary: str, said: str, changed: Callable[..., Subject]
) -> None:
    with pytest.raises(ContractViolation, match=said):
        declarations.is_documented(changed(summary=summary), "recipe", "train0")


def test_one_recipe_is_the_default(changed: Callable[..., Subject]) -> None:
    package.has_one_default_recipe(changed())
    with pytest.raises(ContractViolation, match="0 of 2 recipes are the default"):
        package.has_one_default_recipe(changed(copies=2, default=False))


def test_a_plugin_that_cannot_be_used_is_named() -> None:
    package.loads("fraud")
    with pytest.raises(ContractViolation, match="No plugin is called 'frod'"):
        package.loads("frod")


def test_a_heavy_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lightly.py").write_text("import zoo\n")
    (tmp_path / "heavily.py").write_text("import zoo, numpy\n")
    package.imports_light("lightly")
    with pytest.raises(ContractViolation, match="Importing heavily imports numpy"):
        package.imports_light("heavily")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from zoo import Task, setting", []),
        ("from zoo.testing import PluginContract", []),
        ("import zoo\nzoo.Task", []),
        ("from zoo.components import Task", ["zoo.components"]),
        ("from zoo import registry", ["zoo.registry"]),
        ("import zoo.bundle", ["zoo.bundle"]),
        ("import zoo\nzoo.registry.registry()", ["zoo.registry"]),
        ("from zoo_ocr.models import Net", []),
    ],
)
def test_private_names_are_found(line: str, found: list[str], tmp_path: Path) -> None:
    assert [name for _, name in package.private_names(line)] == found
    (tmp_path / "zoo_ocr.py").write_text(line)
    if found:
        with pytest.raises(ContractViolation, match=r"zoo_ocr\.py, line"):
            package.uses_public_names(tmp_path)
