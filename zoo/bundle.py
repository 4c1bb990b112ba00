"""A bundle: a trained model as one folder that predicts in any process, anywhere.

    bundle.json      what it is: components and settings, decision, metrics, versions, hashes
    model.keras      architecture and weights; loaded in Keras' safe mode
    preprocessing/   what the task learnt from the training split
    README.md        the model card

Nothing in it is executed or unpickled, and every file is checked against its hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from zoo import __version__
from zoo.components import Batch, Dataset, Examples, Model, Preprocessing, Task
from zoo.config import dump, from_settings, parse, resolve
from zoo.data.examples import all_rows
from zoo.errors import StorageError
from zoo.inference import Sweep
from zoo.registry import Kind, Registry, registry
from zoo.storage import publish_folder, sha256, write_json

FORMAT = 1
"""The version of the folder's layout."""


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
        about: further content of `bundle.json`: metrics, versions, data.
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

    def save(self, folder: Path, card: str = "") -> Path:
        """Write the bundle as a folder that appears when it is whole.

        Raises:
            StorageError: it cannot be written.
        """
        with publish_folder(folder) as draft:
            keras.saving.save_model(self.model, draft / "model.keras", include_optimizer=False)
            (draft / "preprocessing").mkdir()
            self.preprocessing.save(draft / "preprocessing")
            if card:
                (draft / "README.md").write_text(card, encoding="utf-8")
            files = [path for path in sorted(draft.rglob("*")) if path.is_file()]
            content = {
                "format": FORMAT,
                "zoo": __version__,
                "components": {
                    "task": _component(self.addresses["task"], self.task),
                    "model": _component(self.addresses["model"], self.architecture),
                    "dataset": _component(self.addresses["dataset"], self.dataset),
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
    components = {kind: _build(plugins, kind, each) for kind, each in content["components"].items()}
    task = components["task"]
    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    return Bundle(
        addresses={kind: each["address"] for kind, each in content["components"].items()},
        task=task,
        architecture=components["model"],
        dataset=components["dataset"],
        preprocessing=task.preprocessing.load(folder / "preprocessing"),
        model=model,
        decision=content["decision"],
        about=content["about"],
    )


def is_bundle(path: Path | str) -> bool:
    """Return whether `path` is the folder of a bundle or of a run that has one."""
    return any((Path(path) / place).exists() for place in ("bundle.json", "bundle/bundle.json"))


def _read_checked(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        missing = {"format", "zoo", "components", "decision", "about", "files"} - set(content)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (OSError, TypeError, ValueError) as error:
        raise StorageError(
            f"{folder} is not a bundle: its bundle.json cannot be read ({error}).",
            hint="Give the folder of a finished run, or its `bundle` folder.",
        ) from error
    if content.get("format") != FORMAT:
        raise StorageError(
            f"{folder} has bundle format {content.get('format')!r}; this version reads {FORMAT}.",
            hint=f"It was written by zoo {content.get('zoo')}; install that version or newer.",
        )
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if unlisted := present - content["files"].keys() - {"bundle.json"}:
        raise StorageError(
            f"{folder} holds a file that was not saved with it: {min(unlisted)}.",
            hint="Move it elsewhere, or copy the bundle again from where it was made.",
        )
    for name, expected in content["files"].items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            raise StorageError(f"{folder} lists a file outside its folder: {name}.")
        if not file.exists() or sha256(file) != expected:
            raise StorageError(
                f"{file} is missing or is not the file that was saved (its hash differs).",
                hint="Copy the bundle again from where it was made.",
            )
    return content


def _component(address: str, component: Any) -> dict[str, Any]:
    return {"address": address, "settings": dump(component)}


def _build(plugins: Registry, kind: str, stored: Mapping[str, Any]) -> Any:
    cls = plugins.implementation(kind, stored["address"])
    return parse(cls, stored["settings"], where="bundle.json")
