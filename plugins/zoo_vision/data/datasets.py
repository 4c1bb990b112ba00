"""Where pictures with boxes come from: the user's files, or a TFDS dataset.

Generated ones are in :mod:`zoo_vision.scenes.dataset`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from zoo import (
    Columns,
    ConfigError,
    Data,
    DataError,
    Dataset,
    DatasetInfo,
    Examples,
    Finding,
    GroupedSplits,
    copy_findings,
    limited_findings,
    near_copies,
    nearest,
    object_column,
    setting,
)
from zoo_vision.data import checks, formats, video
from zoo_vision.data.annotations import Annotations
from zoo_vision.data.loading import Loaded, content_of, load
from zoo_vision.images import MAX_PIXELS

_FOLDER = "vision"
_SHOWN = 20
"""Findings of a kind that a report names one by one; a check names many times as many."""
_FILES = ("unreadable-image", "broken-labels", "missing-", "wrong-suffix")
"""Findings about a whole file, each of which is always shown."""


@dataclass(frozen=True, kw_only=True)
class Boxes(Dataset, GroupedSplits):
    """Pictures with boxes in COCO, Pascal VOC or YOLO format, or of TFDS.

    An example has `id`; `image`, a :class:`zoo_vision.images.Picture`; `width` and `height`
    int64, in pixels of the upright picture; `boxes` float32 [n, 4], x1, y1, x2, y2 in pixels;
    `classes`, names [n]; `crowd` bool [n], regions in which nothing is wanted and nothing is
    wrong. Examples to predict on may lack the last three. With a pattern for groups it also
    has `group`. `info.facts["classes"]` are the names of all classes in order.
    """

    format: formats.Format = setting("auto", "How the pictures are labelled.")
    classes: tuple[str, ...] = setting(
        (), "Names of the classes in order; others are left out. By default those found."
    )
    rename: dict[str, str] = setting(
        {}, 'New names of classes, such as {van = "car"}; an empty one leaves the class out.'
    )
    voc_offset: float = setting(
        0.0,
        "Taken off xmin and ymin of VOC files; 1 for the original's pixels, counted from 1.",
        minimum=0,
        maximum=1,
    )
    ignore_below: float = setting(
        0.0, "Objects with a side of fewer pixels are neither wanted nor wrong.", minimum=0
    )
    max_pixels: int = setting(MAX_PIXELS, "Pictures with more pixels are left out.", minimum=1)
    check_images: bool = setting(
        True,
        "Decode each picture when loading, so that damaged ones are left out and near copies "
        "found; otherwise only its header is read.",
    )
    every_frame: int = setting(
        1, "To predict on a video: 1 takes each frame, 2 every other one.", minimum=1
    )

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        data = self._split(self._read_labels(cache / _FOLDER), seed)
        return replace(data, findings=_shortened(data.findings, _SHOWN))

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """See :meth:`zoo.Dataset.check`."""
        labelled = self._read_labels(cache / _FOLDER)
        try:
            findings = self._split(labelled, seed).findings
        except DataError as error:
            findings = [*labelled.findings, Finding.unusable(error, self.path)]
        return _shortened(findings, 50 * _SHOWN)

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read pictures or a video to predict on, with boxes if all are labelled.

        See :meth:`zoo.Dataset.read`.
        """
        if video.is_video(Path(path)):
            return self._frames(Path(path).expanduser()), []
        try:
            annotations = self._annotations(path, self.format, cache / _FOLDER)
        except DataError:
            if self.format == "auto":
                raise
            annotations = self._annotations(path, "auto", cache / _FOLDER)
        loaded = self._loaded(annotations, cache / _FOLDER)
        columns = self.with_official(loaded.examples.columns, loaded.official)
        return Columns(columns), loaded.findings

    def settled(self, info: DatasetInfo) -> Self:
        """Return the dataset with the classes of training in their order."""
        return replace(self, classes=tuple(info.facts["classes"]))

    def _annotations(self, path: str, format: formats.Format, cache: Path) -> Annotations:
        return formats.read(
            path, format, cache, voc_offset=self.voc_offset, max_pixels=self.max_pixels
        )

    def _loaded(self, annotations: Annotations, cache: Path) -> Loaded:
        loaded = load(
            annotations,
            cache,
            classes=self.classes,
            rename=self.rename,
            ignore_below=self.ignore_below,
            decode=self.check_images,
        )
        if self.group:
            columns = loaded.examples.columns
            columns["group"] = self.group_names(columns["id"])
        return loaded

    def _read_labels(self, cache: Path) -> Loaded:
        """Read the examples to train on, before they are split."""
        annotations = self._annotations(self.given_path, self.format, cache)
        loaded = self._loaded(annotations, cache)
        if not len(loaded.examples):
            raise _unusable(self.path, loaded.findings)
        if not loaded.labelled:
            raise formats.no_labels(self.path)
        self._check_names(annotations)
        if not loaded.classes:
            raise DataError(
                f"{self.path} has labels, but no object in them.",
                hint="Give data in which something is marked.",
            )
        return loaded

    def _split(self, loaded: Loaded, seed: int) -> Data:
        columns = loaded.examples.columns
        groups = columns.get("group", np.arange(len(loaded.examples)))
        copies = np.empty((0, 2), np.int64)
        if loaded.thumbnails is not None:
            copies = near_copies(loaded.thumbnails)
        rows, notes = self.split(loaded.official, groups, copies, seed)
        splits = {name: Columns(loaded.examples[each]) for name, each in rows.items()}
        findings = [
            *loaded.findings,
            *notes,
            *copy_findings(copies, columns["id"], rows),
            *checks.split_findings(splits, loaded.classes),
        ]
        return Data(splits=splits, info=self._info(loaded, splits), findings=findings)

    def _check_names(self, annotations: Annotations) -> None:
        """Raise `ConfigError` if a class to rename is not in the labels."""
        for name in self.rename:
            if name not in annotations.classes and name not in self.classes:
                raise ConfigError(
                    f"data.rename: there is no class {name!r} in {self.path}.",
                    hint=nearest(name, annotations.classes),
                )

    def _info(self, loaded: Loaded, splits: dict[str, Columns]) -> DatasetInfo:
        classes = loaded.classes
        empty = {
            name: sum(not len(boxes) for boxes in each.columns["boxes"])
            for name, each in splits.items()
        }
        return DatasetInfo(
            name="pictures with boxes",
            source=self.path,
            fingerprint=content_of(splits, classes),
            counts={name: len(each) for name, each in splits.items()},
            classes={name: checks.boxes_by_class(each, classes) for name, each in splits.items()},
            facts={
                "classes": list(classes),
                "format": loaded.format,
                "images_without_boxes": empty,
            },
        )

    def _frames(self, path: Path) -> Columns:
        frames = video.read_frames(path, self.every_frame)
        height, width = frames[0].read().shape[:2]
        return Columns(
            {
                "id": object_column([frame.name for frame in frames]),
                "image": object_column(frames),
                "width": np.full(len(frames), width, np.int64),
                "height": np.full(len(frames), height, np.int64),
            }
        )


def _unusable(path: str, findings: list[Finding]) -> DataError:
    lines = [f"{finding.where}: {finding.message}" for finding in findings[:10]]
    return DataError("\n".join([f"Nothing in {path} can be used.", *lines]))


def _shortened(findings: Sequence[Finding], shown: int) -> list[Finding]:
    """Shorten the list of findings about boxes and the like, not that about files."""
    of_files = [each for each in findings if each.code.startswith(_FILES)]
    others = [each for each in findings if not each.code.startswith(_FILES)]
    return [*of_files, *limited_findings(others, shown)]
