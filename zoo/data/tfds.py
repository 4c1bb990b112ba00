"""Datasets of TensorFlow Datasets, found by name and made ready on this machine."""

from __future__ import annotations

import os
from typing import Any

from zoo.errors import DataError, nearest
from zoo.settings import offline


def tfds_builder(name: str) -> Any:
    """Return the `tfds.core.DatasetBuilder` of a dataset that is prepared on this machine.

    It is looked for in `TFDS_DATA_DIR`, and downloaded there if it is not.

    Args:
        name: of the dataset, perhaps with configuration and version.

    Raises:
        DataError: there is no such dataset, or it is not here and cannot be fetched.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"), try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        raise DataError(
            f"TFDS has no dataset {name!r}.", hint=nearest(name, tfds.list_builders())
        ) from error
    elsewhere = "set TFDS_DATA_DIR to where it is."
    if not builder.info.splits:
        if offline():
            raise DataError(
                f"{name} is not prepared in {builder.data_dir}, and ZOO_OFFLINE is set.",
                hint=f"Run once without ZOO_OFFLINE, or {elsewhere}",
            )
        try:
            builder.download_and_prepare()
        except OSError as error:
            raise DataError(
                f"{name} cannot be fetched to {builder.data_dir}: {error}.",
                hint=f"Check the network and the disk, or {elsewhere}",
            ) from error
    return builder
