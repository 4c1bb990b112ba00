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

from zoo_newplugin.preprocessing import RecordingPreprocessing

_BANDS = 64


@dataclass(frozen=True, kw_only=True)
class ClassifyRecordings(zoo.StretchClassification):
    """Says which class a recording belongs to."""

    preprocessing: ClassVar[type[zoo.Preprocessing]] = RecordingPreprocessing

    seconds: float = zoo.setting(1.0, "Length of a stretch that the network sees, s.", minimum=0.1)

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> RecordingPreprocessing:
        fields = self.class_fields(zoo.all_rows(train), info)
        rate = int(info.facts["rate"])
        return RecordingPreprocessing(**fields, rate=rate, length=round(self.seconds * rate))

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        return {
            **super().baselines(preprocessing),
            "Logistic regression on the mean spectrum": zoo.classical_baseline(
                regression, mean_spectra, preprocessing.classes
            ),
        }


def mean_spectra(batch: zoo.Batch) -> np.ndarray:
    """Return the logarithm of the mean power of whole recordings, float64 [batch, bands]."""
    rows = []
    for recording in batch["recording"]:
        sound = recording.read()
        padded = np.pad(sound, (0, max(0, 2 * _BANDS - len(sound))))
        rows.append(np.log(welch(padded, nperseg=2 * _BANDS)[1] + 1e-10))
    return np.stack(rows)
