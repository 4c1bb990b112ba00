"""The task: what texts, classes and predictions mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import zoo
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from zoo_newplugin.preprocessing import TextPreprocessing, learn_vocabulary
from zoo_newplugin.words import words

_READ = 0.98
"""Share of the training texts that are read to their end where that fits the limit."""


@dataclass(frozen=True, kw_only=True)
class ClassifyTexts(zoo.Classification):
    """Says which class a text belongs to."""

    preprocessing: ClassVar[type[zoo.Preprocessing]] = TextPreprocessing

    vocabulary: int = zoo.setting(20_000, "Words that are known, at most.", minimum=1)
    minimum_count: int = zoo.setting(
        2, "Occurrences in training below which a word counts as unknown.", minimum=1
    )
    longest: int = zoo.setting(400, "Words of a text that are read, at most.", minimum=4)

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> TextPreprocessing:
        columns = zoo.all_rows(train)
        length = int(np.quantile([len(words(text)) for text in columns["text"]], _READ))
        return TextPreprocessing(
            **self.class_fields(columns, info),
            vocabulary=learn_vocabulary(columns["text"], self.vocabulary, self.minimum_count),
            length=min(max(length, 4), self.longest),
        )

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        regression = make_pipeline(
            TfidfVectorizer(analyzer=words), LogisticRegression(max_iter=500)
        )
        return {
            **super().baselines(preprocessing),
            "Logistic regression on tf-idf": zoo.classical_baseline(
                regression, lambda batch: batch["text"], preprocessing.classes
            ),
        }
