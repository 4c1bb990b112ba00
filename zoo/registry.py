"""Looks components up by address and loads their implementations.

An address is `plugin/name`. A bare name stands for a component of the plugin at hand; for
recipes, a plugin's name stands for its default recipe.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from zoo.deprecation import Former, find
from zoo.discovery import (
    CORE,
    FIRST_PARTY,
    HOOKS,
    Discovery,
    Kind,
    Plugin,
    Status,
    choice,
    describe,
)
from zoo.errors import (
    AmbiguousPluginError,
    ConfigError,
    MissingRequirementError,
    PluginError,
    UnknownNameError,
    ZooError,
    nearest,
)
from zoo.settings import PluginSettings, config_path, plugin_settings
from zoo.specs import ComponentSpec, RecipeSpec, Spec, TaskSpec

if TYPE_CHECKING:
    from zoo.components import Dataset, Metrics, Model, Strategy, Task

__all__ = ["Kind", "Plugin", "Registry", "Status", "registry"]


class Registry:
    """The plugins of this environment and their components.

    Plugins are discovered on first use.

    Args:
        settings: which plugins to load; the user's own by default.

    Raises:
        ConfigError: on first use, if the user's settings are malformed.
    """

    def __init__(self, settings: PluginSettings | None = None) -> None:
        self._settings = settings
        self._discovering = False

    @cached_property
    def _wanted(self) -> PluginSettings:
        return plugin_settings() if self._settings is None else self._settings

    @cached_property
    def _discovery(self) -> Discovery:
        return Discovery(self._wanted)

    @cached_property
    def _plugins(self) -> list[Plugin]:
        if self._discovering:
            raise PluginError(
                "A plugin asked for the list of plugins while that list was being made.",
                hint="Look other plugins up in an implementation, not in the plugin's module.",
            )
        self._discovering = True
        try:
            return self._discovery.plugins()
        finally:
            self._discovering = False

    def plugins(self) -> list[Plugin]:
        """Return all plugins that were found, usable or not, by name."""
        return list(self._plugins)

    def plugin(self, name: str) -> Plugin:
        """Return the plugin that has this name, usable or not.

        Raises:
            UnknownNameError: there is none.
            AmbiguousPluginError: two distributions offer one and the user has not chosen.
        """
        found = [plugin for plugin in self._plugins if plugin.name == name]
        if not found:
            known = {plugin.name for plugin in self._plugins}
            raise UnknownNameError(f"No plugin is called {name!r}.", hint=nearest(name, known))
        idle = (Status.CONFLICT, Status.DISABLED)
        conflicts = [plugin for plugin in found if plugin.status is Status.CONFLICT]
        owner = next((plugin for plugin in found if plugin.status not in idle), found[0])
        if owner.status is Status.CONFLICT and len(conflicts) > 1 and name not in FIRST_PARTY:
            raise AmbiguousPluginError(
                owner.reason, hint=f"Choose one, for example {choice(conflicts[0])}"
            )
        return owner

    def specs(self, kind: Kind, *, usable: bool = True) -> dict[str, Spec]:
        """Return the specs of one kind, by address.

        Args:
            kind: the kind of component.
            usable: leave out plugins whose requirements are missing.
        """
        return {
            f"{plugin.name}/{name}": spec
            for plugin in self._plugins
            if plugin.status is Status.OK or not usable
            for name, spec in plugin.specs.get(kind, {}).items()
        }

    def resolve(self, kind: Kind, name: str, *, within: str | None = None) -> str:
        """Return the address that a name stands for.

        Args:
            kind: the kind of component.
            name: `plugin/name`, also a former one; a bare name of the plugin `within`; for a
                recipe also a plugin's name, which means its default recipe or the one that the
                user's settings choose.
            within: the plugin at hand.

        Raises:
            UnknownNameError: there is no such component; the hint offers the nearest.
            MissingRequirementError: its plugin cannot be loaded without what it requires.
            PluginError: its plugin is broken or incompatible.
            AmbiguousPluginError: two distributions offer the plugin.
            ConfigError: its plugin is disabled.
        """
        if "/" in name:
            plugin, _, rest = name.partition("/")
            if rest in self._loaded(plugin).specs[kind]:
                return name
            return self._renamed(kind, name)
        if within is not None and name in self._loaded(within).specs[kind]:
            return f"{within}/{name}"
        if kind == "recipe" and name in self._wanted.defaults:
            return self._chosen_recipe(name)
        if kind == "recipe" and any(plugin.name == name for plugin in self._plugins):
            return self._default_recipe(name)
        if within is not None:
            return self._renamed(kind, f"{within}/{name}")
        raise self.unknown(name, kind)

    def made_for(self, kind: Kind, address: str) -> list[str]:
        """Return the addresses of the tasks that a model, dataset or metrics declare.

        Those of plugins that are not installed are among them.

        Raises:
            ZooError: as :meth:`resolve`, for the component itself.
        """
        return self._tasks(address, getattr(self.spec(kind, address), "tasks", ()))

    def takes(self, task: str, kind: Kind, address: str) -> bool:
        """Return whether a model, dataset or metrics are for a task, or for one that it is like.

        Raises:
            ZooError: as :meth:`resolve`, for the task and the component.
        """
        like = self._tasks(task, cast(TaskSpec, self.spec("task", task)).like)
        return not {task, *like}.isdisjoint(self.made_for(kind, address))

    def present(self, kind: Kind, name: str, *, within: str | None = None) -> str:
        """Return the address that a name stands for as :meth:`resolve` does, or else the name."""
        try:
            return self.resolve(kind, name, within=within)
        except ZooError:
            return name

    def named(self, address: str) -> dict[Kind, str]:
        """Return the present address of each component that has this one, by kind.

        If none has, those that had it before.

        Raises:
            UnknownNameError: there is none, or the time of the former name is up.
            ZooError: further as :meth:`plugin`.
        """
        plugin, _, name = address.partition("/")
        specs = self.plugin(plugin).specs
        kinds = [kind for kind, known in specs.items() if name in known]
        kinds = kinds or [kind for kind, known in specs.items() if _former(name, known)]
        if not kinds:
            raise self.unknown(address)
        return {kind: self.resolve(kind, address) for kind in kinds}

    def origin(self, address: str) -> dict[str, str]:
        """Return the distribution and version that a component comes from, by these names."""
        plugin = self.plugin(address.partition("/")[0])
        return {"distribution": plugin.distribution, "version": plugin.version}

    @overload
    def spec(self, kind: Literal["recipe"], address: str) -> RecipeSpec: ...
    @overload
    def spec(
        self, kind: Literal["task", "model", "dataset", "strategy", "metrics"], address: str
    ) -> ComponentSpec: ...
    @overload
    def spec(self, kind: Kind, address: str) -> Spec: ...

    def spec(self, kind: Kind, address: str) -> Spec:
        """Return the spec of a component, usable or not.

        Raises:
            ZooError: as :meth:`resolve`.
        """
        plugin, _, name = self.resolve(kind, address).partition("/")
        return self.plugin(plugin).specs[kind][name]

    @overload
    def implementation(self, kind: Literal["task"], address: str) -> type[Task]: ...
    @overload
    def implementation(self, kind: Literal["model"], address: str) -> type[Model]: ...
    @overload
    def implementation(self, kind: Literal["dataset"], address: str) -> type[Dataset]: ...
    @overload
    def implementation(self, kind: Literal["strategy"], address: str) -> type[Strategy]: ...
    @overload
    def implementation(self, kind: Literal["metrics"], address: str) -> type[Metrics]: ...
    @overload
    def implementation(self, kind: str, address: str) -> type[Any]: ...

    def implementation(self, kind: str, address: str) -> type[Any]:
        """Import the class of a component.

        Args:
            kind: `task`, `model`, `dataset`, `strategy` or `metrics`.
            address: the component's address.

        Raises:
            MissingRequirementError: the plugin lacks a requirement; the hint installs it.
            PluginError: the plugin's code fails or names no such class; the cause is chained.
            ZooError: further as :meth:`resolve`.
        """
        spec = self.spec(cast(Kind, kind), address)
        if not isinstance(spec, ComponentSpec):
            raise TypeError(f"A {kind} has no implementation.")
        plugin = self.plugin(address.partition("/")[0])
        if plugin.status is not Status.OK:
            raise _refusal(plugin) from plugin.error
        module, _, name = spec.implementation.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"Loading the {kind} {address} failed: {describe(error)}.",
                hint=f"This is a bug in {plugin.origin}; please report it to its authors.",
            ) from error
        base = getattr(importlib.import_module("zoo.components"), kind.capitalize())
        if not (isinstance(found, type) and issubclass(found, base)):
            raise PluginError(
                f"The {kind} {address} is {spec.implementation}, which is {found!r}, "
                f"expected a subclass of zoo.{base.__name__}.",
                hint=f"This is a bug in {plugin.origin}; please report it to its authors.",
            )
        return found

    def register(self, module: Any, name: str) -> Plugin:
        """Add a plugin of this process, for a test or a notebook.

        Registering a name again replaces what it stood for.

        Args:
            module: a module, class or object with hooks and `ZOO_CONTRACT`.
            name: the plugin's name.

        Raises:
            PluginError: it is not a valid plugin, or an installed one has the name.
        """
        taken = next((each for each in self._plugins if each.name == name), None)
        if name in FIRST_PARTY or (taken and taken.distribution):
            origin = taken.origin if taken else CORE
            raise PluginError(
                f"The name {name!r} belongs to {origin}.",
                hint="Register the plugin under another name.",
            )
        plugin = self._discovery.register(module, name)
        others = [each for each in self._plugins if each.name != name]
        self._plugins[:] = sorted([*others, plugin], key=lambda each: each.name)
        return plugin

    def unknown(self, name: str, kind: Kind | None = None) -> UnknownNameError:
        """Return the error for a name that no component has, with the nearest names.

        Args:
            name: what was asked for.
            kind: of the component; None if it could be of any kind.
        """
        known = {
            address
            for each in ([kind] if kind else HOOKS)
            for address in self.specs(each, usable=False)
        }
        if kind == "recipe":
            known |= {address.partition("/")[0] for address in known}
        same_name = {each for each in known if each.endswith("/" + name.rpartition("/")[2])}
        return UnknownNameError(
            f"No {kind or 'component'} is called {name!r}.",
            hint=nearest(name, same_name or known),
        )

    def _loaded(self, name: str) -> Plugin:
        """Return a plugin whose specs are known, or raise what it lacks for that."""
        plugin = self.plugin(name)
        if not plugin.specs:
            raise _refusal(plugin) from plugin.error
        return plugin

    def _tasks(self, owner: str, names: Iterable[str]) -> list[str]:
        """Return the present addresses of the tasks that a component of this address names."""
        plugin = owner.partition("/")[0]
        addresses = (each if "/" in each else f"{plugin}/{each}" for each in names)
        return [self.present("task", each) for each in addresses]

    def _renamed(self, kind: Kind, address: str) -> str:
        """Return the present address of what had this one, or raise that there is no such."""
        plugin, _, rest = address.partition("/")
        found = _former(rest, self._loaded(plugin).specs[kind])
        if found is None:
            raise self.unknown(address, kind)
        present = f"{plugin}/{found[0]}"
        found[1].admit(f"The {kind} {address!r}", repr(present), UnknownNameError)
        return present

    def _chosen_recipe(self, name: str) -> str:
        """Return the recipe that the user's settings choose for a bare name."""
        chosen = self._wanted.defaults[name]
        try:
            return self.resolve("recipe", chosen)
        except ZooError as error:
            raise ConfigError(
                f"{config_path()}: defaults.{name} is {chosen!r}, which cannot be used. "
                f"{error.message}",
                hint=error.hint,
            ) from error

    def _default_recipe(self, name: str) -> str:
        recipes = cast(dict[str, RecipeSpec], self._loaded(name).specs["recipe"])
        for recipe in recipes.values():
            if recipe.default or len(recipes) == 1:
                return f"{name}/{recipe.name}"
        raise UnknownNameError(
            f"The plugin {name!r} has no default recipe.",
            hint=f"Choose one: {', '.join(f'{name}/{each}' for each in recipes)}."
            if recipes
            else "It offers no recipes at all.",
        )


@cache
def registry() -> Registry:
    """Return the registry of this process, with the user's own settings."""
    return Registry()


def _former(old: str, specs: Mapping[str, Spec]) -> tuple[str, Former] | None:
    """Return the present name of the component that was called `old`, with what says so."""
    return find(old, {name: spec.formerly for name, spec in specs.items()})


def _refusal(plugin: Plugin) -> ZooError:
    """Return the error that says why a plugin cannot be used."""
    kinds: dict[Status, type[ZooError]] = {
        Status.MISSING_REQUIREMENTS: MissingRequirementError,
        Status.DISABLED: ConfigError,
    }
    error = kinds.get(plugin.status, PluginError)
    return error(
        f"The plugin {plugin.name!r} of {plugin.origin} cannot be used ({plugin.status}). "
        f"{plugin.reason}",
        hint=plugin.remedy,
    )
