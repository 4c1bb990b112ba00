"""Long recordings in overlapping windows, and what the network says of them put together.

Windows start at even distances and have one length, but for the last, which ends with the
recording. So those that lie within the first part of a recording do not depend on how it goes
on, and streaming sees the same ones as a whole file.
"""

from __future__ import annotations

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
        """Return the cut nearest to some seconds at a rate.

        Raises:
            ConfigError: the context leaves nothing of the window.
        """
        if 2 * context >= seconds:
            raise zoo.ConfigError(
                f"task.window_seconds is {seconds:g} and task.context_seconds {context:g}; the "
                "context at both ends leaves nothing of a window.",
                hint="Set task.window_seconds to more than twice task.context_seconds.",
            )
        whole = max(1, round((seconds - 2 * context) / _GRID))
        side = round(context / _GRID)
        return cls(*(round(parts * _GRID * rate) for parts in (whole + 2 * side, side)))

    def starts(self, whole: int) -> np.ndarray:
        """Return where the windows of a recording of `whole` samples start, int64."""
        step = self.length - 2 * self.context
        return np.arange(1 + max(0, -(-(whole - self.length) // step))) * step


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


def joined(frames: list[np.ndarray], lengths: np.ndarray, cut: Cut) -> tuple[np.ndarray, float]:
    """Return the frames of a recording, and how many samples a frame has.

    Args:
        frames: of each of its windows in order, each [frames, ...].
        lengths: of the windows, samples.
        cut: how the recording was cut.
    """
    counts = np.array([len(each) for each in frames])
    # A window has a frame more for a part of one, so the largest quotient is nearest.
    samples = float(np.max(lengths / np.maximum(counts, 1)))
    if len(frames) == 1:
        return frames[0], samples
    edge = round(cut.context / samples)
    full = round(cut.length / samples) - edge
    first, *middle, last = frames
    return np.concatenate([first[:full], *(m[edge:full] for m in middle), last[edge:]]), samples


def mean_by_example(values: Any, windows: zoo.Batch, count: int) -> np.ndarray:
    """Return the mean of values [windows, ...] over the windows of each example, by length."""
    example, weight = example_of(windows), windows["length"].astype(np.float64)
    total = np.zeros((count, *np.shape(values)[1:]))
    np.add.at(total, example, np.asarray(values, np.float64) * weight[:, None])
    return total / np.bincount(example, weight, minlength=count)[:, None]
