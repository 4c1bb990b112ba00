"""Generated pairs, which try out a translator without any data and can be checked exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from zoo import (
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
from zoo_translation.generator.sentences import draw

_VERSION = 1
"""Rises when equal settings give other sentences."""

_SPLITS = {"train": (0, 1, 2, 3, 4, 5, 6, 7), "validation": (8,), "test": (9,)}
"""The last digits of the sentences in each split: asking for more of them moves none."""


@dataclass(frozen=True, kw_only=True)
class Numbers(Dataset):
    """Sentences with numbers, dates and times as words, in English and German.

    Eight of ten train, one validates and one tests; no two are equal. Examples have the
    columns of :class:`zoo_translation.data.datasets.Pairs`.
    """

    count: int = setting(
        20_000, "How many pairs, all splits together.", minimum=10, maximum=1_000_000
    )
    source: Literal["en", "de"] = setting("en", "The language to translate from.")

    def load(self, *, seed: int, cache: Path) -> Data:
        """See :meth:`zoo.Dataset.load`."""
        pairs = list(islice(draw(np.random.default_rng([seed, _VERSION])), self.count))
        texts = dict(zip(("en", "de"), map(object_column, zip(*pairs, strict=True)), strict=True))
        columns = {
            "id": object_column(f"generator:{number}" for number in range(self.count)),
            "source": texts[self.source],
            "target": texts[self._target],
        }
        digit = np.arange(self.count) % 10
        splits = {
            name: Columns({key: column[np.isin(digit, last)] for key, column in columns.items()})
            for name, last in _SPLITS.items()
        }
        info = DatasetInfo(
            name="generated numbers, dates and times",
            source="generator",
            fingerprint=fingerprint(_VERSION, seed, self.count, self.source),
            counts={name: len(examples) for name, examples in splits.items()},
            facts={"languages": [self.source, self._target]},
        )
        return Data(splits=splits, info=info)

    def check(self, *, seed: int, cache: Path) -> list[Finding]:
        """Return nothing: what is generated has no faults of its own."""
        return []

    def read(self, path: str, *, cache: Path) -> tuple[Examples, list[Finding]]:
        """Read the user's sentences, as :class:`zoo_translation.data.datasets.Pairs` does."""
        from zoo_translation.data.datasets import Pairs

        return Pairs(source=self.source, target=self._target).read(path, cache=cache)

    @property
    def _target(self) -> str:
        return "de" if self.source == "en" else "en"
