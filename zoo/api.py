"""The Python interface: what the `zoo` command does, as functions."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.components import Dataset, Finding, Model, Strategy, Task
from zoo.config import Given, from_environment, from_file, from_settings, parse
from zoo.registry import Kind, Plugin, Registry, registry
from zoo.specs import Spec
from zoo.startup import load_tensorflow

if TYPE_CHECKING:
    from zoo.actions.predict import Predictions
    from zoo.bundle import Bundle
    from zoo.recipe import Recipe
    from zoo.runs import Run
    from zoo.store import Kept
    from zoo.training.listeners import Listener

T = TypeVar("T")

_KEPT = {"Address": "address", "Bytes": "size", "Folder": "folder"}


class Listing(list[T]):
    """A list that shows itself as a table in a notebook."""

    def __init__(self, rows: Iterable[T], columns: Mapping[str, str]) -> None:
        super().__init__(rows)
        self._columns = columns

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(title)}</th>" for title in self._columns)
        lines = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(str(getattr(row, name)))}</td>"
                for name in self._columns.values()
            )
            + "</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


# What there is


def plugins() -> Listing[Plugin]:
    """Return every installed plugin with its status, broken ones too."""
    columns = {
        "Plugin": "name",
        "Status": "status",
        "Distribution": "distribution",
        "Version": "version",
        "Reason": "reason",
    }
    return Listing(registry().plugins(), columns)


def recipes() -> Listing[Entry]:
    """Return the recipes of all usable plugins."""
    return _entries("recipe")


def models() -> Listing[Entry]:
    """Return the models of all usable plugins."""
    return _entries("model")


def datasets() -> Listing[Entry]:
    """Return the datasets of all usable plugins."""
    return _entries("dataset")


def tasks() -> Listing[Entry]:
    """Return the tasks of all usable plugins."""
    return _entries("task")


def strategies() -> Listing[Entry]:
    """Return the strategies of all usable plugins."""
    return _entries("strategy")


def metrics() -> Listing[Entry]:
    """Return the metrics of all usable plugins that a recipe or a user may ask for."""
    return _entries("metrics")


class Entry:
    """A component in a listing.

    Attributes:
        address: how it is named.
        summary: what it is, in a sentence.
        spec: as its plugin declared it.
    """

    def __init__(self, address: str, spec: Spec) -> None:
        self.address = address
        self.summary = spec.summary
        self.spec = spec

    def __repr__(self) -> str:
        return f"{self.address}: {self.summary}"


def _entries(kind: Kind) -> Listing[Entry]:
    found = registry().specs(kind)
    rows = [Entry(address, spec) for address, spec in sorted(found.items())]
    return Listing(rows, {kind.capitalize(): "address", "Summary": "summary"})


# Components


def task(address: str, **settings: Any) -> Task:
    """Return a task with some of its settings changed.

    Raises:
        UnknownNameError: there is no such task.
        ConfigError: a setting is unknown or does not fit.
    """
    return _component("task", address, settings)


def model(address: str, **settings: Any) -> Model:
    """Return an architecture with some of its settings changed; `build` makes the network."""
    return _component("model", address, settings)


def dataset(address: str, **settings: Any) -> Dataset:
    """Return a dataset loader with some of its settings changed; `load` reads the data."""
    return _component("dataset", address, settings)


def strategy(address: str, **settings: Any) -> Strategy:
    """Return a strategy with some of its settings changed."""
    return _component("strategy", address, settings)


def _component(kind: Kind, address: str, settings: Mapping[str, Any]) -> Any:
    found = registry()
    cls = found.implementation(kind, found.resolve(kind, address))
    return parse(cls, settings, where=f"zoo.{kind}")


# Recipes and runs


def resolve(
    recipe: str = "",
    *,
    data: str = "",
    config: Path | str = "",
    weights: str = "",
    settings: Mapping[str, Any] | Iterable[Given] = (),
    trial: bool = False,
    plugins: Registry | None = None,
) -> Recipe:
    """Return a recipe with all settings applied.

    Those given here are over the environment, which is over the file, which is over what the
    user's own settings file says of the recipe.

    Args:
        recipe: address of a recipe, or a plugin's name for its default one.
        data: path of the user's files, or `tfds:NAME`; empty for the plugin's generator.
        config: a TOML file of settings, such as the `config.toml` of a run.
        weights: a preset handle, or the folder of an earlier run or bundle.
        settings: further ones, by dotted names, such as `{"train.learning_rate": 1e-4}`.
        trial: put the recipe's trial settings, under which it runs in seconds, over its own.
        plugins: where components are looked up; the installed ones by default.

    Raises:
        ConfigError: a setting is unknown or does not fit, or the recipe has no trial.
        UnknownNameError: there is no such recipe or component.
    """
    load_tensorflow()
    from zoo.recipe import recipe_address, resolve_recipe, user_layer

    plugins = plugins or registry()
    direct = [
        Given(name, value, f"--{option}")
        for option, name, value in (("data", "data.path", data), ("weights", "weights", weights))
        if value
    ]
    if isinstance(settings, Mapping):
        settings = from_settings(settings, "settings")
    layers = [from_file(config) if config else [], from_environment(), [*direct, *settings]]
    address = recipe_address(recipe, layers, plugins)
    layers = [user_layer(address, plugins), *layers]
    return resolve_recipe(address, layers, plugins, trial=trial)


def train(
    recipe: str = "",
    *,
    data: str = "",
    config: Path | str = "",
    weights: str = "",
    settings: Mapping[str, Any] | Iterable[Given] = (),
    trial: bool = False,
    runs: Path | str = "runs",
    seeds: int = 1,
    command: str = "",
    listeners: Sequence[Listener] = (),
) -> Run:
    """Train a recipe and return the run: bundle, figures and report in one folder.

    Args:
        recipe: address of a recipe, or a plugin's name for its default one.
        data: path of the user's files, or `tfds:NAME`; empty for the plugin's generator.
        config: a TOML file of settings.
        weights: a preset handle, or the folder of an earlier run or bundle.
        settings: further ones, by dotted names.
        trial: put the recipe's trial settings, under which it runs in seconds, over its own.
        runs: the folder in which the run gets its own.
        seeds: train with so many seeds, to show the spread.
        command: how to repeat the run, for the report.
        listeners: who follows training.

    Raises:
        ConfigError: a setting is unknown or does not fit, or the recipe has no trial.
        DataError: the data cannot be used.
        DivergedError: training diverged; what there is stays in the run's folder.
        StorageError: a file cannot be written.
    """
    resolved = resolve(
        recipe, data=data, config=config, weights=weights, settings=settings, trial=trial
    )
    from zoo.actions.train import Options, train as carry_out

    options = Options(command=command, listeners=listeners)
    return carry_out(resolved, Path(runs), options, seeds=seeds)


def resume(run: Path | str, *, listeners: Sequence[Listener] = ()) -> Run:
    """Go on with an interrupted run, from its last whole checkpoint."""
    load_tensorflow()
    from zoo.actions.train import Options, resume as carry_on

    return carry_on(Path(run), Options(listeners=listeners))


def check_data(
    recipe: str = "",
    *,
    data: str = "",
    config: Path | str = "",
    settings: Mapping[str, Any] | Iterable[Given] = (),
) -> Listing[Finding]:
    """Return what is wrong or doubtful about the data a recipe would train on."""
    from zoo.settings import cache_folder

    resolved = resolve(recipe, data=data, config=config, settings=settings)
    found = resolved.dataset.check(seed=resolved.seed, cache=cache_folder())
    columns = {"Level": "level", "Code": "code", "Message": "message", "Where": "where"}
    return Listing(found, columns)


def load(path: Path | str) -> Bundle:
    """Load a trained model from a run's or a bundle's folder, with all that predicting needs.

    Raises:
        StorageError: there is no bundle, or its files were changed.
    """
    load_tensorflow()
    from zoo.bundle import load as read

    return read(path)


def evaluate(
    path: Path | str,
    *,
    data: str = "",
    against: Path | str = "",
    settings: Mapping[str, Any] | None = None,
    samples: int = 300,
    report: Path | str = "",
) -> dict[str, Any]:
    """Measure a trained model on labelled data, with intervals, alone or against another.

    With `against` both are measured on the same examples and the same bootstrap draws, so the
    difference has an interval of its own: the paired bootstrap of Koehn (2004, W04-3250).

    Args:
        path: of a run or a bundle.
        data: labelled files; empty for the test split it was trained beside, which has to be
            that of the other too.
        against: a run or a bundle of the same task, to compare it with.
        settings: of the dataset or the task, such as `{"data.history": "last-month.parquet"}`;
            of both models alike.
        samples: bootstrap samples.
        report: an HTML page to write the results to, with the figures of the first model.

    Returns:
        `metrics`, and in `systems` the `values` of each model with their intervals. The other
        model, of the kind `rival`, has the `lead` of the first over it, above 0 where the first
        is better, and `not_ahead`, the share of samples on which that is not so.

    Raises:
        ConfigError: a setting does not fit, or the two are not of one task.
        DataError: the data cannot be used, or may hold what the other was trained on.
        StorageError: there is no bundle, or the page cannot be written.
    """
    load_tensorflow()
    from zoo.actions.evaluate import evaluate as measure

    return measure(
        path, data=data, against=against, settings=settings or {}, samples=samples, report=report
    )


def predict(
    path: Path | str,
    data: Path | str,
    *,
    settings: Mapping[str, Any] | None = None,
    explain: bool = False,
) -> Predictions:
    """Predict on new files with a trained model.

    Args:
        path: of a run or a bundle.
        data: files to predict on.
        settings: of the dataset or the task, such as `{"data.history": "last-month.parquet"}`.
        explain: say why, where the task can.

    Returns:
        records, columns and findings; its `write` makes a file or a folder of them.
    """
    load_tensorflow()
    from zoo.actions.predict import predict as run

    return run(path, data, settings=settings or {}, explain=explain)


def prefetch(
    addresses: str | Sequence[str],
    *,
    data: str = "",
    config: Path | str = "",
    weights: str = "",
    settings: Mapping[str, Any] | Iterable[Given] = (),
    into: Path | str = "",
    tell: Callable[[str], None] = lambda text: None,
) -> Listing[Kept]:
    """Fetch weights and datasets now, to be used without a network later.

    Args:
        addresses: recipes, whose needs depend on the further arguments, or addresses of what
            is needed: `kaggle://...`, `hf://...` or `tfds:NAME`.
        data: `tfds:NAME` that the recipes are to train on.
        config: a TOML file of settings.
        weights: a preset that the recipes are to start from.
        settings: further ones, by dotted names.
        into: a folder, or an archive that ends in `.tar` or `.zip`; by default the user's
            store, where it is found again.
        tell: is told what is done.

    Raises:
        ConfigError: a preset does not exist or cannot be fetched.
        DataError: a dataset does not exist or cannot be fetched.
        StorageError: something cannot be written.
    """
    from zoo.actions.prefetch import needs, prefetch as bring
    from zoo.store import is_address

    settings = settings if isinstance(settings, Mapping) else list(settings)
    wanted: list[str] = []
    for name in [addresses] if isinstance(addresses, str) else addresses:
        if is_address(name):
            wanted.append(name)
        else:
            wanted += needs(
                resolve(name, data=data, config=config, weights=weights, settings=settings)
            )
    return Listing(bring(wanted, str(into), tell), _KEPT)


def unpack(archive: Path | str) -> Listing[Kept]:
    """Put what :func:`prefetch` wrote into an archive or folder into the user's store.

    Raises:
        StorageError: it is refused or damaged; nothing of it has been taken over.
    """
    from zoo.store import unpack as take_over

    return Listing(take_over(Path(archive).expanduser()), _KEPT)


def report(run: Path | str) -> Path:
    """Write the report of a run again and return its path."""
    from zoo.reporting import render
    from zoo.runs import Run

    return render(Run(run).path)


def info(name: str) -> Plugin | Entry:
    """Return the plugin, or the component of any kind, that has this name or address.

    A component is found by a former address too.

    Raises:
        UnknownNameError: there is none.
    """
    found = registry()
    if "/" not in name:
        return found.plugin(name)
    addresses = found.named(name)
    kinds: tuple[Kind, ...] = ("recipe", "model", "dataset", "task", "strategy", "metrics")
    kind = next(each for each in kinds if each in addresses)
    return Entry(addresses[kind], found.spec(kind, addresses[kind]))
