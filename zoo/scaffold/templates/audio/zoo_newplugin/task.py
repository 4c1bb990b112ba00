"""The task: what recordings, classes and predictions mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import zoo
from scipy.signal import welch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zoo_newplugin.baselines import classical
from zoo_newplugin.preprocessing import RecordingPreprocessing
from zoo_newplugin.stretches import StretchClassification

_BANDS = 64


@dataclass(frozen=True, kw_only=True)
class ClassifyRecordings(StretchClassification):
    """Says which class a recording belongs to."""

    preprocessing: ClassVar[type[zoo.Preprocessing]] = RecordingPreprocessing

    seconds: float = zoo.setting(1.0, "Length of a stretch that the network sees, s.", minimum=0.1)

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> RecordingPreprocessing:
        classes = tuple(info.facts["classes"])
        rate = int(info.facts["rate"])
        return RecordingPreprocessing(
            classes=classes,
            class_weights=self.weights_of_classes(zoo.all_rows(train), classes),
            rate=rate,
            length=round(self.seconds * rate),
        )

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        return {
            **super().baselines(preprocessing),
            "Logistic regression on the mean spectrum": classical(regression, mean_spectra),
        }


def mean_spectra(batch: zoo.Batch) -> np.ndarray:
    """Return the logarithm of the mean power of whole recordings, float64 [batch, bands]."""
    rows = []
    for recording in batch["recording"]:
        sound = recording.read()
        padded = np.pad(sound, (0, max(0, 2 * _BANDS - len(sound))))
        rows.append(np.log(welch(padded, nperseg=2 * _BANDS)[1] + 1e-10))
    return np.stack(rows)
