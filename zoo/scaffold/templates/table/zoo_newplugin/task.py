"""The task: what rows, classes and predictions mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import zoo
from sklearn.ensemble import HistGradientBoostingClassifier

from zoo_newplugin.columns import Features
from zoo_newplugin.preprocessing import TablePreprocessing


@dataclass(frozen=True, kw_only=True)
class ClassifyRows(zoo.Classification):
    """Says which class a row of a table belongs to."""

    preprocessing: ClassVar[type[zoo.Preprocessing]] = TablePreprocessing

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> TablePreprocessing:
        columns = zoo.all_rows(train)
        features = Features(tuple(info.facts["numbers"]), tuple(info.facts["categories"]))
        return TablePreprocessing.fit(columns, features, **self.class_fields(columns, info))

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        def features(batch: zoo.Batch) -> np.ndarray:
            return np.concatenate(list(preprocessing.inputs(batch).values()), axis=1)

        trees = HistGradientBoostingClassifier(early_stopping=True, random_state=0)
        return {
            **super().baselines(preprocessing),
            "Gradient boosting": zoo.classical_baseline(trees, features, preprocessing.classes),
        }
