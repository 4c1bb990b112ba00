"""A bundle: a trained model as one folder that predicts in any process, anywhere.

    bundle.json      what it is: components and settings, decision, metrics, versions, hashes
    model.keras      architecture and weights; loaded in Keras' safe mode
    preprocessing/   what the task learnt from the training split
    README.md        the model card

Nothing in it is executed or unpickled. Every file is checked against its hash, and looked at
by :mod:`zoo.safety` before it is read: a bundle may come from a stranger.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
from packaging.requirements import Requirement

import zoo.layers  # noqa: F401  for Keras, which builds a bundle's network by registered names
from zoo import __version__
from zoo.components import Batch, Dataset, Examples, Model, Preprocessing, Task
from zoo.config import dump, from_settings, parse, resolve
from zoo.data.examples import all_rows
from zoo.errors import PluginError, StorageError, UnknownNameError, first_line
from zoo.inference import Sweep
from zoo.registry import Kind, Registry, registry
from zoo.requirements import canonical
from zoo.safety.files import check_file, check_folder, read_json, refusal
from zoo.safety.networks import check_model, check_network
from zoo.storage import jsonable, publish_folder, sha256, write_json, write_text

FORMAT = 1
"""The version of the folder's layout."""

_KINDS: tuple[Kind, ...] = ("task", "model", "dataset")


def _are_finite(value: Any) -> bool:
    """Return whether a JSON value is a table of numbers that a float can hold."""
    return isinstance(value, dict) and all(
        isinstance(each, int | float) and abs(each) <= sys.float_info.max for each in value.values()
    )


def _at_least(minimum: int) -> Callable[[Any], bool]:
    """Return what says whether a JSON value is a whole number, and not too small."""
    return lambda value: isinstance(value, int) and value >= minimum


_COMPONENT = {"address": str, "settings": dict}
_SHAPE = {
    "components": dict.fromkeys(_KINDS, _COMPONENT),
    "decision": _are_finite,
    "about": {
        "batch_size": _at_least(1),
        "data": {"seed": _at_least(0), "fingerprint": str},
    },
    "files": dict,
}
"""What of `bundle.json` is relied on: types, or what says whether a value will do."""

_PACKAGE_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
"""A distribution's name or version: nothing else of a bundle gets into a command."""


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that predicting needs.

    Attributes:
        addresses: of the task, model and dataset, by kind.
        task: decodes outputs.
        architecture: what the model was built by.
        dataset: reads new files as the training files were read.
        preprocessing: makes the model's inputs.
        model: the trained network, not compiled.
        decision: thresholds and the like, chosen on validation.
        about: further content of `bundle.json`: metrics, plugins, data.
    """

    addresses: Mapping[Kind, str]
    task: Task
    architecture: Model
    dataset: Dataset
    preprocessing: Preprocessing
    model: keras.Model
    decision: Mapping[str, float]
    about: Mapping[str, Any]

    def predict(
        self, examples: Examples, *, explain: bool = False, batch_size: int | None = None
    ) -> Batch:
        """Return predictions for examples, as columns.

        Args:
            examples: what the bundle's dataset read, or columns of the same names.
            explain: add columns that say why.
            batch_size: examples, or windows of them, at once; by default as many as in the
                recipe's evaluation.
        """
        batch_size = batch_size or self.about["batch_size"]
        sweep = Sweep(self.task, self.preprocessing, examples, batch_size)
        predictions = self.task.decode(sweep.outputs(self.model), self.decision)
        if explain:
            batch = all_rows(examples)
            why = self.task.explain(self.model, self.preprocessing, batch, predictions)
            predictions = {**predictions, **why}
        return predictions

    def with_settings(self, settings: Mapping[str, Any]) -> Bundle:
        """Return the bundle with some settings of its dataset or its task changed.

        What the task learnt and decided in training stays.

        Args:
            settings: by dotted name, such as `data.history` or `task.tile`; a name without
                a dot is the dataset's.

        Raises:
            ConfigError: a setting is unknown or does not fit.
        """
        named = {name if "." in name else f"data.{name}": each for name, each in settings.items()}
        stored = {"data": dump(self.dataset), "task": dump(self.task)}
        sections = {"data": type(self.dataset), "task": type(self.task)}
        layers = [from_settings(stored, "bundle.json"), from_settings(named, "settings")]
        resolved = resolve(sections, layers)
        return replace(self, dataset=resolved["data"], task=resolved["task"])

    def __repr__(self) -> str:
        return f"Bundle({self.addresses['model']} for {self.addresses['task']})"

    def save(self, folder: Path | str, card: str = "") -> Path:
        """Write the bundle as a folder that appears when it is whole.

        Returns:
            the folder.

        Raises:
            PluginError: the task decided something that is no finite number.
            StorageError: it cannot be written.
        """
        folder = Path(folder)
        if not _are_finite(jsonable(self.decision)):
            raise PluginError(
                f"The task {self.addresses['task']} decided {dict(self.decision)}, expected finite "
                "numbers.",
                hint="This is a bug of the plugin: `tune` of its task has to return such numbers.",
            )
        with publish_folder(folder) as draft:
            keras.saving.save_model(self.model, draft / "model.keras", include_optimizer=False)
            (draft / "preprocessing").mkdir()
            self.preprocessing.save(draft / "preprocessing")
            if card:
                write_text(draft / "README.md", card)
            files = [path for path in sorted(draft.rglob("*")) if path.is_file()]
            content = {
                "format": FORMAT,
                "zoo": __version__,
                "components": {
                    "task": describe(self.addresses["task"], self.task),
                    "model": describe(self.addresses["model"], self.architecture),
                    "dataset": describe(self.addresses["dataset"], self.dataset),
                },
                "decision": dict(self.decision),
                "about": dict(self.about),
                "files": {str(path.relative_to(draft)): sha256(path) for path in files},
            }
            write_json(draft / "bundle.json", content)
        return folder


def load(path: Path | str, plugins: Registry | None = None) -> Bundle:
    """Read a bundle, or the bundle of a run.

    Args:
        path: a bundle's folder, or a run's.
        plugins: where components are looked up; the installed ones by default.

    Raises:
        StorageError: it is no bundle, is damaged or was changed.
        UnknownNameError: a plugin it needs is not installed.
    """
    folder = Path(path)
    if (folder / "bundle" / "bundle.json").exists():
        folder = folder / "bundle"
    content = _read_checked(folder)
    plugins = plugins or registry()
    described, origins = content["components"], origins_in(content["about"])
    components = {kind: build(plugins, kind, described[kind], origins) for kind in _KINDS}
    addresses = {kind: plugins.resolve(kind, described[kind]["address"]) for kind in _KINDS}
    model = _network(folder / "model.keras", _packages(components.values(), addresses, plugins))
    return Bundle(
        addresses=addresses,
        task=components["task"],
        architecture=components["model"],
        dataset=components["dataset"],
        preprocessing=_preprocessing(folder / "preprocessing", components["task"], model),
        model=model,
        decision=content["decision"],
        about=content["about"],
    )


def check_readable(
    model: keras.Model,
    components: Iterable[Any],
    addresses: Mapping[Kind, str],
    plugins: Registry | None = None,
) -> None:
    """Check that a network, once it is trained and saved, will be read from its bundle.

    Args:
        model: the network.
        components: task, architecture and dataset.
        addresses: of the components, by kind.
        plugins: where components are looked up; the installed ones by default.

    Raises:
        PluginError: it will not; says which layer is why.
    """
    packages = _packages(components, addresses, plugins or registry())
    check_network(model, packages, addresses["model"])


def is_bundle(path: Path | str) -> bool:
    """Return whether `path` is the folder of a bundle or of a run that has one."""
    return any((Path(path) / place).exists() for place in ("bundle.json", "bundle/bundle.json"))


def _read_checked(folder: Path) -> dict[str, Any]:
    """Return `bundle.json`, after a look at what can be judged without a plugin."""
    file = folder / "bundle.json"
    if not file.is_file():
        raise StorageError(
            f"{folder} is not a bundle: it has no bundle.json.",
            hint="Give the folder of a finished run, or its `bundle` folder.",
        )
    check_folder(folder)
    content = read_json(file)
    if not isinstance(content, dict):
        raise refusal(file, "it holds no object")
    if content.get("format") != FORMAT:
        raise StorageError(
            f"{folder} has bundle format {content.get('format')!r}; this version reads {FORMAT}.",
            hint=f"It was written by zoo {content.get('zoo')}; install that version or newer.",
        )
    wrong = _misfit(content, _SHAPE) or _misfit_in_metrics(content["about"])
    if wrong:
        raise refusal(file, f"{wrong} is missing or is not what zoo writes")
    _check_files(folder, content["files"])
    return content


def _misfit(value: Any, shape: Any, name: str = "") -> str:
    """Return the name of what in a JSON value is not of its type, or an empty text."""
    if isinstance(shape, type):
        return "" if isinstance(value, shape) else name
    if callable(shape):
        return "" if shape(value) else name
    if not isinstance(value, dict):
        return name
    inside = (
        _misfit(value.get(key), each, f"{name}.{key}".lstrip(".")) for key, each in shape.items()
    )
    return next(filter(None, inside), "")


def _misfit_in_metrics(about: Mapping[str, Any]) -> str:
    """Return the name of what is wrong with the metrics beside the task's own, or an empty text."""
    name = "about.further_metrics"
    further = about.get("further_metrics", [])
    if not isinstance(further, list):
        return name
    return next(filter(None, (_misfit(each, _COMPONENT, name) for each in further)), "")


def _check_files(folder: Path, listed: Mapping[str, Any]) -> None:
    """Check that a bundle holds the files that were saved, unchanged, and no others."""
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if unlisted := present - listed.keys() - {"bundle.json"}:
        raise StorageError(
            f"{folder} holds a file that was not saved with it: {min(unlisted)}.",
            hint="Move it elsewhere, or copy the bundle again from where it was made.",
        )
    if absent := listed.keys() - present:
        raise StorageError(
            f"{folder} lacks a file that was saved with it: {min(absent)!r}.",
            hint="Copy the bundle again from where it was made.",
        )
    for name, expected in listed.items():
        if sha256(folder / name) != expected:
            raise StorageError(
                f"{folder / name} is not the file that was saved (its hash differs).",
                hint="Copy the bundle again from where it was made.",
            )


def origins_in(about: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the distribution and version of each plugin, as far as a bundle says it rightly."""
    plugins = about.get("plugins")
    named = plugins.items() if isinstance(plugins, dict) else ()
    return {name: each for name, each in named if isinstance(each, dict)}


def _packages(
    components: Iterable[Any], addresses: Mapping[Kind, str], plugins: Registry
) -> set[str]:
    """Return the packages whose layers a network may hold beside those of Keras and its kin.

    They are those of the components, and of the distributions that their plugins' own require.
    """
    own = {type(component).__module__.partition(".")[0] for component in components}
    required: set[str] = set()
    for distribution in {plugins.origin(each)["distribution"] for each in addresses.values()}:
        lines = (metadata.requires(distribution) or ()) if distribution else ()
        required |= {canonical(Requirement(line).name) for line in lines}
    holders = _distributions(tuple(sys.path)).items() if required else ()
    return own | {package for package, names in holders if required & set(map(canonical, names))}


@lru_cache(maxsize=1)
def _distributions(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Return the distributions of each package on `sys.path`: all their lists of files are read."""
    return metadata.packages_distributions()


def _network(path: Path, packages: Set[str]) -> keras.Model:
    """Return the network of a `.keras` file that holds layers of Keras and of some packages."""
    check_model(path, packages)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises anything for a file that is not quite right
        raise _unreadable(path, error) from error
    if not isinstance(model, keras.Model):
        raise refusal(path, f"it holds a {type(model).__name__}, which is no model")
    return model


def _preprocessing(folder: Path, task: Task, model: keras.Model) -> Preprocessing:
    """Return the preprocessing in a folder, which has to make what the model takes."""
    for path in sorted(folder.rglob("*")):
        check_file(path)
    try:
        preprocessing = task.preprocessing.load(folder)
        space = preprocessing.space
    except StorageError:
        raise
    except Exception as error:  # what plugins raise for a file that is not quite right
        raise _unreadable(folder, error) from error
    takes = {tensor.name: tuple(tensor.shape[1:]) for tensor in getattr(model, "inputs", ())}
    makes = {name: tensor.shape for name, tensor in space.inputs.items()}
    for name in takes.keys() & makes.keys():
        if not _fits(makes[name], takes[name]):
            raise refusal(
                folder, f"it makes {name!r} of shape {makes[name]}, the model takes {takes[name]}"
            )
    return preprocessing


def _fits(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    """Return whether two shapes agree where both have a size."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(None in pair or pair[0] == pair[1] for pair in pairs)


def _unreadable(path: Path, error: Exception) -> StorageError:
    cause = f"{type(error).__name__}: {first_line(error):.300}"
    return StorageError(
        f"{path} cannot be read ({cause}).",
        hint="If this version of zoo saved it, it is a bug; else ask for a new copy.",
    )


def describe(address: str, component: Any) -> dict[str, Any]:
    """Return a component as a bundle describes it; :func:`build` makes it again."""
    return {"address": address, "settings": dump(component)}


def build(
    plugins: Registry, kind: str, stored: Mapping[str, Any], origins: Mapping[str, Any]
) -> Any:
    """Return a component that a bundle describes.

    Args:
        plugins: where it is looked up.
        kind: of the component.
        stored: what :func:`describe` returned.
        origins: plugin -> the distribution and version it had where the bundle was made.

    Raises:
        UnknownNameError: it is not installed; says which distribution has it.
    """
    address = stored["address"]
    try:
        cls = plugins.implementation(kind, address)
    except UnknownNameError as error:
        origin = origins.get(address.partition("/")[0], {})
        name, version = (str(origin.get(key, "")) for key in ("distribution", "version"))
        if not (_PACKAGE_WORD.fullmatch(name) and _PACKAGE_WORD.fullmatch(version)):
            raise
        raise UnknownNameError(
            f"{error.message} The bundle says that the {kind} {address} is of {name} {version}.",
            hint=f'If you trust that package: pip install "{name}=={version}"',
        ) from error
    return parse(cls, stored["settings"], where="bundle.json")
