"""Loads examples with classes: from what was found at a path to checked, separate splits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import zoo

from zoo_newplugin.checks import class_findings


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is at a path.

    Attributes:
        columns: of each example `id`, its name; `label`, the name of its class, empty where
            unknown; `group`, what it must not be parted from; `split`, its official split or
            empty; `content`, equal for copies; and what the model looks at.
        findings: what is wrong with the rest.
        facts: further facts for `DatasetInfo.facts`.
    """

    columns: zoo.Batch
    findings: list[zoo.Finding]
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LabelledData(zoo.Dataset, zoo.GroupedSplits):
    """Examples with classes; a subclass says how they are found."""

    title: ClassVar[str]

    classes: tuple[str, ...] = zoo.setting((), "Names of the classes; all that occur by default.")
    shown: int = zoo.setting(20, "Findings of each kind that are listed.", minimum=1)

    @abstractmethod
    def find(self, path: str, *, labelled: bool) -> Found:
        """Look at everything at a path.

        Args:
            path: of the user's files.
            labelled: whether examples have to say what class they are of, to be trained on.

        Raises:
            DataError: nothing there can be used.
        """

    def load(self, *, seed: int, cache: Path) -> zoo.Data:
        found = self.find(self.given_path, labelled=True)
        columns, findings = self._labelled(found)
        classes = self.classes or tuple(sorted(set(columns["label"])))
        if len(classes) < 2:
            raise zoo.DataError(
                f"{self.path} has examples of {' and '.join(classes) or 'no class'}; "
                "there must be two classes or more.",
                hint=self.layout,
            )
        copies = zoo.equal_pairs(columns["content"])
        rows, notes = self.split(columns["split"], columns["group"], copies, seed)
        counts = {
            name: {each: int(np.sum(columns["label"][part] == each)) for each in classes}
            for name, part in rows.items()
        }
        findings += notes
        findings += zoo.copy_findings(copies, columns["id"], rows)
        findings += class_findings(counts)
        info = zoo.DatasetInfo(
            name=self.title,
            source=self.path,
            fingerprint=zoo.fingerprint(
                classes, {name: _identity(columns, part) for name, part in rows.items()}
            ),
            counts={name: len(part) for name, part in rows.items()},
            classes=counts,
            facts={**found.facts, "classes": list(classes)},
        )
        splits = {
            name: zoo.Columns(_examples({key: each[part] for key, each in columns.items()}))
            for name, part in rows.items()
        }
        shortened = zoo.limited_findings(findings, self.shown)
        return zoo.Data(splits=splits, info=info, findings=shortened)

    def read(self, path: str, *, cache: Path) -> tuple[zoo.Columns, list[zoo.Finding]]:
        """See :meth:`zoo.Dataset.read`; examples have `label` if each is of a known class."""
        found = self.find(path, labelled=False)
        labels, findings = found.columns["label"], list(found.findings)
        known = np.isin(labels, self.classes) if self.classes else labels != ""
        columns = _examples(found.columns)
        if not np.all(known):
            del columns["label"]
            if np.any(known):
                message = f"Only {np.sum(known):,} of {len(known):,} examples are of a known class."
                hint = "None counts as labelled. To measure on them, remove the others."
                findings.append(zoo.Finding("warning", "partly-labelled", message, path, hint))
        return zoo.Columns(columns), findings

    def settled(self, info: zoo.DatasetInfo) -> Self:
        return replace(self, classes=tuple(info.facts["classes"]))

    @property
    @abstractmethod
    def layout(self) -> str:
        """What a folder or file must look like, as a sentence for messages."""

    def _labelled(self, found: Found) -> tuple[zoo.Batch, list[zoo.Finding]]:
        """Return the examples that can be trained on, and what is wrong with the others."""
        findings = list(found.findings)
        labels = found.columns["label"]
        known = np.isin(labels, self.classes) if self.classes else labels != ""
        for row in np.flatnonzero(~known):
            name = labels[row]
            message = f"{name!r} is none of the classes." if name else "It has no class."
            place = str(found.columns["id"][row])
            findings.append(zoo.Finding("warning", "no-class", message, place, self.layout))
        return {name: column[known] for name, column in found.columns.items()}, findings


def _examples(columns: zoo.Batch) -> zoo.Batch:
    """Return the columns that tasks see."""
    return {name: each for name, each in columns.items() if name not in ("split", "content")}


def _identity(columns: zoo.Batch, rows: np.ndarray) -> list[str]:
    """Return what the examples of a split are, in any order of files."""
    names = ("id", "label", "content")
    return sorted("\t".join(str(columns[name][row]) for name in names) for row in rows)
