"""Generated scans as datasets: of classes, of several findings, or with masks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zoo import (
    Batch,
    Columns,
    Data,
    Dataset,
    DatasetInfo,
    Examples,
    Finding,
    fingerprint,
    object_column,
    setting,
)
from zoo_medical.data.datasets import Images, Masks
from zoo_medical.data.labels import SEPARATOR
from zoo_medical.generator.phantom import FINDINGS, MARKED, Phantom, PhantomMask

_VERSION = 1
"""Rises when equal settings give other scans."""
_OF_PATIENT = 3
"""Scans of each patient."""
_SPLITS = {"train": range(7), "validation": range(7, 8), "test": range(8, 10)}
"""The last digits of the patients in each split: asking for more scans moves none."""
_PATIENT, _SCAN = 3, 4
"""What the generators of what is found in a patient and in a scan are keyed by."""


@dataclass(frozen=True, kw_only=True)
class GeneratedScans(Dataset):
    """Phantoms of patients with three scans each; a subclass says what is known of them.

    Examples have `id`; `scan`, a :class:`zoo_medical.generator.phantom.Phantom`; `group`, the
    patient; and `scanner` and `age`, for tables of subgroups.

    Class attributes:
        title: what the examples are called in reports.
    """

    title: ClassVar[str]

    count: int = setting(
        600, "How many scans, all splits together.", minimum=30, maximum=10_000_000
    )
    size: int = setting(64, "Pixels along each axis.", minimum=16, maximum=1024)
    dimensions: int = setting(2, "2 for slices, 3 for volumes.", minimum=2, maximum=3)
    difficulty: float = setting(
        0.3, "How little lesions stand out, and how noisy scans are.", minimum=0, maximum=1
    )

    @abstractmethod
    def draw_findings(self, rng: np.random.Generator, ill: float) -> tuple[str, ...]:
        """Return what is found in a scan.

        Args:
            rng: the only source of chance.
            ill: how much the patient tends to findings, from 0 to 1.
        """

    @abstractmethod
    def known(self, scans: Sequence[Phantom]) -> Batch:
        """Return the columns of what is known of scans."""

    @abstractmethod
    def facts(self, splits: Mapping[str, Batch]) -> tuple[dict[str, Any], dict[str, list[int]]]:
        """Return further facts, with `classes`, and how many examples of each a split has."""

    @abstractmethod
    def reader(self) -> Images | Masks:
        """Return what reads the user's own files with a model that was trained on these."""

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        columns = self._columns(seed)
        digit = np.arange(self.count) // _OF_PATIENT % 10
        splits = {
            name: {key: each[np.isin(digit, own)] for key, each in columns.items()}
            for name, own in _SPLITS.items()
        }
        further, counts = self.facts(splits)
        info = DatasetInfo(
            name=self.title,
            source="generator",
            fingerprint=fingerprint(type(self).__name__, _VERSION, asdict(self), seed),
            counts={name: len(each["id"]) for name, each in splits.items()},
            classes={
                name: dict(zip(further["classes"], numbers, strict=True))
                for name, numbers in counts.items()
            },
            facts={
                "dimensions": self.dimensions,
                "channels": 1,
                "size": [self.size] * self.dimensions,
                "spacing": list(columns["scan"][0].spacing),
                **further,
            },
        )
        return Data(splits={name: Columns(each) for name, each in splits.items()}, info=info)

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read the user's own files."""
        return self.reader().read(path, cache=cache)

    def _columns(self, seed: int) -> Batch:
        scans, ages = [], []
        for index in range(self.count):
            patient = index // _OF_PATIENT
            own = np.random.default_rng([seed, patient, _PATIENT])
            ages.append(str(own.integers(20, 90)))
            scanner, ill = str(own.choice(["A", "B"])), float(own.random())
            found = self.draw_findings(np.random.default_rng([seed, index, _SCAN]), ill)
            scans.append(
                Phantom(
                    seed=seed,
                    patient=patient,
                    index=index,
                    size=self.size,
                    dimensions=self.dimensions,
                    findings=found,
                    difficulty=self.difficulty,
                    scanner=scanner,
                )
            )
        return {
            "id": object_column(scan.name for scan in scans),
            "scan": object_column(scans),
            "group": object_column(f"patient-{scan.patient:05d}" for scan in scans),
            "scanner": object_column(scan.scanner for scan in scans),
            "age": object_column(ages),
            **self.known(scans),
        }


@dataclass(frozen=True, kw_only=True)
class Phantoms(GeneratedScans):
    """Phantoms that are normal or have a lesion, or with `multi_label` several findings.

    Examples have `label`, as those of :class:`zoo_medical.data.datasets.Images`.
    """

    title: ClassVar[str] = "generated scans"

    multi_label: bool = setting(
        False, "Whether calcifications, cysts and lesions are told apart, several at once or none."
    )

    def draw_findings(self, rng: np.random.Generator, ill: float) -> tuple[str, ...]:
        chances = rng.random(len(FINDINGS))
        if self.multi_label:
            likely = 0.15 + 0.4 * ill
            return tuple(name for name, at in zip(FINDINGS, chances, strict=True) if at < likely)
        return ("lesion",) if chances[0] < (0.9 if ill > 0.45 else 0.05) else ()

    def known(self, scans: Sequence[Phantom]) -> Batch:
        if self.multi_label:
            return {"label": object_column(SEPARATOR.join(each.findings) for each in scans)}
        return {"label": object_column("lesion" if each.findings else "normal" for each in scans)}

    def facts(self, splits: Mapping[str, Batch]) -> tuple[dict[str, Any], dict[str, list[int]]]:
        counts = {
            name: [
                sum(each in label.split(SEPARATOR) for label in split["label"])
                for each in self._classes
            ]
            for name, split in splits.items()
        }
        return {"classes": list(self._classes)}, counts

    def reader(self) -> Images | Masks:
        return Images(classes=self._classes, multi_label=self.multi_label)

    @property
    def _classes(self) -> tuple[str, ...]:
        return FINDINGS if self.multi_label else ("lesion", "normal")


@dataclass(frozen=True, kw_only=True)
class PhantomMasks(GeneratedScans):
    """Phantoms with masks of an organ and of the lesions in it.

    Examples have `mask`, as those of :class:`zoo_medical.data.datasets.Masks`.
    """

    title: ClassVar[str] = "generated scans with masks"

    def draw_findings(self, rng: np.random.Generator, ill: float) -> tuple[str, ...]:
        return ("lesion",) if rng.random() < 0.6 + 0.35 * ill else ()

    def known(self, scans: Sequence[Phantom]) -> Batch:
        return {"mask": object_column(PhantomMask(each) for each in scans)}

    def facts(self, splits: Mapping[str, Batch]) -> tuple[dict[str, Any], dict[str, list[int]]]:
        counts = {
            name: [len(split["scan"]), sum("lesion" in scan.findings for scan in split["scan"])]
            for name, split in splits.items()
        }
        return {"classes": list(MARKED), "mask_values": [1, 2]}, counts

    def reader(self) -> Images | Masks:
        return Masks(classes=MARKED, mask_values=(1, 2))
