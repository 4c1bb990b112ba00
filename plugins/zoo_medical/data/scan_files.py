"""Files with scans, before anything is said of how they are labelled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np

from zoo import (
    Batch,
    Columns,
    ConfigError,
    Data,
    DataError,
    DatasetInfo,
    ExampleFile,
    FileListing,
    Finding,
    FoundExamples,
    LabelledFiles,
    ListedFile,
    copy_findings,
    limited_findings,
    object_column,
    setting,
    split_by_group,
)
from zoo_medical.data import checks
from zoo_medical.data.looks import (
    Look,
    copies_among,
    in_threads,
    looks_at,
    looks_of,
    one_look_each,
)
from zoo_medical.scans.dicom import is_dicom, patient_key, series_in
from zoo_medical.scans.files import SUFFIXES, is_scan, scan_of, series_of
from zoo_medical.scans.scan import Scan

_HIDDEN = ("look", "length", "split", "content", "mask_file", "mask_look", "held")
"""Columns that tasks do not see."""
_IDENTIFYING = re.compile(
    r"^((patient|subject|person|full|first|last|family|given|middle|maiden)_?s?_*)*(sur)?name$"
    r"|(^|_)(birth_?date|date_?of_?birth|birthday|dob|address|phone|telephone|e_?mail|ssn|mrn|"
    r"accession(_?number)?|physician)(_|$)"
)
"""Columns of tables that tell who somebody is."""


@dataclass(frozen=True, kw_only=True)
class ScanFiles(LabelledFiles):
    """Pictures, DICOM and NIfTI files; subclasses say how they are labelled.

    An example has `id`; `scan`, a :class:`zoo_medical.scans.scan.Scan`; and `group`, the
    patient, as a hash of what a table or a header says, or else what `data.group` finds in
    the name. Further columns of a table are there as texts, but those that tell who somebody
    is.
    """

    column: ClassVar[str] = "scan"
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    usual_columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **LabelledFiles.usual_columns,
        "file_column": (
            *LabelledFiles.usual_columns["file_column"],
            *("scan", "volume", "dicom", "nifti"),
        ),
        "group_column": (
            *LabelledFiles.usual_columns["group_column"],
            *("patientid", "subjectid", "case_id", "mrn"),
        ),
    }

    window: tuple[float, ...] = setting(
        (),
        "Centre and width of the values of DICOM and NIfTI files that are shown; by default "
        "those of the header, or all.",
    )
    series: bool = setting(
        False, "Whether the DICOM files of one series in a folder are slices of one volume."
    )
    slices: bool = setting(False, "Whether each slice of a volume is an example of its own.")
    split_by: Literal["patient", "example"] = setting(
        "patient",
        "Whether a patient is in one random split alone, where patients are known, or each file "
        "is drawn by itself.",
    )
    train_share: float = setting(
        1.0,
        "Share of the training split that is used, in whole patients: to see how few examples "
        "would do.",
        minimum=0.001,
        maximum=1,
    )

    def file(self, path: Path) -> Scan:
        if path.is_dir() or (self.series and is_dicom(path)):
            return series_of(path, self._shown)
        return scan_of(path, self._shown)

    def accepts(self, path: Path) -> bool:
        return is_scan(path)

    def about(self, file: ExampleFile, content: np.ndarray) -> Mapping[str, Any]:
        scan = cast(Scan, file)
        patient = getattr(scan, "patient", "")
        return {"group": patient, "looks": looks_at(scan, content, by_slice=self.slices)}

    def groups(self, names: Sequence[str], given: Sequence[str]) -> np.ndarray:
        """See :meth:`zoo.LabelledData.groups`; by example, each is a group of its own."""
        if self.split_by == "example":
            return object_column(names)
        return super().groups(names, given)

    def listing(self, path: str, *, labelled: bool) -> FileListing:
        """Return the files at a path, with hashes for patients and without their names."""
        found = super().listing(path, labelled=labelled)
        entries = [replace(each, group=patient_key(each.group)) for each in found.entries]
        columns = dict.fromkeys(name for each in entries for name in each.facts)
        identifying = [name for name in columns if _tells_who(name)]
        findings = list(found.findings)
        if identifying:
            entries = [without_facts(each, identifying) for each in entries]
            shown = ", ".join(identifying)
            message = f"Columns that tell who somebody is are left out: {shown}."
            hint = "Take them out of the table before you share it."
            findings.append(Finding("warning", "identifying-columns", message, path, hint))
        if self.series:
            entries = _one_entry_a_series(entries)
        return replace(found, entries=entries, findings=findings)

    def find(self, path: str, *, labelled: bool) -> FoundExamples:
        if columns := self.elsewhere(path):
            looks = in_threads(partial(looks_of, by_slice=self.slices), columns["scan"])
            columns["looks"] = object_column(looks)
            columns["group"] = self.groups(columns["id"].tolist(), columns["group"].tolist())
            found = FoundExamples(columns=columns, findings=[])
        else:
            found = super().find(path, labelled=labelled)
        columns, findings = self.with_masks(found.columns)
        findings = [*found.findings, *findings]
        return replace(found, columns=one_look_each(columns), findings=findings)

    def copies(self, columns: Batch) -> np.ndarray:
        return copies_among(columns["look"], columns["group"])

    def split(
        self, official: np.ndarray, groups: np.ndarray, copies: np.ndarray, seed: int
    ) -> tuple[dict[str, np.ndarray], list[Finding]]:
        """See :meth:`zoo.GroupedSplits.split`; says so where there are too few patients."""
        drawn = 1 + sum(not np.any(official == name) for name in ("validation", "test"))
        known = np.isin(official, ("validation", "test"))
        patients = len(set(groups[~known]))
        if patients < drawn <= np.sum(~known):
            raise DataError(
                f"{np.sum(~known):,} examples are of {patients} patients, which is too few for "
                f"{drawn} splits of different patients.",
                hint="If their numbers were taken out, or are not those of patients: "
                "--set data.split_by=example",
            )
        rows, findings = super().split(official, groups, copies, seed)
        if self.train_share < 1:
            shares = [self.train_share, 1 - self.train_share]
            used, _ = split_by_group(groups[rows["train"]], shares, seed)
            message = f"{len(used):,} of {len(rows['train']):,} training examples are used."
            findings.append(Finding("note", "train-share", message, hint="Set by train_share."))
            rows["train"] = rows["train"][used]
        return rows, findings

    def split_findings(self, splits: Mapping[str, Batch]) -> Iterable[Finding]:
        names = [name for each in splits.values() for name in each["id"]]
        looks = [look for each in splits.values() for look in each["look"]]
        yield from checks.scan_findings(names, looks)
        yield from checks.privacy_findings(names, looks)
        scans = [scan for each in splits.values() for scan in each["scan"]]
        yield from checks.text_findings(names, scans)
        yield from checks.patient_findings(splits)

    def divided(self, columns: Batch, seed: int) -> tuple[dict[str, Batch], list[Finding]]:
        """Return the columns of each split, and what is to be said of how they came about."""
        copies = self.copies(columns)
        rows, findings = self.split(columns["split"], columns["group"], copies, seed)
        splits = {
            name: {key: each[part] for key, each in columns.items()} for name, part in rows.items()
        }
        return splits, [*findings, *copy_findings(copies, columns["id"], rows)]

    def loaded(
        self, splits: Mapping[str, Batch], info: DatasetInfo, findings: Sequence[Finding]
    ) -> Data:
        """Return the splits as tasks see them, with what there is to say of them."""
        return Data(
            splits={name: Columns(seen(each)) for name, each in splits.items()},
            info=info,
            findings=limited_findings([*findings, *self.split_findings(splits)], self.shown),
        )

    @property
    def _shown(self) -> tuple[float, float] | None:
        """The window.

        Raises:
            ConfigError: it is not two numbers of which the second is above 0.
        """
        if not self.window:
            return None
        if len(self.window) != 2 or self.window[1] <= 0:
            raise ConfigError(
                f"data.window = {list(self.window)}: expected a centre, and a width above 0.",
                hint="For lungs in CT: --set 'data.window=[-600, 1500]'",
            )
        return self.window[0], self.window[1]

    def elsewhere(self, path: str) -> Batch | None:
        """Return examples that do not lie in a file each, or None if the path names no such."""
        return None

    def with_masks(self, columns: Batch) -> tuple[Batch, list[Finding]]:
        """Return whole scans with what is known of their masks, and what is wrong with these."""
        return columns, []


def seen(columns: Batch) -> Batch:
    """Return the columns that tasks see."""
    return {name: each for name, each in columns.items() if name not in _HIDDEN}


def identity(columns: Batch) -> list[str]:
    """Return what the examples of a split are, in any order of files."""
    masks = columns.get("mask_look", columns["look"])
    looks = zip(columns["id"], columns["look"], masks, strict=True)
    return sorted(f"{name}\t{look.content}\t{mask.content}" for name, look, mask in looks)


def shape_facts(looks: Iterable[Look]) -> dict[str, Any]:
    """Return dimensions, channels, and the median size and spacing of training scans.

    Raises:
        DataError: there are pictures and volumes.
    """
    looks = list(looks)
    dimensions = {len(look.shape) - 1 for look in looks}
    if len(dimensions) > 1:
        raise DataError(
            "Some scans are pictures and others volumes, which one model cannot take.",
            hint="To take each slice of a volume as a picture: --set data.slices=true",
        )
    return {
        "dimensions": dimensions.pop(),
        "channels": max(look.shape[-1] for look in looks),
        "size": np.median([look.shape[:-1] for look in looks], axis=0).astype(int).tolist(),
        "spacing": np.median([look.spacing for look in looks], axis=0).round(6).tolist(),
    }


def _tells_who(column: str) -> bool:
    """Return whether a table's column is named like one that tells who somebody is."""
    plain = re.sub(r"\W+", "_", column.strip().lower())
    return bool(_IDENTIFYING.search(plain))


def without_facts(entry: ListedFile, columns: Sequence[str]) -> ListedFile:
    facts = {name: value for name, value in entry.facts.items() if name not in columns}
    return replace(entry, facts=facts)


def _one_entry_a_series(entries: Sequence[ListedFile]) -> list[ListedFile]:
    """Return one file for all DICOM files of a series in a folder: the folder, or its first."""
    slices: dict[Path, dict[Path, ListedFile]] = {}
    found = []
    for each in entries:
        if is_dicom(each.path):
            slices.setdefault(each.path.parent, {})[each.path] = each
        else:
            found.append(each)
    for folder, files in slices.items():
        series = series_in(list(files), None)
        for scan in series:
            first = files[scan.files[0]]
            name = first.name.rpartition("/")[0]
            alone = len(series) == 1 and name and len(scan.files) > 1
            found.append(replace(first, path=folder, name=name) if alone else first)
    return found
