"""A plugin under test, and what the checks of a recipe share."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest import SkipTest

from zoo.config import from_settings
from zoo.discovery import Kind, Plugin
from zoo.errors import ConfigError
from zoo.recipe import SECTIONS, Recipe, resolve_recipe
from zoo.registry import registry
from zoo.specs import DatasetSpec, ModelSpec, RecipeSpec
from zoo.testing.violations import ContractViolation, blamed, require, shared

if TYPE_CHECKING:
    import keras

    from zoo.bundle import Bundle
    from zoo.components import Batch, Data, Examples, Preprocessing
    from zoo.data.examples import Encoded
    from zoo.testing.elsewhere import Answers
    from zoo.testing.execution import Execution

MOST_ROWS = 200
"""Rows of a split that are looked at one by one."""

FEW_ROWS = 8
"""Rows that are encoded one by one."""


@dataclass
class Subject:
    """A plugin under test.

    Attributes:
        name: of the plugin.
        folder: where the checks write.
        settings: dotted settings over those of every recipe's `trial`.
        datasets: for each dataset that needs files, its settings, such as `path`.
        models: for each model that suits no recipe as it is, dotted settings that make it do.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    datasets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    _trials: dict[Any, Trial] = field(default_factory=dict)
    _faults: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def plugin(self) -> Plugin:
        """The plugin as it was found."""
        return registry().plugin(self.name)

    def names(self, kind: Kind) -> list[str]:
        """Return the names of the plugin's components of a kind."""
        return list(self.plugin.specs.get(kind, {}))

    def spec(self, kind: Kind, name: str) -> Any:
        """Return how the plugin declares a component."""
        return self.plugin.specs[kind][name]

    def implementation(self, kind: Kind, name: str) -> type[Any]:
        """Import the class of a component."""
        with blamed(f"Importing the {kind} {self.name}/{name}"):
            return registry().implementation(kind, f"{self.name}/{name}")

    @property
    def entry_point(self) -> str:
        """The module that the plugin's distribution names.

        Raises:
            SkipTest: the plugin is not installed.
        """
        for point in metadata.entry_points(group="zoo.plugins", name=self.name):
            if point.dist and point.dist.name == self.plugin.distribution:
                return point.module
        raise SkipTest("The plugin is not installed, but was registered in this process.")

    @property
    def module(self) -> str:
        """The module with the plugin's hooks.

        Raises:
            SkipTest: the plugin was registered in this process, from something else.
        """
        if self.plugin.distribution:
            return self.entry_point
        for specs in self.plugin.specs.values():
            for spec in specs.values():
                name = getattr(spec, "implementation", "").partition(":")[0]
                if name and hasattr(importlib.import_module(name), "ZOO_CONTRACT"):
                    return name
        raise SkipTest("The plugin was registered in this process, and not from a module.")

    @property
    def package(self) -> Path:
        """The folder of the plugin's package, or its file if it is a single module."""
        top = self.module.partition(".")[0]
        found = importlib.util.find_spec(top)
        if found is None:
            raise SkipTest(f"The package {top} has no files.")
        if found.submodule_search_locations:
            return Path(next(iter(found.submodule_search_locations)))
        return Path(found.origin or "")

    def of_recipe(self, name: str) -> Trial:
        """Return the trial of one of the plugin's recipes."""
        return self._trial(f"{self.name}/{name}")

    def of_task(self, name: str) -> Trial:
        """Return the trial of a recipe for one of the plugin's tasks."""
        address = f"{self.name}/{name}"
        recipe = self._recipe_for((address,), lambda spec, task: task == address)
        return self._trial(recipe)

    def of_model(self, name: str) -> Trial:
        """Return the trial of a recipe for a model, if need be one made for another model."""
        address, spec = f"{self.name}/{name}", cast(ModelSpec, self.spec("model", name))
        recipe = self._recipe_for(spec.tasks, lambda spec, _: spec.model in (name, address))
        return self._trial(recipe, {"model": address}, self.models.get(name, {}))

    def of_dataset(self, name: str) -> Trial:
        """Return the trial of a recipe over a dataset: its sample, or files that are given."""
        address, spec = f"{self.name}/{name}", cast(DatasetSpec, self.spec("dataset", name))
        recipe = self._recipe_for(spec.tasks, lambda spec, _: spec.sample in (name, address))
        if name in self.datasets:
            more = {f"data.{key}": value for key, value in self.datasets[name].items()}
            return self._trial(recipe, {"dataset": address}, more)
        if registry().spec("recipe", recipe).sample not in (name, address):
            raise SkipTest(
                f"{address} reads files, and none are given. Name some in the fixture `datasets`: "
                f"{{{name!r}: {{'path': ...}}}}."
            )
        return self._trial(recipe)

    def fault_on_backend(self, trial: Trial, backend: str) -> str:
        """Return what goes wrong with a trial's model on a backend; empty if nothing does.

        One process is asked of all models that have been built by now and claim the backend.
        """
        from zoo.testing.elsewhere import ask_on_backend

        known = self._faults.setdefault(backend, {})
        address = trial.recipe.addresses["model"]
        if address not in known:
            built = [each for each in self._trials.values() if each.is_built]
            claims = [each for each in built if backend in each.model_spec.backends]
            known.update(ask_on_backend(claims or [trial], backend))
        return known[address]

    def _recipe_for(self, tasks: tuple[str, ...], fits: Any) -> str:
        """Return the address of a recipe for one of `tasks`: one that fits, or else any."""
        plugins = registry()
        found = []
        for address, spec in plugins.specs("recipe").items():
            recipe, plugin = cast(RecipeSpec, spec), address.partition("/")[0]
            task = plugins.resolve("task", recipe.task, within=plugin)
            if task in tasks:
                own = plugin == self.name
                found.append((own and fits(recipe, task), own, recipe.default, address))
        if not found:
            raise SkipTest(f"No recipe is for the task {' or '.join(tasks)}.")
        return max(found)[-1]

    def _trial(
        self,
        address: str,
        use: Mapping[Kind, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Trial:
        """Return the trial of a recipe, made once.

        Args:
            address: of the recipe.
            use: components in place of the recipe's own, by kind.
            more: dotted settings over those of the trial.
        """
        own = self._components(address)
        other = {kind: name for kind, name in (use or {}).items() if name != own[kind]}
        key = (address, *other.items(), repr(more))
        if key not in self._trials:
            if not (registry().spec("recipe", address).trial or self.settings):
                raise SkipTest(f"The recipe {address} has no trial settings.")
            replaced = {SECTIONS[kind] for kind in other}
            kept = {k: v for k, v in self.settings.items() if k.partition(".")[0] not in replaced}
            used = {f"use.{kind}": name for kind, name in other.items()}
            base = self._trial(address) if other else None
            self._trials[key] = Trial(self, address, {**kept, **used, **(more or {})}, base)
        return self._trials[key]

    def _components(self, address: str) -> Mapping[Kind, str]:
        """Return the model and the sample of a recipe."""
        plugins, plugin = registry(), address.partition("/")[0]
        spec = plugins.spec("recipe", address)
        named: Mapping[Kind, str] = {"model": spec.model, "dataset": spec.sample}
        return {kind: plugins.resolve(kind, name, within=plugin) for kind, name in named.items()}


@dataclass
class Trial:
    """A recipe under its trial settings, and what its checks share, made when first needed.

    Attributes:
        subject: the plugin under test.
        address: of the recipe.
        settings: dotted ones over those of the recipe's `trial`.
        base: the trial of the same recipe with its own components, where this one has others.
    """

    subject: Subject
    address: str
    settings: Mapping[str, Any]
    base: Trial | None = None

    @property
    def folder(self) -> Path:
        """Where the checks write."""
        return self.subject.folder

    @property
    def cache(self) -> Path:
        """The folder for derived files."""
        return self.folder / "cache"

    @shared
    def recipe(self) -> Recipe:
        """The recipe with all settings applied."""
        layers = [from_settings(self.settings, "the fixtures")]
        has_trial = bool(registry().spec("recipe", self.address).trial)
        with blamed(f"Resolving the recipe {self.address} under its trial settings"):
            return resolve_recipe(self.address, layers, registry(), trial=has_trial)

    @property
    def _twin(self) -> Trial | None:
        """The trial with the same examples, if there is one."""
        if self.base is None or self.base.recipe.dataset != self.recipe.dataset:
            return None
        return self.base if self.base.recipe.task == self.recipe.task else None

    @shared
    def data(self) -> Data:
        """The loaded data."""
        if self._twin is not None:
            return self._twin.data
        with blamed(f"Loading the dataset {self.recipe.addresses['dataset']}"):
            return self.recipe.dataset.load(seed=self.recipe.seed, cache=self.cache)

    def rows(self, split: str, most: int = MOST_ROWS) -> Batch:
        """Return the first rows of a split."""
        import numpy as np

        examples = self.data.splits[split]
        return examples[np.arange(min(most, len(examples)))]

    @shared
    def preprocessing(self) -> Preprocessing:
        """What the task learns of the training split."""
        if self._twin is not None:
            return self._twin.preprocessing
        with blamed(f"`prepare` of the task {self.recipe.addresses['task']}"):
            return self.recipe.task.prepare(self.data.splits["train"], self.data.info)

    @shared
    def windows(self) -> Examples:
        """What the network sees of a few training examples."""
        from zoo.data.examples import Columns

        examples = Columns(self.rows("train", self.recipe.train.batch_size))
        with blamed(f"`windows` of the task {self.recipe.addresses['task']}"):
            return self.recipe.task.windows(examples, self.preprocessing)

    @shared
    def batch(self) -> Encoded:
        """One training batch as `fit` takes it, small."""
        import numpy as np

        from zoo.data.examples import EncodedExamples

        rows = np.arange(min(len(self.windows), self.recipe.train.batch_size, 16))
        with blamed(f"The preprocessing of the task {self.recipe.addresses['task']}"):
            return EncodedExamples(self.windows, self.preprocessing)[rows]

    @shared
    def loss(self) -> Any:
        """What the model trains with."""
        recipe, space = self.recipe, self.preprocessing.space
        with blamed("`loss`"):
            loss = recipe.model.loss(space) or recipe.task.loss(space)
        require(
            loss is not None,
            f"There is nothing to train {recipe.addresses['model']} with: return a loss in "
            "`loss` of the model or of its task.",
        )
        return loss

    def build(self) -> keras.Model:
        """Return a new network, from the recipe's seed."""
        import keras

        keras.utils.set_random_seed(self.recipe.seed)
        with blamed(f"`build` of the model {self.recipe.addresses['model']}"):
            return self.recipe.model.build(self.preprocessing.space)

    @shared
    def network(self) -> keras.Model:
        """A network nothing has been trained in; not to be changed.

        Raises:
            SkipTest: no recipe is made for the model, and that of another does not suit it.
        """
        try:
            return self.build()
        except ContractViolation as error:
            if self.base is not None and isinstance(error.__cause__, ConfigError):
                raise SkipTest(
                    f"No recipe is made for {self.recipe.addresses['model']}, and {self.address} "
                    f"does not suit it: {error.__cause__.message} Give settings that make it do "
                    "in the fixture `models`."
                ) from error
            raise

    @property
    def is_built(self) -> bool:
        """Whether `network` was asked for and could be built."""
        return not isinstance(
            self.__dict__.get("_shared", {}).get("network", None), Exception | None
        )

    @property
    def model_spec(self) -> ModelSpec:
        """How the model is declared."""
        return cast(ModelSpec, registry().spec("model", self.recipe.addresses["model"]))

    @shared
    def fitted(self) -> tuple[keras.Model, list[float]]:
        """A network that was trained on one batch over and over, and its losses by step."""
        from zoo.testing.training import fit_one_batch

        start = self.network.get_weights()
        with blamed(f"Training the model {self.recipe.addresses['model']}"):
            model = self.build()
            model.set_weights(start)
            return model, fit_one_batch(model, self.batch, self.loss, self.recipe.train)

    @shared
    def truth(self) -> Batch:
        """The examples of the test split, whole columns."""
        from zoo.data.examples import all_rows

        return all_rows(self.data.splits["test"])

    @shared
    def outputs(self) -> Any:
        """What `Task.decode` is given of the test split."""
        from zoo.data.examples import Columns
        from zoo.inference import Sweep

        recipe = self.recipe
        with blamed(f"Running {recipe.addresses['model']} over the test split"):
            sweep = Sweep(
                recipe.task, self.preprocessing, Columns(self.truth), recipe.evaluation.batch_size
            )
            return sweep.outputs(self.fitted[0])

    @shared
    def decision(self) -> dict[str, float]:
        """What `Task.tune` chooses."""
        with blamed(f"`tune` of the task {self.recipe.addresses['task']}"):
            return self.recipe.task.tune(self.truth, deepcopy(self.outputs))

    @shared
    def predictions(self) -> Batch:
        """The predictions for the test split."""
        with blamed(f"`decode` of the task {self.recipe.addresses['task']}"):
            return self.recipe.task.decode(deepcopy(self.outputs), self.decision)

    @shared
    def execution(self) -> Execution:
        """A run of the whole recipe, watched."""
        from zoo.testing.execution import execute

        with blamed(f"The trial run of the recipe {self.address}"):
            return execute(self)

    @shared
    def bundle(self) -> Bundle:
        """What the run made."""
        from zoo.bundle import load

        with blamed(f"Loading the bundle of the recipe {self.address}"):
            return load(self.execution.run.path)

    @shared
    def elsewhere(self) -> Answers:
        """What another process found of the same recipe."""
        from zoo.testing.elsewhere import ask

        return ask(self, self.execution.run.path)
