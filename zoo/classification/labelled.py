"""Loads examples with classes: from what was found at a path to checked, separate splits."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from zoo.classification.checks import class_findings, label_findings
from zoo.components import Batch, Data, Dataset, DatasetInfo, Finding, setting
from zoo.data.examples import Columns, object_column
from zoo.data.findings import limited_findings
from zoo.data.grouped import GroupedSplits, copy_findings, equal_pairs
from zoo.errors import DataError
from zoo.storage import fingerprint

OFFICIAL = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "eval": "test",
    "test": "test",
    "testing": "test",
}
"""What folders, files and columns call the official splits, in small letters."""


@dataclass(frozen=True, kw_only=True)
class FoundExamples:
    """What there is at a path.

    Attributes:
        columns: of each example `id`, its name; `label`, the name of its class, empty where
            unknown; `group`, what it must not be parted from; `split`, its official split or
            empty; `content`, equal for copies; and what the model looks at. Further columns,
            such as an age or site, are there for tables of subgroups.
        findings: what is wrong with the rest.
        facts: further facts for `DatasetInfo.facts`.
    """

    columns: Batch
    findings: list[Finding]
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LabelledData(Dataset, GroupedSplits):
    """Examples with classes; a subclass says how they are found.

    Class attributes:
        title: what the examples are called in reports.
    """

    title: ClassVar[str]

    classes: tuple[str, ...] = setting((), "Names of the classes; all that occur by default.")
    shown: int = setting(20, "Findings of each kind that are listed.", minimum=1)

    @abstractmethod
    def find(self, path: str, *, labelled: bool) -> FoundExamples:
        """Look at everything at a path.

        Args:
            path: of the user's files.
            labelled: whether examples have to say what class they are of, to be trained on.

        Raises:
            DataError: nothing there can be used.
        """

    @property
    @abstractmethod
    def layout(self) -> str:
        """What a folder or file must look like, as a sentence for messages."""

    def classes_of(self, label: str) -> tuple[str, ...] | None:
        """Return the classes that a label names, or None where it does not say.

        The default is one class. Where an example may be of several classes or of none, a
        label names them in some way, and this takes it apart.
        """
        return (label,) if label else None

    def copies(self, columns: Batch) -> np.ndarray:
        """Return pairs of rows that show the same, int64 [pairs, 2]; they stay in one split.

        The default is those of equal `content`.
        """
        return equal_pairs(columns["content"])

    def groups(self, names: Sequence[str], given: Sequence[str]) -> np.ndarray:
        """Return the group of each example, object [n].

        Args:
            names: of the examples; `data.group` says what in them counts.
            given: groups that files say, empty where they say none; for where `data.group`
                is not set.
        """
        by_name = self.group_names(names)
        if self.group:
            return by_name
        return object_column(group or own for group, own in zip(given, by_name, strict=True))

    def split_findings(self, splits: Mapping[str, Batch]) -> Iterable[Finding]:
        """Return what else there is to say of the splits, each as whole columns."""
        return ()

    def load(self, *, seed: int, cache: Path) -> Data:
        found = self.find(self.given_path, labelled=True)
        columns, findings = self._labelled(found)
        named = {name for label in columns["label"] for name in self.classes_of(label) or ()}
        classes = self.classes or tuple(sorted(named))
        if len(classes) < 2:
            raise DataError(
                f"{self.path} has examples of {' and '.join(classes) or 'no class'}; "
                "there must be two classes or more.",
                hint=self.layout,
            )
        copies = self.copies(columns)
        rows, notes = self.split(columns["split"], columns["group"], copies, seed)
        splits = {
            name: _examples({key: each[part] for key, each in columns.items()})
            for name, part in rows.items()
        }
        info = self._info(found, columns, rows, classes)
        findings += notes
        findings += copy_findings(copies, columns["id"], rows)
        findings += label_findings(columns, copies)
        findings += class_findings(info.classes)
        findings += self.split_findings(splits)
        return Data(
            splits={name: Columns(each) for name, each in splits.items()},
            info=info,
            findings=limited_findings(findings, self.shown),
        )

    def read(self, path: str, *, cache: Path) -> tuple[Columns, list[Finding]]:
        """See :meth:`zoo.Dataset.read`; examples have `label` if each is of a known class."""
        found = self.find(path, labelled=False)
        labels, findings = found.columns["label"], list(found.findings)
        known = self._known(labels)
        columns = self.with_official(_examples(found.columns), found.columns["split"])
        if not np.all(known):
            del columns["label"]
            if np.any(known):
                message = f"Only {np.sum(known):,} of {len(known):,} examples are of a known class."
                hint = "None counts as labelled. To measure on them, remove the others."
                findings.append(Finding("warning", "partly-labelled", message, path, hint))
        return Columns(columns), findings

    def settled(self, info: DatasetInfo) -> Self:
        return replace(self, classes=tuple(info.facts["classes"]))

    def _labelled(self, found: FoundExamples) -> tuple[Batch, list[Finding]]:
        """Return the examples that can be trained on, and what is wrong with the others."""
        findings = list(found.findings)
        labels = found.columns["label"]
        known = self._known(labels)
        for row in np.flatnonzero(~known):
            name = labels[row]
            message = f"{name!r} is none of the classes." if name else "It has no class."
            place = str(found.columns["id"][row])
            findings.append(Finding("warning", "no-class", message, place, self.layout))
        return {name: column[known] for name, column in found.columns.items()}, findings

    def _known(self, labels: np.ndarray) -> np.ndarray:
        """Return of which labels all that they name are classes, bool [n]."""
        named = [self.classes_of(label) for label in labels]
        return np.array(
            [
                names is not None and (not self.classes or set(names) <= set(self.classes))
                for names in named
            ],
            bool,
        )

    def _count(self, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many examples are of each class."""
        counts = Counter(name for label in labels for name in self.classes_of(label) or ())
        return {name: counts[name] for name in classes}

    def _info(
        self,
        found: FoundExamples,
        columns: Batch,
        rows: Mapping[str, np.ndarray],
        classes: tuple[str, ...],
    ) -> DatasetInfo:
        return DatasetInfo(
            name=self.title,
            source=self.path,
            fingerprint=fingerprint(
                classes, {name: _identity(columns, part) for name, part in rows.items()}
            ),
            counts={name: len(part) for name, part in rows.items()},
            classes={
                name: self._count(columns["label"][part], classes) for name, part in rows.items()
            },
            facts={**found.facts, "classes": list(classes)},
        )


def _examples(columns: Batch) -> Batch:
    """Return the columns that tasks see."""
    return {name: each for name, each in columns.items() if name not in ("split", "content")}


def _identity(columns: Batch, rows: np.ndarray) -> list[str]:
    """Return what the examples of a split are, in any order of files."""
    names = ("id", "label", "content")
    return sorted("\t".join(str(columns[name][row]) for name in names) for row in rows)
