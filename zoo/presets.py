"""Published weights, with their tokenisers and the like, as folders on this machine.

A preset is a folder as Keras Hub and KerasCV write it. It is named by its folder, by the
address of where it is published, or by a name that the architecture knows, which stands for
an address. Looked for are, in this order: the user's store (see :mod:`zoo.store`), whose
files are verified; the caches of Kaggle and Hugging Face, at `KAGGLEHUB_CACHE` and
`HF_HOME`; and the network, unless `ZOO_OFFLINE` forbids it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, MissingRequirementError, StorageError, first_line, nearest
from zoo.settings import offline
from zoo.startup import keep_libraries_offline
from zoo.storage import write_text
from zoo.store import MANIFEST, fetching, find, missing, read_manifest

if TYPE_CHECKING:
    import keras

_HUBS = ("kaggle://", "hf://")
# Pickles, which may hold code, and weights of frameworks that no backend of Keras reads.
_NOT_FETCHED = (
    *("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.ot"),
    *("tf_model.h5", "*.msgpack", "*.onnx", "*.onnx_data", "*.tflite", "*.gguf", "*.mlmodel"),
)
_LOCAL = "Give the folder of a preset, weights=none, or the folder of an earlier run."


@contextmanager
def preset(handle: str, known: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Give the folder of a preset to read, and turn what a library says of it into an error.

    .. code-block:: python

        with zoo.preset(handle, self.presets()) as folder:
            source = keras_hub.models.Backbone.from_preset(str(folder))

    Args:
        handle: a folder, a `kaggle://` or `hf://` address, or a name in `known`.
        known: name -> address.

    Raises:
        ConfigError: there is no such preset, it cannot be reached or cannot be read.
        StorageError: it was changed after it was fetched, or holds more than a network.
    """
    from zoo.safety.networks import check_preset

    folder = _folder(handle, known or {})
    check_preset(folder)
    try:
        yield folder
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"The preset {handle!r} cannot be read: {first_line(error)}", hint=_LOCAL
        ) from error


def preset_address(handle: str, known: Mapping[str, str] | None = None) -> str | None:
    """Return the address that a preset's name or address stands for; None for a folder.

    Raises:
        ConfigError: it is none of these.
    """
    known = known or {}
    if handle in known:
        return known[handle]
    if handle.startswith(_HUBS):
        return handle
    if Path(handle).expanduser().is_dir():
        return None
    raise ConfigError(
        f"There is no preset {handle!r}: it is no folder, no address and no known name.",
        hint=nearest(handle, known) if known else _LOCAL,
    )


def hub_presets(*classes: Any) -> dict[str, str]:
    """Return the names and addresses of the presets that Keras Hub or KerasCV have of classes.

    Args:
        classes: backbones or tasks, such as `keras_hub.models.ResNetBackbone`.
    """
    return {
        name: about["kaggle_handle"]
        for each in classes
        for name, about in each.presets.items()
        if about.get("kaggle_handle", "").startswith(_HUBS)
    }


def copy_preset(
    handle: str,
    source: Mapping[str, keras.Variable],
    target: keras.Model,
    class_dependent: Sequence[str],
) -> None:
    """Copy a preset's weights, all of which but those of its classes have to fit.

    A preset does not name its classes, so the weights of its classes are copied where their
    shapes are the same.

    Args:
        handle: how the user calls the preset.
        source: its weights, by the paths that they have in `target`.
        target: the model to start.
        class_dependent: shell patterns of the paths of weights whose shapes depend on the
            classes.

    Raises:
        ConfigError: the preset is of another architecture; nothing has been copied.
    """
    known = {weight.path: weight for weight in target.weights}
    pairs, strange = [], []
    for path, weight in source.items():
        match = known.get(path)
        if match is not None and match.shape == weight.shape:
            pairs.append((weight, match))
        elif not any(fnmatch(path, pattern) for pattern in class_dependent):
            strange.append(path)
    if strange:
        raise ConfigError(
            f"The preset {handle!r} is not of this architecture: {len(strange)} of its "
            f"{len(source)} weights have no place in the model, such as {strange[0]!r}.",
            hint="Set model.size to the size the preset was made with, or use another preset.",
        )
    for weight, match in pairs:
        match.assign(weight)


def fetch_preset(address: str) -> Path:
    """Return a folder in the cache of Kaggle or Hugging Face, fetched if that is allowed.

    Args:
        address: `kaggle://OWNER/MODEL/FRAMEWORK/VARIANT/VERSION` or `hf://OWNER/MODEL`.

    Raises:
        ConfigError: it is not there, and cannot be fetched.
    """
    keep_libraries_offline()
    scheme, _, name = address.partition("://")
    find_cached, download = {
        "kaggle": (_in_kaggle_cache, _from_kaggle),
        "hf": (_in_hugging_face_cache, _from_hugging_face),
    }[scheme]
    if offline():
        found = find_cached(name)
        if found is None:
            raise missing(f"The preset {address}", address, ConfigError)
        return found
    try:
        return download(name)
    except (ConfigError, MissingRequirementError):
        raise
    except Exception as error:  # the libraries of the hubs raise all kinds for a failed download
        found = find_cached(name)
        if found:
            return found
        raise ConfigError(
            f"The preset {address} cannot be fetched: {first_line(error)}",
            hint="Check the address, the network and, where a licence has to be accepted, "
            "your account there.",
        ) from error


def _folder(handle: str, known: Mapping[str, str]) -> Path:
    """Return the folder of a preset, verified where its hashes are known."""
    address = preset_address(handle, known)
    if address is None:
        folder = Path(handle).expanduser()
        if (folder / MANIFEST).exists():
            read_manifest(folder).verify()
        return folder
    kept = find(address)
    if kept:
        kept.verify()
        return kept.folder
    with fetching(address):
        return fetch_preset(address)


def _from_kaggle(name: str) -> Path:
    return Path(_hub("kagglehub").model_download(name))


def _in_kaggle_cache(name: str) -> Path | None:
    cache = Path(os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub").expanduser()
    folder = cache / "models" / name
    # Kaggle's library leaves this mark when all files are there.
    return folder if folder.with_name(f"{folder.name}.complete").exists() else None


def _from_hugging_face(name: str) -> Path:
    hub = _hub("huggingface_hub")
    wanted = [each.rfilename for each in hub.model_info(name).siblings or ()]
    folder = _snapshot(name)
    for file in wanted:
        left_out = any(fnmatch(file, pattern) for pattern in _NOT_FETCHED)
        if not (left_out or (folder / file).exists()):
            raise ConnectionError(f"{file} is missing")
    with suppress(StorageError):  # a cache that others share may be read-only
        write_text(_mark(folder), folder.name)
    return folder


def _in_hugging_face_cache(name: str) -> Path | None:
    try:
        folder = _snapshot(name, local_files_only=True)
        return folder if _mark(folder).read_text() == folder.name else None
    except (OSError, ValueError, MissingRequirementError):
        return None


def _snapshot(name: str, *, local_files_only: bool = False) -> Path:
    """Return the folder of a model in the cache of Hugging Face, without what is not fetched.

    Where the network cannot be reached its library gives what there is, even if that is half
    of a download that broke off.
    """
    return Path(
        _hub("huggingface_hub").snapshot_download(
            name, ignore_patterns=list(_NOT_FETCHED), local_files_only=local_files_only
        )
    )


def _mark(snapshot: Path) -> Path:
    """Return the file beside a model's snapshots that names the one with all files there."""
    return snapshot.parent.with_name("zoo-whole")


def _hub(library: str) -> Any:
    try:
        return import_module(library)
    except ImportError as error:
        raise MissingRequirementError(
            f"Fetching this needs {library}, which is not installed.",
            hint=f"pip install {library.replace('_', '-')}",
        ) from error
