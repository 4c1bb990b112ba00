"""Reads datasets of TensorFlow Datasets that hold pictures with boxes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from zoo import DataError, Finding, publish_file, tfds_builder, tfds_fingerprint
from zoo_vision.data.annotations import Annotations, Gathered, Objects, Record
from zoo_vision.images import MAX_PIXELS, EncodedImage

_LABELS = ("label", "category", "class", "type")
_CROWDS = ("is_crowd", "is_difficult", "iscrowd", "difficult")
_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


class _Fields(NamedTuple):
    """Where a dataset keeps what is needed.

    Attributes:
        image: feature of the picture.
        objects: feature of the sequence of objects.
        box: feature of an object that holds its box.
        label: feature of an object that holds its class; empty if all are of one.
        crowd: feature of an object that says whether it counts; empty if all do.
        classes: names.
    """

    image: str
    objects: str
    box: str
    label: str
    crowd: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class TfdsImage(EncodedImage):
    """A picture in a TFDS dataset with random access, or a copy of it in a file.

    Its boxes are about the picture as it is stored, so its EXIF orientation does not count.

    Attributes:
        id: split and number.
        source: sequence of examples whose picture is encoded, or the file.
        row: number of the example.
        image: name of the feature.
        max_pixels: it is refused if it has more.
    """

    id: str
    source: Any
    row: int = 0
    image: str = "image"
    max_pixels: int = MAX_PIXELS
    turned = False

    @property
    def name(self) -> str:
        """Split and number."""
        return self.id

    def open(self) -> BinaryIO:
        """See :meth:`EncodedImage.open`."""
        if isinstance(self.source, Path):
            return self.source.open("rb")
        return io.BytesIO(self.source[self.row][self.image])


def read(name: str, cache: Path, *, max_pixels: int = MAX_PIXELS) -> Annotations:
    """Read a TFDS dataset.

    Args:
        name: of the dataset, perhaps with configuration and version.
        cache: a folder; pictures of datasets without random access are copied there.
        max_pixels: of a picture.

    Raises:
        DataError: there is no such dataset, it has no boxes, or it is not here and may not
            be fetched.
    """
    builder = tfds_builder(name)
    fields = _fields(builder.info.features, name)
    records: list[Record] = []
    findings: list[Finding] = []
    for split in sorted(builder.info.splits):
        examples = _Examples(builder, split, fields, cache, max_pixels)
        found = list(examples.records())
        if not any(len(each.objects.boxes) for each in found if each.objects):
            problem = f"The split {split} has no boxes at all, so it is left out."
            findings.append(Finding("note", "unlabelled-split", problem, name))
            continue
        records += found
    return Annotations("tfds", fields.classes, records, findings)


def _fields(features: Mapping[str, Any], name: str) -> _Fields:
    """Find the picture, and the sequence of objects with a box.

    Raises:
        DataError: there is no such thing.
    """
    import tensorflow_datasets as tfds

    kinds = tfds.features
    image = next((key for key, each in features.items() if isinstance(each, kinds.Image)), "")
    for key, sequence in features.items():
        inner = getattr(sequence, "feature", None)
        parts = dict(inner.items()) if isinstance(inner, kinds.FeaturesDict) else {}
        boxes = [part for part, each in parts.items() if isinstance(each, kinds.BBoxFeature)]
        if not (image and boxes):
            continue
        labels = [part for part, each in parts.items() if isinstance(each, kinds.ClassLabel)]
        label = next((part for part in _LABELS if part in labels), labels[0] if labels else "")
        crowd = next((part for part in _CROWDS if part in parts), "")
        classes = tuple(parts[label].names) if label else (key,)
        return _Fields(image, key, boxes[0], label, crowd, classes)
    raise DataError(
        f"The TFDS dataset {name} has no picture with a sequence of boxes.",
        hint=f"Its features are {', '.join(features)}.",
    )


@dataclass(frozen=True)
class _Examples:
    """The examples of one split."""

    builder: Any
    split: str
    fields: _Fields
    cache: Path
    max_pixels: int

    def records(self) -> Iterator[Record]:
        """Yield the pictures with their objects."""
        import tensorflow_datasets as tfds

        fields = self.fields
        decoders = {fields.image: tfds.decode.SkipDecoding()}
        if self.builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
            source = self.builder.as_data_source(self.split, decoders=decoders)
            for row in range(len(source)):
                yield self._record(row, source[row], source)
            return
        examples = self.builder.as_dataset(self.split, decoders=decoders)
        for row, example in enumerate(tfds.as_numpy(examples)):
            yield self._record(row, example, self._copy(row, example[fields.image]))

    def _record(self, row: int, example: Mapping[str, Any], source: Any) -> Record:
        name = f"{self.split}/{row}"
        return Record(
            id=name,
            picture=TfdsImage(name, source, row, self.fields.image, self.max_pixels),
            objects=self._objects(example[self.fields.objects]),
            split=_SPLITS.get(self.split, ""),
            labels=f"{self.builder.info.name} {name}",
        )

    def _objects(self, objects: Mapping[str, Any]) -> Objects:
        gathered = Gathered(relative=True)
        for number, (top, left, bottom, right) in enumerate(objects[self.fields.box]):
            place = int(objects[self.fields.label][number]) if self.fields.label else 0
            crowd = bool(objects[self.fields.crowd][number]) if self.fields.crowd else False
            gathered.add((left, top, right, bottom), place, crowd, number + 1)
        return gathered.objects()

    @cached_property
    def _folder(self) -> Path:
        """Where pictures are copied to."""
        return self.cache / f"tfds-{tfds_fingerprint(self.builder)}" / self.split

    def _copy(self, row: int, content: bytes) -> Path:
        """Copy an encoded picture to a file, unless that was done before."""
        copy = self._folder / f"{row:07d}"
        if not copy.exists() or copy.stat().st_size != len(content):
            with publish_file(copy) as temporary:
                temporary.write_bytes(content)
        return copy
