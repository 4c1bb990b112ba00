"""Speakers: who speaks, and whether two recordings are of one speaker."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

import zoo
from zoo_speech.evaluation import baselines, figures
from zoo_speech.evaluation.verification import Verification
from zoo_speech.preprocessing import SpeakerPreprocessing, speakers
from zoo_speech.tasks.keywords import with_seconds
from zoo_speech.tasks.saliency import of_first_windows
from zoo_speech.tasks.varied import Varied
from zoo_speech.tasks.windows import Cut, cut_recordings, mean_by_example


@dataclass(frozen=True, kw_only=True)
class Speakers(Varied, zoo.Classification):
    """Says who speaks in a recording, by its column `speaker` or else `label`.

    Predictions are those of :class:`zoo.Classification`, and `embedding`, float32
    [examples, width] of length 1: that of one speaker's recordings point the same way, also of
    a speaker who was not in training.
    """

    monitor: ClassVar[str] = "accuracy"
    preprocessing: ClassVar[type[zoo.Preprocessing]] = SpeakerPreprocessing

    window_seconds: float = zoo.setting(
        20.0, "Recordings longer than this are seen in windows, s.", minimum=1
    )

    def prepare(self, train: zoo.Examples, info: zoo.DatasetInfo) -> SpeakerPreprocessing:
        """Learn the names of the speakers from the training split.

        Raises:
            DataError: it has fewer than two.
        """
        batch = zoo.all_rows(train)
        names = sorted(set(speakers(batch)))
        if len(names) < 2:
            raise zoo.DataError(
                f"The training split has recordings of {' and '.join(names)} only.",
                hint="Say where in a recording's name its speaker stands: --set data.group=...",
            )
        fields = self.class_fields(_named(batch), _with_classes(info, names))
        rate = int(info.facts["rate"])
        longest = self.longest(self.cut(rate).length, rate)
        return SpeakerPreprocessing(**fields, rate=rate, longest=longest)

    def windows(self, examples: zoo.Examples, preprocessing: Any) -> zoo.Examples:
        return cut_recordings(examples, self.cut(preprocessing.rate))

    def cut(self, rate: int) -> Cut:
        """Return how long recordings are cut at a rate."""
        return Cut.of(self.window_seconds, 0.0, rate)

    def predictor(
        self, model: keras.Model, preprocessing: zoo.Preprocessing
    ) -> Callable[[zoo.Batch], zoo.Batch]:
        """Return what gives `logits`, and the `embedding` that they are computed from."""
        embedding = model.get_layer("embedding").output
        both = keras.Model(model.inputs, {"logits": model.output, "embedding": embedding})

        def predict(inputs: zoo.Batch) -> zoo.Batch:
            found = both.predict_on_batch(inputs)
            return {name: np.asarray(each, np.float32) for name, each in found.items()}

        return predict

    def restore(
        self, outputs: zoo.Batch, windows: zoo.Batch, examples: zoo.Batch, preprocessing: Any
    ) -> zoo.Batch:
        """Return the mean over the windows of each recording."""
        count = len(examples["length"])
        logits = mean_by_example(outputs["logits"], windows, count)
        embedding = mean_by_example(_of_length_one(outputs["embedding"]), windows, count)
        return {
            **super().restore(logits, windows, examples, preprocessing),
            "embedding": _of_length_one(embedding).astype(np.float32),
        }

    def decode(self, outputs: zoo.Batch, decision: Mapping[str, float]) -> zoo.Batch:
        return {**super().decode(outputs, decision), "embedding": outputs["embedding"]}

    def tune(self, truth: zoo.Batch, outputs: zoo.Batch) -> dict[str, float]:
        return super().tune(_named(truth), outputs)

    def metrics(self, truth: zoo.Batch, predictions: zoo.Batch) -> list[zoo.Metric]:
        """Return those of classes, and the equal error rate of verification.

        Baselines, which have no embeddings, have none.
        """
        found = super().metrics(_named(truth), predictions)
        if "embedding" not in predictions:
            return found
        pairs = Verification(truth["id"], speakers(truth), predictions["embedding"])
        rate = zoo.Metric("eer", "Equal error rate", pairs.equal_error_rate, higher_is_better=False)
        return [found[0], rate, *found[1:]]

    def references(self, truth: zoo.Batch, predictions: zoo.Batch) -> Mapping[str, float]:
        return super().references(_named(truth), predictions)

    def labelled(self, batch: zoo.Batch) -> bool:
        return "speaker" in batch or "label" in batch

    def units(self, truth: zoo.Batch) -> np.ndarray | None:
        """Return None: speakers are what is recognised, so their recordings are drawn."""
        return None

    def baselines(self, preprocessing: Any) -> Mapping[str, zoo.Baseline]:
        found = {
            **super().baselines(preprocessing),
            baselines.CLASSICAL: baselines.cepstral(preprocessing.classes),
        }
        return {title: _of_named(baseline) for title, baseline in found.items()}

    def figures(
        self, truth: zoo.Batch, predictions: zoo.Batch, decision: Mapping[str, float]
    ) -> list[zoo.Figure]:
        named = _named(truth)
        return [
            *super().figures(named, predictions, decision),
            Verification(truth["id"], speakers(truth), predictions["embedding"]).figure(),
            figures.worst_classified(named, predictions),
            *figures.explained_classes(named, predictions),
        ]

    def explained(self, truth: zoo.Batch, predictions: zoo.Batch) -> Sequence[int]:
        return figures.worst_of_classes(_named(truth), predictions)[: figures.EXPLAINED].tolist()

    def explain(
        self, model: keras.Model, preprocessing: Any, batch: zoo.Batch, predictions: zoo.Batch
    ) -> zoo.Batch:
        """Draw on the spectrogram of the first window what speaks for the speaker.

        `saliency` is float32 [frames, bands] for each example; see `zoo_speech.tasks.saliency`.
        """
        return of_first_windows(self, model, preprocessing, batch)

    def records(self, batch: zoo.Batch, predictions: zoo.Batch) -> Iterator[dict[str, Any]]:
        """Yield the speaker of each recording, how likely that is, and the embedding."""
        records = with_seconds(super().records(batch, predictions), batch, predictions)
        for record, embedding in zip(records, predictions["embedding"], strict=True):
            yield {**record, "embedding": np.round(embedding, 5)}


def _named(batch: zoo.Batch) -> zoo.Batch:
    """Return examples whose `label` is their speaker."""
    return {**batch, "label": speakers(batch)}


def _of_named(baseline: zoo.Baseline) -> zoo.Baseline:
    return lambda train, test: baseline(_named(train), _named(test))


def _with_classes(info: zoo.DatasetInfo, names: list[str]) -> zoo.DatasetInfo:
    return dataclasses.replace(info, facts={**info.facts, "classes": names})


def _of_length_one(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
