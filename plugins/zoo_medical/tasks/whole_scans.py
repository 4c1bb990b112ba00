"""What tasks have in common that see each scan whole, with labels or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import zoo
from zoo_medical.preprocessing import canvas, look_at
from zoo_medical.tasks.varied import NOTICE, Varied


@dataclass(frozen=True, kw_only=True)
class WholeScans(Varied):
    """Scans on a canvas of one size; a task inherits from it before its own base."""

    size: int = zoo.setting(
        0, "Longer side of the model's input, px; 0 takes that of the scans, up to 224.", minimum=0
    )

    def scan_fields(self, train: zoo.Batch) -> dict[str, Any]:
        """Return what a preprocessing of whole scans learns of them, as its fields."""
        look = look_at(train["scan"])
        return {
            "shape": canvas(look, self.size),
            "channels": look.channels,
            "mean": look.mean,
            "deviation": look.deviation,
        }


@dataclass(frozen=True, kw_only=True)
class WithoutLabels(WholeScans, zoo.Task):
    """A task that learns from scans alone, to start other tasks."""

    notice: ClassVar[str] = NOTICE

    def labelled(self, batch: zoo.Batch) -> bool:
        """Return True: a scan says itself what is to be found."""
        return "scan" in batch

    def units(self, truth: zoo.Batch) -> np.ndarray | None:
        return truth.get("group")
