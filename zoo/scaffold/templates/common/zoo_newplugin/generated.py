"""Generated examples, with which a recipe can be tried without any data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zoo

from zoo_newplugin.labelled import LabelledData

_SPLITS = {"train": range(7), "validation": range(7, 8), "test": range(8, 10)}
"""The last digits of the examples in each split: asking for more moves none of them."""


@dataclass(frozen=True, kw_only=True)
class GeneratedData(zoo.Dataset):
    """Examples that are drawn from a seed; a subclass says how.

    Class attributes:
        classes: of the examples.
        files: the loader of the user's own files.
    """

    classes: ClassVar[tuple[str, ...]]
    files: ClassVar[type[LabelledData]]

    examples: int = zoo.setting(600, "How many, all splits together.", minimum=20)

    @abstractmethod
    def example(self, rng: np.random.Generator, label: str) -> Mapping[str, Any]:
        """Return what the model looks at in one example, by column.

        Args:
            rng: the only source of chance.
            label: the class it belongs to.
        """

    def facts(self) -> Mapping[str, Any]:
        """Return further facts for `DatasetInfo.facts`."""
        return {}

    def reader(self) -> LabelledData:
        """Return what reads the user's own files with a model that was trained on these."""
        return self.files(classes=self.classes)

    def load(self, *, seed: int, cache: Path) -> zoo.Data:
        columns = self._columns(seed)
        digits = np.arange(self.examples) % 10
        splits = {
            name: zoo.Columns({key: each[np.isin(digits, own)] for key, each in columns.items()})
            for name, own in _SPLITS.items()
        }
        info = zoo.DatasetInfo(
            name="generated examples",
            source="generator",
            fingerprint=zoo.fingerprint(type(self).__name__, asdict(self), seed),
            counts={name: len(split) for name, split in splits.items()},
            classes={
                name: {each: int(np.sum(split.columns["label"] == each)) for each in self.classes}
                for name, split in splits.items()
            },
            facts={**self.facts(), "classes": list(self.classes)},
        )
        return zoo.Data(splits=splits, info=info)

    def read(self, path: str, *, cache: Path) -> tuple[zoo.Examples, list[zoo.Finding]]:
        """Read the user's own files."""
        return self.reader().read(path, cache=cache)

    def _columns(self, seed: int) -> zoo.Batch:
        generators = [np.random.default_rng([seed, index]) for index in range(self.examples)]
        labels = [self.classes[rng.integers(len(self.classes))] for rng in generators]
        rows = [self.example(*each) for each in zip(generators, labels, strict=True)]
        return {
            "id": zoo.object_column(f"example-{index:05d}" for index in range(self.examples)),
            "label": zoo.object_column(labels),
            **{name: _column([row[name] for row in rows]) for name in rows[0]},
        }


def _column(values: list[Any]) -> np.ndarray:
    return np.stack(values) if isinstance(values[0], np.ndarray) else zoo.object_column(values)
