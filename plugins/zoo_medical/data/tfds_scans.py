"""Datasets of TensorFlow Datasets that hold pictures of classes.

Pictures stay where TFDS put them: an example knows its place in a file, and is read from
there. See https://www.tensorflow.org/tutorials/load_data/tfrecord for the records.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from zoo import Batch, DataError, object_column, tfds_builder
from zoo_medical.data.labels import joined
from zoo_medical.scans.dicom import patient_key
from zoo_medical.scans.pictures import read_picture
from zoo_medical.scans.scan import spacing_affine, write_mask

_LABELS = ("label", "class", "diagnosis")
_PATIENTS = ("patient", "patient_id", "subject", "subject_id", "case_id")
_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


class Fields(NamedTuple):
    """Where a dataset keeps what is needed; empty where it has no such thing.

    Attributes:
        image: feature of the picture.
        label: feature of the class, or of the list of classes.
        patient: feature of whom it shows.
        names: of the classes.
        several: whether the label is a list.
    """

    image: str
    label: str
    patient: str
    names: tuple[str, ...]
    several: bool


class Records(Sequence[Mapping[str, Any]]):
    """The examples of one split in TFRecord files, by number.

    Args:
        builder: of the dataset.
        split: its name.
        image: feature of the picture, which stays encoded.
    """

    def __init__(self, builder: Any, split: str, image: str) -> None:
        import tensorflow_datasets as tfds

        self._features = builder.info.features
        self._decoders = {image: tfds.decode.SkipDecoding()}
        self._places = [
            (path, offset, length)
            for path in map(Path, builder.info.splits[split].filepaths)
            for offset, length in _places(path)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: Any) -> Any:
        path, offset, length = self._places[row]
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(length)
        return self._features.deserialize_example_np(content, decoders=self._decoders)


@dataclass(frozen=True, eq=False)
class TfdsScan:
    """A picture in a TFDS dataset.

    Attributes:
        source: examples by number, whose picture is encoded.
        row: number of the example.
        image: name of the feature.
        name: split and number.
    """

    source: Sequence[Mapping[str, Any]]
    row: int
    image: str
    name: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """None of its own."""
        return ()

    @property
    def spacing(self) -> tuple[float, ...]:
        """Ones: such datasets do not tell."""
        return (1.0, 1.0)

    def read(self) -> np.ndarray:
        """See :meth:`zoo_medical.scans.scan.Scan.read`."""
        return read_picture(self._open, self.name)

    def write_like(self, path: Path, mask: np.ndarray) -> Path:
        """See :meth:`zoo_medical.scans.scan.Scan.write_like`."""
        return write_mask(path, mask, spacing_affine(()))

    def _open(self) -> BinaryIO:
        return io.BytesIO(self.source[self.row][self.image])


def read(name: str, *, multi_label: bool) -> Batch:
    """Return the examples of a dataset, with `id`, `scan`, `label`, `group` and `split`.

    Args:
        name: of the dataset, perhaps with configuration and version.
        multi_label: whether an example may have several classes, or none.

    Raises:
        DataError: there is no such dataset, it has no pictures of classes, or it is not here
            and may not be fetched.
    """
    builder = tfds_builder(name)
    fields = _fields(builder.info.features, name)
    if fields.several and not multi_label:
        raise DataError(
            f"The TFDS dataset {name} has a list of classes for each picture.",
            hint="To learn which are true: --set data.multi_label=true",
        )
    rows = [row for split in sorted(builder.info.splits) for row in _rows(builder, split, fields)]
    names, scans, labels, groups, splits = zip(*rows, strict=True)
    return {
        "id": object_column(names),
        "scan": object_column(scans),
        "label": object_column(labels),
        "group": object_column(groups),
        "split": object_column(splits),
    }


def _rows(
    builder: Any, split: str, fields: Fields
) -> Iterator[tuple[str, TfdsScan, str, str, str]]:
    """Yield name, scan, label, group and split of each example."""
    source = _source(builder, split, fields.image)
    for row in range(len(source)):
        example, name = source[row], f"{split}/{row:07d}"
        scan = TfdsScan(source, row, fields.image, name)
        group = patient_key(_as_text(example[fields.patient])) if fields.patient else ""
        yield name, scan, _label(example, fields), group or name, _SPLITS.get(split, "")


def _source(builder: Any, split: str, image: str) -> Sequence[Mapping[str, Any]]:
    """Return the examples of a split by number, whether in array_record or TFRecord."""
    import tensorflow_datasets as tfds

    if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
        decoders = {image: tfds.decode.SkipDecoding()}
        return builder.as_data_source(split, decoders=decoders)  # type: ignore[no-any-return]
    return Records(builder, split, image)


def _places(path: Path) -> Iterator[tuple[int, int]]:
    """Yield where each record of a TFRecord file begins, and its length, in bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while head := file.read(12):
            (length,) = struct.unpack("<Q", head[:8])
            offset = file.tell()
            if offset + length + 4 > size:
                raise DataError(f"{path.name} is cut off.", hint="Prepare the dataset again.")
            yield offset, length
            file.seek(offset + length + 4)


def _label(example: Mapping[str, Any], fields: Fields) -> str:
    if fields.several:
        return joined(fields.names[int(each)] for each in example[fields.label])
    return fields.names[int(example[fields.label])]


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _fields(features: Mapping[str, Any], name: str) -> Fields:
    """Find the picture and its class or classes.

    Raises:
        DataError: there is no such thing.
    """
    import tensorflow_datasets as tfds

    kinds = tfds.features
    image = next((key for key, each in features.items() if isinstance(each, kinds.Image)), "")
    labels = {}
    for key, each in features.items():
        label = getattr(each, "feature", each)
        if isinstance(label, kinds.ClassLabel):
            labels[key] = (tuple(label.names), label is not each)
    usual = [key for key in _LABELS if key in labels]
    if not (image and labels):
        raise DataError(
            f"The TFDS dataset {name} has no pictures with a class.",
            hint=f"Its features are {', '.join(features)}.",
        )
    label = usual[0] if usual else next(iter(labels))
    patient = next((key for key in _PATIENTS if key in features), "")
    return Fields(image, label, patient, *labels[label])
