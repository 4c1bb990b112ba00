"""From recordings to what the models take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import zoo

_PIECES = 8
"""Pieces of a stretch that an explanation silences one by one."""


@dataclass(frozen=True, kw_only=True)
class RecordingPreprocessing(zoo.ClassPreprocessing):
    """Cuts stretches out of recordings. The models make spectrograms of them themselves.

    Attributes:
        rate: samples a second.
        length: of a stretch, samples.
    """

    rate: int
    length: int

    @property
    def tensors(self) -> dict[str, zoo.Tensor]:
        return {"sound": zoo.Tensor((self.length,))}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"rate": np.array(self.rate)}

    def inputs(self, batch: zoo.Batch) -> zoo.Batch:
        return {"sound": zoo.cut_stretches(batch, "recording", self.length)}

    def occlusions(self, batch: zoo.Batch) -> Iterator[tuple[np.ndarray, zoo.Batch]]:
        """Silence pieces of the first stretch, one after the other."""
        sound = self.inputs(batch)["sound"]
        edges = np.linspace(0, self.length, _PIECES + 1).astype(int)
        for start, end in pairwise(edges):
            silenced = sound.copy()
            silenced[:, start:end] = 0
            name = f"{start / self.rate:.2f} s to {end / self.rate:.2f} s"
            there = batch["length"].astype(np.int64) > start
            yield np.where(there, name, "").astype(object), {"sound": silenced}
