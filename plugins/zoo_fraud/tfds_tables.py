"""Reads tables of TensorFlow Datasets, whether stored as TFRecord or array_record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zoo import DataError, publish_file, tfds_builder, tfds_fingerprint

_ROWS_AT_ONCE = 50_000
_WIDEST = 1_000


def tfds_as_parquet(name: str, cache: Path) -> Path:
    """Copy a TFDS table, all its splits one after the other, to a Parquet file in `cache`.

    Nested features are named `outer_inner`, and the entries of a vector `name_0` and on.

    Args:
        name: of the dataset, perhaps with configuration and version.
        cache: a folder.

    Raises:
        DataError: there is no such table, it is not here and may not be fetched, or it
            holds more than numbers and short texts.
    """
    builder = tfds_builder(name)
    copy = cache / f"tfds-{tfds_fingerprint(builder)}.parquet"
    if not copy.exists():
        with publish_file(copy) as temporary:
            _write(_rows(builder), temporary, name)
    return copy


def _rows(builder: Any) -> Iterator[dict[str, Any]]:
    """Yield the examples of all splits as flat rows."""
    import tensorflow_datasets as tfds

    names = _class_names(builder.info.features)
    for split in sorted(builder.info.splits):
        if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
            source = builder.as_data_source(split)
            examples = (source[index] for index in range(len(source)))
        else:
            examples = tfds.as_numpy(builder.as_dataset(split))
        for example in examples:
            row = dict(_flat(example))
            yield {
                name: names[name][value] if name in names and value >= 0 else value
                for name, value in row.items()
            }


def _class_names(features: Mapping[str, Any], outer: str = "") -> dict[str, list[str]]:
    """Return the names of the classes where there are more than two, such as of a label."""
    found: dict[str, list[str]] = {}
    for name, feature in features.items():
        if isinstance(feature, Mapping):
            found |= _class_names(feature, f"{outer}{name}_")
        elif getattr(feature, "num_classes", 0) > 2:
            found[f"{outer}{name}"] = feature.names
    return found


def _flat(example: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in example.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{outer}{name}_")
            continue
        array = np.asarray(value)
        if array.ndim == 0:
            scalar = array.item()
            text = isinstance(scalar, bytes)
            yield f"{outer}{name}", scalar.decode("utf-8", "replace") if text else scalar
        elif array.ndim == 1 and len(array) <= _WIDEST:
            entries = {str(place): entry for place, entry in enumerate(array)}
            yield from _flat(entries, f"{outer}{name}_")
        else:
            raise DataError(
                f"The TFDS feature {outer}{name} has the shape {array.shape}; only numbers, texts "
                f"and vectors of up to {_WIDEST} are columns of a table."
            )


def _write(rows: Iterator[dict[str, Any]], target: Path, source: str) -> None:
    first = pa.Table.from_pylist(list(islice(rows, _ROWS_AT_ONCE)))
    if not len(first):
        raise DataError(f"{source} has no examples.")
    with pq.ParquetWriter(target, first.schema) as writer:
        writer.write_table(first)
        while chunk := list(islice(rows, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(chunk, first.schema))
