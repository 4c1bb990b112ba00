"""Where recordings come from: the user's files, or the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zoo

from zoo_newplugin.recordings import WavFile, Whistle


@dataclass(frozen=True, kw_only=True)
class LabelledRecordings(zoo.LabelledFiles):
    """Recordings in the user's files; an example has `recording` and its `length` in samples."""

    title: ClassVar[str] = "recordings"
    column: ClassVar[str] = "recording"
    suffixes: ClassVar[tuple[str, ...]] = (".wav",)

    rate: int = zoo.setting(16_000, "Samples a second that recordings are read at.", minimum=1000)

    def file(self, path: Path) -> WavFile:
        return WavFile(path, self.rate)

    def facts(self) -> Mapping[str, Any]:
        return {"rate": self.rate}


@dataclass(frozen=True, kw_only=True)
class Whistles(zoo.GeneratedData):
    """Whistles in noise, whose pitch falls, rises, stays or warbles."""

    classes: ClassVar[tuple[str, ...]] = ("falling", "rising", "steady", "warbling")
    files: ClassVar[type[zoo.LabelledData]] = LabelledRecordings

    rate: int = zoo.setting(8_000, "Samples a second.", minimum=1000)
    seconds: float = zoo.setting(1.5, "Mean length of a recording, s.", minimum=0.1)

    def example(
        self, rng: np.random.Generator, label: str, group: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        seconds = self.seconds * rng.uniform(0.7, 1.3)
        whistle = Whistle(label, int(rng.integers(2**31)), self.rate, seconds)
        return {"recording": whistle, "length": int(self.rate * seconds)}

    def facts(self) -> Mapping[str, Any]:
        return {"rate": self.rate}

    def reader(self) -> zoo.LabelledData:
        return LabelledRecordings(classes=self.classes, rate=self.rate)
