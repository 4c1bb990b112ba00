"""Examples of any length, seen by the network in stretches of one length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from zoo.classification.task import Classification
from zoo.components import Batch, Examples
from zoo.data.examples import all_rows


class Stretches:
    """Examples cut into stretches that overlap by half; the last ends where its example does.

    A row is a stretch: the columns of its example, and `example`, its number, and `start`.

    Args:
        examples: with a column `length`.
        length: of a stretch; an example that is shorter is one.
    """

    def __init__(self, examples: Examples, length: int) -> None:
        self._columns = all_rows(examples)
        starts = [_starts(int(whole), length) for whole in self._columns["length"]]
        self._start = np.concatenate(starts)
        self._example = np.repeat(np.arange(len(starts)), [len(each) for each in starts])

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, rows: np.ndarray, /) -> Batch:
        example = self._example[rows]
        own = {name: column[example] for name, column in self._columns.items()}
        return {**own, "example": example, "start": self._start[rows]}


@dataclass(frozen=True, kw_only=True)
class StretchClassification(Classification):
    """Says which class an example belongs to by the mean of what its stretches say.

    Examples have a column `length`, and the preprocessing a field of that name: how long a
    stretch is. Its `inputs` takes stretches by :func:`zoo.cut_stretches`.
    """

    def windows(self, examples: Examples, preprocessing: Any) -> Examples:
        return Stretches(examples, preprocessing.length)

    def restore(self, outputs: Any, windows: Batch, examples: Batch, preprocessing: Any) -> Batch:
        example = windows["example"]
        logits = np.zeros((len(examples["id"]), np.shape(outputs)[1]))
        np.add.at(logits, example, outputs)
        logits /= np.bincount(example, minlength=len(logits))[:, None]
        return super().restore(logits, windows, examples, preprocessing)


def cut_stretches(batch: Batch, column: str, length: int, filler: float = 0.0) -> np.ndarray:
    """Return stretches of what is in files, float32 [batch, length, ...].

    Args:
        batch: rows that the network sees; a whole example counts from its start.
        column: of the files, each with a `read()` that returns an array [length, ...].
        length: of a stretch.
        filler: what a shorter one is filled up with.
    """

    @cache
    def read(file: Any) -> np.ndarray:
        return file.read()

    files = batch[column]
    starts = batch.get("start", np.zeros(len(files), np.int64))
    found = [read(file)[start : start + length] for file, start in zip(files, starts, strict=True)]
    stretches = np.full((len(found), length, *found[0].shape[1:]), filler, np.float32)
    for row, each in enumerate(found):
        stretches[row, : len(each)] = each
    return stretches


def _starts(whole: int, length: int) -> np.ndarray:
    """Return where the stretches of an example begin."""
    last = max(whole - length, 0)
    return np.unique([*range(0, last, max(length // 2, 1)), last])
