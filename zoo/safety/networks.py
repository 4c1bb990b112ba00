"""Checks of `.keras` files: what they would make Keras build, and what their weights are.

Keras' safe mode is on as well. This goes further: classes are allowed by list and not
refused by list, files are never read on a configuration's behalf, and weights are plain.
"""

from __future__ import annotations

import importlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import IO, Any

import h5py
import keras
import numpy as np

from zoo.errors import PluginError, first_line
from zoo.safety.files import HINT, inner, open_zip, parse_json, read_json, refusal

_KERAS = frozenset({"keras", "keras_hub", "keras_cv", "keras_nlp"})
_PARTS = re.compile(r"config\.json|metadata\.json|model\.weights\.h5|assets(/\w[\w.-]*)*/?")
_NEEDED = ("config.json", "model.weights.h5")
_VALUES = frozenset({
    "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
})  # fmt: skip
"""What Keras writes like a class and reads as a value."""
_RUNNING = (
    keras.layers.Lambda, keras.layers.TFSMLayer, keras.layers.TorchModuleWrapper,
    keras.layers.JaxLayer, keras.layers.FlaxLayer,
)  # fmt: skip
"""Layers of Keras that hold code or load it from files."""
_KINDS = (
    keras.Operation, keras.Initializer, keras.Regularizer, keras.constraints.Constraint,
    keras.DTypePolicy, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer,
)  # fmt: skip
_LOOKUPS = frozenset({"get", "serialize", "deserialize"})
"""Functions beside the activations that are none."""
_FILE_ARGUMENTS = frozenset({
    "vocabulary", "merges", "proto", "idf_weights", "file", "filename", "filepath", "path", "url",
    "handle", "preset", "weights",
})  # fmt: skip
"""Arguments of layers which, given as text, are the name of a file or an address to read."""
_OWN_LAYERS = (
    "A plugin's own layers have to be registered with keras.saving.register_keras_serializable, "
    "and those of other packages to be of ones that its distribution requires."
)


def check_model(path: Path, packages: Set[str]) -> None:
    """Check that a `.keras` file holds nothing but a network of known classes.

    Args:
        path: the file.
        packages: whose classes it may name beside those of Keras, KerasHub and KerasCV.

    Raises:
        StorageError: it is damaged, or Keras should not load it.
    """
    with open_zip(path) as (archive, members):
        names = {member.filename for member in members}
        for name in sorted(names):
            if not _PARTS.fullmatch(name):
                raise refusal(path, f"{name!r} is no part of a saved network")
        for name in _NEEDED:
            if name not in names:
                raise refusal(path, f"it holds no {name}")
        with archive.open("config.json") as file:
            check_config(parse_json(file, path, finite=False), packages, path)
        # A copy, as seeking in a zip file's member means reading it again.
        check_weights(io.BytesIO(archive.read("model.weights.h5")), path)


def check_config(config: Any, packages: Set[str], where: Path) -> None:
    """Check that Keras would make only known classes from a configuration, and read no file.

    Args:
        config: a parsed `config.json`.
        packages: whose classes it may name beside those of Keras, KerasHub and KerasCV.
        where: the file, for messages.

    Raises:
        StorageError: it names another class or a function that is no activation, holds
            code, or gives a layer the name of a file.
    """
    wrong = _objection(config, packages)
    if wrong:
        raise refusal(where, wrong, f"{HINT} {_OWN_LAYERS}")


def check_network(model: keras.Model, packages: Set[str], owner: str) -> None:
    """Check that a network will be read again once it is saved, before it is trained.

    Args:
        model: the network.
        packages: whose classes it may hold beside those of Keras, KerasHub and KerasCV.
        owner: address of the architecture.

    Raises:
        PluginError: it will not; says which layer is why.
    """
    try:
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
        wrong = _objection(config, packages)
    except (TypeError, ValueError, NotImplementedError) as error:
        wrong = f"it cannot be written as a configuration ({first_line(error)})"
    if wrong:
        raise PluginError(
            f"What {owner} builds could not be read from its bundle: {wrong}.", hint=_OWN_LAYERS
        )


def check_preset(folder: Path) -> None:
    """Check the folder of a preset as KerasHub and KerasCV write it.

    Raises:
        StorageError: a configuration names a class that is not Keras', KerasHub's or
            KerasCV's, or weights are not plain arrays.
    """
    for path in sorted(folder.glob("*.json")):
        config = read_json(path, finite=False)
        # Beside configurations there may be vocabularies, in which any word is a key.
        if isinstance(config, Mapping) and isinstance(config.get("class_name"), str):
            check_config(config, frozenset(), path)
    for path in sorted(folder.rglob("*.h5")):
        with path.open("rb") as file:
            check_weights(file, path)


def check_weights(file: IO[bytes], where: Path) -> None:
    """Check that an HDF5 file holds plain arrays, each stored whole in the file itself.

    Args:
        file: the file.
        where: its path, for messages.

    Raises:
        StorageError: it is damaged, links to other files or objects, or claims more than it
            holds.
    """
    try:
        with h5py.File(file, "r") as root:
            size = sum(_stored_size(name, each, where) for name, each in _datasets(root, where))
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise refusal(where, f"its weights are damaged ({error})") from error
    if size > file.seek(0, io.SEEK_END):
        raise refusal(where, f"its weights claim {size:,} bytes it does not hold")


def _datasets(root: h5py.Group, where: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every dataset, by name; each object has to have one name and to lie in the file."""
    groups, seen = [root], set()
    while groups:
        group = groups.pop()
        for name in group:
            place = f"{group.name}/{name}".replace("//", "/")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise refusal(where, f"{place!r} in its weights is a link")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise refusal(where, f"{place!r} in its weights has a second name")
            seen.add(address)
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                yield place, item


def _stored_size(name: str, dataset: h5py.Dataset, where: Path) -> int:
    """Return how many bytes a dataset takes in the file, which have to be all it has."""
    plan = dataset.id.get_create_plist()
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise refusal(where, f"{name!r} in its weights lies in another file")
    if dataset.dtype.kind not in "fiub" and not _is_bfloat16(dataset):
        raise refusal(where, f"{name!r} in its weights holds {dataset.dtype}, not numbers")
    if dataset.nbytes != dataset.id.get_storage_size():
        raise refusal(
            where, f"{name!r} in its weights claims {dataset.nbytes:,} bytes it does not hold"
        )
    return dataset.nbytes


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset holds bfloat16 as Keras writes it: two bytes of no known type."""
    return bool(dataset.dtype == np.dtype("V2") and dataset.attrs.get("dtype") == "bfloat16")


def _tables(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object of a JSON value."""
    values = [config]
    while values:
        value = values.pop()
        values += inner(value)
        if isinstance(value, Mapping):
            yield value


def _objection(config: Any, packages: Set[str]) -> str:
    """Return what a configuration names that it may not, or an empty text."""
    tables = (table for table in _tables(config) if "class_name" in table)
    found = (_strange_class(each, _KERAS | packages) or _file_argument(each) for each in tables)
    return next(filter(None, found), "")


def _strange_class(table: Mapping[str, Any], packages: Set[str]) -> str:
    """Return what is wrong with the class of an object, or an empty text."""
    name, module = table["class_name"], table.get("module")
    if isinstance(name, str) and name in _VALUES:
        return ""
    what = f"{name} {table.get('config')}" if name == "function" else f"the class {name}"
    what = f"{what:.80}" + (f" of {module!s:.80}" if module else "") + _layer_name(table)
    found = _function(table) if name == "function" else _class(table)
    if found is None:
        return f"it names {what}, which is no part of networks that zoo knows"
    if found.__module__.partition(".")[0] not in packages:
        return f"it names {what}, which is of none of the packages that its plugins require"
    return ""


def _layer_name(table: Mapping[str, Any]) -> str:
    """Return the name of a layer as part of a sentence."""
    config = table.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    return f" (the layer {name!r:.80})" if isinstance(name, str) else ""


def _file_argument(table: Mapping[str, Any]) -> str:
    """Return what is wrong with the arguments of an object, or an empty text."""
    config = table.get("config")
    arguments = config if isinstance(config, Mapping) else {}
    for name in sorted(_FILE_ARGUMENTS & arguments.keys()):
        if isinstance(arguments[name], str):
            given = f"{name} = {arguments[name]!r:.80}"
            return f"its {table['class_name']!s:.80} would read a file, {given}"
    return ""


def _class(table: Mapping[str, Any]) -> type | None:
    """Return the class that Keras would make an object of, if it is part of networks."""
    found = _registered(table.get("registered_name", table["class_name"])) or _imported(table)
    if not isinstance(found, type) or not issubclass(found, _KINDS):
        return None
    return None if issubclass(found, _RUNNING) else found


def _function(table: Mapping[str, Any]) -> Any | None:
    """Return the function that Keras would look up: an activation, or a registered one."""
    name = table.get("config")
    if not isinstance(name, str):
        return None
    if found := _registered(name):
        return found
    if table.get("module") in ("builtins", "keras.activations") and name not in _LOOKUPS:
        return getattr(keras.activations, name, None)
    return None


def _registered(name: Any) -> Any | None:
    return keras.saving.get_registered_object(name) if isinstance(name, str) else None


def _imported(table: Mapping[str, Any]) -> Any | None:
    """Return what a module of Keras and its kin has under a name."""
    module, name = table.get("module"), table["class_name"]
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    if module.partition(".")[0] not in _KERAS:
        return None
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
