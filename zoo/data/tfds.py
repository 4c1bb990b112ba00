"""Datasets of TensorFlow Datasets, found by name and made ready on this machine.

Looked for are, in this order: the user's store (see :mod:`zoo.store`), whose files are
verified; `TFDS_DATA_DIR`, by default `~/tensorflow_datasets`; and the network, unless
`ZOO_OFFLINE` forbids it.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from zoo.errors import DataError, first_line, nearest
from zoo.settings import offline
from zoo.storage import fingerprint
from zoo.store import TFDS, contents, fetching, find, missing, store_folder

_AFTER_NAME = re.compile(r"[/:]")
_NAMESPACED = re.compile(r"\w+:[A-Za-z_]")


def tfds_name(path: str) -> str | None:
    """Return NAME of a path `tfds:NAME`, which may have a configuration and version, or None."""
    return path.removeprefix(TFDS) if path.startswith(TFDS) else None


def tfds_builder(name: str) -> Any:
    """Return the `tfds.core.DatasetBuilder` of a dataset that is prepared on this machine.

    Args:
        name: of the dataset, perhaps with configuration and version.

    Raises:
        DataError: there is no such dataset, or it is not here and cannot be fetched.
        StorageError: it was changed after it was fetched.
    """
    builder = find_kept_tfds(name) or find_tfds(name)
    if not builder.info.splits:
        with fetching(tfds_address(builder)):
            builder = find_tfds(name)  # another process may have been faster
            prepare_tfds(builder)
    return builder


def find_kept_tfds(name: str) -> Any | None:
    """Return the builder of a dataset in the user's store, or None if it is not there.

    Raises:
        StorageError: it was changed after it was fetched.
    """
    store = store_folder()
    plain = _AFTER_NAME.split(name, maxsplit=1)[0]
    if not (store / "tfds" / plain).is_dir():
        return None
    try:
        builder = _find(name, store / "tfds")
    except Exception as error:
        for kept in contents(store):  # TFDS cannot read what is damaged
            if kept.address.startswith((f"{TFDS}{plain}:", f"{TFDS}{plain}/")):
                kept.verify()
        if isinstance(error, DataError):
            return None  # there is another version or configuration
        raise
    found = find(tfds_address(builder)) if builder.info.splits else None
    if found is None:
        return None
    found.verify()
    return builder


def find_tfds(name: str) -> Any:
    """Return the builder of a dataset in `TFDS_DATA_DIR`, where it may not be prepared yet.

    Args:
        name: of the dataset, perhaps with configuration and version.

    Raises:
        DataError: there is no such dataset.
    """
    if _NAMESPACED.match(name) and offline():  # TFDS would look it up in the network
        raise missing(f"The TFDS dataset {name}", TFDS + name, DataError)
    return _find(name, os.environ.get("TFDS_DATA_DIR"))


def prepare_tfds(builder: Any) -> None:
    """Download and prepare a dataset where its builder looks for it, unless that was done.

    Raises:
        DataError: it cannot be fetched.
    """
    if builder.info.splits:
        return
    name = builder.info.full_name
    if offline():
        raise missing(f"The TFDS dataset {name}", tfds_address(builder), DataError)
    try:
        with redirect_stdout(sys.stderr):  # TFDS says what it does among the command's data
            builder.download_and_prepare()
    except Exception as error:  # sites of many kinds are read here, by code of many authors
        raise DataError(
            f"{name} cannot be fetched to {builder.data_dir}: {first_line(error)}",
            hint="Check the network and the disk, or set TFDS_DATA_DIR to where it is.",
        ) from error


def tfds_address(builder: Any) -> str:
    """Return the address of a dataset with configuration and version: `tfds:NAME/CONFIG:1.0.0`."""
    name, _, version = builder.info.full_name.rpartition("/")
    return f"{TFDS}{name}:{version}"


def tfds_fingerprint(builder: Any) -> str:
    """Return a short hash of a prepared dataset: its name, place, version and features."""
    return fingerprint(builder.info.full_name, str(builder.data_dir), builder.info.as_json)


def _find(name: str, folder: Path | str | None) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=folder, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)  # those are listed in the network
        raise DataError(f"TFDS has no dataset {name!r}.", hint=nearest(name, known)) from error
    except (ValueError, AssertionError) as error:
        raise DataError(
            f"TFDS cannot give {name!r}: {first_line(error)}",
            hint="Expected NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.",
        ) from error
