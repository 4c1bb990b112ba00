"""Keywords: which of some words, or other classes, a recording is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

import zoo
from zoo_speech.evaluation import baselines, figures
from zoo_speech.preprocessing import KeywordPreprocessing
from zoo_speech.tasks.saliency import saliency
from zoo_speech.tasks.varied import Varied


@dataclass(frozen=True, kw_only=True)
class Keywords(Varied, zoo.StretchClassification):
    """Says which class a recording is of, by the mean of what its stretches say.

    Stretches overlap by half. Predictions are those of :class:`zoo.Classification`.
    """

    monitor: ClassVar[str] = "accuracy"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = KeywordPreprocessing

    seconds: float = zoo.setting(
        1.0, "Length of a stretch that the network sees, s.", minimum=0.1, maximum=60
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> KeywordPreprocessing:
        rate = int(info.facts["rate"])
        fields = self.class_fields(zoo.all_rows(train), info)
        return KeywordPreprocessing(**fields, rate=rate, length=round(self.seconds * rate))

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        return {
            **super().baselines(preprocessing),
            baselines.CLASSICAL: baselines.cepstral(preprocessing.classes),
        }

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        return [
            *super().figures(truth, predictions, decision),
            figures.worst_classified(truth, predictions),
            *figures.explained_classes(truth, predictions),
        ]

    def explained(self, truth: zoo.Batch, predictions: zoo.Batch) -> Sequence[int]:
        return figures.worst_of_classes(truth, predictions)[: figures.EXPLAINED].tolist()

    def explain(
        self, model: keras.Model, preprocessing: Any, batch: zoo.Batch, predictions: zoo.Batch
    ) -> zoo.Batch:
        """Say which pieces of the first stretch speak for its class, and draw where.

        `saliency` is float32 [frames, bands] for each example; see `zoo_speech.tasks.saliency`.
        """
        return {
            **super().explain(model, preprocessing, batch, predictions),
            "saliency": saliency(model, preprocessing.inputs(batch)),
        }

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield the class of each recording, how likely it is, and how long the recording is."""
        return with_seconds(super().records(batch, predictions), batch, predictions)


def with_seconds(
    records: Iterator[dict[str, Any]], batch: zoo.Batch, predictions: zoo.Batch
) -> Iterator[dict[str, Any]]:
    """Yield records with the length of each recording, and saliency where it is known."""
    for row, record in enumerate(records):
        seconds = float(batch["length"][row]) / batch["recording"][row].rate
        found = {**record, "seconds": round(seconds, 3)}
        if "saliency" in predictions:
            found["saliency"] = np.round(predictions["saliency"][row], 4)
        yield found
