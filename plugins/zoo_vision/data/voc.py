"""Reads the Pascal VOC format: one XML file for each picture.

See http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html. The original
counts pixels from 1; most exports of other tools from 0. Coordinates are used as they
stand unless an offset is given.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from zoo import DataError, Finding
from zoo_vision.data.annotations import (
    Annotations,
    Gathered,
    ImageIndex,
    Objects,
    Places,
    Record,
    files_in,
    finite_box,
    images_in,
    read_bytes,
    read_text,
    relative_name,
    split_of,
)
from zoo_vision.images import MAX_PIXELS, ImageFile, in_threads

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FOLDERS = ("JPEGImages", "images", "Images", "imgs")


def find(path: Path) -> list[Path]:
    """Return the XML files below a folder; those in `Annotations` alone if there is such."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".xml" else []
    files = [file for file in files_in(path) if file.suffix.lower() == ".xml"]
    return [file for file in files if file.parent.name.lower() == "annotations"] or files


def read(
    path: Path, files: Sequence[Path], *, offset: float = 0, max_pixels: int = MAX_PIXELS
) -> Annotations:
    """Read VOC files.

    Where `ImageSets/Main` lists pictures, those not listed are left out. Otherwise the split
    is that which a folder is named after, if any. Regions marked `difficult` are crowds.

    Args:
        path: a folder, or one XML file.
        files: what :func:`find` found there.
        offset: what is taken off xmin and ymin; 1 for files that count pixels from 1 and
            include the last, as the original does.
        max_pixels: of a picture.
    """
    root = path if path.is_dir() else path.parent
    index = ImageIndex(root)
    lists = _lists(root)
    classes = Places()
    records: list[Record] = []
    findings: list[Finding] = []
    files = [file for file in files if not lists or file.stem in lists]
    for file, parsed in zip(files, in_threads(_parse, files), strict=True):
        if isinstance(parsed, Finding):
            findings.append(parsed)
            continue
        image = _image(file, parsed.filename, index)
        if image is None:
            problem = f"Its picture {parsed.filename or file.stem!r} is not there."
            findings.append(Finding("warning", "missing-image", problem, str(file)))
            continue
        findings += parsed.findings
        records.append(
            Record(
                id=relative_name(image, root),
                picture=ImageFile(image, max_pixels),
                objects=_objects(parsed, classes, offset),
                split=lists.get(file.stem, "") if lists else split_of(file, root),
                labels=str(file),
                size=parsed.size,
            )
        )
    if path.is_dir():
        findings += _unlabelled(root, {file.stem for file in files}, lists)
    names, records = classes.in_order(records)
    return Annotations("voc", names, records, findings, seen_only=True)


class _Marked(NamedTuple):
    """An object in a file."""

    name: str
    box: list[float]
    difficult: bool
    line: int


class _Parsed(NamedTuple):
    """What an XML file holds."""

    filename: str
    size: tuple[int, int] | None
    objects: list[_Marked]
    findings: list[Finding]


def _parse(file: Path) -> _Parsed | Finding:
    """Read a file, or say why it cannot be read."""
    try:
        root, lines = _elements(file)
    except DataError as error:
        return Finding("warning", "broken-labels", error.message, str(file), error.hint)
    objects, findings = [], []
    for item in root.findall("object"):
        corners = item.find("bndbox")
        given = [] if corners is None else [corners.findtext(side) for side in _CORNERS]
        box = finite_box(given)
        name = (item.findtext("name") or "").strip()
        if box is None or not name:
            problem = "The object has no name." if box else f"Its bndbox is {given}, not 4 numbers."
            place = f"{file}, line {lines[item]}"
            findings.append(Finding("warning", "broken-object", problem, place))
            continue
        difficult = (item.findtext("difficult") or "").strip() == "1"
        objects.append(_Marked(name, box, difficult, lines[item]))
    return _Parsed((root.findtext("filename") or "").strip(), _size(root), objects, findings)


def _elements(file: Path) -> tuple[ET.Element, Mapping[ET.Element, int]]:
    """Parse a file and note the line of each element, which ElementTree itself does not.

    Raises:
        DataError: it cannot be read or is no VOC file.
    """
    builder, lines = ET.TreeBuilder(), {}
    parser = expat.ParserCreate()
    # Labels need no entities; a few that name one another grow beyond any memory.
    parser.EntityDeclHandler = _refuse_entity

    def start(tag: str, attributes: dict[str, str]) -> None:
        lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(read_bytes(file), True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(
            f"{file}, line {line}: not valid XML: {error}.", hint="Copy or export it again."
        ) from error
    root = builder.close()
    if root.tag != "annotation":
        raise DataError(
            f"{file} is not in the VOC format: it holds <{root.tag}>.",
            hint="Expected <annotation>. Remove the file if it holds no labels.",
        )
    return root, lines


def _refuse_entity(name: str, *_: object) -> None:
    raise ValueError(f"it declares the entity {name!r}, which labels have no use for")


def _size(root: ET.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _objects(parsed: _Parsed, classes: Places, offset: float) -> Objects:
    gathered = Gathered("line")
    for name, (left, top, right, bottom), difficult, line in parsed.objects:
        gathered.add((left - offset, top - offset, right, bottom), classes[name], difficult, line)
    return gathered.objects()


def _image(file: Path, filename: str, index: ImageIndex) -> Path | None:
    """Return the picture of a label file: by the label file's own name, else by that inside."""
    folders = [file.parent, *(file.parent.parent / name for name in _FOLDERS)]
    same_place = Path(relative_name(file.parent, index.root))
    folders += [index.root / name / same_place.name for name in _FOLDERS]
    return index.find_stem(file.stem, folders) or (
        index.find(filename, folders) if filename else None
    )


def _lists(root: Path) -> dict[str, str]:
    """Return the official split of each picture by name.

    `trainval` counts where `train` is missing.
    """
    folder = root / "ImageSets" / "Main"
    members: dict[str, str] = {}
    for split, name in (
        ("train", "trainval"),
        ("train", "train"),
        ("validation", "val"),
        ("test", "test"),
    ):
        file = folder / f"{name}.txt"
        if name == "trainval" and (folder / "train.txt").is_file():
            continue
        if file.is_file():
            lines = read_text(file).splitlines()
            members |= {line.split()[0]: split for line in lines if line.strip()}
    return members


def _unlabelled(root: Path, labelled: set[str], lists: Mapping[str, str]) -> list[Finding]:
    """Name the pictures without a label file."""
    wanted = [
        image
        for image in images_in(root)
        if image.stem not in labelled and (not lists or image.stem in lists)
    ]
    return [
        Finding(
            "warning",
            "missing-labels",
            "The picture has no XML file, so it is left out.",
            str(image),
            "If nothing is in it, add an XML file without objects.",
        )
        for image in wanted
    ]
