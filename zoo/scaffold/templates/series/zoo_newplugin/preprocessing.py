"""From series to what the models take, with scales learnt on the training split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import zoo

_PIECES = 8
"""Pieces of a stretch that an explanation flattens one by one."""


@dataclass(frozen=True, kw_only=True)
class SeriesPreprocessing(zoo.ClassPreprocessing):
    """Cuts stretches out of series and standardises each channel; missing is at the mean.

    Attributes:
        channels: names of the channels.
        centre: mean of each channel.
        spread: standard deviation of each, above 0.
        length: of a stretch, steps.
    """

    channels: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    length: int

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        return {"series": zoo.Tensor((self.length, len(self.channels)), names=self.channels)}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        values = zoo.cut_stretches(batch, "series", self.length, filler=np.nan)
        centre, spread = (np.array(each, np.float32) for each in (self.centre, self.spread))
        return {"series": np.nan_to_num((values - centre) / spread)}

    def occlusions(self, batch: zoo.Batch) -> Iterator[tuple[np.ndarray, zoo.Batch]]:
        """Flatten pieces of the first stretch, one after the other."""
        series = self.inputs(batch)["series"]
        edges = np.linspace(0, self.length, _PIECES + 1).astype(int)
        for start, end in pairwise(edges):
            flattened = series.copy()
            flattened[:, start:end] = 0
            there = batch["length"].astype(np.int64) > start
            name = f"steps {start} to {end}"
            yield np.where(there, name, "").astype(object), {"series": flattened}


def channel_scales(train: zoo.Batch) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel over all training series."""
    count, total, squares = 0.0, 0.0, 0.0
    for each in train["series"]:
        values = each.read().astype(np.float64)
        count = count + np.isfinite(values).sum(axis=0)
        total = total + np.nansum(values, axis=0)
        squares = squares + np.nansum(values**2, axis=0)
    centre = total / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(squares / np.maximum(count, 1) - centre**2, 0))
    return tuple(centre.tolist()), tuple(np.where(spread > 0, spread, 1.0).tolist())
