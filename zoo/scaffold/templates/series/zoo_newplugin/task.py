"""The task: what series, classes and predictions mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import zoo
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zoo_newplugin.preprocessing import SeriesPreprocessing, channel_scales

_LAGS = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class ClassifySeries(zoo.StretchClassification):
    """Says which class a time series belongs to."""

    preprocessing: ClassVar[type[zoo.Preprocessing]] = SeriesPreprocessing

    steps: int = zoo.setting(128, "Length of a stretch that the network sees, steps.", minimum=16)

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> SeriesPreprocessing:
        columns = zoo.all_rows(train)
        centre, spread = channel_scales(columns)
        return SeriesPreprocessing(
            **self.class_fields(columns, info),
            channels=tuple(info.facts["channels"]),
            centre=centre,
            spread=spread,
            length=self.steps,
        )

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        return {
            **super().baselines(preprocessing),
            "Logistic regression on statistics": zoo.classical_baseline(
                regression, statistics, preprocessing.classes
            ),
        }


def statistics(batch: zoo.Batch) -> np.ndarray:
    """Return moments and autocorrelations of each channel of whole series, [batch, features]."""
    rows = []
    for series in batch["series"]:
        values = np.nan_to_num(series.read().astype(np.float64))
        mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
        standard = (values - mean) / spread
        moments = [mean, spread, (standard**3).mean(axis=0), (standard**4).mean(axis=0)]
        for lag in _LAGS:
            later = standard[lag:] if len(standard) > lag else np.zeros_like(standard)
            moments.append((standard[: len(later)] * later).mean(axis=0))
        rows.append(np.concatenate(moments))
    return np.stack(rows)
