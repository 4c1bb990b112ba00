"""Where series come from: the user's files, or the generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import zoo

from zoo_newplugin.series import SeriesFile, Vibration, header


@dataclass(frozen=True, kw_only=True)
class LabelledSeries(zoo.LabelledFiles):
    """Series in the user's files; an example has `series` and its `length` in steps.

    A whole series is an example, so that no two splits share any of its moments.
    """

    title: ClassVar[str] = "time series"
    column: ClassVar[str] = "series"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    channels: tuple[str, ...] = zoo.setting(
        (), "Columns that are read; by default all of the most frequent header."
    )
    ignore: tuple[str, ...] = zoo.setting(
        ("time", "timestamp", "date"), "Columns that are no channels, such as the time."
    )

    def file(self, path: Path) -> SeriesFile:
        return SeriesFile(path, self.channels)

    def facts(self) -> Mapping[str, Any]:
        return {"channels": list(self.channels)}

    def find(self, path: str, *, labelled: bool) -> zoo.FoundExamples:
        if self.channels:
            return super().find(path, labelled=labelled)
        usual = replace(self, channels=self._usual_channels(path))
        return usual.find(path, labelled=labelled)

    def settled(self, info: zoo.DatasetInfo) -> Self:
        return replace(super().settled(info), channels=tuple(info.facts["channels"]))

    def _usual_channels(self, path: str) -> tuple[str, ...]:
        """Return the columns that most of the files have.

        Raises:
            DataError: no file has any.
        """
        headers: Counter[tuple[str, ...]] = Counter()
        for file in self.paths(path):
            with suppress(zoo.DataError):
                names = (name for name in header(file) if name not in self.ignore)
                headers[tuple(names)] += 1
        channels = max(headers, key=headers.__getitem__, default=())
        if not channels:
            raise zoo.DataError(f"No file at {path} has columns to read.", hint=self.layout)
        return channels


@dataclass(frozen=True, kw_only=True)
class Machines(zoo.GeneratedData):
    """The vibration of machines in two directions, healthy or with one of three faults."""

    classes: ClassVar[tuple[str, ...]] = ("healthy", "loose", "unbalanced", "worn")
    files: ClassVar[type[zoo.LabelledData]] = LabelledSeries
    channels: ClassVar[tuple[str, ...]] = ("x", "y")

    steps: int = zoo.setting(400, "Mean length of a series, steps.", minimum=32)

    def example(
        self, rng: np.random.Generator, label: str, group: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        steps = int(self.steps * rng.uniform(0.7, 1.3))
        return {"series": Vibration(label, int(rng.integers(2**31)), steps), "length": steps}

    def facts(self) -> Mapping[str, Any]:
        return {"channels": list(self.channels)}

    def reader(self) -> zoo.LabelledData:
        return LabelledSeries(classes=self.classes, channels=self.channels)
