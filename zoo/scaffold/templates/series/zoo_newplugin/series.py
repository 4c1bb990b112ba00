"""Series as references: cheap to hold, read when an example is encoded."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zoo


@dataclass(frozen=True)
class SeriesFile:
    """A series in a CSV file: a line of names, then a moment a line.

    Attributes:
        path: of the file.
        channels: names of the columns that are read, in order.
    """

    path: Path
    channels: tuple[str, ...]

    def read(self) -> np.ndarray:
        """Return the series, float32 [steps, channels], NaN where a value is missing.

        Raises:
            DataError: it cannot be read; the message says why.
        """
        names = header(self.path)
        missing = [name for name in self.channels if name not in names]
        if missing:
            raise zoo.DataError(
                f"{self.path.name} has no column {missing[0]!r}.",
                hint=zoo.nearest(missing[0], names),
            )
        places = [names.index(name) for name in self.channels]
        try:
            values = np.loadtxt(
                self.path,
                delimiter=",",
                skiprows=1,
                usecols=places,
                converters=_number,
                ndmin=2,
                encoding="utf-8-sig",
            )
        except (OSError, ValueError) as error:
            raise zoo.DataError(f"{self.path.name} cannot be read: {error}.") from error
        if not len(values):
            raise zoo.DataError(f"{self.path.name} has no line after the names.")
        return values.astype(np.float32)


@dataclass(frozen=True)
class Vibration:
    """The vibration of a machine in two directions; equal fields, equal series.

    Attributes:
        kind: healthy, unbalanced, loose or worn.
        seed: decides speed, phase and noise.
        steps: how many moments.
    """

    kind: str
    seed: int
    steps: int

    def read(self) -> np.ndarray:
        """Return the series, float32 [steps, 2]."""
        rng = np.random.default_rng(self.seed)
        turns = np.arange(self.steps) * rng.uniform(0.03, 0.05) + rng.uniform(0, 1)
        angle = 2 * np.pi * turns
        level = rng.uniform(0.7, 1.4)
        x, y = rng.normal(0, 0.4 * level, (2, self.steps)).cumsum(axis=1) * 0.05
        if self.kind == "unbalanced":  # a quarter of a turn lies between the directions
            x, y = x + np.sin(angle), y + np.cos(angle)
        else:
            x, y = x + np.sin(angle), y + np.sin(angle)
        if self.kind == "loose":  # once a turn it falls back
            y = y + np.where(turns % 1 < 0.12, 0.8, 0.0)
        if self.kind == "worn":  # it rings after each blow
            ringing = np.exp(-12 * (turns % 1)) * np.sin(9 * angle)
            x, y = x + 1.2 * ringing, y + 1.2 * ringing
        noise = rng.normal(0, rng.uniform(0.1, 0.3), (2, self.steps))
        return (level * np.stack([x, y], axis=1) + noise.T).astype(np.float32)


def header(path: Path) -> list[str]:
    """Return the names in a file's first line.

    Raises:
        DataError: there is no line of text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise zoo.DataError(f"{path.name} is no table: {error}.") from error
    if not names:
        raise zoo.DataError(f"{path.name} is empty.")
    return [name.strip() for name in names]


def _number(text: str) -> float:
    return float(text) if text.strip() else math.nan
