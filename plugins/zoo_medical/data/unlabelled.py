"""The user's own scans without labels, for pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from zoo import Batch, Columns, Data, DatasetInfo, Finding, fingerprint
from zoo_medical.data.datasets import arrays_or_tfds
from zoo_medical.data.scan_files import ScanFiles, identity, seen, shape_facts


@dataclass(frozen=True, kw_only=True)
class Unlabelled(ScanFiles):
    """Scans of which nothing is said, or heeded, to pretrain on.

    Examples have what :class:`ScanFiles` says. Classes that folders, tables or files name
    are not looked at.
    """

    title: ClassVar[str] = "unlabelled scans"

    @property
    def layout(self) -> str:
        return "Give a folder of scans, a table that names them, an .npz file, or tfds:NAME."

    def elsewhere(self, path: str) -> Batch | None:
        return arrays_or_tfds(path, (), multi_label=True)

    def load(self, *, seed: int, cache: Path) -> Data:
        found = self.find(self.given_path, labelled=False)
        columns = {name: each for name, each in found.columns.items() if name != "label"}
        splits, findings = self.divided(columns, seed)
        info = DatasetInfo(
            name=self.title,
            source=self.path,
            fingerprint=fingerprint({name: identity(each) for name, each in splits.items()}),
            counts={name: len(each["id"]) for name, each in splits.items()},
            facts={**found.facts, **shape_facts(splits["train"]["look"]), "classes": []},
        )
        return self.loaded(splits, info, [*found.findings, *findings])

    def read(self, path: str, *, cache: Path) -> tuple[Columns, list[Finding]]:
        found = self.find(path, labelled=False)
        columns = {name: each for name, each in found.columns.items() if name != "label"}
        return Columns(self.with_official(seen(columns), columns["split"])), list(found.findings)
