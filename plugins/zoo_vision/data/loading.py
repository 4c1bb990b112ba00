"""From labels as they were found to examples that can be trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo import Columns, Finding, fingerprint, object_column, publish_file
from zoo_vision.data.annotations import Annotations, Objects, Record
from zoo_vision.geometry import clip, iou
from zoo_vision.images import (
    THUMBNAIL,
    EncodedImage,
    Header,
    ImageError,
    ImageFile,
    Picture,
    examine,
    in_threads,
    suits_suffix,
)

_ROUNDING = 1.0
"""So many pixels a box may reach over the border without a word."""

_SAME = 0.99
"""IoU above which two boxes are copies."""
_MOST_COMPARED = 2_000
"""Boxes of a picture beyond which copies are not looked for, as each pair is compared."""


@dataclass(frozen=True)
class Loaded:
    """Usable examples.

    Attributes:
        format: in which they were labelled.
        examples: with the columns of :class:`zoo_vision.data.datasets.Boxes`.
        classes: names in order of index.
        official: the official split of each example, or empty [n].
        thumbnails: uint8 [n, side, side], in grey; None if pictures were not decoded.
        findings: what is wrong with the others, and with boxes.
    """

    format: str
    examples: Columns
    classes: tuple[str, ...]
    official: np.ndarray
    thumbnails: np.ndarray | None
    findings: list[Finding]

    @property
    def labelled(self) -> bool:
        """Whether the examples have boxes."""
        return "boxes" in self.examples.columns


def load(
    annotations: Annotations,
    cache: Path,
    *,
    classes: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    ignore_below: float = 0.0,
    decode: bool = True,
) -> Loaded:
    """Look at every picture and bring its boxes to pixels.

    Pictures that cannot be read are left out. So are boxes without area, boxes outside the
    picture and copies of a box; boxes that reach over the border are cut at it.

    Args:
        annotations: from any format.
        cache: a folder for what was learnt of pictures.
        classes: names in order of index; by default those of the labels.
        rename: new names of classes; an empty one leaves the class out.
        ignore_below: objects with a side of fewer pixels count as crowd.
        decode: whether to decode each picture, or to read its header alone.
    """
    looks, thumbnails = _look(annotations.records, cache, decode=decode)
    names, known = _class_names(annotations.classes, classes, rename or {})
    findings = list(annotations.findings)
    findings += _left_out_classes(annotations, known, rename or {})
    rows, marked = [], []
    labelled = all(record.objects is not None for record in annotations.records)
    for row, (record, look) in enumerate(zip(annotations.records, looks, strict=True)):
        findings += _image_findings(record, look)
        if look.header is None:
            continue
        rows.append(row)
        if labelled:
            usable, found = _usable_objects(record, look.header, annotations.classes)
            findings += found
            marked.append(_as_examples(usable, known, ignore_below))
    kept = [annotations.records[row] for row in rows]
    headers = [header for row in rows if (header := looks[row].header) is not None]
    columns = {
        "id": object_column([record.id for record in kept]),
        "image": object_column([record.picture for record in kept]),
        "width": np.array([header.width for header in headers], np.int64),
        "height": np.array([header.height for header in headers], np.int64),
    }
    if labelled:
        for number, name in enumerate(("boxes", "classes", "crowd")):
            columns[name] = object_column([each[number] for each in marked])
    return Loaded(
        format=annotations.format,
        examples=Columns(columns),
        classes=names,
        official=object_column([record.split for record in kept]),
        thumbnails=None if thumbnails is None else thumbnails[rows],
        findings=findings,
    )


def content_of(splits: Mapping[str, Columns], classes: Sequence[str]) -> str:
    """Return a hash of what is in each split; of pictures, their names and sizes in bytes."""
    parts: list[Any] = [list(classes)]
    for name, examples in splits.items():
        columns = examples.columns
        for row in np.argsort(columns["id"].astype(str), kind="stable"):
            picture = columns["image"][row]
            size = picture.path.stat().st_size if isinstance(picture, ImageFile) else 0
            parts.append([name, str(columns["id"][row]), size, columns["classes"][row].tolist()])
            parts += [columns["boxes"][row], columns["crowd"][row]]
    return fingerprint(*parts)


# Pictures --------------------------------------------------------------------------------


class Look(NamedTuple):
    """What was learnt of a picture: its header, or what is wrong with it."""

    header: Header | None
    cause: str = ""
    problem: str = ""
    hint: str = ""


def _look(
    records: Sequence[Record], cache: Path, *, decode: bool
) -> tuple[list[Look], np.ndarray | None]:
    """Return what is to be known of each picture, and all thumbnails if they are decoded."""
    pictures = [record.picture for record in records]
    if not decode:
        return [look for look, _ in in_threads(_read_header, pictures)], None
    file = cache / f"images-{_stamp(pictures)}.npz"
    if file.exists():
        with np.load(file) as stored:
            looks = [_from_json(*each) for each in json.loads(str(stored["looks"]))]
            return looks, stored["thumbnails"]
    results = list(in_threads(_decode, pictures))
    looks = [look for look, _ in results]
    empty = np.zeros((0, THUMBNAIL, THUMBNAIL), np.uint8)
    thumbnails = np.stack([thumbnail for _, thumbnail in results]) if results else empty
    if all(isinstance(picture, ImageFile) for picture in pictures):
        with publish_file(file) as temporary:
            np.savez(temporary, looks=json.dumps(looks), thumbnails=thumbnails)
    return looks, thumbnails


def _from_json(header: Sequence[object] | None, *problem: str) -> Look:
    return Look(Header(*header) if header else None, *problem)  # type: ignore[arg-type]


def _read_header(picture: Picture) -> tuple[Look, None]:
    try:
        if isinstance(picture, EncodedImage):
            return Look(picture.header()), None
        return Look(examine(picture)[0]), None
    except ImageError as error:
        return Look(None, error.cause, error.problem, error.hint), None


def _decode(picture: Picture) -> tuple[Look, np.ndarray]:
    try:
        header, thumbnail = examine(picture)
        return Look(header), thumbnail
    except ImageError as error:
        look = Look(None, error.cause, error.problem, error.hint)
        return look, np.zeros((THUMBNAIL, THUMBNAIL), np.uint8)


def _stamp(pictures: Sequence[Picture]) -> str:
    """Return a hash that changes when a file does."""
    parts = []
    for picture in pictures:
        parts.append(repr(picture))
        if isinstance(picture, ImageFile) and picture.path.exists():
            about = picture.path.stat()
            parts.append(f"{about.st_size} {about.st_mtime_ns} {about.st_mode}")
    return fingerprint(parts)


def _image_findings(record: Record, look: Look) -> Iterator[Finding]:
    name = record.picture.name
    if look.header is None:
        message = f"The picture {look.problem}"
        yield Finding("warning", f"unreadable-image-{look.cause}", message, name, look.hint)
        return
    header = look.header
    if isinstance(record.picture, ImageFile) and not suits_suffix(header, record.picture.path):
        message = f"The picture is {header.format} inside; it is used all the same."
        yield Finding("warning", "wrong-suffix", message, name)
    if header.several:
        message = f"The {header.format} has several frames or pages; the first is used."
        yield Finding("note", "several-frames", message, name)
    if record.size and record.size not in ((header.width, header.height), header.stored_size):
        said = f"{record.size[0]} x {record.size[1]}"
        message = f"The labels are for {said} pixels, the picture has {header.width} x "
        message += f"{header.height}. Boxes are used as they stand."
        yield Finding("warning", "size-mismatch", message, record.labels or name)


# Objects ---------------------------------------------------------------------------------


def _class_names(
    found: Sequence[str], wanted: Sequence[str], rename: Mapping[str, str]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of all classes, and that of each found one [found]; None if left out."""
    new = [rename.get(name, name) for name in found]
    names = tuple(wanted) or tuple(dict.fromkeys(name for name in new if name))
    return names, object_column([name if name in names else None for name in new])


def _left_out_classes(
    annotations: Annotations, known: np.ndarray, rename: Mapping[str, str]
) -> Iterator[Finding]:
    """Say which classes are left out though the user did not ask for it."""
    for name, new in zip(annotations.classes, known, strict=True):
        if new is None and rename.get(name) != "":
            yield Finding(
                "warning",
                "unknown-class",
                f"Objects of the class {name!r} are left out: it is not among the classes.",
                hint=f"Rename it, for instance: --set data.rename.{name}=CLASS",
            )


def _usable_objects(
    record: Record, header: Header, classes: Sequence[str]
) -> tuple[Objects, list[Finding]]:
    """Return the objects of a labelled picture with boxes in pixels, and what is wrong."""
    objects = record.objects
    assert objects is not None
    boxes = _upright_pixels(objects, header, record.size)
    cut = clip(boxes, header.width, header.height)
    inverted = np.any(boxes[:, 2:] <= boxes[:, :2], axis=1)
    outside = ~inverted & np.any(cut[:, 2:] <= cut[:, :2], axis=1)
    copies = ~(inverted | outside) & _copies(cut, objects)
    over = ~(inverted | outside | copies) & np.any(np.abs(cut - boxes) > _ROUNDING, axis=1)
    problems = (
        (inverted, "degenerate-box", "has no area and is left out"),
        (outside, "outside-box", "lies outside the picture and is left out"),
        (copies, "duplicate-box", "is there twice, which counts once"),
        (over, "clipped-box", "reaches over the border and is cut at it"),
    )
    findings = []
    for flagged, code, said in problems:
        for row in np.flatnonzero(flagged):
            shown = ", ".join(f"{side:g}" for side in boxes[row].round(1))
            message = f"The box [{shown}] of {classes[objects.classes[row]]} {said}"
            message += f" ({header.width} x {header.height})."
            place = f"{record.labels}, {objects.unit} {objects.numbers[row]}"
            findings.append(Finding("warning", code, message, place))
    kept = ~(inverted | outside | copies)
    return Objects(
        cut[kept], objects.classes[kept], objects.crowd[kept], objects.numbers[kept]
    ), findings


def _upright_pixels(objects: Objects, header: Header, size: tuple[int, int] | None) -> np.ndarray:
    """Return boxes [n, 4] in pixels of the upright picture.

    Labels that say a size with width and height swapped were made on the picture as it is
    stored, and are turned with it.
    """
    width, height = header.width, header.height
    if size != header.stored_size or size == (width, height):
        return objects.boxes * (width, height, width, height) if objects.relative else objects.boxes
    boxes = objects.boxes * (*size, *size) if objects.relative else objects.boxes
    corners = _turn(boxes.reshape(-1, 2, 2), size, header.orientation)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _turn(points: np.ndarray, size: tuple[int, int], orientation: int) -> np.ndarray:
    """Turn points [..., 2] of a picture of `size` as the EXIF orientations 5 to 8 say."""
    x, y = points[..., 0], points[..., 1]
    width, height = size
    turned = {5: (y, x), 6: (height - y, x), 7: (height - y, width - x), 8: (y, width - x)}
    return np.stack(turned[orientation], axis=-1)


def _copies(boxes: np.ndarray, objects: Objects) -> np.ndarray:
    """Return which boxes [n] are nearly equal to an earlier one of their class."""
    if len(boxes) > _MOST_COMPARED:
        return np.zeros(len(boxes), bool)
    same = (iou(boxes, boxes) > _SAME) & (objects.classes[:, None] == objects.classes)
    return np.any(np.tril(same, -1), axis=1)


def _as_examples(
    objects: Objects, known: np.ndarray, ignore_below: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes, class names and crowd as examples have them."""
    classes = known[objects.classes]
    kept = np.array([name is not None for name in classes], bool)
    boxes = objects.boxes[kept].astype(np.float32)
    small = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) < ignore_below
    return boxes, classes[kept], objects.crowd[kept] | small
