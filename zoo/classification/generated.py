"""Generated examples of classes, with which a recipe can be tried without any data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zoo.classification.labelled import LabelledData
from zoo.components import Batch, Data, Dataset, DatasetInfo, Examples, Finding, setting
from zoo.data.examples import Columns, object_column
from zoo.errors import ConfigError
from zoo.storage import fingerprint

_SPLITS = {"train": range(7), "validation": range(7, 8), "test": range(8, 10)}
"""The last digits of the groups in each split: asking for more examples moves none of them."""


@dataclass(frozen=True, kw_only=True)
class GeneratedData(Dataset):
    """Examples that are drawn from a seed; a subclass says how.

    Class attributes:
        classes: of the examples.
        files: the loader of the user's own files.
        group_size: how many examples one patient, speaker or the like has; those of one are
            in one split, and with more than one `group` names it.
    """

    classes: ClassVar[tuple[str, ...]]
    files: ClassVar[type[LabelledData]]
    group_size: ClassVar[int] = 1

    examples: int = setting(600, "How many, all splits together.", minimum=20)

    @abstractmethod
    def example(
        self, rng: np.random.Generator, label: str, group: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return what the model looks at in one example, by column.

        Args:
            rng: the only source of chance.
            label: the class it belongs to.
            group: what :meth:`draw_group` drew for the group that it is in.
        """

    def draw_group(self, rng: np.random.Generator) -> Mapping[str, Any]:
        """Return what the examples of one group have in common, such as a sex or a site.

        These become columns of the examples as well. The default is nothing.
        """
        return {}

    def draw_class(self, rng: np.random.Generator, group: Mapping[str, Any]) -> str:
        """Return the class of one example of a group; by default all are as likely."""
        return self.classes[rng.integers(len(self.classes))]

    def facts(self) -> Mapping[str, Any]:
        """Return further facts for `DatasetInfo.facts`."""
        return {}

    def reader(self) -> LabelledData:
        """Return what reads the user's own files with a model that was trained on these."""
        return self.files(classes=self.classes)

    def load(self, *, seed: int, cache: Path) -> Data:
        if self.examples < 10 * self.group_size:
            raise ConfigError(
                f"data.examples = {self.examples} leaves a split empty: {self.group_size} belong "
                "together each time.",
                hint=f"Ask for {10 * self.group_size} or more.",
            )
        columns = self._columns(seed)
        digits = np.arange(self.examples) // self.group_size % 10
        splits = {
            name: Columns({key: each[np.isin(digits, own)] for key, each in columns.items()})
            for name, own in _SPLITS.items()
        }
        info = DatasetInfo(
            name="generated examples",
            source="generator",
            fingerprint=fingerprint(type(self).__name__, asdict(self), seed),
            counts={name: len(split) for name, split in splits.items()},
            classes={
                name: {each: int(np.sum(split.columns["label"] == each)) for each in self.classes}
                for name, split in splits.items()
            },
            facts={**self.facts(), "classes": list(self.classes)},
        )
        return Data(splits=splits, info=info)

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read the user's own files."""
        return self.reader().read(path, cache=cache)

    def _columns(self, seed: int) -> Batch:
        numbers = np.arange(self.examples) // self.group_size
        groups = [
            self.draw_group(np.random.default_rng([seed, number, 1]))
            for number in range(numbers[-1] + 1)
        ]
        rows = []
        for index, number in enumerate(numbers):
            rng, group = np.random.default_rng([seed, index]), groups[number]
            label = self.draw_class(rng, group)
            rows.append({"label": label, **group, **self.example(rng, label, group)})
        columns = {name: _column([row[name] for row in rows]) for name in rows[0]}
        columns["id"] = object_column(f"example-{index:05d}" for index in range(self.examples))
        if self.group_size > 1:
            columns["group"] = object_column(f"group-{number:05d}" for number in numbers)
        return columns


def _column(values: list[Any]) -> np.ndarray:
    return np.stack(values) if isinstance(values[0], np.ndarray) else object_column(values)
