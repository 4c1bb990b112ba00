"""Where scans come from: the user's files, MedMNIST files, or a TFDS dataset.

Generated ones are in :mod:`zoo_medical.generator.datasets`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from zoo import (
    Batch,
    Columns,
    Data,
    DataError,
    DatasetInfo,
    FileListing,
    Finding,
    FoundExamples,
    ListedFile,
    all_rows,
    class_findings,
    fingerprint,
    nearest,
    object_column,
    setting,
    tfds_name,
)
from zoo_medical.data import arrays, checks, labels, pairs, tfds_scans
from zoo_medical.data.looks import in_threads
from zoo_medical.data.marks import Marks, described_marks, look_at_mask, marks_in, mask_in
from zoo_medical.data.scan_files import ScanFiles, identity, seen, shape_facts, without_facts
from zoo_medical.scans.files import SUFFIXES, is_scan
from zoo_medical.scans.masks import unknown_values

_MASK_COLUMNS = ("mask", "mask_path", "mask_file", "segmentation", "seg", "seg_path", "annotation")
_SPLITS = {
    "train": "train", "training": "train", "imagestr": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test", "imagests": "test",
}  # fmt: skip
"""What folders of the official splits are called, in small letters."""


@dataclass(frozen=True, kw_only=True)
class Images(ScanFiles):
    """Scans of classes: in a folder each, named by a table, of MedMNIST or of TFDS.

    Examples have `label` beside what :class:`ScanFiles` says: the name of a class, or with
    `multi_label` names with `|` between them, empty where nothing is found.
    """

    title: ClassVar[str] = "scans of classes"
    usual_columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **ScanFiles.usual_columns,
        "label_column": (
            *ScanFiles.usual_columns["label_column"],
            *("labels", "finding", "findings", "finding_labels"),
        ),
    }

    multi_label: bool = setting(
        False,
        "Whether a scan may be of several classes or of none. A table then names them with | "
        "between, or has a column of 0 and 1 for each of data.classes.",
    )

    @property
    def layout(self) -> str:
        return (
            "Put scans into a folder for each class, or give a table (.csv, .tsv, .jsonl) that "
            "names files and classes, an .npz file of MedMNIST, or tfds:NAME."
        )

    def classes_of(self, label: str) -> tuple[str, ...] | None:
        return labels.split_label(label) if self.multi_label else super().classes_of(label)

    def listing(self, path: str, *, labelled: bool) -> FileListing:
        found = super().listing(path, labelled=labelled and not self.multi_label)
        if not self.multi_label:
            return found
        columns = {name for each in found.entries for name in each.facts}
        if self.classes and set(self.classes) <= columns:
            return self._from_columns(found)
        if labelled:
            found = super().listing(path, labelled=True)
        named = bool(found.columns.get("label_column"))
        entries = [
            replace(each, label=labels.read_label(each.label)) if each.label or named else each
            for each in found.entries
        ]
        return replace(found, entries=entries)

    def load(self, *, seed: int, cache: Path) -> Data:
        data = super().load(seed=seed, cache=cache)
        splits = {name: Columns(all_rows(split)) for name, split in data.splits.items()}
        facts = {**data.info.facts, **shape_facts(splits["train"].columns["look"])}
        return replace(
            data,
            splits={name: self._examples(split) for name, split in splits.items()},
            info=replace(data.info, facts=facts),
        )

    def read(self, path: str, *, cache: Path) -> tuple[Columns, list[Finding]]:
        """See :meth:`zoo.LabelledData.read`."""
        examples, findings = super().read(path, cache=cache)
        found = self._examples(examples)
        if "split" in examples.columns:
            found.columns["split"] = examples.columns["split"]
        return found, findings

    def _examples(self, examples: Columns) -> Columns:
        """Return the columns that tasks see."""
        columns = seen(examples.columns)
        if self.multi_label and "label" in columns:
            none = columns["label"] == labels.NONE
            columns["label"] = object_column(np.where(none, "", columns["label"]))
        return Columns(columns)

    def elsewhere(self, path: str) -> Batch | None:
        return arrays_or_tfds(path, self.classes, multi_label=self.multi_label)

    def _from_columns(self, found: FileListing) -> FileListing:
        """Return the files labelled by a column for each class."""
        entries, unsure = [], Counter[str]()
        for each in found.entries:
            label, uncertain = labels.from_columns(each.facts, self.classes)
            unsure.update(uncertain)
            entries.append(replace(without_facts(each, self.classes), label=label))
        findings = list(found.findings)
        if unsure:
            shown = ", ".join(f"{name} ({count:,})" for name, count in unsure.most_common())
            message = f"Values that are neither 0 nor 1 count as 0: {shown}."
            findings.append(Finding("warning", "uncertain-labels", message))
        return replace(found, entries=entries, findings=findings)


@dataclass(frozen=True, kw_only=True)
class Masks(ScanFiles):
    """Scans with masks: in folders of equal names, or named by a table.

    Examples have `mask`, a :class:`zoo_medical.scans.scan.MaskRef`, beside what
    :class:`ScanFiles` says; those to predict on may lack it.
    """

    title: ClassVar[str] = "scans with masks"

    classes: tuple[str, ...] = setting(
        (), "Names of what is marked, in the order of data.mask_values; background has none."
    )
    mask_values: tuple[int, ...] = setting(
        (),
        "The numbers in the masks that stand for the classes, by default those found; 0 is "
        "background.",
        minimum=1,
    )
    mask_column: str = setting("", "Column of the mask's file, if its name does not tell.")

    @property
    def layout(self) -> str:
        return (
            "Put scans into a folder images and masks of the same names into a folder masks, or "
            "give a table (.csv, .tsv, .jsonl) with the columns image and mask."
        )

    def listing(self, path: str, *, labelled: bool) -> FileListing:
        """Return the scans at a path, each with the file of its mask as the fact `mask_file`."""
        found = super().listing(path, labelled=False)
        if any(each.facts for each in found.entries):
            return replace(found, entries=self._with_mask_column(found.entries, Path(path).parent))
        by_name = {each.name: each for each in found.entries}
        masks = pairs.paired(by_name)
        entries = [
            _with_mask(each, by_name[masks[name]].path if name in masks else None)
            for name, each in by_name.items()
            if not pairs.is_mask(name)
        ]
        return replace(found, entries=entries)

    def load(self, *, seed: int, cache: Path) -> Data:
        found = self.find(self.given_path, labelled=True)
        columns, marks, findings = self._marked(found)
        splits, notes = self.divided(columns, seed)
        info = self._info_of(splits, marks, found.facts)
        return self.loaded(splits, info, [*findings, *notes, *class_findings(info.classes)])

    def read(self, path: str, *, cache: Path) -> tuple[Columns, list[Finding]]:
        """Read scans to predict on, with masks if all have one; see :meth:`zoo.Dataset.read`."""
        found = self.find(path, labelled=False)
        columns = found.columns
        del columns["label"]
        findings = list(found.findings)
        if all(look is not None for look in columns["mask_look"]):
            try:
                marked, _, findings = self._marked(found)
            except DataError as error:
                findings.append(Finding("warning", "bad-mask", error.message, path, error.hint))
            else:
                columns = marked if len(marked["id"]) == len(columns["id"]) else columns
        return Columns(self.with_official(seen(columns), columns["split"])), findings

    def settled(self, info: DatasetInfo) -> Self:
        """Return the loader with the classes of training and their numbers in masks."""
        return replace(super().settled(info), mask_values=tuple(info.facts["mask_values"]))

    def split_findings(self, splits: Mapping[str, Batch]) -> Iterable[Finding]:
        yield from super().split_findings(splits)
        yield from checks.mask_findings({name: each["held"] for name, each in splits.items()})

    @property
    def _described(self) -> Marks | None:
        """What a description beside the data says is marked, unless the user says something."""
        said = self.classes or self.mask_values or not self.path
        return None if said else described_marks(Path(self.path).expanduser())

    def _with_mask_column(self, entries: Sequence[ListedFile], folder: Path) -> list[ListedFile]:
        """Return files with the masks that a table's column names, counted from its folder."""
        names = dict.fromkeys(name for each in entries for name in each.facts)
        usual = [name for name in names if name.lower() in _MASK_COLUMNS]
        column = self.mask_column or next(iter(usual), "")
        if self.mask_column and self.mask_column not in names:
            raise DataError(
                f"The table has no column {self.mask_column!r}.",
                hint=nearest(self.mask_column, names),
            )
        found = []
        for each in entries:
            name = each.facts.get(column, "") or (each.label if is_scan(Path(each.label)) else "")
            plain = without_facts(each, [column])
            found.append(_with_mask(plain, _spelled(folder / name) if name else None))
        return found

    def with_masks(self, columns: Batch) -> tuple[Batch, list[Finding]]:
        empty = object_column([""] * len(columns["id"]))
        files = columns.setdefault("mask_file", empty)
        seen = in_threads(look_at_mask, zip(columns["scan"], files, columns["looks"], strict=True))
        findings = [
            Finding("warning", "bad-mask", look.message, str(name), look.hint)
            for name, look in zip(columns["id"], seen, strict=True)
            if isinstance(look, DataError)
        ]
        looks = [None if isinstance(look, DataError) else look for look in seen]
        return {**columns, "mask_look": object_column(looks)}, findings

    def _marked(self, found: FoundExamples) -> tuple[Batch, Marks, list[Finding]]:
        """Return the examples that have a mask that can be used, and what is marked in masks.

        Raises:
            DataError: no mask can be used, or its numbers are not those of classes.
        """
        findings, columns = list(found.findings), found.columns
        for row in np.flatnonzero(columns["mask_file"] == ""):
            place = str(columns["id"][row])
            findings.append(Finding("warning", "no-mask", "It has no mask.", place, self.layout))
        has = np.array([look is not None for look in columns["mask_look"]], bool)
        if not has.any():
            raise _nothing_left(self.path, findings, self.layout)
        present = {each for look in columns["mask_look"][has] for each in look.present}
        marks = self._described or marks_in(present, self.classes, self.mask_values)
        good = has.copy()
        for row in np.flatnonzero(has):
            if unknown := unknown_values(columns["mask_look"][row].present, marks.values):
                good[row] = False
                known = ", ".join(map(str, (0, *marks.values)))
                message = f"Its mask holds {', '.join(map(str, unknown[:5]))}; expected {known}."
                place = str(columns["id"][row])
                findings.append(Finding("warning", "unknown-mask-value", message, place))
        if not good.any():
            raise _nothing_left(self.path, findings, self.layout)
        kept = {name: column[good] for name, column in columns.items() if name != "label"}
        rows = list(zip(kept["mask_file"], kept["look"], kept["mask_look"], strict=True))
        kept["mask"] = object_column(mask_in(file, marks, look.place) for file, look, _ in rows)
        kept["held"] = np.array([np.isin(marks.values, own.present) for _, _, own in rows])
        return kept, marks, findings

    def _info_of(
        self, splits: Mapping[str, Batch], marks: Marks, facts: Mapping[str, Any]
    ) -> DatasetInfo:
        held = {name: each["held"].sum(axis=0).tolist() for name, each in splits.items()}
        return DatasetInfo(
            name=self.title,
            source=self.path,
            fingerprint=fingerprint(marks, {name: identity(each) for name, each in splits.items()}),
            counts={name: len(each["id"]) for name, each in splits.items()},
            classes={
                name: dict(zip(marks.classes, counts, strict=True)) for name, counts in held.items()
            },
            facts={
                **facts,
                **shape_facts(splits["train"]["look"]),
                "classes": list(marks.classes),
                "mask_values": list(marks.values),
            },
        )


def _with_mask(entry: ListedFile, mask: Path | None) -> ListedFile:
    """Return a file with that of its mask, and the split that one of its folders tells."""
    folders = entry.name.lower().split("/")[:-1]
    split = entry.split or next((_SPLITS[name] for name in folders if name in _SPLITS), "")
    facts = {**entry.facts, "mask_file": str(mask or "")}
    return replace(entry, split=split, facts=facts)


def _spelled(path: Path) -> Path:
    """Return a file that a table names with or without its suffix."""
    spelled = [path, *(path.with_name(path.name + suffix) for suffix in SUFFIXES)]
    return next((each for each in spelled if each.exists()), path)


def arrays_or_tfds(path: str, classes: Sequence[str], *, multi_label: bool) -> Batch | None:
    """Return the examples of an npz file or a TFDS dataset; None if a path names neither."""
    if name := tfds_name(path):
        return tfds_scans.read(name, multi_label=multi_label)
    if path.lower().endswith(arrays.SUFFIX):
        return arrays.read(Path(path).expanduser(), classes, multi_label=multi_label)
    return None


def _nothing_left(path: str, findings: Sequence[Finding], hint: str) -> DataError:
    lines = [f"{finding.where}: {finding.message}" for finding in findings[:10]]
    return DataError(
        "\n".join([f"No scan at {path} has a mask that can be used.", *lines]), hint=hint
    )
