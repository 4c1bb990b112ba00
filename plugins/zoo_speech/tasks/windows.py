"""Long recordings in overlapping windows, and what the network says of them put together.

Windows start at even distances and have one length, but for the last, which ends with the
recording. So those that lie within the first part of a recording do not depend on how it goes
on, and streaming sees the same ones as a whole file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import zoo
from zoo_speech.audio.recording import Stretch

_GRID = 0.24
"""Seconds that the lengths of windows are multiples of: whole frames of 10, 20, 24, 40 or 80 ms,
so that the frames of two windows fall on each other."""


@dataclass(frozen=True)
class Cut:
    """How long recordings are cut, in samples.

    Attributes:
        length: of a window.
        context: at each end of a window, which is seen but whose outputs are dropped where
            the neighbouring window has them.
    """

    length: int
    context: int

    @classmethod
    def of(cls, seconds: float, context: float, rate: int) -> Cut:
        """Return the cut whose windows have some seconds at a rate, or a little more.

        Raises:
            ConfigError: the context leaves nothing of the window.
        """
        if 2 * context >= seconds:
            raise zoo.ConfigError(
                f"task.window_seconds is {seconds:g} and task.context_seconds {context:g}; the "
                "context at both ends leaves nothing of a window.",
                hint="Set task.window_seconds to more than twice task.context_seconds.",
            )
        side = round(context / _GRID)
        parts = max(math.ceil(round(seconds / _GRID, 6)), 2 * side + 1)
        return cls(round(parts * _GRID * rate), round(side * _GRID * rate))

    @property
    def step(self) -> int:
        """From the start of a window to that of the next, samples."""
        return self.length - 2 * self.context

    def starts(self, whole: int) -> np.ndarray:
        """Return where the windows of a recording of `whole` samples start, int64."""
        return np.arange(1 + max(0, -(-(whole - self.length) // self.step))) * self.step


def cut_recordings(examples: zoo.Examples, cut: Cut) -> zoo.Examples:
    """Return the examples with long recordings in windows, each a row.

    Columns are those of the examples, with the window as `recording` and its `length`, and
    further `example`, the row in `examples`; `start`, in samples; and `known`, whether what
    is said of the example is said of the row.

    Args:
        examples: have `recording` and `length`; where none is too long they are returned.
        cut: how.
    """
    batch = zoo.all_rows(examples)
    if not np.any(batch["length"] > cut.length):
        return examples
    starts = [cut.starts(int(length)) for length in batch["length"]]
    counts = np.array([len(each) for each in starts])
    rows, start = np.repeat(np.arange(len(counts)), counts), np.concatenate(starts)
    end = np.minimum(start + cut.length, batch["length"][rows])
    columns = {name: column[rows] for name, column in batch.items()}
    columns["recording"] = zoo.object_column(
        recording if alone else Stretch(recording, int(first), int(last))
        for recording, alone, first, last in zip(
            columns["recording"], counts[rows] == 1, start, end, strict=True
        )
    )
    known = counts[rows] == 1
    return zoo.Columns(
        {**columns, "length": end - start, "example": rows, "start": start, "known": known}
    )


def example_of(windows: zoo.Batch) -> np.ndarray:
    """Return the row in the examples of each window, int64 [windows]."""
    return windows.get("example", np.arange(len(windows["length"])))


def parts_of(
    frames: Sequence[np.ndarray], lengths: np.ndarray, cut: Cut
) -> tuple[list[np.ndarray], float]:
    """Return what each window tells of its recording, and how many samples a frame has.

    Together the parts are the frames of the recording. All but the last stay as they are if
    the recording goes on.

    Args:
        frames: of each window of a recording in order, each [frames, ...].
        lengths: of the windows, samples.
        cut: how the recording was cut.
    """
    count = max(len(frames[0]), 1)
    samples = float(lengths[0]) / count
    if len(frames) == 1:
        return [frames[0]], samples
    edge = round(cut.context / samples)
    full = count - edge
    first, *middle, last = frames
    parts = [first[:full], *(each[edge:full] for each in middle), last[edge:]]
    return parts, cut.step / (full - edge)  # a window tells of one step


def mean_by_example(values: Any, windows: zoo.Batch, count: int) -> np.ndarray:
    """Return the mean of values [windows, ...] over the windows of each example, by length."""
    example, weight = example_of(windows), windows["length"].astype(np.float64)
    total = np.zeros((count, *np.shape(values)[1:]))
    np.add.at(total, example, np.asarray(values, np.float64) * weight[:, None])
    return total / np.bincount(example, weight, minlength=count)[:, None]
