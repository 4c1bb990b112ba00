"""Finds the installed plugins, judges each by itself and collects what they offer.

A plugin is judged in steps, cheapest first, and none of them can stop another plugin: the
user's settings, the claim to its name, its requirements, its contract, its import and its hooks.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec
from io import StringIO
from typing import Any, Literal

import pluggy

from zoo import __version__, hookspecs
from zoo.errors import PluginError, nearest
from zoo.isolation import HeavyImport, TookTooLong, isolated
from zoo.requirements import Installed, Package, Problem, canonical, install_command, read
from zoo.settings import PluginSettings, plugin_timeout
from zoo.specs import (
    SUPPORTED_CONTRACTS,
    DatasetSpec,
    MetricsSpec,
    ModelSpec,
    RecipeSpec,
    Spec,
    StrategySpec,
    TaskSpec,
    check_name,
)

GROUP = "zoo.plugins"
"""The entry-point group of plugins."""

CORE = "keras-domain-zoo"
"""The distribution that holds the core and the first-party plugins."""

FIRST_PARTY = frozenset({"vision", "speech", "translation", "fraud", "medical"})
"""Plugin names that belong to :data:`CORE`."""

Kind = Literal["task", "model", "dataset", "strategy", "metrics", "recipe"]
Specs = Mapping[Kind, Mapping[str, Spec]]

HOOKS: Mapping[Kind, tuple[str, type[Spec]]] = {
    "task": ("zoo_tasks", TaskSpec),
    "model": ("zoo_models", ModelSpec),
    "dataset": ("zoo_datasets", DatasetSpec),
    "strategy": ("zoo_strategies", StrategySpec),
    "metrics": ("zoo_metrics", MetricsSpec),
    "recipe": ("zoo_recipes", RecipeSpec),
}
"""The hook that declares each kind of component, and the type of its specs."""


_SHOWN = 3
"""How many missing packages a reason names."""


class Status(StrEnum):
    """Whether a plugin can be used, and if not, why."""

    OK = "ok"
    MISSING_REQUIREMENTS = "missing-requirements"
    """A package it needs is missing or has another version."""
    INCOMPATIBLE = "incompatible"
    """It was written for another version of the core."""
    BROKEN = "broken"
    """Its own code or metadata fail."""
    CONFLICT = "conflict"
    """Another distribution has the plugin's name, or a right to it."""
    DISABLED = "disabled"
    """The user's settings say so."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin that was found.

    Attributes:
        name: the first part of its components' addresses.
        distribution: the installed package it comes from; empty if it was registered in
            this process.
        version: of the distribution.
        status: whether it can be used.
        reason: one sentence that says why it cannot; empty if it can.
        remedy: a command or a sentence that says how to mend that.
        specs: kind -> name -> spec; empty if the plugin was not loaded.
        output: what it printed while it was loaded.
        error: the exception that loading it raised.
    """

    name: str
    distribution: str = ""
    version: str = ""
    status: Status = Status.OK
    reason: str = ""
    remedy: str = ""
    specs: Specs = field(default_factory=dict)
    output: str = ""
    error: BaseException | None = None

    @property
    def origin(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}" if self.distribution else "this process"


class Discovery:
    """Loads plugins into one pluggy manager.

    Args:
        settings: which plugins the user wants.
    """

    def __init__(self, settings: PluginSettings) -> None:
        self._settings = settings
        self._timeout = plugin_timeout()
        self._installed = Installed()
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def plugins(self) -> list[Plugin]:
        """Return the plugins of all installed distributions, by name."""
        found = [
            (Plugin(name=point.name, distribution=package.name, version=package.version), point)
            for package, point in _entry_points()
        ]
        found.sort(key=lambda each: (each[0].name, canonical(each[0].distribution)))
        namesakes: dict[str, list[Plugin]] = defaultdict(list)
        for plugin, _ in found:
            namesakes[plugin.name].append(plugin)
        return [
            self._disabled(plugin)
            or self._conflict(plugin, namesakes[plugin.name])
            or self._load(plugin, entry_point)
            for plugin, entry_point in found
        ]

    def register(self, module: Any, name: str) -> Plugin:
        """Add a plugin of this process.

        Args:
            module: a module, class or object with hooks and `ZOO_CONTRACT`.
            name: the plugin's name.

        Raises:
            PluginError: it is not a plugin of this contract; the cause is chained.
        """
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
        try:
            check_name(name)
            _check_contract(getattr(module, "ZOO_CONTRACT", None), name)
            return Plugin(name=name, specs=self._admit(module, name))
        except Exception as error:
            raise PluginError(
                _sentence(f"The plugin {name!r} cannot be registered: {describe(error)}"),
                hint="The hooks are documented in `zoo.hookspecs`.",
            ) from error

    def _disabled(self, plugin: Plugin) -> Plugin | None:
        """Return the plugin ruled out if the user does not want it."""
        why = self._settings.why_disabled(plugin.name)
        if why is None:
            return None
        reason, remedy = why
        return replace(plugin, status=Status.DISABLED, reason=reason, remedy=remedy)

    def _conflict(self, plugin: Plugin, namesakes: list[Plugin]) -> Plugin | None:
        """Return the plugin ruled out if its name is not its own."""
        name, distribution = plugin.name, plugin.distribution
        if name in FIRST_PARTY:
            if canonical(distribution) == CORE:
                return None
            return replace(
                plugin,
                status=Status.CONFLICT,
                reason=f"The name {name!r} belongs to {CORE}.",
                remedy=f"Ask the authors of {distribution} to rename it, "
                f"or: pip uninstall {distribution}",
            )
        chosen = self._settings.use.get(name)
        if chosen and canonical(chosen) == canonical(distribution):
            return None
        if chosen:
            return replace(
                plugin,
                status=Status.DISABLED,
                reason=f"The settings take {name!r} from {chosen}.",
                remedy=choice(plugin),
            )
        if len(namesakes) == 1:
            return None
        return replace(
            plugin,
            status=Status.CONFLICT,
            reason=f"{' and '.join(each.origin for each in namesakes)} each offer {name!r}.",
            remedy=choice(plugin),
        )

    def _load(self, plugin: Plugin, entry_point: metadata.EntryPoint) -> Plugin:
        """Judge a plugin by its requirements, its import and its hooks."""
        output = StringIO()
        missing: list[Problem] = []
        try:
            check_name(plugin.name)
            missing = self._missing(plugin)
            declared = _declared_contract(entry_point.module)
            if declared is not None:
                _check_contract(declared, plugin.distribution)
            package = entry_point.module.partition(".")[0]
            with isolated(package, seconds=self._timeout, output=output):
                module = entry_point.load()
                _check_contract(getattr(module, "ZOO_CONTRACT", None), plugin.distribution)
                specs = self._admit(module, plugin.name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            plugin = replace(plugin, output=output.getvalue(), error=error)
            return self._failed(plugin, entry_point, missing)
        plugin = replace(plugin, output=output.getvalue(), specs=specs)
        return self._lacking(plugin, missing) if missing else plugin

    def _missing(self, plugin: Plugin) -> list[Problem]:
        """Return what the plugin requires besides the core, and does not get."""
        problems = self._installed.problems(plugin.distribution, plugin.name)
        for problem in problems:
            if problem.package == CORE and problem.installed:
                raise _IncompatibleError(f"{problem}", _upgrade(plugin.distribution, CORE))
        return [problem for problem in problems if problem.package != CORE]

    def _failed(
        self, plugin: Plugin, entry_point: metadata.EntryPoint, missing: list[Problem]
    ) -> Plugin:
        """Return a plugin whose loading raised `plugin.error`, with status and reason."""
        error = plugin.error
        if isinstance(error, _IncompatibleError):
            return replace(
                plugin,
                status=Status.INCOMPATIBLE,
                reason=_sentence(str(error)),
                remedy=error.remedy,
            )
        if missing and isinstance(error, ImportError):
            return self._lacking(plugin, missing)
        return replace(
            plugin,
            status=Status.BROKEN,
            reason=_sentence(f"Loading {entry_point.value} failed: {describe(error)}"),
            remedy=f"Report it to the authors of {plugin.distribution}, "
            f"or: {_upgrade(plugin.distribution)}",
        )

    def _lacking(self, plugin: Plugin, missing: list[Problem]) -> Plugin:
        """Return a plugin that lacks what it requires, with the command that installs it."""
        package = self._installed.package(plugin.distribution)
        has_extra = package is not None and canonical(plugin.name) in package.extras
        first = ", ".join(str(problem) for problem in missing[:_SHOWN])
        more = f", and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        return replace(
            plugin,
            status=Status.MISSING_REQUIREMENTS,
            reason=f"{first}{more}.",
            remedy=install_command(plugin.distribution, plugin.name if has_extra else ""),
        )

    def _admit(self, module: Any, name: str) -> Specs:
        """Register a plugin with pluggy and return its specs, or leave pluggy as it was."""
        self._check_hooks(module)
        try:
            self._manager.register(module, name)
            specs = {kind: self._call(hook, cls, module) for kind, (hook, cls) in HOOKS.items()}
            _check_references(name, specs)
        except BaseException:
            if self._manager.get_plugin(name) is module:
                self._manager.unregister(name=name)
            raise
        return specs

    def _check_hooks(self, module: Any) -> None:
        """Raise if a plugin implements a hook that there is not."""
        known = [hook for hook, _ in HOOKS.values()]
        for attribute in dir(module):
            options = self._manager.parse_hookimpl_opts(module, attribute)
            if options is None or options["optionalhook"]:
                continue
            hook = options["specname"] or attribute
            if hook not in known:
                raise _InvalidError(f"{hook} is not a hook. {nearest(hook, known)}")

    def _call(self, hook: str, cls: type[Spec], module: Any) -> dict[str, Spec]:
        """Return what one plugin's hook declares, by name."""
        others = [each for each in self._manager.get_plugins() if each is not module]
        caller = self._manager.subset_hook_caller(hook, others)
        specs: dict[str, Spec] = {}
        results = caller()
        if caller.get_hookimpls() and not results:
            raise _InvalidError(f"{hook}() returned None, expected a list of {cls.__name__}")
        for result in results:
            if isinstance(result, Spec) or not isinstance(result, Iterable):
                raise _InvalidError(
                    f"{hook}() returned {result!r}, expected a list of {cls.__name__}"
                )
            for spec in result:
                if not isinstance(spec, cls):
                    raise _InvalidError(f"{hook}() declares {spec!r}, expected a {cls.__name__}")
                if spec.name in specs:
                    raise _InvalidError(f"{hook}() declares {spec.name!r} twice")
                specs[spec.name] = spec
        return specs


class _IncompatibleError(Exception):
    """The plugin does not fit this version of the core.

    Args:
        message: why.
        remedy: the command that mends it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class _InvalidError(Exception):
    """What the plugin declares breaks the contract."""


def choice(plugin: Plugin) -> str:
    """Return how the user chooses this plugin where others have its name."""
    name, distribution = plugin.name, plugin.distribution
    return (
        f"ZOO_PLUGINS={name}@{distribution}, "
        f'or in config.toml: [plugins] use = {{{name} = "{distribution}"}}'
    )


def _entry_points() -> Iterator[tuple[Package, metadata.EntryPoint]]:
    """Yield the plugins of each distribution, once even if it is found twice on the path."""
    package_of = cache(read)
    seen = set()
    for entry_point in metadata.entry_points(group=GROUP):
        package = package_of(entry_point.dist)
        key = (canonical(package.name), entry_point.name)
        if key not in seen:
            seen.add(key)
            yield package, entry_point


def _declared_contract(module: str) -> int | None:
    """Return the number that a module's source gives `ZOO_CONTRACT`, without running any of it.

    None if there is no source, or the number does not stand there as such.
    """
    spec = _module_spec(module)
    source = getattr(spec.loader, "get_source", None) if spec else None
    text = source(module) if source else None
    tree = ast.parse(text, filename=str(spec.origin)) if spec and text else None
    for node in tree.body if tree else ():
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for each in targets if isinstance(each, ast.Name)]
            if "ZOO_CONTRACT" in names and isinstance(node.value.value, int):
                return node.value.value
    return None


def _module_spec(module: str) -> ModuleSpec | None:
    """Find a module as an import would, but without importing the packages it is in."""
    path, spec = None, None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        try:
            spec = next((each for each in found if each), None)
        except KeyError:  # a namespace within a namespace is found through what was imported
            return None
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def _check_contract(version: Any, distribution: str) -> None:
    """Raise unless plugins of this contract can be used."""
    oldest, newest = SUPPORTED_CONTRACTS[0], SUPPORTED_CONTRACTS[-1]
    known = f"{oldest}" if oldest == newest else f"{oldest} to {newest}"
    ours = f"zoo {__version__} works with contract {known}"
    if version is None:
        raise _IncompatibleError(f"It does not set ZOO_CONTRACT; {ours}", _upgrade(distribution))
    if version not in SUPPORTED_CONTRACTS:
        behind = CORE if isinstance(version, int) and version > newest else distribution
        raise _IncompatibleError(f"It follows contract {version!r}; {ours}", _upgrade(behind))


def _upgrade(*distributions: str) -> str:
    """Return the command that brings the newest versions of distributions."""
    return " ".join(["pip install --upgrade", *(f'"{each}"' for each in distributions)])


def _check_references(plugin: str, specs: Mapping[Kind, Mapping[str, Any]]) -> None:
    """Raise if a spec names a component of its own plugin that there is not.

    Components of other plugins are looked up when they are used.
    """

    def check(owner: str, kind: Kind, name: str) -> None:
        prefix, slash, rest = name.rpartition("/")
        if (not slash or prefix == plugin) and rest not in specs[kind]:
            raise _InvalidError(f"{owner} names the {kind} {name!r}. {nearest(rest, specs[kind])}")

    for kind in ("task", "model", "dataset", "metrics"):
        for spec in specs[kind].values():
            for task in spec.like if kind == "task" else spec.tasks:
                check(f"The {kind} {spec.name!r}", "task", task)
    recipes = specs["recipe"].values()
    for recipe in recipes:
        owner = f"The recipe {recipe.name!r}"
        check(owner, "task", recipe.task)
        check(owner, "model", recipe.model)
        check(owner, "dataset", recipe.dataset)
        check(owner, "dataset", recipe.sample)
        check(owner, "strategy", recipe.strategy)
    defaults = [recipe.name for recipe in recipes if recipe.default]
    if len(defaults) > 1:
        raise _InvalidError(f"the recipes {' and '.join(defaults)} are each the default")


def describe(error: BaseException | None) -> str:
    """Return an exception as part of a sentence, whatever its author made of it."""
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = "its message cannot be shown"
    if isinstance(error, _IncompatibleError | _InvalidError | HeavyImport | TookTooLong):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
